"""What a replica knows: entries merge by maximum, nothing is forgotten early, the lease counts from sending."""

import base64
import math
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Cursor, Entry, LogItem, Probe, Scope
from ostiary.revocation.knowledge import Verdict
from ostiary.revocation.replica import Next, Replica

steady = settings(derandomize=True, deadline=None, database=None)
SESSIONS, ACCOUNTS, KEYS = ("s1", "s2"), ("a1", "a2"), ("k1", "k2")
VERSIONS = st.sampled_from((0, 1, 2, 3, ENDED_VERSION))
EPOCHS = st.sampled_from((0, 1, 2, EPOCHS_PER_EVERYTHING, EPOCHS_PER_EVERYTHING + 1, 2 * EPOCHS_PER_EVERYTHING))
UNTIL = st.integers(0, 100).map(float)
ENTRIES = st.one_of(
    st.builds(Entry, scope=st.just(Scope.SESSION), id=st.sampled_from(SESSIONS), value=VERSIONS, until=UNTIL),
    st.builds(Entry, scope=st.just(Scope.ACCOUNT), id=st.sampled_from(ACCOUNTS), value=EPOCHS, until=UNTIL),
    st.builds(Entry, scope=st.just(Scope.KEY), id=st.sampled_from((*KEYS, "")), value=st.integers(0, 1), until=UNTIL),
    st.builds(Entry, scope=st.just(Scope.EVERYTHING), id=st.just(""), value=st.integers(0, 2), until=UNTIL),
    st.builds(Entry, scope=st.just(Scope.CLIENT), id=st.just("c"), value=st.integers(0, 2), until=UNTIL),
)
CREDENTIALS = st.tuples(st.sampled_from(SESSIONS), VERSIONS, st.sampled_from(ACCOUNTS), EPOCHS, st.sampled_from(KEYS))
EVERY_CREDENTIAL = [
    (session, version, account, epoch, key)
    for session in SESSIONS
    for version in (0, 1, 2, 3, ENDED_VERSION)
    for account in ACCOUNTS
    for epoch in (0, 1, 2, EPOCHS_PER_EVERYTHING, EPOCHS_PER_EVERYTHING + 1, 2 * EPOCHS_PER_EVERYTHING)
    for key in KEYS
]


def _refused(replica: Replica) -> list[bool]:
    return [replica.refuses(*credential) for credential in EVERY_CREDENTIAL]


def _replica(*entries: Entry) -> Replica:
    replica = Replica()
    replica.apply(entries)
    return replica


@steady
@given(st.lists(ENTRIES, max_size=12), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(entries: list[Entry], chance: object) -> None:
    """Any order, any repetition: the same refusals."""
    shuffled = entries * 2
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert _refused(_replica(*entries)) == _refused(_replica(*shuffled))


@steady
@given(st.lists(ENTRIES, max_size=12), ENTRIES)
def test_no_entry_turns_a_refusal_into_an_acceptance(entries: list[Entry], one_more: Entry) -> None:
    """Knowing more never accepts more (flaw class: a later revocation that overwrites an earlier one)."""
    replica = _replica(*entries)
    before = _refused(replica)

    replica.apply([one_more])

    assert all(after for was, after in zip(before, _refused(replica), strict=True) if was)


@pytest.mark.parametrize(
    ("entry", "refused", "accepted"),
    [
        (("s", "s1", 2), ("s1", 1, "a1", 0, "k1"), ("s1", 2, "a1", 0, "k1")),
        (("s", "s1", ENDED_VERSION), ("s1", ENDED_VERSION - 1, "a1", 0, "k1"), ("s2", 1, "a1", 0, "k1")),
        (("u", "a1", 3), ("s1", 1, "a1", 2, "k1"), ("s1", 1, "a1", 3, "k1")),
        (("k", "k1", 1), ("s1", 1, "a1", 0, "k1"), ("s1", 1, "a1", 0, "k2")),
        (("g", "", 1), ("s1", 1, "a1", EPOCHS_PER_EVERYTHING - 1, "k1"), ("s1", 1, "a1", EPOCHS_PER_EVERYTHING, "k1")),
    ],
)
def test_each_scope_refuses_what_is_older(
    entry: tuple[str, str, int], refused: tuple[str, int, str, int, str], accepted: tuple[str, int, str, int, str]
) -> None:
    """The value is the lowest that is still accepted."""
    replica = _replica(Entry(scope=Scope(entry[0]), id=entry[1], value=entry[2], until=1.0))

    assert replica.refuses(*refused)
    assert not replica.refuses(*accepted)


def test_a_key_entry_that_only_tells_of_a_change_refuses_nothing() -> None:
    """Value 0: read the keys again."""
    replica = _replica(Entry(scope=Scope.KEY, id="k1", value=0, until=9.0))

    assert not replica.key_is_revoked("k1")
    assert len(replica) == 0


def test_another_log_counts_as_a_change() -> None:
    """Going by another log raises the floor: what was let pass before is asked about again."""
    replica = _replica()
    before = replica.changes

    replica.adopt(7, 1)

    assert replica.refuses("s1", 1, "a1", 0, "k1")
    assert replica.changes > before


class Model(RuleBasedStateMachine):
    """A replica beside an oracle that keeps every entry."""

    def __init__(self) -> None:
        super().__init__()
        self.replica = Replica()
        self.now = 0.0
        self.entries: dict[tuple[Scope, str], list[Entry]] = defaultdict(list)
        self.floor = 0
        self.seen = (0, _refused(self.replica))

    @rule(entries=st.lists(ENTRIES, max_size=4))
    def learn(self, entries: list[Entry]) -> None:
        self.replica.apply(entries)
        for entry in entries:
            if entry.scope is Scope.EVERYTHING:
                self.floor = max(self.floor, entry.value)
            elif entry.value > 0:
                self.entries[entry.scope, entry.id].append(entry)

    @rule(seconds=st.integers(0, 40))
    def forget(self, seconds: int) -> None:
        self.now += seconds
        self.replica.forget_expired(self.now)
        for key, known in list(self.entries.items()):
            if all(entry.until <= self.now for entry in known):
                del self.entries[key]

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def learn_again_for_longer(self, data: st.DataObject) -> None:
        """Revoked once more: it must outlive the first entry's expiry."""
        scope, entry_id = data.draw(st.sampled_from(sorted(self.entries, key=str)))
        self.learn([Entry(scope=scope, id=entry_id, value=1, until=self.now + 50)])

    def _refused_by(self, credential: tuple[str, int, str, int, str], *, since: float) -> bool:
        """By the floor, or by an entry that expires after `since`."""
        session, version, account, epoch, key = credential

        def lowest(scope: Scope, entry_id: str) -> int:
            known = self.entries.get((scope, entry_id), ())
            return max((entry.value for entry in known if entry.until > since), default=0)

        return (
            version < lowest(Scope.SESSION, session)
            or epoch < lowest(Scope.ACCOUNT, account)
            or epoch < self.floor * EPOCHS_PER_EVERYTHING
            or lowest(Scope.KEY, key) > 0
        )

    @invariant()
    def says_what_the_oracle_says(self) -> None:
        """What has not expired is refused; what has may be, while the same id has something that has not."""
        for credential in EVERY_CREDENTIAL:
            refused = self.replica.refuses(*credential)
            assert refused or not self._refused_by(credential, since=self.now)
            assert not refused or self._refused_by(credential, since=-math.inf)

    @invariant()
    def changes_count_whatever_refuses_more(self) -> None:
        """What was let pass at one count is let pass at the same: requests rely on it instead of asking again."""
        (changes, before), self.seen = self.seen, (self.replica.changes, _refused(self.replica))
        if self.replica.changes == changes:
            assert not any(now and not was for was, now in zip(before, self.seen[1], strict=True))

    @invariant()
    def holds_no_more_than_it_must(self) -> None:
        assert len(self.replica) <= len(self.entries)

    def teardown(self) -> None:
        self.replica.forget_expired(math.inf)
        assert len(self.replica) == 0
        assert not any(
            table._due.seconds for table in (self.replica._sessions, self.replica._accounts, self.replica._keys)
        )


TestModel = Model.TestCase
TestModel.settings = settings(steady, max_examples=40, stateful_step_count=20)


class Log:
    """A log as stores keep it: it can lose its beginning, its end, or everything."""

    def __init__(self) -> None:
        self.items: list[LogItem] = []
        self.generation = 1
        self.last = 0
        self.nonce = 0

    def append(self, entry: Entry) -> None:
        self.last += 1
        self.nonce += 1
        self.items.append(LogItem(position=self.last, nonce=self.nonce, entry=entry))

    def lose_the_end(self, count: int) -> None:
        """The store crashed without having kept the last ones; new ones take their positions."""
        kept = max(0, len(self.items) - count)
        self.last = self.items[kept].position - 1 if kept < len(self.items) else self.last
        del self.items[kept:]

    def probe(self, cursor: Cursor, limit: int) -> Probe:
        at = [item for item in self.items if (item.position, item.nonce) == (cursor.position, cursor.nonce)]
        if cursor != Cursor() and not at:
            return Probe(generation=self.generation, matches=False, items=(), complete=False)
        rest = [item for item in self.items if item.position > cursor.position]
        return Probe(generation=self.generation, matches=True, items=tuple(rest[:limit]), complete=len(rest) <= limit)


def _catch_up(replica: Replica, log: Log, *, sent_at: float = 0.0, limit: int = 2) -> int:
    probes, following = 0, Next.MORE
    while following is not Next.DONE:
        probes += 1
        assert probes < 1000
        sent = replica.on_send(sent_at)
        following = replica.on_reply(sent, log.probe(replica.cursor, limit))
        if following is Next.ADOPT:
            replica.adopt(log.generation, 0 if replica.everything is None else replica.everything + 1)
    return probes


def _answer(
    replica: Replica,
    sent_at: float,
    *,
    generation: int = 1,
    items: tuple[LogItem, ...] = (),
    matches: bool = True,
    complete: bool = True,
) -> Next:
    """A probe sent at this instant is answered so, by the log that the replica goes by."""
    if replica.generation is None and replica.lease != math.inf:
        replica.adopt(generation, 0)
    reply = Probe(generation=generation, matches=matches, items=items, complete=complete)
    return replica.on_reply(replica.on_send(sent_at), reply)


@steady
@given(
    st.lists(
        st.one_of(ENTRIES, st.just("read"), st.integers(1, 4), st.just("new"), st.just("trim")),
        max_size=30,
    )
)
def test_a_replica_holds_whatever_any_log_it_read_has_held(steps: list[Entry | str | int]) -> None:
    """Logs may lose their end, their beginning or everything: the replica catches up, and never forgets with them."""
    replica, log = Replica(lease=2.0), Log()
    must_hold: list[Entry] = []
    for step in steps:
        if isinstance(step, Entry):
            log.append(step)
        elif isinstance(step, int):
            log.lose_the_end(step)
        elif step == "new":
            log = Log()
            log.generation += 1
        elif step == "trim":
            del log.items[:-1]
        else:
            _catch_up(replica, log)
            must_hold += [item.entry for item in log.items]
    _catch_up(replica, log)
    must_hold += [item.entry for item in log.items]

    expected = _refused(_replica(*must_hold))
    assert all(refused for must, refused in zip(expected, _refused(replica), strict=True) if must)


def test_a_lost_entry_whose_position_was_taken_is_noticed() -> None:
    """The cursor is (position, nonce): a length alone would look up to date (flaw class: rolled back stores)."""
    replica, log = Replica(lease=2.0), Log()
    log.append(Entry(scope=Scope.SESSION, id="s1", value=2, until=9.0))
    _catch_up(replica, log)
    log.lose_the_end(1)
    log.append(Entry(scope=Scope.SESSION, id="s2", value=2, until=9.0))
    assert log.items[-1].position == replica.cursor.position

    _catch_up(replica, log)

    assert replica.session_version("s1") == 2
    assert replica.session_version("s2") == 2


def test_another_generation_is_read_from_its_start() -> None:
    """Also when the new log happens to hold the very same cursor."""
    replica, log = Replica(lease=2.0), Log()
    for entry_id in ("s1", "s2"):
        log.append(Entry(scope=Scope.SESSION, id=entry_id, value=2, until=9.0))
    _catch_up(replica, log)
    other = Log()
    other.generation = 7
    for entry_id in ("s3", "s4"):
        other.append(Entry(scope=Scope.SESSION, id=entry_id, value=2, until=9.0))

    _catch_up(replica, other)

    assert [replica.session_version(entry_id) for entry_id in ("s1", "s2", "s3", "s4")] == [2, 2, 2, 2]


def test_the_lease_counts_from_sending() -> None:
    """However late the answer arrives, it vouches only for what was committed before the probe was sent."""
    replica = Replica(lease=2.0)
    assert replica.judge("s", 1, "a", 0, "k", 0.0) is Verdict.UNKNOWN

    _answer(replica, 10.0)

    assert replica.lease_until == 12.0
    assert replica.judge("s", 1, "a", 0, "k", 11.999) is Verdict.ACCEPTED
    assert replica.judge("s", 1, "a", 0, "k", 12.0) is Verdict.UNKNOWN


def test_an_older_probe_does_not_shorten_the_lease() -> None:
    """Answers may arrive in any order."""
    replica = Replica(lease=2.0)
    for sent_at in (10.0, 9.0):
        _answer(replica, sent_at)

    assert replica.lease_until == 12.0


def test_half_an_answer_gives_no_lease() -> None:
    """Neither a page that is not the last, nor a mismatch, vouches for anything."""
    replica = Replica(lease=2.0)
    item = LogItem(position=1, nonce=1, entry=Entry(scope=Scope.SESSION, id="s", value=2, until=9.0))

    replica.adopt(1, 0)
    assert _answer(replica, 1.0, items=(item,), complete=False) is Next.MORE
    assert _answer(replica, 1.0, matches=False, complete=False) is Next.MORE

    assert replica.lease_until == -math.inf


def test_a_refusal_needs_no_lease() -> None:
    """What is known to be revoked is refused also by a replica that has heard nothing for long."""
    replica = Replica(lease=2.0)
    replica.apply([Entry(scope=Scope.SESSION, id="s", value=2, until=9.0)])

    assert replica.judge("s", 1, "a", 0, "k", 1e9) is Verdict.REFUSED


def test_alone_with_its_store_a_replica_always_knows() -> None:
    """An infinite lease neither begins nor ends."""
    replica = Replica()
    _answer(replica, 1.0)

    assert replica.judge("s", 1, "a", 0, "k", 1e18) is Verdict.ACCEPTED


def test_a_full_replica_does_not_know_rather_than_forget() -> None:
    """No entry is dropped for want of room: the lease is."""
    replica = Replica(lease=2.0, max_entries=1)
    _answer(replica, 1.0)
    replica.apply([Entry(scope=Scope.SESSION, id=entry_id, value=2, until=9.0) for entry_id in ("s1", "s2")])

    with pytest.raises(Unavailable):
        replica.apply([Entry(scope=Scope.SESSION, id="s3", value=2, until=9.0)])

    assert replica.judge("x", 1, "a", 0, "k", 1.0) is Verdict.UNKNOWN
    assert replica.judge("s1", 1, "a", 0, "k", 1.0) is Verdict.REFUSED
    replica.apply([Entry(scope=Scope.SESSION, id="s1", value=3, until=9.0)])  # known ids still rise
    assert replica.session_version("s1") == 3


def test_expiry_is_half_open() -> None:
    """At `until` it may be forgotten, not before."""
    replica = _replica(Entry(scope=Scope.SESSION, id="s", value=2, until=9.0))

    assert [replica.forget_expired(now) for now in (8.999, 9.0, 9.0)] == [0, 1, 0]
    assert [replica.session_version("s")] == [0]


def _random_id(prefix: str, chance: random.Random) -> str:
    return prefix + base64.urlsafe_b64encode(chance.randbytes(16)).decode()[:22]


@pytest.mark.parametrize("as_they_are", [0, 3, 10_000])
@pytest.mark.parametrize("young", [0, 5, 10_000])
@pytest.mark.parametrize("marked", [False, True], ids=["", "with a mark"])
def test_the_look_in_one_go_finds_whatever_is_known(
    as_they_are: int, young: int, marked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-32: in whatever form an entry is kept, `judge` refuses by it exactly what it covers, and nothing else."""
    monkeypatch.setattr("ostiary.revocation.table.AS_THEY_ARE", as_they_are)
    chance = random.Random(7)
    sessions = [
        *(_random_id("ses_", chance) for _ in range(60)),
        "",
        "s",
        "ses_",
        "ses_abc",
        "\ud800",
        "ses_" + "!" * 22,
    ]
    accounts = [*(_random_id("acc_", chance) for _ in range(20)), "", "a", "acc_", "\ud800", "acc_" + "\x00" * 22]
    values = (0, 2, 3, ENDED_VERSION, ENDED_VERSION, ENDED_VERSION)
    known = {name: chance.choice(values) for name in sessions}
    epochs = {name: chance.choice((0, 0, 2)) for name in accounts}
    entries = [
        Entry(scope=scope, id=name, value=value, until=chance.choice((100.0, 101.0, 9000.0, 1e6)))
        for scope, lowest in ((Scope.SESSION, known), (Scope.ACCOUNT, epochs))
        for name, value in lowest.items()
    ]
    replica = Replica(lease=2.0, young=young)
    items = [LogItem(position=at, nonce=at, entry=entry) for at, entry in enumerate(entries, start=1)]
    mark = Entry(scope=Scope.EVERYTHING, id="mark", value=0, until=1e6)
    items[40:40] = [LogItem(position=1000, nonce=1000, entry=mark)] if marked else []
    _answer(replica, 0.0, items=tuple(items))

    strangers = [_random_id("ses_", chance) for _ in range(200)]
    for name, lowest in [*known.items(), *((stranger, 0) for stranger in strangers)]:
        for version in (1, 2, 3):
            expected = Verdict.REFUSED if version < lowest else Verdict.ACCEPTED
            assert replica.judge(name, version, "acc_x", 0, "k", 1.0) is expected, name
    for name, lowest in epochs.items():
        for epoch in (1, 2):
            expected = Verdict.REFUSED if epoch < lowest else Verdict.ACCEPTED
            assert replica.judge(strangers[0], 1, name, epoch, "k", 1.0) is expected, name


class Interrupted(dict[int | str, tuple[int, int]]):
    """What is known, with another thread that learns at the very moment at which this one looks."""

    def __init__(self, known: dict[int | str, tuple[int, int]], learn: Callable[[], object]) -> None:
        super().__init__(known)
        self._learn: Callable[[], object] | None = learn

    def __contains__(self, key: object) -> bool:
        self._interrupt()
        return super().__contains__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """As ever, afterwards."""
        self._interrupt()
        return super().get(key, default)

    def _interrupt(self) -> None:
        learn, self._learn = self._learn, None
        if learn is not None:
            learn()


@pytest.mark.parametrize("is_first", [True, False], ids=["the first", "more"])
def test_what_is_packed_meanwhile_is_refused(is_first: bool) -> None:
    """M-06: a request's thread that looks while the feed's packs finds what has ended, here or there."""
    replica = Replica(lease=math.inf, young=1 if is_first else 0)
    ended = [Entry(scope=Scope.SESSION, id=f"ses_{c * 22}", value=ENDED_VERSION, until=9.0) for c in "abc"]
    table = replica._sessions
    if is_first:
        replica.apply(ended[:1])
    else:
        replica.apply(ended[:2])
        assert table.bases
        table._young = 1
        replica.apply(ended[2:])
    looked_for = ended[0].id if is_first else ended[2].id
    table.known = Interrupted(table.known, table._pack)
    assert replica.refuses(looked_for, 1, "acc_x", 0, "k")
    assert not table.known
    assert replica.session_version(looked_for) == ENDED_VERSION


def test_what_a_floor_covers_meanwhile_is_refused() -> None:
    """M-06: a request's thread that looks while the feed's hears of an end of everything refuses what had ended."""
    replica = Replica(lease=math.inf)
    replica.apply([Entry(scope=Scope.ACCOUNT, id="acc_x", value=3, until=9.0)])
    everything = Entry(scope=Scope.EVERYTHING, id="", value=1, until=math.inf)
    replica._keys.known = Interrupted({}, lambda: replica.apply([everything]))
    assert replica.refuses("ses_x", 1, "acc_x", 2, "k")
    assert not replica._accounts.known


def test_what_is_heard_after_the_look_is_not_vouched_for_by_what_comes_with_it() -> None:
    """A request's thread that has looked at keys before the feed's hears that one is revoked does not accept by the
    lease that comes with that answer: nobody had lent it anything when it looked."""
    replica = Replica(lease=2.0)
    replica.adopt(1, 0)
    revoked = LogItem(position=1, nonce=1, entry=Entry(scope=Scope.KEY, id="k", value=1, until=math.inf))
    replica._accounts.known = Interrupted({}, lambda: _answer(replica, 9.0, items=(revoked,)))
    assert replica.judge("ses_x", 1, "acc_x", 2, "k", 10.0) is Verdict.UNKNOWN
    assert replica.lease_until == 11.0
    assert replica.judge("ses_x", 1, "acc_x", 2, "k", 10.0) is Verdict.REFUSED
