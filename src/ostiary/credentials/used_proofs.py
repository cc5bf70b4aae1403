"""DPoP proofs that were used, as one process remembers them: each is good for one request (RFC 9449 section 11.1)."""

import math

from ostiary import limits
from ostiary.credentials.dpop import PossessionProof
from ostiary.errors import InvalidProof, Overloaded

_SWEEP_SECONDS = 1.0  # between looks at what has expired: a flood must not pay for one with every proof


class UsedProofs:
    """Remembers a proof for as long as it could be used again. Not for several threads at once."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], float] = {}
        self._swept_at = -math.inf

    def use(self, proof: PossessionProof, now: float) -> None:
        """Raises InvalidProof if it was used before; Overloaded rather than forget one, which could then be used
        again."""
        name = (proof.thumbprint, proof.token_id)
        if now < self._used.get(name, 0.0):
            raise InvalidProof(private="used before")
        if len(self._used) >= limits.PROOFS_REMEMBERED:
            if abs(now - self._swept_at) >= _SWEEP_SECONDS:
                self._swept_at = now
                self.forget_expired(now)
            if len(self._used) >= limits.PROOFS_REMEMBERED:
                raise Overloaded(private="too many proofs to remember")
        self._used[name] = proof.expires_at

    def forget_expired(self, now: float) -> int:
        """Drop proofs that are too old to be used; how many."""
        before = len(self._used)
        self._used = {name: expires_at for name, expires_at in self._used.items() if now < expires_at}
        return before - len(self._used)

    def __len__(self) -> int:
        return len(self._used)
