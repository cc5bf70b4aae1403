"""When keys are used and when they are fetched: the rules, without a network."""

import pytest

from ostiary import jose, limits
from ostiary.verifier.freshness import Freshness, Step

KEYS = jose.KeySet((jose.Key.generate("ES256", kid="one").public(),))
OTHER = jose.KeySet((jose.Key.generate("ES256", kid="two").public(),))


def fetched(at: float = 0.0, max_age: float | None = 300.0, *, max_stale: float = 1000.0) -> Freshness:
    """A set that was fetched once."""
    freshness = Freshness(cooldown=10.0, max_stale=max_stale)
    assert freshness.take(freshness.begin(at), KEYS, max_age, at)
    return freshness


def test_a_fresh_set_is_used_and_an_old_one_waited_for() -> None:
    """Rule 1: fetched ahead of time while it is fresh, waited for once it is not."""
    freshness = fetched()
    steps = {at: freshness.step(at) for at in (0.0, 239.9, 240.0, 299.9, 300.0, 999.9, 1000.0)}
    assert steps == {
        0.0: Step.USE, 239.9: Step.USE, 240.0: Step.REFRESH, 299.9: Step.REFRESH, 300.0: Step.WAIT, 999.9: Step.WAIT,
        1000.0: Step.WAIT,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "kept"), [(None, 300.0), (0.0, 30.0), (29.0, 30.0), (31.0, 31.0), (3600.0, 3600.0), (86_400.0, 3600.0)]
)
def test_what_the_issuer_says_counts_within_bounds(said: float | None, kept: float) -> None:
    """`max-age` is honoured, and neither a hundred fetches a second nor a day of trust can be asked for."""
    freshness = fetched(max_age=said, max_stale=0.0)
    assert freshness.usable(kept - 0.001)
    assert not freshness.usable(kept)


def test_a_failed_fetch_keeps_the_set_until_it_is_too_old() -> None:
    """Rule 2, flaw class 55: used while the issuer does not answer, then nothing is known."""
    freshness = fetched()
    freshness.fail(freshness.begin(300.0), 300.0)
    assert freshness.keys is KEYS
    assert freshness.step(300.0) is Step.USE
    assert freshness.step(301.0) is Step.REFRESH
    freshness.fail(freshness.begin(995.0), 995.0)
    assert freshness.step(995.0) is Step.USE
    freshness.fail(freshness.begin(999.0), 999.0)
    assert freshness.step(1000.0) is Step.UNAVAILABLE


def test_pauses_after_failures_grow_up_to_the_cooldown() -> None:
    """Rule 3: 1, 2, 4, 8, then 10 seconds."""
    freshness = Freshness(cooldown=10.0, max_stale=1000.0)
    pauses = []
    for _ in range(6):
        freshness.fail(freshness.begin(0.0), 0.0)
        pauses.append(freshness.retry_at)
        assert freshness.step(freshness.retry_at - 0.001) is Step.UNAVAILABLE
        assert freshness.step(freshness.retry_at) is Step.WAIT
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_an_unknown_key_may_ask_once_in_a_cooldown() -> None:
    """Rule 4."""
    freshness = fetched(100.0)
    assert not freshness.may_ask(109.9)
    assert freshness.may_ask(110.0)
    freshness.take(freshness.begin(110.0), KEYS, 300.0, 110.0)
    assert not freshness.may_ask(119.9)


def test_a_slow_old_answer_does_not_replace_a_newer_one() -> None:
    """Rule 5: the later question counts, not the later answer."""
    freshness = Freshness(cooldown=10.0, max_stale=1000.0)
    old, new = freshness.begin(0.0), freshness.begin(6.0)
    assert freshness.take(new, OTHER, 300.0, 6.0)
    assert not freshness.take(old, KEYS, 300.0, 0.0)
    assert freshness.keys is OTHER
    freshness.fail(old, 7.0)
    assert freshness.failures == 0


def test_a_late_answer_to_the_last_question_still_counts() -> None:
    """Given up on, and then it came: it is the newest there is."""
    freshness = Freshness(cooldown=10.0, max_stale=1000.0)
    number = freshness.begin(0.0)
    freshness.fail(number, 6.0)
    freshness.fail(number, 6.5)
    assert freshness.failures == 1
    assert freshness.take(number, KEYS, 300.0, 0.0)
    assert freshness.step(7.0) is Step.USE


def test_the_age_counts_from_the_question() -> None:
    """What was fetched slowly is as old as its request."""
    freshness = Freshness(cooldown=10.0, max_stale=0.0)
    freshness.take(freshness.begin(0.0), KEYS, 300.0, 0.0)
    assert not freshness.usable(300.0)


def test_a_set_that_says_the_same_stays_the_same_object() -> None:
    """What was verified with it stays verified; a set that differs replaces it."""
    freshness = fetched()
    again = jose.KeySet.from_jwks(KEYS.to_jwks())
    assert freshness.take(freshness.begin(240.0), again, 300.0, 240.0)
    assert freshness.keys is KEYS
    renamed = jose.KeySet((jose.Key.from_jwk({**KEYS.to_jwks()["keys"][0], "kid": "renamed"}),))
    assert freshness.take(freshness.begin(480.0), renamed, 300.0, 480.0)
    assert freshness.keys is renamed


def test_a_fetch_that_hangs_does_not_hold_up_the_next() -> None:
    """Beyond its deadline it is no longer under way."""
    freshness = Freshness(cooldown=10.0, max_stale=1000.0)
    freshness.begin(0.0)
    assert freshness.under_way(limits.FETCH_SECONDS - 0.001)
    assert not freshness.under_way(limits.FETCH_SECONDS)
    assert freshness.step(limits.FETCH_SECONDS) is Step.WAIT
