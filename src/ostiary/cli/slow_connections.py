"""Connections that take for ever to say what they want.

uvicorn closes those that are idle after an answer, and waits for the headers of a request without end: a few thousand
sockets that send a byte now and then would hold it.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ostiary import limits


class SlowConnections:
    """Looks at all connections now and then, so that no request pays for it. `connections` gives uvicorn's protocols.

    One waits for headers if the last request, should there have been one, is answered, and uvicorn's own timer for idle
    connections does not run: either nothing has come yet, or something that is no request so far.
    """

    def __init__(self, connections: Callable[[], Iterable[Any]], *, seconds: float = limits.HEADERS_SECONDS) -> None:
        self._connections = connections
        self._seconds = seconds
        self._waiting: dict[Any, tuple[Any, float]] = {}

    async def watch(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._seconds / 4)
            self.look(loop.time())

    def look(self, now: float) -> None:
        """Close those that have been seen waiting since `now` - `seconds`."""
        waiting: dict[Any, tuple[Any, float]] = {}
        for connection in list(self._connections()):
            last = connection.cycle
            if connection.timeout_keep_alive_task is None and (last is None or last.response_complete):
                answered, since = self._waiting.get(connection, (last, now))
                if answered is not last:
                    since = now
                if now - since >= self._seconds:
                    connection.transport.close()
                else:
                    waiting[connection] = (last, since)
        self._waiting = waiting
