"""From verified claims to a `Caller` (RFC 9068 section 2.2), for tokens of Ostiary and of any other issuer."""

from collections.abc import Mapping
from typing import Any

from ostiary.credentials.access_token import STATEFUL_TYPE, STATELESS_TYPE, read_stateless
from ostiary.domain.caller import Caller
from ostiary.domain.session import Kind
from ostiary.errors import InvalidToken
from ostiary.jose import Claims, JoseError, TokenRejected, WrongType, decode_unverified
from ostiary.verifier.cache import TokenCache
from ostiary.verifier.errors import CredentialRefused

_ABSENT: Mapping[str, Any] = {
    "client_id": "", "jti": "", "iat": 0, "sid": "", "sv": 0, "ep": 0, "auth_time": 0, "scope": "", "roles": (),
}  # fmt: skip
"""What other issuers may leave out. What is there must be what it should be."""


def read_caller(claims: Claims, roles_claim: str, cache: TokenCache) -> Caller:
    """What callers have in common comes out of the cache. Raises CredentialRefused."""
    share = cache.share
    members = {**_ABSENT, **claims}
    if roles_claim != "roles":
        members["roles"] = claims.get(roles_claim, ())
    for name in ("cnf", "act"):  # null, as some issuers write what is not there
        if name in members and members[name] is None:
            del members[name]
    if "act" in members:
        members["act"] = _without_null(members["act"])
    try:
        token = read_stateless(members)
    except InvalidToken as wrong:
        raise CredentialRefused(private=wrong.private) from None
    if not token.account_id:
        raise CredentialRefused(private="sub is empty")
    return Caller(
        account_id=token.account_id,
        session_id=token.session_id,
        kind=Kind.STATELESS,
        roles=share(frozenset(token.roles)),
        scope=share(frozenset(token.scope)),
        audience=share(token.audience),
        auth_time=float(token.auth_time),
        expires_at=token.expires_at,
        version=token.version,
        epoch=token.epoch,
        client_id=share(token.client_id),
        act=token.actors,
        key_thumbprint=token.key_thumbprint,
        client_epoch=token.client_epoch,
        may_act=token.may_act,
    )


def _without_null(act: object) -> object:
    """A chain of actors whose last one says null for the next. No deeper than JSON may be."""
    if not isinstance(act, Mapping) or "act" not in act:
        return act
    actor = {name: value for name, value in act.items() if name != "act"}
    return actor if act["act"] is None else {**actor, "act": _without_null(act["act"])}


def refusal(token: str, error: JoseError) -> CredentialRefused:
    """The refusal, with a reason in the log that says what to do where that is known."""
    from ostiary.credentials.opaque import is_session_token  # here: it brings all that makes such tokens

    if is_session_token(token):
        return CredentialRefused(private="a session token says nothing by itself: only the issuer can look it up")
    if token.count(".") == 4:
        return CredentialRefused(private="an encrypted token, for which there is no key here")
    if isinstance(error, WrongType) and header_of(token).get("typ") == STATEFUL_TYPE:
        return CredentialRefused(
            private="a stateful token refers to a session in the issuer's store, which a verifier does not have; "
            f"ask for kind stateless ({STATELESS_TYPE})"
        )
    claim = getattr(error, "claim", None)
    return CredentialRefused(private=f"{error.code}: {claim}" if claim else error.code)


def header_of(token: str) -> Mapping[str, Any]:
    """What a token says of itself; empty if it cannot be read. Nothing is decided by it but whether to look again."""
    try:
        return decode_unverified(token).header
    except TokenRejected:
        return {}
