"""The packed base: what is known of many ended sessions, in little room."""

import base64
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ostiary.domain.session import ENDED_VERSION
from ostiary.revocation.entry import Cursor, Entry, LogItem, Probe, Scope
from ostiary.revocation.packed import PREFIX_CHARS, SPAN, SPANS, Packed
from ostiary.revocation.replica import Next, Replica
from ostiary.revocation.table import Table


def _ids(count: int, seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    return ["ses_" + base64.urlsafe_b64encode(chance.randbytes(16)).decode()[:22] for _ in range(count)]


def _ended(session_id: str, until: float = 500.0) -> Entry:
    return Entry(scope=Scope.SESSION, id=session_id, value=ENDED_VERSION, until=until)


def _chars(ids: list[str]) -> bytes:
    return b"".join(each[4:].encode() for each in ids)


POOL = _ids(40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("raise"), st.sampled_from(POOL), st.sampled_from([3, ENDED_VERSION]), st.integers(0, 8000)),
        st.tuples(st.just("load"), st.lists(st.sampled_from(POOL)), st.booleans(), st.integers(0, 8000)),
        st.tuples(st.just("begin"), st.sampled_from(POOL), st.integers(0, 8000)),
        st.tuples(st.just("forget"), st.integers(0, 400)),
    ),
    max_size=40,
)


@settings(max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS, st.integers(0, 5), st.integers(0, 5))
def test_it_says_what_a_list_of_everything_says(steps: list[tuple[object, ...]], young: int, as_they_are: int) -> None:
    """M-32: in whatever way it is told, packed or not: what has not expired is refused, nothing is refused that nobody
    spoke of, and nothing is left long after it has expired."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("ostiary.revocation.table.AS_THEY_ARE", as_they_are)
        _says_what_a_list_says(Table("ses_", packs=ENDED_VERSION, young=young), steps)


def _says_what_a_list_says(table: Table, steps: list[tuple[object, ...]]) -> None:
    told, now = list[tuple[str, int, int]](), 0
    for kind, *given_ in steps:
        if kind == "raise":
            entry_id, value, until = given_
            table.raise_to(entry_id, value, until)  # type: ignore[arg-type]
            told.append((entry_id, value, until))  # type: ignore[arg-type]
        elif kind == "load":
            ids, again, until = given_
            table.load(until, _chars(ids), again=again)  # type: ignore[arg-type]
            told += [(entry_id, ENDED_VERSION, until) for entry_id in ids]  # type: ignore[misc, attr-defined]
        elif kind == "begin":
            entry_id, until = given_
            table.raise_to(entry_id[: 4 + PREFIX_CHARS], ENDED_VERSION, until)  # type: ignore[index, arg-type]
            told.append((entry_id, ENDED_VERSION, until))  # type: ignore[arg-type]
        else:
            now += given_[0]  # type: ignore[operator]
            table.forget(now)
        for entry_id in POOL:
            known = [(value, until) for name, value, until in told if name == entry_id]
            least = max((value for value, until in known if until > now), default=0)
            assert table.lowest(entry_id) >= least
            assert table.lowest(entry_id) <= max((value for value, _ in known), default=0)
    table.forget(8000 + SPAN * SPANS)
    assert len(table) == 0
    assert not any(map(table.lowest, POOL))


def test_what_begins_alike_is_refused_and_nothing_else() -> None:
    """The first 60 bits of an id stand for it: the rest may differ, none of those bits may."""
    one, base = _ids(1)[0][4:], Packed()
    base.add(one[:PREFIX_CHARS], 100)

    for at in range(22):
        other = one[:at] + ("A" if one[at] != "A" else "B") + one[at + 1 :]
        assert (other[:PREFIX_CHARS] in base) is (at >= PREFIX_CHARS), at


@pytest.mark.parametrize("length", [PREFIX_CHARS, 12, 21])
def test_a_longer_beginning_stands_for_what_begins_like_its_first_ten_characters(length: int) -> None:
    """A log may hold beginnings of another length, put there by another version: what they stand for is refused."""
    one, other = _ids(2)
    replica = Replica()
    replica.apply([_ended(one[: 4 + length])])

    assert replica.refuses(one, 1, "acc_x", 0, "k")
    assert not replica.refuses(other, 1, "acc_x", 0, "k")


def test_a_million_take_fourteen_bytes_each_and_leave_no_trace() -> None:
    """M-32: in a large set an ended session takes at most 14 bytes, told one by one or in bulk."""
    chance = random.Random(4)
    ids = base64.urlsafe_b64encode(chance.randbytes(16_500_000))
    replica = Replica(lease=2.0)
    replica.adopt(1, 0)
    for at in range(0, 1_000_000, 100_000):
        page = (500 + at // 10_000, ids[22 * at : 22 * (at + 100_000)])
        reached = Cursor(position=at + 1, nonce=1)
        probe = Probe(generation=1, matches=True, items=(), complete=False, packed=(page,), reached=reached)
        assert replica.on_reply(replica.on_send(0.0), probe) is Next.MORE
    one_by_one = _ids(20_000)
    replica.apply(map(_ended, one_by_one))

    assert len(replica) == 1_020_000
    assert replica.size() <= 14 * len(replica)
    assert all(replica.session_version(entry_id) == ENDED_VERSION for entry_id in one_by_one)
    assert replica.session_version("ses_" + ids[-22:].decode()) == ENDED_VERSION
    assert not any(replica.session_version(entry_id) for entry_id in _ids(1000, seed=2))
    assert not replica.crowded
    assert replica.forget_expired(400.0) == 0
    assert replica.forget_expired(700.0) == 1_020_000
    assert len(replica) == 0
    assert replica.size() < 10_000


def _catch_up(replica: Replica, items: list[LogItem]) -> None:
    probe = Probe(generation=1, matches=True, items=tuple(items), complete=True)
    lost = Probe(generation=1, matches=False, items=(), complete=False)
    if replica.cursor != Cursor():
        replica.on_reply(replica.on_send(0.0), lost)
    assert replica.on_reply(replica.on_send(0.0), probe) is Next.DONE


def test_what_a_log_has_lost_is_told_of_by_its_beginning() -> None:
    """A log that lost what is packed here is given it back, and whoever never knew of it refuses it from then on."""
    ids = _ids(50)
    items = [LogItem(position=at, nonce=at, entry=_ended(name)) for at, name in enumerate(ids, start=1)]
    replica, fresh = Replica(lease=2.0, young=10), Replica(lease=2.0)
    replica.adopt(1, 0)
    fresh.adopt(1, 0)
    _catch_up(replica, items)
    _catch_up(replica, items[:20])
    _catch_up(fresh, items[:20])

    lost = replica.lost(now=1.0)
    assert sorted(len(entry.id) for entry in lost) == [4 + PREFIX_CHARS] * (len(lost) - 10) + [26] * 10 or lost
    assert {entry.id[: 4 + PREFIX_CHARS] for entry in lost} == {name[: 4 + PREFIX_CHARS] for name in ids[20:]}
    assert all(500.0 <= entry.until <= 500.0 + SPAN for entry in lost)
    assert not any(fresh.session_version(name) for name in ids[20:])
    fresh.apply(lost)
    assert all(fresh.session_version(name) == ENDED_VERSION for name in ids)
    assert not any(map(fresh.session_version, _ids(500, seed=2)))

    restored = [*items[:20], *(LogItem(position=at, nonce=at, entry=each) for at, each in enumerate(lost, start=100))]
    _catch_up(fresh, restored)
    assert fresh.lost(now=1.0) == [], "what was given back by its beginning is not lost"
    _catch_up(replica, restored)
    assert replica.lost(now=1.0) == []


def test_reading_the_log_again_takes_no_more_room() -> None:
    """A log that is read again as a whole, in bulk, tells of what is known: it is held once."""
    ids = _ids(3000)
    page = Probe(
        generation=1, matches=True, items=(), complete=False, packed=((500, _chars(ids)),),
        reached=Cursor(position=3000, nonce=1),
    )  # fmt: skip
    rest = Probe(generation=1, matches=True, items=(), complete=True)
    replica = Replica(lease=2.0, young=10)
    replica.adopt(1, 0)
    for _ in range(3):
        replica.on_reply(replica.on_send(0.0), page)
        assert replica.on_reply(replica.on_send(0.0), rest) is Next.DONE
        assert replica.lost(now=1.0) == []
        assert len(replica) == 3000
        replica.on_reply(replica.on_send(0.0), Probe(generation=1, matches=False, items=(), complete=False))


def test_packed_entries_count_a_quarter_towards_what_a_process_may_hold() -> None:
    """What is packed takes less room, so more of it is taken before everything is ended; at twice as much the lease is
    given up rather than that one is forgotten."""
    replica = Replica(lease=2.0, max_entries=100, young=20)
    replica.adopt(1, 0)
    replica.apply(map(_ended, _ids(320)))
    assert not replica.crowded
    replica.apply(map(_ended, _ids(200, seed=2)))
    assert replica.crowded
