"""The life of a signing key.

upcoming (published, does not sign yet) → active (signs) → retiring (no longer signs; what it signed still verifies) →
retired (nothing that it signed can still be alive). From any state → revoked: refuses at once all that it signed.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class KeyState(StrEnum):
    """See the module's words."""

    UPCOMING = "upcoming"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key of the issuer. `id` is its `kid` (RFC 7638). `sealed` is the private JWK, encrypted with a key derived
    from `secret_key`, and empty once the key can never sign again. `public_jwk` is JSON; empty for HS256."""

    id: str
    algorithm: str
    state: KeyState
    public_jwk: str
    sealed: bytes = field(repr=False)
    created_at: float
    activated_at: float | None = None
    retiring_at: float | None = None
    ended_at: float | None = None
    revision: int = 0

    @property
    def verifies(self) -> bool:
        """True if what it signed may still be accepted."""
        return self.state in (KeyState.ACTIVE, KeyState.RETIRING, KeyState.UPCOMING)

    @property
    def is_published(self) -> bool:
        """True if it belongs into the JWK set."""
        return self.verifies and bool(self.public_jwk)
