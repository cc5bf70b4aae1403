"""Being told of revocations: by notifications where they reach us, otherwise by looking."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from ostiary.errors import OstiaryError, Unavailable
from ostiary.revocation.entry import Entry, Scope
from ostiary.stores.postgres.connecting import Connector
from ostiary.stores.postgres.errors import FAILURES, translated

TOLD_BYTES = 7900
"""Of one notification; the server takes less than 8000."""
_QUIET_SECONDS = 5.0  # after which a listener asks whether the server is still there
_ANSWER_SECONDS = 2.0
_LOOK_SECONDS = 0.1  # between looks where nobody tells


def told(entries: Sequence[Entry]) -> str:
    """What listeners get of these entries: all of them, or nothing if they are too many for one notification."""
    if not entries:
        return ""
    text = json.dumps([[e.scope.value, e.id, e.value, e.until] for e in entries], separators=(",", ":"))
    return text if len(text) <= TOLD_BYTES else ""


def heard(text: str) -> tuple[Entry, ...]:
    """The entries again; none, which means "look", if another version wrote it."""
    try:
        return tuple(
            Entry(scope=Scope(scope), id=str(entry_id), value=int(value), until=float(until))
            for scope, entry_id, value, until in (json.loads(text) if text else ())
        )
    except (ValueError, TypeError):
        return ()


async def listen(connector: Connector, channel: str) -> AsyncIterator[tuple[Entry, ...]]:
    """Endless, on a connection of its own; () as soon as it listens. Raises Unavailable when the connection is lost."""
    messages: asyncio.Queue[str | None] = asyncio.Queue()

    def lost(_connection: Any) -> None:
        messages.put_nowait(None)

    def came(_connection: Any, _process: int, _channel: str, payload: str) -> None:
        messages.put_nowait(payload)

    try:
        connection = await connector.connect(longest=_ANSWER_SECONDS, direct=True)
    except OstiaryError as error:
        raise Unavailable(private=error.private) from error
    try:
        connection.add_termination_listener(lost)
        async with asyncio.timeout(_ANSWER_SECONDS):
            await connection.add_listener(channel, came)
        yield ()
        while True:
            try:
                async with asyncio.timeout(_QUIET_SECONDS):
                    message = await messages.get()
            except TimeoutError:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await connection.execute("SELECT 1")
                continue
            if message is None:
                raise Unavailable(private="postgres: the connection that listens was lost")
            yield heard(message)
    except FAILURES as error:
        raise translated(error) from error
    finally:
        connection.terminate()


async def look(position: Callable[[], Awaitable[Any]]) -> AsyncIterator[None]:
    """Endless; yields at first and whenever the log has grown."""
    seen: object = None
    while True:
        found = await position()
        if found != seen:
            seen = found
            yield
        await asyncio.sleep(_LOOK_SECONDS)
