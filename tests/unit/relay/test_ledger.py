"""Whom a relay speaks for: it says that the log is applied when all have applied it who may have a lease by it."""

import random

import pytest

from ostiary import limits
from ostiary.errors import Overloaded
from ostiary.relay.ledger import Ledger
from ostiary.revocation.entry import Cursor

LEASE = 2.0
OVER = LEASE * (1 + limits.CLOCK_DRIFT)


def at(position: int) -> Cursor:
    return Cursor(position=position, nonce=position + 7) if position else Cursor()


def test_a_relay_that_nobody_follows_speaks_for_itself() -> None:
    """M-33: it accepts nothing, so what it has read is applied."""
    assert Ledger().applied(at(9), 0.0) == at(9)


def test_the_one_who_is_furthest_behind_counts() -> None:
    """M-33: until he has asked for the continuation, and nobody else is as far behind."""
    ledger = Ledger()
    ledger.answered("a", at(3), 0.0, LEASE)
    ledger.answered("b", at(5), 0.0, LEASE)
    ledger.answered("c", at(3), 0.0, LEASE)
    assert ledger.applied(at(9), 0.1) == at(3)
    assert not ledger.answered("b", at(9), 0.2, LEASE)
    assert not ledger.answered("a", at(9), 0.3, LEASE)
    assert ledger.applied(at(9), 0.3) == at(3)
    assert ledger.answered("c", at(9), 0.4, LEASE)  # the news is worth a question
    assert ledger.applied(at(9), 0.4) == at(9)


def test_who_may_have_a_lease_counts_until_it_is_over() -> None:
    """M-33: a follower that was killed is waited for as long as it might accept, and not longer."""
    ledger = Ledger()
    ledger.answered("a", at(3), 10.0, LEASE)
    ledger.answered("b", at(9), 11.0, LEASE)
    assert ledger.applied(at(9), 10.0 + OVER - 0.001) == at(3)
    assert ledger.applied(at(9), 10.0 + OVER) == at(9)
    assert len(ledger) == 1


def test_who_leaves_does_not_count() -> None:
    """Section 6: it accepts nothing any more."""
    ledger = Ledger()
    ledger.answered("a", at(3), 0.0, LEASE)
    assert ledger.left("a")
    assert not ledger.left("a")
    assert ledger.applied(at(9), 0.1) == at(9)
    assert not ledger.anybody(0.1)


def test_who_says_no_name_counts_until_his_lease_is_over() -> None:
    """M-33: he cannot say that he has come further."""
    ledger = Ledger()
    ledger.answered("", at(3), 0.0, LEASE)
    ledger.answered("", at(9), 1.0, LEASE)
    assert ledger.applied(at(9), 1.5) == at(3)
    assert ledger.applied(at(9), OVER) == at(9)
    assert ledger.anybody(OVER)
    assert not ledger.anybody(1.0 + OVER)


def test_questions_without_a_name_take_one_place_where_they_are_alike() -> None:
    """M-33: a follower that asks a thousand times without saying its name takes a place for each item of the log that
    it was at, and counts no shorter for that; of another log all of them have applied nothing."""
    ledger = Ledger(most=10)
    for number in range(1000):
        ledger.answered("", at(3), number / 1000, LEASE)
    ledger.answered("", at(9), 1.0, LEASE)
    ledger.answered("", at(9), 1.0, LEASE, client="another")
    assert len(ledger) == 3
    assert ledger.applied(at(9), OVER + 0.998) == at(3)
    assert ledger.applied(at(9), OVER + 0.999) == at(9)
    ledger.begin_again()
    assert len(ledger) == 2
    ledger.answered("", at(2), 1.5, LEASE)
    assert ledger.applied(at(2), OVER + 0.999) == Cursor()
    assert ledger.applied(at(2), OVER + 1.0) == at(2)
    assert not ledger.anybody(OVER + 1.5)


def test_no_client_takes_the_places_of_all() -> None:
    """Flaw class: one follower that asks under ever new names keeps everybody else from a lease (section 1). It is
    refused beyond its share; whoever comes then is answered, and what it held is free when its leases are over."""
    ledger = Ledger(most=100)
    for number in range(80):
        ledger.answered(f"a.{number}", at(1), 0.0, LEASE, client="a")
    for name in ("a.x", ""):
        with pytest.raises(Overloaded):
            ledger.answered(name, at(1), 0.1, LEASE, client="a")
    for number in range(10):
        ledger.answered(f"b.{number}", at(1), 0.1, LEASE, client="b")
    ledger.answered("a.7", at(1), 0.1, LEASE, client="a")
    with pytest.raises(Overloaded):
        ledger.answered("a.x", at(1), 0.1, LEASE, client="a")
    ledger.left("a.8")
    ledger.answered("c.0", at(1), 0.2, LEASE, client="c")
    assert len(ledger) == 90
    for number in range(80):
        ledger.answered(f"a.{number}", at(1), OVER + 0.2, LEASE, client="a")
    assert len(ledger) == 80


def test_a_shorter_lease_does_not_shorten_the_one_before() -> None:
    """M-33: the answer that lent less may be the one that was lost."""
    ledger = Ledger()
    ledger.answered("a", at(3), 0.0, 10.0)
    ledger.answered("a", at(4), 1.0, 1.0)
    assert ledger.applied(at(9), 9.0) == at(4)
    assert ledger.applied(at(9), 10.0 * (1 + limits.CLOCK_DRIFT)) == at(9)


def test_of_another_log_nobody_has_applied_anything() -> None:
    """Flaw class: positions of the former log are taken for positions of this one (decision 35)."""
    ledger = Ledger()
    ledger.answered("a", at(500), 0.0, LEASE)
    ledger.begin_again()
    assert ledger.applied(at(3), 0.1) == Cursor()
    assert ledger.applied(at(3), OVER) == at(3)
    assert len(ledger) == 0


def test_a_follower_that_reads_again_is_behind_again() -> None:
    """A cursor that did not match says that nothing was applied."""
    ledger = Ledger()
    ledger.answered("a", at(9), 0.0, LEASE)
    ledger.answered("b", at(9), 0.0, LEASE)
    assert ledger.applied(at(9), 0.1) == at(9)
    ledger.answered("a", Cursor(), 0.2, LEASE)
    assert ledger.applied(at(9), 0.3) == Cursor()


def test_followers_are_bounded() -> None:
    """Beyond the bound 503; those who follow already go on (section 1)."""
    ledger = Ledger(most=2)
    ledger.answered("a", at(1), 0.0, LEASE)
    ledger.answered("b", at(1), 0.0, LEASE)
    with pytest.raises(Overloaded):
        ledger.answered("c", at(1), 0.1, LEASE)
    ledger.answered("a", at(2), 0.1, LEASE)
    ledger.answered("c", at(2), OVER, LEASE)


def test_it_is_what_a_simple_list_would_say() -> None:
    """Against the rule in one line, over a long random life."""
    chance = random.Random(7)
    ledger, simple = Ledger(most=10_000), dict[str, tuple[int, float]]()
    now, head = 0.0, 0
    for _ in range(20_000):
        now += chance.random() * 0.02
        what = chance.random()
        name = f"n{chance.randrange(12)}"
        if what < 0.1:
            head += 1
        elif what < 0.8:
            applied = max(0, head - chance.randrange(3))
            ledger.answered(name, at(applied), now, LEASE)
            simple[name] = (applied, now + OVER)
        elif what < 0.83:
            applied = max(0, head - chance.randrange(3))
            ledger.answered("", at(applied), now, LEASE)
            simple[f"?{applied}"] = (applied, now + OVER)
        elif what < 0.9:
            ledger.left(name)
            simple.pop(name, None)
        elif what < 0.901:
            ledger.begin_again()
            unnamed = max((until for one, (_, until) in simple.items() if one.startswith("?")), default=0.0)
            simple = {one: (0, until) for one, (_, until) in simple.items() if not one.startswith("?")}
            simple |= {"?0": (0, unnamed)} if unnamed else {}
        simple = {one: (applied, until) for one, (applied, until) in simple.items() if until > now}
        expected = min([head, *(applied for applied, _ in simple.values())])
        assert ledger.applied(at(head), now) == at(expected)
        assert len(ledger) == len(simple)
