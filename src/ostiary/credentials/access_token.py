"""Access tokens: what they say, and reading it back. RFC 9068 for the stateless kind.

Building and reading only: signing and checking the signature, type, issuer and times is `ostiary.jose`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ostiary import limits
from ostiary.domain.session import Kind
from ostiary.errors import InvalidRequest, InvalidToken, Misconfigured

STATELESS_TYPE = "at+jwt"
STATEFUL_TYPE = "session+jwt"
PROOF_ALGORITHMS = (
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "PS384", "PS512"),
    *("RS256", "RS384", "RS512"),
)
"""What a proof that a token's key is held may be signed with (RFC 9449 section 4.2)."""

PRIVATE_CLAIMS = frozenset(
    {
        "address", "birthdate", "display_name", "email", "family_name", "gender", "given_name", "locale",
        "middle_name", "name", "nickname", "password", "phone_number", "picture", "preferred_username", "profile",
        "ssn", "username", "zoneinfo",
    }
)  # fmt: skip
"""Personal data and secrets (OpenID Connect Core section 5.1 and more): never in a token that anyone can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a login or a refresh gives: everything that any kind of access token may say. Instants in whole seconds."""

    issuer: str
    audience: tuple[str, ...]
    account_id: str
    session_id: str
    version: int
    epoch: int
    client_id: str
    auth_time: int
    issued_at: int
    expires_at: int
    token_id: str
    roles: tuple[str, ...]
    scope: tuple[str, ...]
    key_thumbprint: str | None = None
    actors: tuple[str, ...] = ()
    client_epoch: int | None = None
    status: tuple[str, int] | None = None
    """Address of a status list, and which of its bits is this token's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A verified access token, read. `epoch`, `roles`, `scope` are empty for the stateful kind: it only refers.
    `actors`: the current one first. `may_act`: the one client that may act for the subject, "" if any that may at all.
    `client_epoch`: of the registered client that it was issued to, None if there is none. `status`: as in `Grant`."""

    kind: Kind
    audience: tuple[str, ...]
    account_id: str
    session_id: str
    version: int
    epoch: int
    client_id: str
    auth_time: int
    expires_at: float
    roles: tuple[str, ...]
    scope: tuple[str, ...]
    actors: tuple[str, ...]
    key_thumbprint: str | None = None
    may_act: str = ""
    client_epoch: int | None = None
    status: tuple[str, int] | None = None


def stateful_claims(grant: Grant) -> dict[str, Any]:
    """A reference and nothing else: no account, no role, no name."""
    return {
        "iss": grant.issuer,
        "aud": _one_or_list(grant.audience),
        "sid": grant.session_id,
        "sv": grant.version,
        "iat": grant.issued_at,
        "exp": grant.expires_at,
        "jti": grant.token_id,
        **_confirmation(grant),
    }


def stateless_claims(grant: Grant) -> dict[str, Any]:
    """Everything that a resource server needs to decide alone (RFC 9068 section 2.2). One that was exchanged also says
    who acts (RFC 8693 section 4.1). One that was issued to a registered client says under which epoch of the client's
    (`cep`); `status` says where others may look whether it still holds (Token Status List section 6.2)."""
    claims: dict[str, Any] = {
        "iss": grant.issuer,
        "sub": grant.account_id,
        "aud": _one_or_list(grant.audience),
        "client_id": grant.client_id,
        "iat": grant.issued_at,
        "exp": grant.expires_at,
        "jti": grant.token_id,
        "sid": grant.session_id,
        "sv": grant.version,
        "auth_time": grant.auth_time,
        "scope": " ".join(grant.scope),
        "roles": list(grant.roles),
        "ep": grant.epoch,
        **_confirmation(grant),
    }
    if grant.actors:
        claims["act"] = actor_claim(grant.actors)
    if grant.client_epoch is not None:
        claims["cep"] = grant.client_epoch
    if grant.status is not None:
        uri, index = grant.status
        claims["status"] = {"status_list": {"idx": index, "uri": uri}}
    return claims


def actor_claim(actors: tuple[str, ...]) -> dict[str, Any] | None:
    """`act`: the current actor outermost, whom it acts for inside (RFC 8693 section 4.1)."""
    act: dict[str, Any] | None = None
    for actor in reversed(actors):
        act = {"sub": actor} if act is None else {"sub": actor, "act": act}
    return act


def check_before_signing(claims: Mapping[str, Any]) -> None:
    """Refuse to put private data where anyone can read it. Raises Misconfigured: never a request's fault."""
    private = PRIVATE_CLAIMS.intersection(claims)
    if private:
        raise Misconfigured(f"Claims {sorted(private)} are private: they may only be sent in an encrypted token.")


def check_after_signing(token: str) -> str:
    """The token, unless it is too large to travel. Raises InvalidRequest: another kind, or fewer scopes, would do."""
    if len(token) > limits.ISSUED_TOKEN_CHARS:
        raise InvalidRequest(
            f"The access token would be larger than {limits.ISSUED_TOKEN_CHARS} characters: ask for fewer scopes, or "
            "for kind 'stateful' or 'session'."
        )
    return token


def read_stateful(claims: Mapping[str, Any]) -> AccessToken:
    """Raises InvalidToken if it does not say what this kind says."""
    _check_common(claims)
    if "act" in claims:
        raise InvalidToken(private="a reference to a session, with an actor")
    return AccessToken(
        kind=Kind.STATEFUL,
        audience=_audience(claims),
        account_id="",
        session_id=_text(claims, "sid"),
        version=_count(claims, "sv"),
        epoch=0,
        client_id="",
        auth_time=0,
        expires_at=float(claims["exp"]),
        roles=(),
        scope=(),
        actors=(),
        key_thumbprint=_key_thumbprint(claims),
    )


def read_stateless(claims: Mapping[str, Any]) -> AccessToken:
    """Raises InvalidToken if it does not say what this kind says."""
    _check_common(claims)
    roles = claims.get("roles")
    if not isinstance(roles, list | tuple) or not all(isinstance(role, str) for role in roles):
        raise InvalidToken(private="roles is not a list of strings")
    return AccessToken(
        kind=Kind.STATELESS,
        audience=_audience(claims),
        account_id=_text(claims, "sub"),
        session_id=_text(claims, "sid"),
        version=_count(claims, "sv"),
        epoch=_count(claims, "ep"),
        client_id=_text(claims, "client_id"),
        auth_time=_seconds(claims, "auth_time"),
        expires_at=float(claims["exp"]),
        roles=tuple(roles),
        scope=tuple(_text(claims, "scope").split()),
        actors=_actors(claims),
        key_thumbprint=_key_thumbprint(claims),
        may_act=_may_act(claims),
        client_epoch=_count(claims, "cep") if "cep" in claims else None,
        status=_status(claims.get("status")),
    )


def _one_or_list(audience: tuple[str, ...]) -> str | list[str]:
    return audience[0] if len(audience) == 1 else list(audience)


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    audience = claims["aud"]
    return (audience,) if isinstance(audience, str) else tuple(audience)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise InvalidToken(private=f"{name} is not a string")
    return value


def _count(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidToken(private=f"{name} is not a whole number")
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    """An instant. One in milliseconds would lie in the far future, and a password proven there is fresh for ever."""
    value = _count(claims, name)
    if value >= limits.NUMERIC_DATE_MAX:
        raise InvalidToken(private=f"{name} is not in seconds")
    return value


def _check_common(claims: Mapping[str, Any]) -> None:
    """What RFC 9068 section 2.2 demands and nothing here reads. Raises InvalidToken: it is not from us."""
    _text(claims, "jti")
    if "iat" not in claims:  # what it says has been checked with the other dates
        raise InvalidToken(private="iat is missing")


def _confirmation(grant: Grant) -> dict[str, Any]:
    """The claim `cnf` (RFC 7800 section 3.1, RFC 9449 section 6.1)."""
    return {"cnf": {"jkt": grant.key_thumbprint}} if grant.key_thumbprint else {}


def _key_thumbprint(claims: Mapping[str, Any]) -> str | None:
    """A confirmation that is not understood must not be passed over: the token would be taken from anybody."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    if (
        not isinstance(confirmation, Mapping)
        or set(confirmation) != {"jkt"}
        or not isinstance(confirmation["jkt"], str)
    ):
        raise InvalidToken(private="cnf is not the thumbprint of a key")
    return confirmation["jkt"]


def _status(status: object) -> tuple[str, int] | None:
    """Its place in a status list. What it says otherwise is for whoever looks at lists to judge."""
    place = status.get("status_list") if isinstance(status, Mapping) else None
    if not isinstance(place, Mapping):
        return None
    uri, index = place.get("uri"), place.get("idx")
    return (uri, index) if isinstance(uri, str) and isinstance(index, int) else None


def _may_act(claims: Mapping[str, Any]) -> str:
    """Who may act for the subject (RFC 8693 section 4.4)."""
    if "may_act" not in claims:
        return ""
    allowed = claims["may_act"]
    actor = allowed.get("sub") if isinstance(allowed, Mapping) else None
    if not isinstance(actor, str) or not actor or allowed.get("iss", claims.get("iss")) != claims.get("iss"):
        raise InvalidToken(private="may_act names no actor of ours")
    return actor


def _actors(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The chain of actors, the current one first (RFC 8693 section 4.1). One that says null is no chain: only a token
    without the member has none."""
    chain: list[str] = []
    while "act" in claims:
        act = claims["act"]
        if not isinstance(act, Mapping) or not isinstance(act.get("sub"), str) or len(chain) >= limits.ACTOR_DEPTH:
            raise InvalidToken(private="act is not a chain of actors")
        chain.append(act["sub"])
        claims = act
    return tuple(chain)
