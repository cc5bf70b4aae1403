"""How many failed logins, and how long to wait. NIST 800-63B-4 section 3.2.2, ASVS 6.1.1.

Three kinds of counters, each a record in the store, so that restarting forgives nothing:

* per account: `free_failures` at once, then a wait that doubles from 1 s up to `max_delay`; at `hard_limit` failures in
  a row the account refuses every password until an administrator or a password reset lets it go on;
* per account and known device: the same waits, but its own counter and no hard stop. Whoever hammers an account from
  elsewhere fills the account's counter, never this one: the owner is not locked out of their own device;
* per network (/24 or /56): `address_failures` in a sliding window.

An attempt is counted before the password is looked at and forgiven when it was right, so a burst of parallel guesses
gets exactly as many tries as the same guesses one after the other.

Waits and windows go by the wall clock, which all nodes have and which may be set. What was noted by a clock that has
been set back since does not say how long ago it was: it holds nobody up, and the next failure is noted by the clock as
it is now. So a clock that is set gives an account one attempt and a network one window, whatever it says, and the
failures in a row are as many as they were.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from ostiary.domain.copies import changer

_CLOCKS_DIFFER = 60.0  # seconds; who is further ahead was not another node's clock, but this one before it was set


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """One counter. `failures` in a row; `last_failure_at` in Unix seconds; `window_started_at` for networks."""

    id: str
    failures: int = 0
    last_failure_at: float = 0.0
    window_started_at: float = 0.0
    revision: int = 0


changed = changer(Throttle)
"""A counter with some of its fields changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottlePolicy:
    """Contract section 7: `login_free_failures`, `login_max_delay`, `login_hard_limit`, `address_failures`."""

    free_failures: int = 5
    max_delay: float = 900.0
    hard_limit: int = 100
    address_failures: int = 30
    address_window: float = 600.0


HARD_STOP_RETRY_AFTER = 3600.0
"""Seconds that a hard-stopped account names in Retry-After: waiting does not help, asking more often even less."""


def wait_of_account(throttle: Throttle, policy: ThrottlePolicy, now: float, *, known_device: bool) -> float:
    """Seconds until the next attempt may be made; 0 if it may be made now."""
    if not known_device and throttle.failures >= policy.hard_limit:
        return HARD_STOP_RETRY_AFTER
    if throttle.failures < policy.free_failures or _is_ahead(throttle, now):
        return 0.0
    delay = min(2.0 ** min(throttle.failures - policy.free_failures, 40), policy.max_delay)
    return max(0.0, throttle.last_failure_at + delay - now)


def attempts_left(throttle: Throttle, policy: ThrottlePolicy, now: float, *, known_device: bool) -> int:
    """How many attempts may be under way at once: the free ones that are left, or the single one after a wait."""
    if wait_of_account(throttle, policy, now, known_device=known_device) > 0:
        return 0
    return max(1, policy.free_failures - throttle.failures)


def wait_of_network(throttle: Throttle, policy: ThrottlePolicy, now: float) -> float:
    """Seconds until this network may try again; 0 if now."""
    if throttle.failures < policy.address_failures or not _is_in_window(throttle, policy, now):
        return 0.0
    return throttle.window_started_at + policy.address_window - now


def count_failure(throttle: Throttle, now: float) -> Throttle:
    """One more failure in a row. `now` may be a little before what another one noted."""
    latest = now if _is_ahead(throttle, now) else max(now, throttle.last_failure_at)
    return changed(throttle, failures=throttle.failures + 1, last_failure_at=latest)


def count_network_failure(throttle: Throttle, policy: ThrottlePolicy, now: float) -> Throttle:
    """One more failure in this window, or the first of a new one."""
    if not _is_in_window(throttle, policy, now):
        return changed(throttle, failures=1, last_failure_at=now, window_started_at=now)
    return count_failure(throttle, now)


def _is_ahead(throttle: Throttle, now: float) -> bool:
    return throttle.last_failure_at > now + _CLOCKS_DIFFER


def _is_in_window(throttle: Throttle, policy: ThrottlePolicy, now: float) -> bool:
    return abs(now - throttle.window_started_at) < policy.address_window


def taken_back(throttle: Throttle, before: Throttle | None) -> Throttle:
    """Without one attempt that was counted and that nobody judged, `before` being the counter at that time. If nothing
    has happened to it since, it is as it was; otherwise one less, and the waits of the others stay."""
    was = before or Throttle(id=throttle.id)
    if throttle.revision == was.revision + 1:
        return changed(was, revision=throttle.revision)
    return changed(throttle, failures=max(0, throttle.failures - 1))


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The /24 of an IPv4 address, the /56 of an IPv6 one (RFC 6177: what one site gets); anything else as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64] or "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    prefix = 24 if parsed.version == 4 else 56
    return str(ipaddress.ip_network((parsed, prefix), strict=False))
