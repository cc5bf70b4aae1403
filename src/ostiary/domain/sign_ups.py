"""How many may sign up: so many of one network (/24 or /56) within a window, and so many altogether.

The second is a hard stop: whoever has many networks fills the store no faster than that. Whoever asks from the server's
own machine is not counted.
"""

import ipaddress
from dataclasses import dataclass, replace

from ostiary.domain.throttle import Throttle, network_of

EVERYBODY = "sign-ups"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpPolicy:
    """`address_signups`, `signup_hard_limit`, both 0 for as many as come; `window` in seconds."""

    of_network: int = 1000
    of_everybody: int = 10_000
    window: float = 3600.0


def counters_of(address: str, policy: SignUpPolicy) -> list[tuple[str, int]]:
    """Id and limit of each counter that a sign-up from there counts on."""
    if is_loopback(address):
        return []
    counters = [(f"{EVERYBODY} of {network_of(address)}", policy.of_network), (EVERYBODY, policy.of_everybody)]
    return [(name, limit) for name, limit in counters if limit > 0]


def wait_of(throttle: Throttle, limit: int, policy: SignUpPolicy, now: float) -> float:
    """Seconds until one more may sign up; 0 if now."""
    if throttle.failures < limit or not _is_in_window(throttle, policy, now):
        return 0.0
    return throttle.window_started_at + policy.window - now


def count_sign_up(throttle: Throttle, policy: SignUpPolicy, now: float) -> Throttle:
    """One more in this window, or the first of a new one."""
    if not _is_in_window(throttle, policy, now):
        return replace(throttle, failures=1, last_failure_at=now, window_started_at=now)
    return replace(throttle, failures=throttle.failures + 1, last_failure_at=now)


def _is_in_window(throttle: Throttle, policy: SignUpPolicy, now: float) -> bool:
    """Clocks of nodes differ a little. One that began more than a window from now was written by a clock that has been
    set back since, and counts for nobody."""
    return throttle.failures > 0 and abs(now - throttle.window_started_at) < policy.window


def is_loopback(address: str) -> bool:
    """Whether it is an address of the server's own machine."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback
