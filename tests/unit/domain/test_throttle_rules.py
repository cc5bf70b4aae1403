"""How long to wait after failed logins: the rules alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.domain.throttle import (
    HARD_STOP_RETRY_AFTER,
    Throttle,
    ThrottlePolicy,
    attempts_left,
    count_failure,
    count_network_failure,
    network_of,
    wait_of_account,
    wait_of_network,
)

steady = settings(derandomize=True, deadline=None, database=None)
POLICY = ThrottlePolicy()
NOW = 1000.0


def _failed(failures: int) -> Throttle:
    return Throttle(id="t", failures=failures, last_failure_at=NOW, window_started_at=NOW)


@pytest.mark.parametrize(
    ("failures", "wait"),
    [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (8, 8), (14, 512), (15, 900), (16, 900), (99, 900)],
)
def test_waits_double_up_to_the_longest(failures: int, wait: float) -> None:
    """Counted from the last failure, half-open."""
    throttle = _failed(failures)

    assert wait_of_account(throttle, POLICY, NOW, known_device=False) == wait
    if wait:
        assert wait_of_account(throttle, POLICY, NOW + wait - 0.25, known_device=False) == 0.25
    assert wait_of_account(throttle, POLICY, NOW + wait, known_device=False) == 0


def test_the_hard_stop_does_not_pass() -> None:
    """From a hundred failures on, no wait helps; a known device has no hard stop."""
    for failures in (100, 101, 10**9):
        assert wait_of_account(_failed(failures), POLICY, NOW + 1e9, known_device=False) == HARD_STOP_RETRY_AFTER
        assert wait_of_account(_failed(failures), POLICY, NOW + 900, known_device=True) == 0
        assert attempts_left(_failed(failures), POLICY, NOW + 1e9, known_device=False) == 0


@pytest.mark.parametrize(("failures", "left"), [(0, 5), (1, 4), (4, 1), (5, 0), (50, 0)])
def test_attempts_under_way_at_once(failures: int, left: int) -> None:
    """The free ones that are left; after a wait, a single one."""
    assert attempts_left(_failed(failures), POLICY, NOW, known_device=False) == left
    assert attempts_left(_failed(failures), POLICY, NOW + 900, known_device=False) == max(1, left)


@steady
@given(st.integers(0, 98), st.floats(0, 2000))
def test_one_more_failure_never_shortens_the_wait(failures: int, later: float) -> None:
    """Guessing on never pays."""
    before = wait_of_account(_failed(failures), POLICY, NOW + later, known_device=False)
    raised = count_failure(_failed(failures), NOW + later)

    assert raised.failures == failures + 1
    assert wait_of_account(raised, POLICY, NOW + later, known_device=False) >= before


def test_a_network_has_a_window() -> None:
    """Thirty failures in ten minutes from the first one, half-open; then a new window begins."""
    throttle = Throttle(id="n")
    for number in range(30):
        assert wait_of_network(throttle, POLICY, NOW + number) == 0
        throttle = count_network_failure(throttle, POLICY, NOW + number)
    assert throttle.window_started_at == NOW
    assert wait_of_network(throttle, POLICY, NOW + 30) == 570
    assert wait_of_network(throttle, POLICY, NOW + 599.5) == 0.5
    assert wait_of_network(throttle, POLICY, NOW + 600) == 0
    again = count_network_failure(throttle, POLICY, NOW + 600)
    assert (again.failures, again.window_started_at) == (1, NOW + 600)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:0:ff00::1", "2001:db8:0:ff00::/56"),
        ("2001:db8:0:ffff:1:2:3:4", "2001:db8:0:ff00::/56"),
        ("", "unknown"),
        ("testclient", "testclient"),
        ("x" * 100, "x" * 64),
    ],
)
def test_networks(address: str, network: str) -> None:
    """What one site gets: a /24 or a /56; a mapped address is the IPv4 one that it stands for."""
    assert network_of(address) == network
