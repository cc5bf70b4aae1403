"""What nobody waits for: telling the store when sessions were last used, forgetting what is over."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ostiary import limits
from ostiary.errors import OstiaryError
from ostiary.services.client_authentication import ClientAuthentication
from ostiary.services.context import Context
from ostiary.services.moving import Moving
from ostiary.services.nodes import TELL_INTERVAL, Nodes
from ostiary.services.overview import SAMPLE_INTERVAL, Overview
from ostiary.services.proofs import Proofs
from ostiary.services.recognition import Recognition
from ostiary.services.refresh import Refresh
from ostiary.services.signing_keys import SigningKeys

log = logging.getLogger("ostiary.housekeeping")

FLUSH_INTERVAL = 5.0  # seconds between writes of collected `last_seen_at`
FORGET_INTERVAL = 30.0  # seconds between looks for what may leave memory
PURGE_INTERVAL = 600.0  # seconds between removals from the store
SPENT_SECONDS = 60.0  # what was spent is remembered for so much longer: no clock of a node is that wrong
THROTTLE_SECONDS = 400 * 86_400.0  # counters of failed logins stay for as long as a browser keeps a device's mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many records were removed from the store."""

    sessions: int
    throttles: int
    revocations: int
    audit_events: int
    spent: int = 0


class Housekeeping:
    """Runs beside the server; each part can also be called on its own."""

    def __init__(
        self,
        context: Context,
        recognition: Recognition,
        refresh: Refresh,
        proofs: Proofs,
        moving: Moving,
        client_authentication: ClientAuthentication,
        keys: SigningKeys,
        overview: Overview,
        nodes: Nodes,
    ) -> None:
        self._context = context
        self._recognition = recognition
        self._refresh = refresh
        self._proofs = proofs
        self._moving = moving
        self._client_authentication = client_authentication
        self._keys = keys
        self._overview = overview
        self._nodes = nodes
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin the background work."""
        self._tasks = [
            asyncio.create_task(self._every(FLUSH_INTERVAL, self.flush), name="ostiary-last-seen"),
            asyncio.create_task(self._every(FORGET_INTERVAL, self.forget), name="ostiary-forget"),
            asyncio.create_task(self._every(PURGE_INTERVAL, self._purge), name="ostiary-purge"),
            asyncio.create_task(self._every(SAMPLE_INTERVAL, self._overview.sample), name="ostiary-sample"),
            asyncio.create_task(self._every(TELL_INTERVAL, self._nodes.tell, at_once=True), name="ostiary-tell"),
        ]

    async def stop(self) -> None:
        """End the background work, with everything collected written."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(OstiaryError):
            await self.flush()

    async def flush(self) -> None:
        """Tell the store when sessions were last used, and which turned up elsewhere."""
        unwritten = self._recognition.known.take_unwritten()
        if unwritten:
            await self._context.store.sessions.touch(unwritten)
        await self._moving.flush()

    async def forget(self) -> None:
        """Drop from memory what has expired."""
        now = self._context.now()
        self._context.replica.forget_expired(now)
        self._recognition.known.forget_expired(now)
        self._refresh.forget_old(now)
        self._proofs.forget_expired(now)
        self._client_authentication.forget_old_counts()

    async def purge(self) -> Purged:
        """Remove from the store what nothing refers to any more. Before, see to the keys: rotate if that is due, and
        retire those whose last token has expired."""
        store = self._context.store
        now = self._context.now()
        await self._keys.rotate_due(now)
        await self._keys.retire_finished(now)
        return Purged(
            sessions=await store.sessions.purge(before=now - limits.ENDED_SESSION_SECONDS),
            throttles=await store.throttles.purge(before=now - THROTTLE_SECONDS),
            revocations=await store.revocations.purge(before=now - limits.RECOGNISED_SECONDS),
            audit_events=await store.audit.purge(before=now - limits.AUDIT_SECONDS),
            spent=await store.spent.purge(before=now - SPENT_SECONDS),
        )

    async def _purge(self) -> None:
        await self.purge()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
        """`at_once`: the first time too, so that nobody looks at a node that has said nothing yet."""
        while True:
            if not at_once:
                await asyncio.sleep(seconds)
            at_once = False
            try:
                await work()
            except OstiaryError as error:
                log.warning("housekeeping was put off: %s %s", error.code, error.private)
            except Exception:  # whatever it is, what is over must be forgotten next time all the same
                log.exception("housekeeping failed")
