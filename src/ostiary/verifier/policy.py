"""What is demanded of a token before it is read: issuer, audience, type, times and the claims that it must have."""

from collections.abc import Sequence

from ostiary import jose
from ostiary.credentials.access_token import STATEFUL_TYPE, STATELESS_TYPE
from ostiary.errors import Misconfigured
from ostiary.jose.header import comparable_type

_PROFILE = ("sub", "client_id", "iat", "jti")
"""Claims that every access token of RFC 9068 has, beyond those that are always demanded."""
_REVOCABLE = ("sid", "sv", "ep")
"""Claims without which nothing of Ostiary's could be revoked before it expires."""


def policy_of(
    issuer: str, audience: str | Sequence[str], token_type: str, leeway: float, *, revocable: bool
) -> jose.Policy:
    """`revocable`: somebody knows what has been revoked, so a token must say what it could be revoked by. Raises
    Misconfigured."""
    if comparable_type(token_type) == STATEFUL_TYPE:
        raise Misconfigured("A stateful token can only be checked where the issuer's store is.")
    required = _PROFILE if comparable_type(token_type) == STATELESS_TYPE else _PROFILE[:1]
    try:
        return jose.Policy(
            issuer=issuer,
            audience=audience if isinstance(audience, str) else tuple(audience),
            type=token_type,
            leeway=leeway,
            required=(*required, *_REVOCABLE) if revocable else required,
        )
    except (jose.InvalidPolicy, TypeError) as wrong:
        raise Misconfigured(f"issuer, audience, token_type or leeway cannot be used: {wrong}") from None
