"""What a relay has read: positions pass through, ages add up, what is too old says nothing. All clocks are turned by
hand."""

import math
import random
from typing import Any

import msgspec
import pytest

from ostiary.errors import Unavailable
from ostiary.relay.chunks import ITEMS
from ostiary.relay.copy import Heard, LogCopy
from ostiary.revocation.entry import Cursor, Probe
from ostiary.revocation.knowledge import Verdict
from ostiary.revocation.replica import Next, Replica, Sent
from ostiary.revocation.wire import Item
from ostiary.verifier.feed_over_http import probe_of

LEASE = 2.0


def line(position: int, *, until: float = 2e9, scope: str = "s", entry_id: str = "") -> dict[str, Any]:
    return {
        "cursor": f"{position}-{position + 7}", "scope": scope, "id": entry_id or f"ses_{position:022}",
        "value": 9, "until": until,
    }  # fmt: skip


def heard(
    lines: list[dict[str, Any]],
    *,
    age: float = 0.0,
    lease: float = LEASE,
    generation: int = 1,
    everything: int = 0,
    matches: bool = True,
    complete: bool = True,
) -> Heard:
    return Heard(
        generation=generation, everything=everything, lease=lease, age=age, matches=matches, complete=complete,
        items=[msgspec.Raw(msgspec.json.encode(one)) for one in lines],
    )  # fmt: skip


def at(position: int) -> Cursor:
    return Cursor(position=position, nonce=position + 7) if position else Cursor()


def positions(copy: LogCopy, cursor: Cursor, **how: Any) -> list[int]:
    found = []
    for text in copy.page(cursor, **how).texts:
        found.append(int(msgspec.json.decode(text, type=Item).cursor.partition("-")[0]))
    return found


def test_items_are_handed_on_letter_by_letter() -> None:
    """Whatever an item says, also what this version does not know, is said again in the very same bytes (M-30)."""
    copy = LogCopy()
    strange = b'{"cursor":"3-10","scope":"z","id":"\\u00e9","value":1,"until":5.5,"later":[1,{"a":null}]}'
    answer = heard([line(1)])
    copy.take(0.0, msgspec.structs.replace(answer, items=[*answer.items, msgspec.Raw(strange)]))
    assert copy.page(at(1)).texts == (strange,)
    assert copy.page(Cursor()).reached == Cursor(position=3, nonce=10) == copy.cursor


def test_every_cursor_is_found_and_none_that_is_not_there() -> None:
    """From each item on exactly what follows it is told, in full chunks and in the last one; another nonce, a gap and
    the future do not match (section 6)."""
    copy = LogCopy()
    there = [position for position in range(1, 3 * ITEMS) if position % 5]
    for begin in range(0, len(there), 700):
        copy.take(0.0, heard([line(position) for position in there[begin : begin + 700]], complete=False))
    copy.take(0.0, heard([]))
    assert len(copy) == len(there)
    for position in (1, 2, ITEMS - 1, ITEMS + 3, 2 * ITEMS + 1, there[-2], there[-1]):
        assert positions(copy, at(position), most=10**9) == [one for one in there if one > position], position
    assert positions(copy, Cursor(), most=10**9) == there
    for wrong in (at(5), at(10), at(3 * ITEMS + 1), Cursor(position=7, nonce=1), Cursor(position=0, nonce=3)):
        page = copy.page(wrong)
        assert (page.matches, page.texts, copy.holds(wrong)) == (False, (), False)


def test_a_long_log_comes_in_pages_that_join() -> None:
    """Each page goes on where the one before ended, and only the last is complete (M-30)."""
    copy = LogCopy()
    copy.take(0.0, heard([line(position) for position in range(1, 2500)]))
    cursor, seen, pages = Cursor(), list[int](), 0
    while True:
        page = copy.page(cursor, most=40_000)
        assert sum(map(len, page.texts)) < 41_000
        seen += positions(copy, cursor, most=40_000)
        cursor, pages = page.reached, pages + 1
        if page.complete:
            break
    assert seen == list(range(1, 2500))
    assert pages > 5


def test_age_is_how_long_before_the_question_the_copy_was_complete() -> None:
    """From the moment the relay's own question was sent, whenever the answer came, less the age that it had itself; a
    copy that is newer than the question has none (M-30)."""
    copy = LogCopy()
    assert copy.lease_left(0.0) == 0
    copy.take(10.0, heard([line(1)], age=0.3))
    assert copy.age(10.5) == pytest.approx(0.8)
    assert copy.lease_left(10.5) == pytest.approx(1.2)
    assert copy.lease_left(11.7) == pytest.approx(0.0)
    assert copy.age(9.0) == 0.0
    copy.take(10.1, heard([], age=1.0))  # says less than what is known already
    assert copy.age(10.5) == pytest.approx(0.8)
    copy.take(10.4, heard([], age=0.0, lease=5.0))
    assert copy.lease_left(10.5) == pytest.approx(4.9)


def test_ages_of_a_chain_add_up_and_no_clock_needs_another() -> None:
    """Three relays and a follower whose clocks show different times: whatever each leg takes, the follower accepts
    nothing a lease after the log was looked at (M-30)."""
    chance = random.Random(4)
    for _ in range(300):
        now = 0.0
        offsets = [chance.uniform(-1e6, 1e6) for _ in range(4)]
        relays = [LogCopy() for _ in range(3)]
        looked_at = math.nan
        for number, relay in enumerate(relays):
            now += chance.uniform(0, 0.2)
            sent = now + offsets[number]
            now += chance.uniform(0, 0.2)
            if number == 0:
                looked_at, age = now, 0.0
            else:
                age = relays[number - 1].age(now + offsets[number - 1])
            now += chance.uniform(0, 0.2)
            relay.take(sent, heard([], age=age))
        replica = Replica(lease=LEASE)
        replica.adopt(1, 0)
        now += chance.uniform(0, 0.2)
        sent = now + offsets[3]
        now += chance.uniform(0, 0.2)
        age = relays[2].age(now + offsets[2])
        replica.on_reply(Sent(sent - age, 0), Probe(generation=1, matches=True, items=(), complete=True))
        assert replica.lease_until - offsets[3] <= looked_at + LEASE + 1e-6


def test_what_lends_nothing_or_makes_no_sense_is_not_taken() -> None:
    """Zero, negative or infinite leases and ages, items out of order, an end that is no end: nothing is lent by them
    (M-30)."""
    for wrong in (
        heard([], lease=0.0), heard([], lease=math.inf), heard([], lease=math.nan), heard([], age=-0.1),
        heard([], age=math.inf), heard([], complete=False), heard([], matches=False), heard([line(2), line(1)]),
        heard([line(1), line(1)]), heard([{"cursor": "x", "until": 1.0}]), heard([{"cursor": "1-2"}]),
    ):  # fmt: skip
        copy = LogCopy()
        with pytest.raises(Unavailable):
            copy.take(0.0, wrong)
        assert copy.lease_left(0.0) == 0


@pytest.mark.parametrize("change", [{"generation": 2}, {"matches": False, "complete": False}], ids=["anew", "lost-end"])
def test_another_log_is_read_from_the_start(change: dict[str, Any]) -> None:
    """Nothing is lent until it has been read whole, and former cursors do not match (decision 35)."""
    copy = LogCopy()
    copy.take(0.0, heard([line(1), line(2)]))
    before = copy.incarnation
    assert copy.take(0.1, heard([], **change)) == (False, ())
    assert copy.incarnation == before + 1
    assert (copy.lease_left(0.1), copy.cursor, len(copy)) == (0, Cursor(), 0)
    generation = change.get("generation", 1)
    done, items = copy.take(0.2, heard([line(5)], generation=generation, everything=3, complete=False))
    assert (done, len(items), copy.lease_left(0.2)) == (False, 1, 0)
    copy.take(0.3, heard([], generation=generation, everything=3))
    assert (copy.complete_at, copy.lease, copy.everything, copy.generation) == (0.3, LEASE, 3, generation)
    assert not copy.page(at(2)).matches
    assert positions(copy, Cursor()) == [5]


def test_a_log_that_is_longer_than_its_room_lends_nothing() -> None:
    """Memory is bounded, and nothing is left out silently (M-32)."""
    copy = LogCopy(most=100)
    copy.take(0.0, heard([line(position) for position in range(1, 101)]))
    with pytest.raises(Unavailable):
        copy.take(0.1, heard([line(101)]))
    assert (len(copy), copy.lease_left(0.1)) == (0, 0)


def test_what_has_expired_is_forgotten_and_the_rest_is_found() -> None:
    """Memory goes back to nothing but the newest item, whatever lives long in between (M-32)."""
    copy = LogCopy()
    lasting = set(range(50, 10_000, 100))
    for begin in range(1, 10_000, 1000):
        lines = [line(p, until=1000.0 if p in lasting else 10.0) for p in range(begin, min(begin + 1000, 10_000))]
        copy.take(0.0, heard(lines))
    full = copy.size()
    for _ in copy.forget_expired(9.0):
        pass
    assert len(copy) == 9_999
    for _ in copy.forget_expired(11.0):
        pass
    left = positions(copy, Cursor(), most=10**9)
    assert lasting <= set(left)
    assert len(left) == len(copy) < 2 * ITEMS
    assert copy.size() < full / 3
    assert positions(copy, at(50), most=10**9) == left[1:]
    assert not copy.page(at(51)).matches
    for _ in copy.forget_expired(1001.0):
        pass
    assert len(copy) <= ITEMS
    assert copy.cursor == at(9_999)
    assert copy.page(at(9_999)).complete
    copy.take(0.1, heard([line(10_000)]))
    assert positions(copy, at(9_999)) == [10_000]


def test_a_million_items_take_little_room() -> None:
    """Some 70 bytes each: ids that are random, as real ones are (M-32)."""
    copy, chance = LogCopy(), random.Random(1)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for begin in range(1, 8 * ITEMS, 1000):
        lines = [
            line(p, until=1_795_656_884.9256518 + p / 7, entry_id="ses_" + "".join(chance.choices(letters, k=22)))
            | {"cursor": f"{p}-{chance.getrandbits(53)}", "value": 2**53 - 1}
            for p in range(begin, begin + 1000)
        ]
        copy.take(0.0, heard(lines))
    assert copy.size() / len(copy) < 100


def test_a_follower_reads_a_copy_as_it_reads_the_log() -> None:
    """The replica that verifiers run learns from pages of a copy what it would learn from the issuer (M-30)."""
    copy = LogCopy()
    copy.take(0.0, heard([line(position) for position in range(1, 3000)]))
    replica = Replica(lease=LEASE)
    replica.adopt(1, 0)
    following = Next.MORE
    while following is not Next.DONE:
        page = copy.page(replica.cursor, most=50_000)
        items = [msgspec.json.decode(text, type=Item) for text in page.texts]
        answer = _Answer(generation=1, matches=page.matches, complete=page.complete, items=items)
        following = replica.on_reply(Sent(1.0 - copy.age(1.0), 0), probe_of(answer))  # type: ignore[arg-type]
    assert len(replica) == 2999
    assert replica.cursor == copy.cursor
    assert replica.judge("ses_" + "7".rjust(22, "0"), 1, "a", 0, "k", 1.0) is Verdict.REFUSED
    assert replica.judge("ses_other", 1, "a", 0, "k", 1.9) is Verdict.ACCEPTED
    assert replica.judge("ses_other", 1, "a", 0, "k", 2.0) is Verdict.UNKNOWN


class _Answer(msgspec.Struct):
    generation: int
    matches: bool
    complete: bool
    items: list[Item]
