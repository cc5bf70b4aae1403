"""DPoP proofs that were used, as one process remembers them: each is good for one request (RFC 9449 section 11.1).

How old a proof is, is told by the wall clock, which may be set. Set forwards, it makes proofs too old that could be
used again once it is set right: so after such a step nothing is forgotten for as long as any proof may be used.
"""

import math
from collections.abc import Callable

from ostiary import limits
from ostiary.credentials.dpop import PossessionProof
from ostiary.errors import InvalidProof, Overloaded

_SWEEP_SECONDS = 1.0  # between looks at what has expired: a flood must not pay for one with every proof
_STEP_SECONDS = 1.0  # by which the wall clock is ahead of the time that has passed, and was not set so far


class UsedProofs:
    """Remembers a proof for as long as it could be used again. `wall` and `monotonic` are the process's clocks, in
    seconds; the second one is never set. Not for several threads at once."""

    def __init__(self, *, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._used: dict[tuple[str, str], float] = {}
        self._swept_at = -math.inf
        self._wall = wall
        self._monotonic = monotonic
        self._ahead = wall() - monotonic()  # of one clock to the other, when they were last compared
        self._longest = 0.0
        self._kept_until = -math.inf  # monotonic

    def use(self, proof: PossessionProof, now: float) -> None:
        """Raises InvalidProof if it was used before; Overloaded rather than forget one, which could then be used
        again."""
        self._compare_clocks()  # each time: a step of long ago keeps nothing
        name = (proof.thumbprint, proof.token_id)
        if now < self._used.get(name, 0.0):
            raise InvalidProof(private="used before")
        if len(self._used) >= limits.PROOFS_REMEMBERED:
            if abs(now - self._swept_at) >= _SWEEP_SECONDS:
                self._swept_at = now
                self.forget_expired(now)
            if len(self._used) >= limits.PROOFS_REMEMBERED:
                raise Overloaded(private="too many proofs to remember")
        self._longest = max(self._longest, proof.expires_at - now)
        self._used[name] = proof.expires_at

    def forget_expired(self, now: float) -> int:
        """Drop proofs that are too old to be used; how many."""
        if self._compare_clocks() < self._kept_until:
            return 0
        before = len(self._used)
        self._used = {name: expires_at for name, expires_at in self._used.items() if now < expires_at}
        return before - len(self._used)

    def _compare_clocks(self) -> float:
        """Monotonic time. Both are read here: the instant of a request may be as old as its body is slow."""
        monotonic = self._monotonic()
        ahead = self._wall() - monotonic
        if ahead - self._ahead > _STEP_SECONDS:
            self._kept_until = monotonic + self._longest
        self._ahead = ahead
        return monotonic

    def __len__(self) -> int:
        return len(self._used)
