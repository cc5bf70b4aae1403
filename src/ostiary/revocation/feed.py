"""Keeps a replica's lease: asks the log, on schedule and when a request cannot wait."""

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from ostiary import limits
from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Unavailable
from ostiary.revocation.entry import Cursor, Entry, Probe, Scope
from ostiary.revocation.replica import Replica

log = logging.getLogger("ostiary.feed")


class Source(Protocol):
    """Where the log is: see `ostiary.stores.port.Revocations`."""

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe: ...
    def hints(self) -> AsyncIterator[tuple[Entry, ...]]: ...


class Feed:
    """Drives one replica from one source.

    `keys_changed` is awaited after an answer that mentions signing keys or may have left one out, until it succeeds.
    """

    def __init__(
        self,
        replica: Replica,
        source: Source,
        clock: Clock,
        *,
        keys_changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._replica = replica
        self._source = source
        self._clock = clock
        self._keys_changed = keys_changed
        self._keys_due = False
        self._node = secrets.token_hex(8) if replica.lease != math.inf else ""
        self._probing = asyncio.Lock()
        self._asked: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, follow: bool) -> None:
        """Read the whole log once, so that the replica knows; then `follow` it, if others may write to it."""
        await self._probe()
        if follow:
            self._tasks = [
                asyncio.create_task(self._run(), name="ostiary-feed"),
                asyncio.create_task(self._listen(), name="ostiary-hints"),
            ]

    async def stop(self) -> None:
        """End the background work."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def ask(self) -> None:
        """Return when the replica holds everything that was committed before this call; raises Unavailable.

        All who ask before a probe is sent share it. Nobody joins a probe that has been sent already: it may have been
        answered before what they ask about was committed.
        """
        if self._asked is None:
            self._asked = asyncio.create_task(self._answer())
        await asyncio.shield(self._asked)

    async def _answer(self) -> None:
        async with self._probing:
            self._asked = None
            await self._probe()

    async def _probe(self) -> None:
        more = True
        while more:
            sent_at = self._clock.monotonic()
            timeout = min(self._replica.lease / 2, 5.0)
            try:
                async with asyncio.timeout(timeout):
                    reply = await self._source.probe(self._replica.cursor, limits.REVOCATION_PAGE, node=self._node)
            except TimeoutError as error:
                raise Unavailable(private="the revocation log did not answer in time") from error
            # a log that does not hold the cursor may have forgotten what it said of keys
            if not reply.matches or any(item.entry.scope is Scope.KEY for item in reply.items):
                self._keys_due = True
            more = self._replica.on_reply(sent_at=sent_at, reply=reply)
        if self._keys_due:
            await self._keys_changed()
            self._keys_due = False

    async def _listen(self) -> None:
        while True:
            try:
                async for entries in self._source.hints():
                    self._replica.apply(entries)
                    self._look.set()
            except OstiaryError as error:
                log.warning("nobody tells of revocations: %s %s", error.code, error.private)
            await asyncio.sleep(self._replica.lease / 4)

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._replica.lease / 4):
                    await self._look.wait()
            self._look.clear()
            try:
                async with self._probing:
                    await self._probe()
            except OstiaryError as error:
                log.warning("the revocation log could not be read: %s %s", error.code, error.private)
