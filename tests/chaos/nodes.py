"""Six nodes on a real server whose lines are cut and which is killed again and again: is anything accepted too late?

python -m tests.chaos.nodes valkey --revocations 10000 --seed 1 goes on until so many revocations were answered, and
prints how many of them were accepted anywhere later than the lease after that, and the longest that any was.
"""

import argparse
import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tests.servers import postgres, valkey
from tests.servers.proxy import Proxy, proxy

from ostiary.clock import SYSTEM_CLOCK
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Entry
from ostiary.revocation.feed import Feed
from ostiary.revocation.knowledge import Verdict
from ostiary.revocation.replica import Replica
from ostiary.stores.port import Append, Store
from ostiary.stores.postgres import PostgresStore
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing import builders

NODES = 6
T = TypeVar("T")


class Server(Protocol):
    """What is killed and started again."""

    port: int

    def kill(self) -> None: ...
    def start(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One kind of store. `lease`, in seconds, is short, so that many end; `up`: how long its server lives at least and
    at most before it is killed."""

    lease: float
    up: tuple[float, float]
    server: Callable[[], contextlib.AbstractContextManager[Server]]
    open: Callable[[int], Awaitable[Store]]


@contextlib.contextmanager
def _postgres() -> Iterator[Server]:
    with postgres.cluster() as made:
        yield made


BACKENDS = {
    "valkey": Backend(
        lease=0.5,
        up=(0.3, 1.8),
        server=lambda: valkey.server(**valkey.DURABLE),
        open=lambda port: ValkeyStore.open(f"valkey://127.0.0.1:{port}?timeout=0.25"),
    ),
    "postgres": Backend(
        lease=1.0,
        up=(1.0, 4.0),
        server=_postgres,
        open=lambda port: PostgresStore.open(f"postgresql://{postgres.USER}@127.0.0.1:{port}/postgres?pool_size=2"),
    ),
}


class Nobody:
    """What the feed asks of its issuer, where there is none: the log here is never lost."""

    async def keys_changed(self) -> None:
        """There are no keys."""

    async def adopt(self, generation: int, known: int | None) -> int:
        assert known is None, f"the log was lost: {generation}"
        return 0

    async def restore(self, entries: Iterable[Entry]) -> None:
        raise AssertionError(f"the log has lost {len(list(entries))} entries")

    async def make_room(self) -> None:
        """There is enough."""


@dataclass
class Told:
    """What came out. `watched`: what was answered in the last three leases, which every node is asked about."""

    lease: float
    revoked: int = 0
    unanswered: int = 0
    late: int = 0
    longest: float = 0.0
    asked: int = 0
    accepted: int = 0
    kills: int = 0
    cuts: int = 0
    watched: deque[tuple[str, float]] = field(default_factory=deque)

    def __str__(self) -> str:
        return (
            f"{self.revoked} revocations answered, {self.unanswered} not; later than the lease: {self.late}; longest "
            f"{self.longest * 1000:.0f} ms of {self.lease * 1000:.0f}; the valid accepted "
            f"{self.accepted / self.asked:.3f} of the time; {self.kills} kills, {self.cuts} cuts"
        )


class Span:
    """Until so many seconds have passed or so many revocations were answered."""

    def __init__(self, told: Told, seconds: float, revocations: int) -> None:
        self._told = told
        self._end = SYSTEM_CLOCK.monotonic() + seconds
        self._enough = revocations

    @property
    def lasts(self) -> bool:
        return SYSTEM_CLOCK.monotonic() < self._end and self._told.revoked < self._enough


async def run(
    name: str, *, seconds: float, seed: int, revocations: int = 10**9, say: Callable[[Told], None] | None = None
) -> Told:
    """Raises AssertionError if the log loses anything that was acknowledged."""
    backend, chance = BACKENDS[name], random.Random(seed)
    told = Told(lease=backend.lease)
    with backend.server() as server:
        async with contextlib.AsyncExitStack() as stack:
            writer = await _patiently(lambda: backend.open(server.port))
            stack.push_async_callback(writer.close)
            replicas: list[Replica] = []
            lines: list[Proxy] = []
            for _ in range(NODES):
                line = await stack.enter_async_context(proxy(server.port))
                store = await _patiently(lambda port=line.port: backend.open(port))
                stack.push_async_callback(store.close)
                replica = Replica(lease=backend.lease)
                feed = Feed(replica, store.revocations, SYSTEM_CLOCK, Nobody())
                await _patiently(lambda feed=feed: feed.start(follow=True))
                stack.push_async_callback(feed.stop)
                replicas.append(replica)
                lines.append(line)
            span = Span(told, seconds, revocations)
            work = [
                _revoke(writer, told, span, chance),
                _watch(replicas, told, span),
                _kill(server, backend.up, told, span, chance),
                *(_cut(line, told, span, chance) for line in lines),
            ]
            if say is not None:
                work.append(_tell(told, span, say))
            await asyncio.gather(*work)
            await _until_known(replicas, told)
    return told


async def _patiently(step: Callable[[], Awaitable[T]]) -> T:
    """Before any trouble begins: a machine that does much else may take longer than a store waits."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await step()
            except Unavailable:
                await asyncio.sleep(0.05)


async def _revoke(store: Store, told: Told, span: Span, chance: random.Random) -> None:
    number = 0
    while span.lasts:
        name = f"ses_{number}"
        number += 1
        try:
            assert await store.write(Append(builders.entry(name, until=4e9)))
        except Unavailable:
            told.unanswered += 1
            await asyncio.sleep(0.01)
            continue
        told.revoked += 1
        told.watched.append((name, SYSTEM_CLOCK.monotonic()))
        await asyncio.sleep(chance.random() * 0.004)


async def _watch(replicas: list[Replica], told: Told, span: Span) -> None:
    while span.lasts:
        for replica in replicas:
            told.asked += 1
            now = SYSTEM_CLOCK.monotonic()
            told.accepted += replica.judge("ses_valid", 1, "acc", 0, "kid", now) is Verdict.ACCEPTED
            for name, answered_at in told.watched:
                now = SYSTEM_CLOCK.monotonic()
                if replica.judge(name, 1, "acc", 0, "kid", now) is Verdict.ACCEPTED:
                    told.longest = max(told.longest, now - answered_at)
                    told.late += now - answered_at > told.lease
        while told.watched and SYSTEM_CLOCK.monotonic() - told.watched[0][1] > 3 * told.lease:
            told.watched.popleft()
        await asyncio.sleep(0.004)


async def _kill(server: Server, up: tuple[float, float], told: Told, span: Span, chance: random.Random) -> None:
    while span.lasts:
        await asyncio.sleep(chance.uniform(*up))
        await asyncio.to_thread(server.kill)
        told.kills += 1
        await asyncio.sleep(chance.random() * 0.3)
        await asyncio.to_thread(server.start)


async def _cut(line: Proxy, told: Told, span: Span, chance: random.Random) -> None:
    while span.lasts:
        await asyncio.sleep(0.2 + chance.random() * 2)
        line.cut()
        told.cuts += 1
        await asyncio.sleep(0.1 + chance.random() * 1.5)
        line.mend()


async def _until_known(replicas: list[Replica], told: Told) -> None:
    """Whatever was answered is known to every node once the lines are whole again: nothing was skipped."""
    async with asyncio.timeout(60):
        for number in range(told.revoked + told.unanswered):
            name = f"ses_{number}"
            known = [replica for replica in replicas if replica.session_version(name)]
            if not known and told.unanswered:
                continue  # not answered, and not done
            while any(not replica.session_version(name) for replica in replicas):  # noqa: ASYNC110 - six feeds do it
                await asyncio.sleep(0.02)


async def _tell(told: Told, span: Span, say: Callable[[Told], None]) -> None:
    while span.lasts:
        for _ in range(60):
            if span.lasts:
                await asyncio.sleep(1)
        say(told)


def main() -> None:
    logging.getLogger("ostiary").setLevel(logging.ERROR)  # of each cut and each kill everybody has something to say
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", choices=sorted(BACKENDS))
    parser.add_argument("--revocations", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name in given.stores:

        def say(told: Told, name: str = name) -> None:
            print(f"{name}: {told}", flush=True)

        say(asyncio.run(run(name, seconds=given.seconds, seed=given.seed, revocations=given.revocations, say=say)))


if __name__ == "__main__":
    main()
