"""Nodes, links and a log in virtual time: hours of it pass in seconds, and every run of a seed is the same run."""

import asyncio
import random
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ostiary.clock import Clock
from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Cursor, Entry, Hint, Probe, Scope
from ostiary.revocation.feed import Feed
from ostiary.revocation.knowledge import Verdict
from ostiary.revocation.replica import Replica
from ostiary.stores.memory.log import MemoryLog

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Instead of waiting, time passes."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            self.elapsed += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only when there is nothing else to do."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return 1000.0 + self._virtual.elapsed


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run it to its end."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main())  # type: ignore[arg-type]
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def now() -> float:
    """Virtual seconds."""
    return asyncio.get_running_loop().time()


@dataclass
class Issuer:
    """The issuer's record, in a store of its own that loses nothing."""

    everything: int = 0
    log_generation: int = 0


@dataclass
class Link:
    """Between a node and the log. `to`, `back`: seconds that a question and its answer take. `cut`: nothing arrives.
    Hints are lost and repeated with these chances, and take any time up to `hint_delay`."""

    log: "Log"
    chance: random.Random
    to: float = 0.001
    back: float = 0.001
    cut: bool = False
    lost: float = 0.0
    repeated: float = 0.0
    hint_delay: float = 0.0

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        await self._travel(self.to)
        reply = await self.log.now.probe(cursor, limit, node=node)
        await self._travel(self.back)
        return reply

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        return None

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        await self._travel(self.to)
        noted = await self.log.now.acknowledge(node, cursor)
        await self._travel(self.back)
        return noted

    async def hints(self) -> AsyncIterator[Hint]:
        heard: asyncio.Queue[Hint] = asyncio.Queue()

        async def listen() -> None:
            log = self.log.now
            async for hint in log.hints():
                for _ in range(2 if self.chance.random() < self.repeated else 1):
                    if not self.cut and self.chance.random() >= self.lost:
                        delay = self.chance.random() * self.hint_delay
                        asyncio.get_running_loop().call_later(delay, heard.put_nowait, hint)

        listening = asyncio.create_task(listen())
        log = self.log.now
        try:
            while self.log.now is log:
                try:
                    async with asyncio.timeout(1.0):
                        hint = await heard.get()
                except TimeoutError:
                    continue
                yield hint
        finally:
            listening.cancel()
        raise Unavailable(private="the log is another one")

    async def leave(self, node: str) -> None:
        await self._travel(self.to)
        await self.log.now.leave(node)

    async def _travel(self, seconds: float) -> None:
        if self.cut:
            await asyncio.Event().wait()
        await asyncio.sleep(seconds)
        if self.cut:
            await asyncio.Event().wait()


class Log:
    """The log in force; `wipe` makes it anew. `born`: when."""

    def __init__(self) -> None:
        self.now = MemoryLog(now)
        self.born = now() - 3600.0
        self.down = False

    def append(self, entry: Entry) -> None:
        self.now.tell(self.now.append(entry))

    def wipe(self) -> None:
        self.now = MemoryLog(now)
        self.born = now()

    async def head(self) -> Cursor:
        return await self.now.head()

    async def nudge(self) -> None:
        await self.now.nudge()

    async def pause(self, seconds: float, *, nodes: int) -> None:
        await self.now.pause(seconds, nodes=nodes)

    async def behind(self, cursor: Cursor, *, within: float) -> int | None:
        """As the port says it: a fresh log does not know everybody yet."""
        return None if now() < self.born + within else await self.now.behind(cursor, within=within)


@dataclass
class Keeper:
    """What `LogKeeping` does, on `Issuer`."""

    log: Log
    issuer: Issuer

    async def keys_changed(self) -> None:
        pass

    async def adopt(self, generation: int, known: int | None) -> int:
        issuer = self.issuer
        if issuer.log_generation == generation and (known is None or issuer.everything > known):
            return issuer.everything
        if not (known is None and issuer.log_generation == 0):
            issuer.everything = max(issuer.everything, known or 0) + 1
            entry = Entry(scope=Scope.EVERYTHING, id="", value=issuer.everything, until=1e12)
            self.log.append(entry)
        issuer.log_generation = generation
        return issuer.everything

    async def restore(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.log.append(entry)

    async def make_room(self) -> None:
        pass


@dataclass
class Node:
    """One process. `drift`: by how much its clock runs fast."""

    log: Log
    issuer: Issuer
    seed: int
    lease: float = 2.0
    drift: float = 0.0
    replica_type: type[Replica] = Replica
    link: Link = field(init=False)
    replica: Replica = field(init=False)
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.link = Link(self.log, chance)
        self.replica = self.replica_type(lease=self.lease)
        clock = Clock(wall=now, monotonic=self.monotonic)
        keeper = Keeper(self.log, self.issuer)
        self.feed = Feed(self.replica, self.link, clock, keeper, chance=chance.random)

    def monotonic(self) -> float:
        return now() * (1 + self.drift)

    def accepts(self, session_id: str, everything: int = 0) -> bool:
        epoch = everything * EPOCHS_PER_EVERYTHING
        return self.replica.judge(session_id, 1, "a", epoch, "k", self.monotonic()) is Verdict.ACCEPTED


def ended(session_id: str) -> Entry:
    """Its entry."""
    return Entry(scope=Scope.SESSION, id=session_id, value=9, until=1e12)


async def last_accepted(node: Node, session_id: str, *, since: float, within: float) -> float:
    """How long after `since` the node accepted the session last, looked at every 5 ms; -1 if it never did."""
    last = -1.0
    while now() < since + within:
        if node.accepts(session_id):
            last = now() - since
        await asyncio.sleep(0.005)
    return last
