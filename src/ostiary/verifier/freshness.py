"""When a key set may be used and when it has to be fetched: rules only, no I/O and no clock. Instants are monotonic.

The rules, in words:

1. A set is fresh for as long as its issuer says (`max-age`), within bounds; it is fetched anew before that ends, and
   nobody waits for it.
2. A set that is no longer fresh is not used before a fetch was tried. If the fetch fails, the set stays, up to an age
   that counts from the moment its own fetch was *sent*; from then on nothing is known.
3. A failure is followed by a pause: 1, 2, 4 ... seconds, never more than the cooldown. Nobody fetches in it.
4. A key id that the set does not have may cause a fetch once in a cooldown, whatever happens.
5. Fetches are numbered. An answer counts only if no later-numbered one has been taken in.
"""

from enum import Enum

from ostiary import limits
from ostiary.jose import KeySet

_NEVER = float("-inf")


class Step(Enum):
    """What to do with a request that needs keys."""

    USE = "use"
    REFRESH = "refresh"  # use them, and see that a fetch is under way
    WAIT = "wait"  # for a fetch
    UNAVAILABLE = "unavailable"


class Freshness:
    """One key set through time. Not thread-safe: its owner holds a lock."""

    def __init__(self, *, cooldown: float, max_stale: float) -> None:
        self.keys: KeySet | None = None
        self.refresh_at = _NEVER
        self.retry_at = _NEVER
        self.failures = 0
        self._cooldown = cooldown
        self._max_stale = max_stale
        self._fresh_until = _NEVER
        self._stale_until = _NEVER
        self._begun_at = _NEVER
        self._overdue_at = _NEVER
        self._begun = 0
        self._taken = 0
        self._failed = 0

    def step(self, now: float) -> Step:
        """Rules 1 to 3."""
        under_way = self.under_way(now)
        if not self.usable(now):
            return Step.WAIT if under_way or now >= self.retry_at else Step.UNAVAILABLE
        if now < self.refresh_at or (now < self.retry_at and not under_way):
            return Step.USE
        if now < self._fresh_until or self.failures:
            return Step.USE if under_way else Step.REFRESH
        return Step.WAIT

    def usable(self, now: float) -> bool:
        """Whether there are keys, and they are not too old."""
        return self.keys is not None and now < self._stale_until

    def under_way(self, now: float) -> bool:
        """Whether a fetch is, and is not overdue."""
        return now < self._overdue_at

    def may_ask(self, now: float) -> bool:
        """Rule 4."""
        return self.under_way(now) or now >= self._begun_at + self._cooldown

    def begin(self, now: float) -> int:
        """A fetch is sent; its number."""
        self._begun += 1
        self._begun_at = now
        self._overdue_at = now + limits.FETCH_SECONDS
        return self._begun

    def take(self, number: int, keys: KeySet, max_age: float | None, sent_at: float) -> bool:
        """An answer; whether it counts (rule 5). A set that says the same as the one we have leaves that in its place,
        so that what was verified with it stays verified."""
        if number <= self._taken:
            return False
        self._taken = number
        self._settle(number)
        self.failures = 0
        if self.keys is None or not _same(keys, self.keys):
            self.keys = keys
        said = limits.KEY_SET_SECONDS if max_age is None else max_age
        fresh = min(max(said, limits.KEY_SET_SECONDS_MIN), limits.KEY_SET_SECONDS_MAX)
        self.refresh_at = sent_at + fresh * 0.8
        self._fresh_until = sent_at + fresh
        self._stale_until = sent_at + max(fresh, self._max_stale)
        self.retry_at = _NEVER
        return True

    def fail(self, number: int, now: float) -> None:
        """No answer. Said twice, or of a fetch that a later answer has made needless, it counts once or not at all."""
        if number <= max(self._taken, self._failed):
            return
        self._failed = number
        self._settle(number)
        self.failures += 1
        self.retry_at = now + min(self._cooldown, 2.0 ** min(self.failures - 1, 16))

    def _settle(self, number: int) -> None:
        if number == self._begun:
            self._overdue_at = _NEVER


def _same(one: KeySet, other: KeySet) -> bool:
    return {key.kid: key.to_jwk() for key in one} == {key.kid: key.to_jwk() for key in other}
