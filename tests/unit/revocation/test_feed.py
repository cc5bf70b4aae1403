"""The feed asks the log: who may share a question, and what follows from the answer."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.errors import Unavailable
from ostiary.revocation.entry import LOOK, Cursor, Entry, Hint, LogItem, Probe, Scope
from ostiary.revocation.feed import Feed
from ostiary.revocation.knowledge import Verdict
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
    generation: int = 1
    left: list[str] = field(default_factory=list)
    cursors: list[Cursor] = field(default_factory=list)
    acknowledged: list[Cursor] = field(default_factory=list)
    hinted: asyncio.Queue[Hint] = field(default_factory=asyncio.Queue)

    def revoke(self, session_id: str, *, scope: Scope = Scope.SESSION, value: int = 2) -> None:
        position = len(self.items) + 1
        entry = Entry(scope=scope, id=session_id, value=value, until=1e12)
        self.items.append(LogItem(position=position, nonce=position, entry=entry))

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        self.probes += 1
        self.cursors.append(cursor)
        number = self.probes
        items = tuple(item for item in self.items if item.position > cursor.position)
        if self.held:
            async with self.answers:
                await self.answers.wait_for(lambda: self.let_go >= number)
        if self.fails:
            raise Unavailable(private="down")
        matches, self.matches = self.matches, True
        return Probe(generation=self.generation, matches=matches, items=items if matches else (), complete=matches)

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        return None

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        if self.fails:
            raise Unavailable(private="down")
        newest = self.items[-1] if self.items else None
        stands = Cursor() if newest is None else Cursor(position=newest.position, nonce=newest.nonce)
        if cursor != stands:
            return False
        self.acknowledged.append(cursor)
        return True

    async def hints(self) -> AsyncIterator[Hint]:
        while True:
            yield await self.hinted.get()

    async def leave(self, node: str) -> None:
        self.left.append(node)

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
    keeper: "Keeper"

    @property
    def key_reads(self) -> list[int]:
        return self.keeper.key_reads


@dataclass
class Keeper:
    source: Source
    keys: Callable[[], None] | None = None
    key_reads: list[int] = field(default_factory=list)
    adopted: list[tuple[int, int | None]] = field(default_factory=list)
    everything: int = 0
    restored: list[Entry] = field(default_factory=list)
    rooms: int = 0
    refuses: int = 0  # so many times, to restore anything
    reading: asyncio.Event | None = None  # until it is set, keys are being read

    async def keys_changed(self) -> None:
        self.key_reads.append(self.source.probes)
        if self.reading is not None:
            await self.reading.wait()
        if self.keys is not None:
            self.keys()

    async def adopt(self, generation: int, known: int | None) -> int:
        self.adopted.append((generation, known))
        if known is not None:
            self.everything = max(self.everything, known + 1)
        return self.everything

    async def restore(self, entries: Iterable[Entry]) -> None:
        if self.refuses:
            self.refuses -= 1
            raise Unavailable(private="not enough replicas")
        for entry in entries:
            self.restored.append(entry)
            self.source.revoke(entry.id, scope=entry.scope, value=entry.value)

    async def make_room(self) -> None:
        self.rooms += 1


@asynccontextmanager
async def _feed(
    *, lease: float = 2.0, keys: Callable[[], None] | None = None, follow: bool = False
) -> AsyncIterator[Made]:
    source, clock, replica = Source(), FakeClock(), Replica(lease=lease)
    keeper = Keeper(source, keys)
    feed = Feed(replica, source, clock.clock, keeper, chance=lambda: 0.0)
    await feed.start(follow=follow)
    source.probes = 0
    yield Made(source, replica, clock, feed, keeper)
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
        assert made.source.probes == 1
        made.source.revoke("s1")

        late = [asyncio.create_task(made.feed.ask()) for _ in range(10)]
        await _settled()
        await made.source.answer()
        await early
        await _settled()

        assert made.replica.session_version("s1") == 0
        assert not any(task.done() for task in late)
        assert made.source.probes == 2
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


async def test_a_new_log_is_adopted_before_it_lends_anything() -> None:
    """The keeper is told what was known, keys are read again, and only then is there a lease (M-30)."""
    async with _feed() as made:
        made.source.revoke("", scope=Scope.EVERYTHING, value=4)
        await made.feed.ask()
        made.source.items.clear()
        made.source.generation = 2

        await made.feed.ask()

        assert made.keeper.adopted == [(1, None), (2, 4)]
        assert made.replica.refuses("s", 1, "a", 5 * EPOCHS_PER_EVERYTHING - 1, "k")
        assert not made.replica.refuses("s", 1, "a", 5 * EPOCHS_PER_EVERYTHING, "k")
        assert len(made.key_reads) == 1


async def test_what_a_log_has_lost_and_could_not_be_given_back_is_given_back_later() -> None:
    """M-06: a store that has just lost something may refuse a write; the replica tells of what was lost only once, so
    the feed remembers that it still has to."""
    async with _feed() as made:
        made.source.revoke("s1")
        await made.feed.ask()
        made.source.items.clear()
        made.source.matches = False
        made.keeper.refuses = 2

        await made.feed.ask()
        await _until(lambda: made.keeper.refuses == 1)
        await _settled()
        await made.feed.ask()
        await _until(lambda: made.keeper.refuses == 0)
        await _settled()
        assert made.keeper.restored == []
        await made.feed.ask()
        await _until(lambda: len(made.keeper.restored) > 0)
        await _settled()
        await made.feed.ask()
        await _settled()

        assert [entry.id for entry in made.keeper.restored] == ["s1"]


async def test_a_log_that_cannot_be_adopted_lends_nothing() -> None:
    """Unavailable, and tried again at the next question."""
    async with _feed() as made:
        lease = made.replica.lease_until
        made.source.generation = 2
        made.clock.advance(5.0)
        adopt = made.keeper.adopt

        async def fails(generation: int, known: int | None) -> int:
            raise Unavailable(private="store down")

        made.keeper.adopt = fails  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            await made.feed.ask()
        assert made.replica.lease_until == lease
        made.keeper.adopt = adopt  # type: ignore[method-assign]

        await made.feed.ask()

        assert made.replica.lease_until == made.clock.monotonic + 2.0


async def test_what_the_log_lost_is_restored() -> None:
    """By one who knows it, once."""
    async with _feed() as made:
        made.source.revoke("s1")
        await made.feed.ask()
        made.source.items.clear()
        made.source.matches = False

        await made.feed.ask()
        await _until(lambda: bool(made.keeper.restored))

        assert [(entry.scope, entry.id, entry.value) for entry in made.keeper.restored] == [(Scope.SESSION, "s1", 2)]
        await made.feed.ask()
        await _settled()
        assert len(made.keeper.restored) == 1


async def test_a_crowded_replica_makes_room() -> None:
    """The keeper is asked for it after the answer that crowds it."""
    async with _feed() as made:
        made.replica.max_entries = 1
        made.source.revoke("s1")
        await made.feed.ask()
        assert made.keeper.rooms == 0
        made.source.revoke("s2")
        await made.feed.ask()
        assert made.keeper.rooms == 1


async def test_hints_are_applied_at_once_and_looks_are_followed() -> None:
    """Entries need no probe; "look" does; what a look brings is acknowledged at once."""
    async with _feed(follow=True, lease=600.0) as made:
        cursor = made.replica.cursor
        await made.source.hinted.put(Hint(entries=(Entry(scope=Scope.SESSION, id="s1", value=2, until=1e12),)))
        await _until(lambda: made.replica.session_version("s1") == 2)
        assert (made.source.probes, made.replica.cursor) == (0, cursor)

        made.source.revoke("s2")
        await made.source.hinted.put(LOOK)
        await _until(lambda: made.source.acknowledged == [Cursor(position=1, nonce=1)])

        assert made.source.probes == 1
        assert made.replica.session_version("s2") == 2


async def test_what_a_hint_brought_is_acknowledged_without_a_probe() -> None:
    """M-33: a hint that continues what was read moves the cursor, so whoever is told to look tells at once that it has
    it."""
    async with _feed(follow=True, lease=600.0) as made:
        made.source.revoke("s1")
        entry, place = made.source.items[0].entry, Cursor(position=1, nonce=1)
        await made.source.hinted.put(Hint(entries=(entry,), after=Cursor(), reached=place))
        await made.source.hinted.put(LOOK)
        await _until(lambda: made.source.acknowledged == [place])
        await _settled()

        assert made.replica.session_version("s1") == 2
        assert made.source.probes == 0


async def test_a_log_that_does_not_take_an_acknowledgement_is_asked_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flaw class: what hangs or fails once ends the following. It is told as any silence of the log is, and the probes
    go on."""
    async with _feed(follow=True, lease=0.1) as made:
        acknowledge = made.source.acknowledge

        async def hang(node: str, cursor: Cursor) -> bool:
            await asyncio.Event().wait()
            return False

        monkeypatch.setattr(made.source, "acknowledge", hang)
        await made.source.hinted.put(LOOK)
        await _until(lambda: any("could not be read" in record.message for record in caplog.records))
        assert not any(record.exc_info for record in caplog.records)
        probes = made.source.probes
        await _until(lambda: made.source.probes > probes + 1)
        monkeypatch.setattr(made.source, "acknowledge", acknowledge)
        await made.source.hinted.put(LOOK)
        await _until(lambda: bool(made.source.acknowledged))


async def test_acknowledging_lends_nothing_and_puts_no_probe_off() -> None:
    """M-30: a process that is told to look again and again asks for its lease as often as any other."""
    async with _feed(follow=True, lease=0.2) as made:
        until = made.replica.lease_until
        made.clock.advance(0.1)

        async def tell() -> None:
            while True:
                await made.source.hinted.put(LOOK)
                await asyncio.sleep(0)

        telling = asyncio.create_task(tell())
        await _until(lambda: len(made.source.acknowledged) > 3)
        await _until(lambda: made.source.probes > 3)
        telling.cancel()
        assert made.replica.lease_until == until + 0.1


async def test_a_hint_of_keys_reads_the_keys() -> None:
    """A rotation is known before the next scheduled probe."""
    async with _feed(follow=True, lease=600.0) as made:
        await made.source.hinted.put(Hint(entries=(Entry(scope=Scope.KEY, id="k", value=0, until=1e12),)))
        await _until(lambda: len(made.key_reads) == 1)


async def test_keys_that_change_while_they_are_read_are_read_again() -> None:
    """M-07: a hint moved the cursor beyond what it says of keys, so no probe says it again; and what was being read may
    be of before."""
    async with _feed(follow=True, lease=600.0) as made:
        made.keeper.reading = asyncio.Event()
        before = Cursor()
        for position in (1, 2):
            made.source.revoke("k", scope=Scope.KEY, value=0)
            entry, place = made.source.items[-1].entry, Cursor(position=position, nonce=position)
            await made.source.hinted.put(Hint(entries=(entry,), after=before, reached=place))
            await _until(lambda: len(made.key_reads) == 1)
            await _until(lambda place=place: made.replica.cursor == place)
            before = place

        made.keeper.reading.set()

        await _until(lambda: len(made.key_reads) == 2)


async def test_a_feed_that_stopped_accepts_nothing_and_is_not_waited_for() -> None:
    """Its lease is given up before it leaves (flaw class: left, and still accepting)."""
    async with _feed(follow=True) as made:
        assert made.replica.judge("s", 1, "a", 0, "k", made.clock.monotonic) is Verdict.ACCEPTED
        await made.feed.stop()
        assert made.replica.judge("s", 1, "a", 0, "k", made.clock.monotonic) is Verdict.UNKNOWN
        assert len(made.source.left) == 1


async def test_trouble_is_told_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """An outage of an hour is not ten thousand lines."""
    async with _feed(follow=True, lease=0.02) as made:
        for times in (1, 2):
            made.source.fails = True
            before = made.source.probes
            await _until(lambda before=before: made.source.probes > before + 5)
            told = [record for record in caplog.records if "could not be read" in record.message]
            assert len(told) == times
            made.source.fails = False
            before = made.source.probes
            await _until(lambda before=before: made.source.probes > before + 2)


async def test_what_nobody_foresaw_does_not_end_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is no Ostiary's, in a probe and in hearing: told with its place, once, and it goes on (M-33)."""
    async with _feed(follow=True, lease=0.02) as made:
        probe, broken = made.source.probe, True

        async def odd(cursor: Cursor, limit: int, *, node: str = "") -> Probe:
            if broken:
                made.source.probes += 1
                raise ZeroDivisionError
            return await probe(cursor, limit, node=node)

        monkeypatch.setattr(made.source, "probe", odd)
        made.source.hinted.put_nowait(None)  # type: ignore[arg-type] # what no source says
        before = made.source.probes
        await _until(lambda: made.source.probes > before + 5)
        told = [record for record in caplog.records if record.exc_info]
        assert sorted(record.message.split()[0] for record in told) == ["hearing", "reading"]
        broken = False
        made.source.revoke("s1")
        await _until(lambda: len(made.replica) == 1)


async def test_those_who_wait_when_it_stops_are_told() -> None:
    """Also those whose probe has not been sent; and who asks later."""
    async with _feed() as made:
        made.source.held = True
        waiting = [asyncio.create_task(made.feed.ask())]
        await _settled()
        waiting += [asyncio.create_task(made.feed.ask(within)) for within in (None, 60.0)]
        await _settled()

        await made.feed.stop()

        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
        with pytest.raises(Unavailable):
            await made.feed.ask()


async def test_one_who_asks_waits_no_longer_than_it_said() -> None:
    """The probe goes on for the others."""
    async with _feed() as made:
        made.source.held = True
        patient = asyncio.create_task(made.feed.ask())
        with pytest.raises(Unavailable):
            await made.feed.ask(0.01)
        await made.source.answer(99)
        await patient


async def test_status_says_what_is_known() -> None:
    """Lease, age, entries, bytes, generation, bound."""
    async with _feed() as made:
        made.source.revoke("s1")
        await made.feed.ask()
        made.clock.advance(0.5)
        status = made.feed.status()
        assert (status.lease_left, status.age, status.entries, status.generation, status.bound) == (1.5, 0.5, 1, 1, 2.0)
        assert status.bytes > 0
        made.clock.advance(60.0)
        assert (made.feed.status().lease_left, made.feed.status().age) == (0.0, 60.5)
    alone = Feed(Replica(), Source(), FakeClock().clock, Keeper(Source())).status()
    assert (alone.lease_left, alone.age, alone.bound) == (math.inf, 0.0, 0.0)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0.002)
