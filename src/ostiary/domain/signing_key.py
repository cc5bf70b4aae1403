"""The life of a signing key, and of a key that hides what was signed.

upcoming (published, does not sign yet) → active (signs) → retiring (no longer signs; what it signed still verifies) →
retired (nothing that it signed can still be alive). From any state → revoked: refuses at once all that it signed.
"""

from dataclasses import dataclass, field
from enum import StrEnum

ENCRYPTION_ALGORITHM = "A256KW"
"""Of the keys that hide stateless tokens (RFC 7518 section 4.4): the issuer alone writes and reads them."""


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
    from `secret_key`, and empty once the key can never sign again. `public_jwk` is JSON; empty for HS256.

    A key of `ENCRYPTION_ALGORITHM` encrypts and decrypts where the others sign and verify; its life is the same."""

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
    def encrypts(self) -> bool:
        """True for a key that hides tokens; it never signs."""
        return self.algorithm == ENCRYPTION_ALGORITHM

    @property
    def verifies(self) -> bool:
        """True if what it signed may still be accepted."""
        return self.state in (KeyState.ACTIVE, KeyState.RETIRING, KeyState.UPCOMING)

    @property
    def is_published(self) -> bool:
        """True if it belongs into the JWK set."""
        return self.verifies and bool(self.public_jwk)
