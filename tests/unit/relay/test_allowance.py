"""How often followers may have a relay ask."""

import pytest

from ostiary.relay.allowance import Allowance


def test_a_burst_and_then_so_many_a_second() -> None:
    """Whoever asks in a loop is let through as often as allowed, whatever the number of those who ask (section 1)."""
    allowance = Allowance(50)
    now, done = 1000.0, 0
    for _ in range(50):
        assert allowance.wait(now) == 0
        allowance.take(now)
    while now < 1010.0:
        wait = allowance.wait(now)
        assert wait <= 0.02
        now += max(wait, 0.001)
        if allowance.wait(now) <= 1e-9:
            allowance.take(now)
            done += 1
    assert done == pytest.approx(500, abs=2)


def test_what_is_done_anyhow_leaves_no_debt_and_rest_no_more_than_a_second_of_it() -> None:
    """Who waits, waits for one place; a quiet night allows no thousands in the morning."""
    allowance = Allowance(50)
    for _ in range(1000):
        allowance.take(5.0)
    assert allowance.wait(5.0) == pytest.approx(0.02)
    assert allowance.wait(5.0 + 0.0201) == 0
    for _ in range(50):
        allowance.take(90_000.0)
    assert allowance.wait(90_000.0) == pytest.approx(0.02)
