"""Six nodes on a real Valkey whose lines are cut and which is killed again and again: is anything accepted too late?

python -m tests.chaos.valkey_nodes --seconds 120 --seed 1 prints how many revocations were answered, how many were
accepted anywhere later than the lease after that, and the longest that any was.
"""

import argparse
import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.servers import valkey
from tests.servers.proxy import Proxy, proxy

from ostiary.clock import SYSTEM_CLOCK
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Entry
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Replica, Verdict
from ostiary.stores.port import Append
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing import builders

LEASE = 0.5
NODES = 6
WATCHED = 3 * LEASE
"""For how long after its answer a revocation is asked for at every node."""


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
    """What came out."""

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
            f"{self.longest * 1000:.0f} ms of {LEASE * 1000:.0f}; the valid accepted {self.accepted / self.asked:.3f} "
            f"of the time; {self.kills} kills, {self.cuts} cuts"
        )


async def run(*, seconds: float, seed: int, faults: bool = True) -> Told:
    """Raises AssertionError if the log loses anything that was acknowledged."""
    chance, told, end = random.Random(seed), Told(), SYSTEM_CLOCK.monotonic() + seconds
    with valkey.server(**valkey.DURABLE) as server:
        async with contextlib.AsyncExitStack() as stack:
            replicas: list[Replica] = []
            lines: list[Proxy] = []
            for _ in range(NODES):
                line = await stack.enter_async_context(proxy(server.port))
                store = await ValkeyStore.open(f"valkey://127.0.0.1:{line.port}?timeout=0.25")
                stack.push_async_callback(store.close)
                replica = Replica(lease=LEASE)
                feed = Feed(replica, store.revocations, SYSTEM_CLOCK, Nobody())
                await feed.start(follow=True)
                stack.push_async_callback(feed.stop)
                replicas.append(replica)
                lines.append(line)
            writer = await ValkeyStore.open(server.url())
            stack.push_async_callback(writer.close)
            work = [_revoke(writer, told, end, chance), _watch(replicas, told, end)]
            if faults:
                work += [_kill(server, told, end, chance), *(_cut(line, told, end, chance) for line in lines)]
            await asyncio.gather(*work)
            await _until_known(replicas, told)
    return told


async def _revoke(store: ValkeyStore, told: Told, end: float, chance: random.Random) -> None:
    number = 0
    while SYSTEM_CLOCK.monotonic() < end:
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


async def _watch(replicas: list[Replica], told: Told, end: float) -> None:
    while SYSTEM_CLOCK.monotonic() < end:
        for replica in replicas:
            told.asked += 1
            now = SYSTEM_CLOCK.monotonic()
            told.accepted += replica.judge("ses_valid", 1, "acc", 0, "kid", now) is Verdict.ACCEPTED
            for name, answered_at in told.watched:
                now = SYSTEM_CLOCK.monotonic()
                if replica.judge(name, 1, "acc", 0, "kid", now) is Verdict.ACCEPTED:
                    told.longest = max(told.longest, now - answered_at)
                    told.late += now - answered_at > LEASE
        while told.watched and SYSTEM_CLOCK.monotonic() - told.watched[0][1] > WATCHED:
            told.watched.popleft()
        await asyncio.sleep(0.004)


async def _kill(server: valkey.Server, told: Told, end: float, chance: random.Random) -> None:
    while SYSTEM_CLOCK.monotonic() < end:
        await asyncio.sleep(0.3 + chance.random() * 1.5)
        await asyncio.to_thread(server.kill)
        told.kills += 1
        await asyncio.sleep(chance.random() * 0.3)
        await asyncio.to_thread(server.start)


async def _cut(line: Proxy, told: Told, end: float, chance: random.Random) -> None:
    while SYSTEM_CLOCK.monotonic() < end:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(asyncio.run(run(seconds=given.seconds, seed=given.seed)))


if __name__ == "__main__":
    main()
