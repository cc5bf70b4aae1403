"""What a verifier raises, in three families that ask for three reactions.

`Misconfigured`: a person has to change something; never a request's fault. `Unavailable`: it cannot be known right now
(503 with `Retry-After`), so nobody is logged out for it. `Refused`: the request is answered with `error.status` and
`error.challenge`; why exactly is in `error.private`, for the log.
"""

from ostiary.errors import (
    Forbidden,
    InsufficientScope,
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
    "Refused",
    "RoleMissing",
    "ScopeMissing",
    "Unavailable",
    "Unreadable",
]

REALM = 'Bearer realm="ostiary"'


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


class RoleMissing(Refused, Forbidden):
    """Known, and not allowed (403)."""


class ScopeMissing(Refused, InsufficientScope):
    """The token's scope does not cover the request (403). `needed` is what it would take, in order."""

    def __init__(self, needed: tuple[str, ...]) -> None:
        super().__init__()
        self.needed = needed
        self.challenge = f'{REALM}, error="insufficient_scope", scope="{" ".join(needed)}"'
