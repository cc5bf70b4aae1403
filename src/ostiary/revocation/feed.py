"""Keeps a replica's lease: asks the log, on schedule and when a request cannot wait."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from ostiary import limits
from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Unavailable
from ostiary.revocation.entry import Cursor, Probe, Scope
from ostiary.revocation.replica import Replica

log = logging.getLogger("ostiary.feed")

HINT_INTERVAL = 0.05
"""Seconds between looks at whether another process wrote at all."""


class Source(Protocol):
    """Where the log is: see `ostiary.stores.port.Revocations`."""

    async def probe(self, cursor: Cursor, limit: int) -> Probe: ...
    async def changed(self) -> bool: ...


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
        self._probing = asyncio.Lock()
        self._asked: asyncio.Task[None] | None = None
        self._runner: asyncio.Task[None] | None = None

    async def start(self, *, follow: bool) -> None:
        """Read the whole log once, so that the replica knows; then `follow` it, if others may write to it."""
        await self._probe()
        if follow:
            self._runner = asyncio.create_task(self._run(), name="ostiary-feed")

    async def stop(self) -> None:
        """End the background work."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner

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
                    reply = await self._source.probe(self._replica.cursor, limits.REVOCATION_PAGE)
            except TimeoutError as error:
                raise Unavailable(private="the revocation log did not answer in time") from error
            # a log that does not hold the cursor may have forgotten what it said of keys
            if not reply.matches or any(item.entry.scope is Scope.KEY for item in reply.items):
                self._keys_due = True
            more = self._replica.on_reply(sent_at=sent_at, reply=reply)
        if self._keys_due:
            await self._keys_changed()
            self._keys_due = False

    async def _run(self) -> None:
        due = self._clock.monotonic() + self._replica.lease / 4
        while True:
            await asyncio.sleep(HINT_INTERVAL)
            try:
                if await self._source.changed() or self._clock.monotonic() >= due:
                    async with self._probing:
                        await self._probe()
                    due = self._clock.monotonic() + self._replica.lease / 4
            except OstiaryError as error:
                log.warning("the revocation log could not be read: %s %s", error.code, error.private)
