"""The feed asks the log: who may share a question, and what follows from the answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ostiary.errors import Unavailable
from ostiary.revocation.entry import Cursor, Entry, LogItem, Probe, Scope
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Replica
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


@dataclass
class Source:
    """A log whose answers wait until they are let go; each tells what was committed when it was *sent*."""

    items: list[LogItem] = field(default_factory=list)
    probes: int = 0
    held: bool = False
    answers: asyncio.Condition = field(default_factory=asyncio.Condition)
    let_go: int = 0
    fails: bool = False
    matches: bool = True

    def revoke(self, session_id: str, *, scope: Scope = Scope.SESSION, value: int = 2) -> None:
        position = len(self.items) + 1
        entry = Entry(scope=scope, id=session_id, value=value, until=1e12)
        self.items.append(LogItem(position=position, nonce=position, entry=entry))

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        self.probes += 1
        number = self.probes
        items = tuple(item for item in self.items if item.position > cursor.position)
        if self.held:
            async with self.answers:
                await self.answers.wait_for(lambda: self.let_go >= number)
        if self.fails:
            raise Unavailable(private="down")
        matches, self.matches = self.matches, True
        return Probe(generation=1, matches=matches, items=items if matches else (), complete=matches)

    async def hints(self) -> AsyncIterator[tuple[Entry, ...]]:
        yield ()
        await asyncio.Event().wait()

    async def answer(self, count: int = 1) -> None:
        async with self.answers:
            self.let_go += count
            self.answers.notify_all()


@dataclass
class Made:
    source: Source
    replica: Replica
    clock: FakeClock
    feed: Feed
    key_reads: list[int]


@asynccontextmanager
async def _feed(*, lease: float = 2.0, keys: Callable[[], None] | None = None) -> AsyncIterator[Made]:
    source, clock, replica = Source(), FakeClock(), Replica(lease=lease)
    reads: list[int] = []

    async def keys_changed() -> None:
        reads.append(source.probes)
        if keys is not None:
            keys()

    feed = Feed(replica, source, clock.clock, keys_changed=keys_changed)
    await feed.start(follow=False)
    yield Made(source, replica, clock, feed, reads)
    await feed.stop()


async def _settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_those_who_ask_before_it_is_sent_share_it() -> None:
    """A hundred questions at once are one probe."""
    async with _feed() as made:
        before = made.source.probes

        await asyncio.gather(*(made.feed.ask() for _ in range(100)))

        assert made.source.probes == before + 1


async def test_nobody_joins_a_probe_already_sent() -> None:
    """Its answer may have been made before what they ask about was committed: they get the next one."""
    async with _feed() as made:
        made.source.held = True
        made.source.let_go = made.source.probes
        early = asyncio.create_task(made.feed.ask())
        await _settled()
        assert made.source.probes == 2
        made.source.revoke("s1")

        late = [asyncio.create_task(made.feed.ask()) for _ in range(10)]
        await _settled()
        await made.source.answer()
        await early
        await _settled()

        assert made.replica.session_version("s1") == 0
        assert not any(task.done() for task in late)
        assert made.source.probes == 3
        await made.source.answer()
        await asyncio.gather(*late)
        assert made.replica.session_version("s1") == 2


async def test_one_who_gives_up_does_not_take_the_others_along() -> None:
    """A request that is cancelled leaves the probe to those who share it."""
    async with _feed() as made:
        made.source.held = True
        made.source.let_go = made.source.probes
        first, second = asyncio.create_task(made.feed.ask()), asyncio.create_task(made.feed.ask())
        await _settled()

        first.cancel()
        await _settled()
        await made.source.answer()

        await second
        assert first.cancelled()


async def test_the_lease_counts_from_sending() -> None:
    """Time that the answer took on its way is not lent out (flaw class: leases from receipt)."""
    async with _feed() as made:
        made.source.held = True
        made.source.let_go = made.source.probes
        asked = asyncio.create_task(made.feed.ask())
        await _settled()
        sent_at = made.clock.monotonic
        made.clock.advance(0.7)
        await made.source.answer()

        await asked

        assert made.replica.lease_until == sent_at + 2.0


async def test_a_failure_reaches_everybody_who_asked_and_nobody_else() -> None:
    """Unavailable, no lease, and the next question is asked anew."""
    async with _feed() as made:
        lease = made.replica.lease_until
        made.source.fails = True
        made.clock.advance(5.0)
        outcomes = await asyncio.gather(*(made.feed.ask() for _ in range(3)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
        assert made.replica.lease_until == lease
        made.source.fails = False

        await made.feed.ask()

        assert made.replica.lease_until == made.clock.monotonic + 2.0


async def test_a_log_that_hangs_is_given_up() -> None:
    """After half a lease, with no lease from it."""
    async with _feed(lease=0.02) as made:
        made.source.held = True

        with pytest.raises(Unavailable):
            await made.feed.ask()


async def test_keys_are_read_again_when_the_log_says_so() -> None:
    """And only then."""
    async with _feed() as made:
        made.source.revoke("s1")
        await made.feed.ask()
        assert made.key_reads == []
        made.source.revoke("k1", scope=Scope.KEY, value=0)

        await made.feed.ask()

        assert len(made.key_reads) == 1
        await made.feed.ask()
        assert len(made.key_reads) == 1


async def test_keys_that_could_not_be_read_are_read_at_the_next_probe() -> None:
    """The log has moved on, and will not say it again: the feed remembers that it still has to."""
    trouble = [True]

    def read() -> None:
        if trouble:
            trouble.pop()
            raise Unavailable(private="store down")

    async with _feed(keys=read) as made:
        made.source.revoke("k1", scope=Scope.KEY, value=0)
        with pytest.raises(Unavailable):
            await made.feed.ask()

        await made.feed.ask()

        assert len(made.key_reads) == 2


async def test_keys_are_read_again_when_the_log_lost_the_place() -> None:
    """What it said of keys meanwhile may have been purged."""
    async with _feed() as made:
        made.source.revoke("s1")
        await made.feed.ask()
        made.source.matches = False

        await made.feed.ask()

        assert len(made.key_reads) == 1
