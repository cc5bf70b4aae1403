"""Being told of revocations: by notifications where they reach us, otherwise by looking."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from ostiary.errors import OstiaryError, Unavailable
from ostiary.revocation.entry import LOOK, Cursor, Entry, Hint, Scope
from ostiary.stores.postgres.connecting import Connector
from ostiary.stores.postgres.errors import FAILURES, translated

TOLD_BYTES = 7800
"""Of the entries of one notification; the server takes less than 8000."""
_QUIET_SECONDS = 5.0  # after which a listener asks whether the server is still there
_ANSWER_SECONDS = 2.0
_LOOK_SECONDS = 0.1  # between looks where nobody tells


def told(entries: Sequence[Entry], nonces: Sequence[int]) -> str:
    """What listeners get of these entries, behind `place`: the last one's nonce and all of them; or nothing, if they
    are too many for one notification."""
    if not entries:
        return ""
    text = json.dumps([[e.scope.value, e.id, e.value, e.until] for e in entries], separators=(",", ":"))
    return f"{nonces[-1]} {text}" if len(text) <= TOLD_BYTES else ""


def place(items: str, position: str, text: str) -> str:
    """SQL: what `told` gave as `text`, and before it the position and the nonce of the item that the entries follow; no
    nonce if a transaction wrote that item which this statement does not see yet."""
    before = f"coalesce((SELECT nonce FROM {items} WHERE position = {position})::text, '')"  # noqa: S608 - our own names
    return f"CASE WHEN {text}::text = '' THEN '' ELSE {position} || ' ' || {before} || ' ' || {text}::text END"


def heard(text: str) -> Hint:
    """All of it again; `LOOK`, if another version wrote it."""
    if not text:
        return LOOK
    try:
        position, before, last, told_entries = text.split(" ", 3)
        entries = tuple(
            Entry(scope=Scope(scope), id=str(entry_id), value=int(value), until=float(until))
            for scope, entry_id, value, until in json.loads(told_entries)
        )
        if not before and int(position):
            return Hint(entries=entries)
        return Hint(
            entries=entries,
            after=Cursor(position=int(position), nonce=int(before or 0)),
            reached=Cursor(position=int(position) + len(entries), nonce=int(last)),
        )
    except (ValueError, TypeError):
        return LOOK


async def listen(connector: Connector, channel: str) -> AsyncIterator[Hint]:
    """Endless, on a connection of its own; `LOOK` as soon as it listens. Raises Unavailable when the connection is
    lost."""
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
        yield LOOK
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
