"""Keeps a replica's lease: asks the log, on schedule, when somebody says that there is something, and when a request
cannot wait."""

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ostiary import limits
from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Unavailable
from ostiary.revocation.entry import Cursor, Entry, Hint, Probe, Scope
from ostiary.revocation.reading import Ahead
from ostiary.revocation.replica import Next, Replica

log = logging.getLogger("ostiary.feed")
_CHANCE = secrets.SystemRandom()
_FIRST_PATIENCE = 5.0  # seconds: before it serves, a process has no lease that it could keep


class Source(Protocol):
    """Where the log is: see `ostiary.stores.port.Revocations`."""

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe: ...
    async def catch_up(self, cursor: Cursor) -> Probe | None: ...
    async def acknowledge(self, node: str, cursor: Cursor) -> bool: ...
    def hints(self) -> AsyncIterator[Hint]: ...
    async def leave(self, node: str) -> None: ...


class Keeper(Protocol):
    """What has to be done elsewhere because of what the log says. Each may raise an OstiaryError, and is then asked for
    again after a later answer."""

    async def keys_changed(self) -> None:
        """Signing keys are mentioned, or a mention may have been lost."""
        ...

    async def adopt(self, generation: int, known: int | None) -> int:
        """The log is another one than the replica went by, which knew of this count of "everything" (None: it is new
        here). Return the issuer's count, above `known`, once all that was accepted before this log was made is refused
        by it."""
        ...

    async def restore(self, entries: Iterable[Entry]) -> None:
        """The log has lost these."""
        ...

    async def make_room(self) -> None:
        """The replica is crowded: let an end of everything cover what it holds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """What one process knows of revocations. `lease_left` (seconds, not below 0) and `age` are infinite and 0 where
    nobody else can revoke. `bound`: how long this process may not know of what others end."""

    lease_left: float
    age: float
    entries: int
    bytes: int
    generation: int | None
    bound: float


class _Asking:
    """Those who wait for one probe that has not been sent yet; `hurried` for no longer than the first of them said."""

    __slots__ = ("begun", "hurried", "patient")

    def __init__(self) -> None:
        self.begun = False
        self.patient: list[asyncio.Future[None]] = []
        self.hurried: list[asyncio.Future[None]] = []

    def give_up(self) -> None:
        late, self.hurried = self.hurried, []
        _settle(late, Unavailable(private="the revocation log did not answer in time"))

    def settle(self, error: Exception | None) -> None:
        _settle(self.patient, error)
        _settle(self.hurried, error)


def _settle(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


class Feed:
    """Drives one replica from one source. `chance` gives numbers from 0 to 1, to spread the probes of many nodes."""

    def __init__(
        self,
        replica: Replica,
        source: Source,
        clock: Clock,
        keeper: Keeper,
        *,
        chance: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self._replica = replica
        self._source = source
        self._clock = clock
        self._keeper = keeper
        self._chance = chance
        self._keys_due = False
        self._lost: list[Entry] = []
        self._restoring = False
        self.node = secrets.token_hex(8) if replica.lease != math.inf else ""
        """What the log knows this process by; "" where nobody else can revoke."""
        self._probing = asyncio.Lock()
        self._asking = _Asking()
        self._stopped = False
        self._troubles: set[str] = set()
        self._wake = asyncio.Event()
        self._hinted = False
        self._due_at = 0.0  # of the next probe, by the loop's time
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, *, follow: bool) -> None:
        """Read the whole log once, so that the replica knows; then `follow` it, if others may write to it."""
        await self._probe(_FIRST_PATIENCE)
        if follow:
            self._spawn(self._run(), "ostiary-feed")
            self._spawn(self._listen(), "ostiary-hints")

    async def stop(self) -> None:
        """End the background work. From here on this process accepts nothing, and nobody waits for it."""
        self._stopped = True
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._asking.settle(Unavailable(private="the feed has stopped"))
        if self.node:
            self._replica.lease_until = -math.inf
            with contextlib.suppress(OstiaryError, TimeoutError):
                async with asyncio.timeout(self._patience):
                    await self._source.leave(self.node)

    async def ask(self, within: float | None = None) -> None:
        """Return when the replica holds everything that was committed before this call; raises Unavailable, also after
        `within` seconds.

        All who ask before a probe is sent share it. Nobody joins a probe that has been sent already: it may have been
        answered before what they ask about was committed.
        """
        if self._stopped:
            raise Unavailable(private="the feed has stopped")
        loop = asyncio.get_running_loop()
        asking = self._asking
        if not asking.begun:
            asking.begun = True
            self._spawn(self._answer(), "ostiary-asked")
        future: asyncio.Future[None] = loop.create_future()
        if within is None:
            asking.patient.append(future)
        else:
            if not asking.hurried:
                loop.call_later(within, asking.give_up)
            asking.hurried.append(future)
        await future

    def status(self) -> FeedStatus:
        """Of this process, now."""
        replica, now = self._replica, self._clock.monotonic()
        return FeedStatus(
            lease_left=max(0.0, replica.lease_until - now),
            age=replica.age(now),
            entries=len(replica),
            bytes=replica.size(),
            generation=replica.generation,
            bound=0.0 if replica.lease == math.inf else replica.lease,
        )

    @property
    def _patience(self) -> float:
        """Seconds that one probe may take: what comes later would lend too little."""
        return min(self._replica.lease / 2, 5.0)

    async def _answer(self) -> None:
        async with self._probing:
            asking, self._asking = self._asking, _Asking()
            try:
                await self._probe()
            except BaseException as error:
                cause = error if isinstance(error, Exception) else Unavailable(private="the feed has stopped")
                asking.settle(cause)
                raise
            asking.settle(None)

    async def _probe(self, patience: float | None = None) -> None:
        ahead = Ahead(self._source)
        try:
            await self._read(ahead, patience or self._patience)
        finally:
            await ahead.stop()
        if self._keys_due:
            self._keys_due = False  # before they are read: a hint may say meanwhile that they have changed again
            try:
                await self._keeper.keys_changed()
            except BaseException:
                self._keys_due = True
                raise
        if (self._replica.misses_some or self._lost) and not self._restoring:
            self._restoring = True
            self._spawn(self._restore(), "ostiary-restore")
        if self._replica.crowded:
            await self._keeper.make_room()
            self._look()

    async def _read(self, ahead: Ahead, patience: float) -> None:
        """All that there is, page by page."""
        following, page, behind = Next.MORE, limits.REVOCATION_PAGE, False
        while following is not Next.DONE:
            sent = self._replica.on_send(self._clock.monotonic())
            try:
                async with asyncio.timeout(patience):
                    cursor = self._replica.cursor
                    bulk = await ahead.page(cursor) if behind else None
                    reply = bulk or await self._source.probe(cursor, page, node=self.node)
            except TimeoutError as error:
                raise Unavailable(private="the revocation log did not answer in time") from error
            # a log that does not hold the cursor may have forgotten what it said of keys
            if not reply.matches or _mentions_keys(item.entry for item in reply.items):
                self._keys_due = True
            if reply.reached is not None:
                await ahead.ask(reply.reached)
            following = self._replica.on_reply(sent, reply)
            behind = reply.matches and not reply.complete
            page = min(4 * page, limits.CATCH_UP_PAGE)  # whoever is far behind asks for more at a time
            if following is Next.ADOPT:
                everything = await self._keeper.adopt(reply.generation, self._replica.everything)
                self._keys_due = self._keys_due or self._replica.generation is not None
                self._replica.adopt(reply.generation, everything)

    async def _restore(self) -> None:
        """Later, for one of many nodes may have done it by then. What could not be given back is kept for after a
        later probe: the replica tells of it once."""
        try:
            await asyncio.sleep(self._chance() * min(self._replica.lease / 4, 2.5))
            await self.ask()
            self._lost += self._replica.lost(self._clock.wall())
            await self._keeper.restore(self._lost)
            self._lost = []
        finally:
            self._restoring = False

    async def _listen(self) -> None:
        while True:
            try:
                async for hint in self._source.hints():
                    self._troubles.discard("hints")
                    if hint.entries:
                        self._replica.told(hint)
                        self._keys_due = self._keys_due or _mentions_keys(hint.entries)
                    if not hint.entries or self._keys_due:
                        self._look()
            except OstiaryError as error:
                self._tell("hints", f"nobody tells of revocations: {error.code} {error.private}")
            except Exception:  # noqa: BLE001 - told with its traceback; who ends here would leave all to asking
                self._tell("hints", "hearing of revocations failed", exc_info=True)
            await asyncio.sleep(self._replica.lease / 4)

    def _look(self) -> None:
        """Somebody says that there is something."""
        self._hinted = True
        self._wake.set()

    async def _due(self) -> bool:
        """Return when it is time for a probe, or somebody says that there is something; whether somebody did."""
        timer = asyncio.get_running_loop().call_at(self._due_at, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
        self._wake.clear()
        hinted, self._hinted = self._hinted, False
        return hinted

    def _put_off(self) -> None:
        """A probe follows now, and the next one later."""
        seconds = self._replica.lease / 4 * (0.9 + 0.2 * self._chance())
        self._due_at = asyncio.get_running_loop().time() + seconds

    async def _acknowledged(self) -> bool:
        """Say that all that there is has been applied, for somebody may be waiting for that. False if it has not."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._source.acknowledge(self.node, self._replica.cursor)
        except TimeoutError as error:
            raise Unavailable(private="the revocation log did not answer in time") from error

    async def _run(self) -> None:
        self._put_off()
        while True:
            hinted = await self._due()
            try:
                async with self._probing:
                    is_due = asyncio.get_running_loop().time() >= self._due_at
                    if is_due or not hinted or self._keys_due or not await self._acknowledged():
                        told = self._replica.cursor
                        self._put_off()
                        await self._probe()
                        if hinted and self._replica.cursor != told:
                            await self._acknowledged()
                self._troubles.discard("probe")
            except OstiaryError as error:
                self._tell("probe", f"the revocation log could not be read: {error.code} {error.private}")
            except Exception:  # noqa: BLE001 - as above
                self._tell("probe", "reading the revocation log failed", exc_info=True)

    def _tell(self, trouble: str, text: str, *, exc_info: bool = False) -> None:
        """Once, until it works again."""
        if trouble not in self._troubles:
            self._troubles.add(trouble)
            log.log(logging.ERROR if exc_info else logging.WARNING, "%s", text, exc_info=exc_info)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OstiaryError):
            log.error("%s ended", task.get_name(), exc_info=error)


def _mentions_keys(entries: Iterable[Entry]) -> bool:
    for entry in entries:  # noqa: SIM110 - asked for every hint, by processes that were just woken
        if entry.scope is Scope.KEY:
            return True
    return False
