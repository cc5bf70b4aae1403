"""What a verified payload must say (RFC 7519 section 4.1): one `Policy` for each kind of token, one `Claims` out."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeVar

import msgspec

from ostiary.jose.encoding import decode_object, is_text
from ostiary.jose.errors import (
    Expired,
    InvalidClaim,
    InvalidPolicy,
    IssuedInFuture,
    MalformedToken,
    MissingClaim,
    NotYetValid,
    TooOld,
    WrongAudience,
    WrongIssuer,
    WrongType,
)
from ostiary.jose.header import Header, Members, comparable_type
from ostiary.jose.jws import Verified
from ostiary.limits import CREDENTIAL_CHARS, NUMERIC_DATE_MAX

_ABSENT: Any = object()
_PLACE = re.compile(r" - at `\$\.([^.`\[]+)")
_ABSENT_FIELD = re.compile(r"^Object missing required field `([^`]+)`")

T = TypeVar("T")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a token must be to be accepted. Everything is compared exactly.

    `audience`: who we are, one name or several; the token's `aud` must hold at least one. `type`: the header's `typ`.
    `leeway`: seconds that another clock may be ahead, for `nbf` and `iat`; `exp` has none and is always demanded.
    `max_age`: seconds since `iat`, which is then demanded. `required`: further claims that must be present.
    Raises `InvalidPolicy`.
    """

    issuer: str
    audience: str | tuple[str, ...]
    type: str
    leeway: float = 30.0
    max_age: float | None = None
    required: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        audience = (self.audience,) if isinstance(self.audience, str) else self.audience
        texts = (self.issuer, self.type, *audience, *self.required)
        if not audience or not all(is_text(text, CREDENTIAL_CHARS) for text in texts):
            raise InvalidPolicy("issuer, audience, type and required claims are strings, and none is empty")
        if isinstance(self.required, str):  # its letters would be demanded, and no token has such claims
            raise InvalidPolicy("required is a tuple of names")
        seconds = (self.leeway, 0 if self.max_age is None else self.max_age)
        if not all(isfinite(number) and number >= 0 for number in seconds):
            raise InvalidPolicy("leeway and max_age are finite and not negative")
        msgspec.structs.force_setattr(self, "audience", tuple(audience))
        msgspec.structs.force_setattr(self, "type", comparable_type(self.type))


class Claims(Members):
    """The claims of a token that passed: an immutable mapping, with its `header`."""

    __slots__ = ("header",)

    def __init__(self, members: dict[str, Any], header: Header) -> None:
        self._members = members
        self.header = header

    def into(self, shape: type[T]) -> T:
        """The claims as a msgspec struct, a dataclass or another type that msgspec knows; nothing is coerced. Raises
        `MissingClaim` or `InvalidClaim` where they do not fit, with the claim that does not."""
        try:
            return msgspec.convert(self._members, shape)
        except msgspec.ValidationError as refused:
            raise _misfit(str(refused)) from None


def check_claims(verified: Verified, policy: Policy, now: float) -> Claims:
    """The claims, if `policy` accepts them at `now` (Unix seconds). Order: `typ`, `iss`, `aud`, `exp`, `nbf`, `iat`,
    then the rest. Absent is not the same as unusable, and both are refused (flaw class 37)."""
    header = verified.header
    if header.type != policy.type:
        raise WrongType
    try:
        members = decode_object(verified.payload)
    except ValueError:
        raise MalformedToken("the payload is not strict JSON") from None
    try:
        audience, expires_at, issued_at = members["aud"], members["exp"], members["iat"]
        # An access token as RFC 9068 section 2.2 has it, in the one form that nearly all have: no second look.
        usual = (
            members["iss"] == policy.issuer
            and audience.__class__ is str is members["sub"].__class__ is members["jti"].__class__
            and audience in policy.audience
            and expires_at.__class__ is int is issued_at.__class__
            and 0 <= issued_at <= now < expires_at < NUMERIC_DATE_MAX
            and "nbf" not in members
            and policy.max_age is None
            and not policy.required
        )
    except KeyError:
        usual = False
    if not usual:
        _check_each(members, policy, now)
    return Claims(members, header)


def _check_each(members: dict[str, Any], policy: Policy, now: float) -> None:
    if members.get("iss") != policy.issuer:
        _refuse_issuer(members)
    _check_audience(members, policy)
    _check_dates(members, policy, now)
    for name in ("sub", "jti"):
        if not isinstance(members.get(name, ""), str):
            raise InvalidClaim("not a string", claim=name)
    for name in policy.required:
        if name not in members:
            raise MissingClaim(claim=name)


def read_date(members: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 section 2), or None if absent. A date in milliseconds is out of range (M-27)."""
    value = members.get(name, _ABSENT)
    if value.__class__ is int or value.__class__ is float:
        if 0 <= value < NUMERIC_DATE_MAX:
            date: float = value
            return date
        raise InvalidClaim("not seconds since 1970", claim=name)
    if value is _ABSENT:
        return None
    raise InvalidClaim("not a number", claim=name)


def _check_dates(members: dict[str, Any], policy: Policy, now: float) -> None:
    """RFC 7519 sections 4.1.4 to 4.1.6. The comparisons are written so that a `now` that is no number passes none."""
    expires_at = read_date(members, "exp")
    if expires_at is None:
        raise MissingClaim(claim="exp")
    if not now < expires_at:
        raise Expired(claim="exp")
    not_before = read_date(members, "nbf")
    if not_before is not None and not now + policy.leeway >= not_before:
        raise NotYetValid(claim="nbf")
    issued_at = read_date(members, "iat")
    if issued_at is not None and not now + policy.leeway >= issued_at:
        raise IssuedInFuture(claim="iat")
    if policy.max_age is not None:
        if issued_at is None:
            raise MissingClaim(claim="iat")
        if not now - issued_at <= policy.max_age:
            raise TooOld(claim="iat")


def _misfit(message: str) -> MissingClaim | InvalidClaim:
    """msgspec tells the place in words only. The names in it are those of the shape, never the token's."""
    place = _PLACE.search(message)
    absent = _ABSENT_FIELD.search(message)
    if absent and not place:
        return MissingClaim(claim=absent[1])
    return InvalidClaim("not of the expected shape", claim=place[1] if place else None)


def _refuse_issuer(members: dict[str, Any]) -> None:
    issuer = members.get("iss", _ABSENT)
    if issuer is _ABSENT:
        raise MissingClaim(claim="iss")
    raise WrongIssuer(claim="iss") if isinstance(issuer, str) else InvalidClaim("not a string", claim="iss")


def _check_audience(members: dict[str, Any], policy: Policy) -> None:
    """RFC 7519 section 4.1.3: one string or a list of them."""
    audience = members.get("aud", _ABSENT)
    if audience is _ABSENT:
        raise MissingClaim(claim="aud")
    names = [audience] if isinstance(audience, str) else audience
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InvalidClaim("not a string or a list of strings", claim="aud")
    if not any(name in policy.audience for name in names):
        raise WrongAudience(claim="aud")
