"""What a verifier raises, in three families that ask for three reactions.

`Misconfigured`: a person has to change something; never a request's fault. `Unavailable`: it cannot be known right now
(503 with `Retry-After`), so nobody is logged out for it. `Refused`: the request is answered with `error.status` and
`error.challenge`; why exactly is in `error.private`, for the log.
"""

from ostiary.credentials.access_token import PROOF_ALGORITHMS
from ostiary.errors import (
    Forbidden,
    InsufficientScope,
    InvalidProof,
    InvalidToken,
    Malformed,
    Misconfigured,
    NotAuthenticated,
    OstiaryError,
    Unavailable,
)

__all__ = [
    "CredentialRefused",
    "Misconfigured",
    "NoCredential",
    "NonceRequired",
    "ProofRefused",
    "Refused",
    "RoleMissing",
    "SchemeRefused",
    "ScopeMissing",
    "Unavailable",
    "Unreadable",
]

REALM = 'Bearer realm="ostiary"'
DPOP_REALM = f'DPoP realm="ostiary", algs="{" ".join(PROOF_ALGORITHMS)}"'


class Refused(OstiaryError):
    """The root of all refusals. `challenge` is the value of `WWW-Authenticate` (RFC 6750 section 3), or empty."""

    challenge: str = ""


class Unreadable(Refused, Malformed):
    """The request contradicts itself: more than one credential (400, RFC 6750 section 3.1)."""

    challenge = f'{REALM}, error="invalid_request"'


class NoCredential(Refused, NotAuthenticated):
    """No bearer token was sent (401)."""

    challenge = REALM


class CredentialRefused(Refused, InvalidToken):
    """A credential was sent and is not accepted (401). Outside, all causes look alike."""

    challenge = f'{REALM}, error="invalid_token"'


class SchemeRefused(CredentialRefused):
    """A token that is bound to a key came as a bearer token, or one that is bound to none under the DPoP scheme (401,
    RFC 9449 section 7)."""

    challenge = f'{DPOP_REALM}, error="invalid_token"'


class ProofRefused(Refused, InvalidProof):
    """The DPoP proof is missing, or does not hold for this request, its token and its key (401)."""

    challenge = f'{DPOP_REALM}, error="invalid_dpop_proof"'


class NonceRequired(ProofRefused):
    """The proof has to be made again, with `nonce` (401, RFC 9449 section 9)."""

    code = "use_dpop_nonce"
    title = "Send the proof again with the nonce in DPoP-Nonce"
    challenge = f'{DPOP_REALM}, error="use_dpop_nonce"'

    def __init__(self, nonce: str) -> None:
        super().__init__(private="no nonce, or an old one")
        self.nonce = nonce


class RoleMissing(Refused, Forbidden):
    """Known, and not allowed (403)."""


class ScopeMissing(Refused, InsufficientScope):
    """The token's scope does not cover the request (403). `needed` is what it would take, in order."""

    def __init__(self, needed: tuple[str, ...]) -> None:
        super().__init__()
        self.needed = needed
        self.challenge = f'{REALM}, error="insufficient_scope", scope="{" ".join(needed)}"'
