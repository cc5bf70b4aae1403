"""Look-ups that are asked for at the same time are asked together.

A look-up by id costs far more in sending and waking than in looking. So those that come in one turn of the event loop
go as one statement, and while two such statements are under way the next ones gather. Nobody joins a statement that was
sent already: what was committed before a look-up began is seen by it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
Fetch = Callable[[list[K]], Awaitable[Iterable[tuple[K, V]]]]

_UNDER_WAY = 2  # statements of one kind at once; more would only be smaller


class Gathering(Generic[K, V]):
    """`fetch` gives those of the keys that were found, with their values."""

    def __init__(self, fetch: Fetch[K, V]) -> None:
        self._fetch = fetch
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._under_way = 0
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """None if there is no such thing. Raises what `fetch` raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[V | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        if not self._scheduled and self._under_way < _UNDER_WAY:
            self._scheduled = True
            loop.call_soon(self._send)
        return await future

    def _send(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, {}
        self._under_way += 1
        task = asyncio.create_task(self._answer(waiting))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _answer(self, waiting: dict[K, list[asyncio.Future[V | None]]]) -> None:
        try:
            found = dict(await self._fetch(list(waiting)))
        except Exception as error:  # noqa: BLE001 - theirs who wait, not this task's
            for futures in waiting.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(error)
            return
        for key, futures in waiting.items():
            for future in futures:
                if not future.done():
                    future.set_result(found.get(key))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way -= 1
        if self._waiting and not self._scheduled:
            self._send()
