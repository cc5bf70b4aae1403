"""One-time tokens: what they say, and reading it back. Signing, and checking signature, type, issuer, audience and
times, is `ostiary.jose`'s; that one is used once is seen to where it is spent."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ostiary.credentials.opaque import encode
from ostiary.domain.one_time import resource_problem
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import InvalidToken

ONE_TIME_TYPE = "one-time+jwt"
_TOKEN_ID_CHARS = 256
_NEWEST = ENDED_VERSION - 1
_FROM = re.compile(r"[A-Za-z0-9_-]+\.([0-9]{1,16})\.([0-9]{1,16})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeToken:
    """A right to do `action` on `resource` once, for the account `account_id` and by its session. Instants in seconds.

    `token_id` names it wherever it is spent: the text of a token can be written in more than one way. `confirm`: a
    person has to press a button first, since whoever scans a mail follows its links.

    `version` and `epoch` are those of the session and the account when it was issued, so that whatever voids their
    credentials voids it too. The payload has no members for them: they stand at the end of `jti`, behind what is
    random. Of one that says neither, only the end of its session is heard.
    """

    issuer: str
    audience: str
    account_id: str
    session_id: str
    issued_at: float
    expires_at: float
    token_id: str
    action: str
    resource: str
    confirm: bool = False
    version: int = _NEWEST
    epoch: int = _NEWEST


def token_id_of(random: bytes, *, version: int, epoch: int) -> str:
    """The `jti` of a new token."""
    return f"{encode(random)}.{version}.{epoch}"


def one_time_claims(token: OneTimeToken) -> dict[str, Any]:
    """The payload. `confirm` is only there where it is true."""
    claims: dict[str, Any] = {
        "iss": token.issuer,
        "aud": token.audience,
        "sub": token.account_id,
        "sid": token.session_id,
        "iat": int(token.issued_at),
        "exp": int(token.expires_at),
        "jti": token.token_id,
        "act_on": {"action": token.action, "resource": token.resource},
    }
    return {**claims, "confirm": True} if token.confirm else claims


def read_one_time(claims: Mapping[str, Any]) -> OneTimeToken:
    """Raises InvalidToken if it does not say what such a token says, exactly as we say it."""
    act_on = claims.get("act_on")
    if not isinstance(act_on, Mapping):
        raise InvalidToken(private="act_on is not an object")
    confirm = claims.get("confirm", False)
    if not isinstance(confirm, bool):
        raise InvalidToken(private="confirm is not a truth value")
    audience, resource, token_id = claims["aud"], _text(act_on, "resource"), _text(claims, "jti")
    if not isinstance(audience, str):
        raise InvalidToken(private="aud is not one name")
    if resource_problem(resource) is not None:
        raise InvalidToken(private="resource is not in normal form")
    if len(token_id) > _TOKEN_ID_CHARS:
        raise InvalidToken(private="jti is too long")
    issued_under = _FROM.fullmatch(token_id)
    version, epoch = map(int, issued_under.groups()) if issued_under else (_NEWEST, _NEWEST)
    return OneTimeToken(
        issuer=claims["iss"],
        audience=audience,
        account_id=_text(claims, "sub"),
        session_id=_text(claims, "sid"),
        issued_at=float(claims["iat"]),
        expires_at=float(claims["exp"]),
        token_id=token_id,
        action=_text(act_on, "action"),
        resource=resource,
        confirm=confirm,
        version=version,
        epoch=epoch,
    )


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidToken(private=f"{name} is not a text")
    return value
