"""Sign-ups within a window."""

import pytest

from ostiary.domain.sign_ups import EVERYBODY, SignUpPolicy, count_sign_up, counters_of, wait_of
from ostiary.domain.throttle import Throttle

POLICY = SignUpPolicy(of_network=3, of_everybody=5)


def test_a_window_is_half_open() -> None:
    """Three, then none until an hour after the first; then a new window begins."""
    throttle = Throttle(id="x")
    for at in (1000.0, 1100.0, 1200.0):
        assert wait_of(throttle, 3, POLICY, at) == 0
        throttle = count_sign_up(throttle, POLICY, at)
    assert wait_of(throttle, 3, POLICY, 1200.0) == 3400.0
    assert wait_of(throttle, 3, POLICY, 4599.5) == 0.5
    assert wait_of(throttle, 3, POLICY, 4600.0) == 0
    assert count_sign_up(throttle, POLICY, 4600.0).failures == 1


@pytest.mark.parametrize("correction", [-10.0, -3599.0, -3601.0, -1e9, 1e9])
def test_a_clock_that_is_set_keeps_nobody_waiting_for_long(correction: float) -> None:
    """However far a clock was set back, the wait is two windows at most; a node that is a little behind counts on."""
    throttle = Throttle(id="x", failures=3, window_started_at=2e9, last_failure_at=2e9)
    wait = wait_of(throttle, 3, POLICY, 2e9 + correction)
    assert 0 <= wait < 2 * POLICY.window
    assert (wait > 0) == (abs(correction) < POLICY.window)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_the_own_machine_is_not_counted(address: str) -> None:
    """Whoever runs programs there runs the server."""
    assert counters_of(address, POLICY) == []


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "", "testclient", "::ffff:192.0.2.7"])
def test_everybody_else_counts_on_two(address: str) -> None:
    """Their network's and everybody's; a limit of 0 is none."""
    assert [limit for _, limit in counters_of(address, POLICY)] == [3, 5]
    assert counters_of(address, SignUpPolicy(of_network=0)) == [(EVERYBODY, 10_000)]
    assert counters_of(address, SignUpPolicy(of_network=0, of_everybody=0)) == []


def test_networks_are_those_of_logins() -> None:
    """A /24, a /56."""
    same = (("192.0.2.7", "192.0.2.200"), ("2001:db8:0:1ff::1", "2001:db8:0:100::9"), ("192.0.2.7", "::ffff:192.0.2.9"))
    for one, other in same:
        assert counters_of(one, POLICY) == counters_of(other, POLICY)
    assert counters_of("192.0.2.7", POLICY)[0] != counters_of("192.0.3.7", POLICY)[0]
