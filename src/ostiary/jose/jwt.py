"""JSON Web Tokens (RFC 7519): sign, decode without verifying, verify. Three calls, three results."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ostiary.jose.claims import read_date
from ostiary.jose.encoding import Unreadable, decode_bytes, decode_object
from ostiary.jose.errors import InvalidClaim, MalformedToken, Unsignable
from ostiary.jose.header import decode_header
from ostiary.jose.jws import sign_bytes, split
from ostiary.jose.keys import Key
from ostiary.jose.plain import encode_plain
from ostiary.limits import CREDENTIAL_CHARS, NUMERIC_DATE_MAX

_DATES = ("exp", "nbf", "iat")


class Unverified(msgspec.Struct, frozen=True):
    """What a token claims about itself. Anyone may have written it: nothing here authenticates anybody."""

    header: dict[str, Any]
    claims: dict[str, Any]


def sign(
    claims: Mapping[str, Any],
    key: Key,
    *,
    typ: str = "JWT",
    headers: Mapping[str, Any] | None = None,
    max_chars: int = CREDENTIAL_CHARS,
) -> str:
    """A compact JWT. Members keep their order. Raises `Unsignable` for what no verifier of ours would accept:
    `max_chars` is more for a document, which nobody presents."""
    return sign_bytes(encode_claims(claims), key, typ=typ, headers=headers, max_chars=max_chars)


def encode_claims(claims: Mapping[str, Any]) -> bytes:
    """The payload, if the claims are plain JSON and their dates are dates. Raises `Unsignable`."""
    payload = encode_plain(claims)
    try:
        for name in _DATES:
            date = claims.get(name, 0)
            if date.__class__ is not int or not 0 <= date < NUMERIC_DATE_MAX:
                read_date(claims, name)
    except InvalidClaim as refused:
        raise Unsignable(f"{refused.claim} is not a date in seconds") from None
    return payload


def decode_unverified(token: str) -> Unverified:
    """Header and claims, read as strictly as `verify` reads them, and believed by nobody. Raises `MalformedToken`."""
    _, segment, body, tail = split(token)
    header = decode_header(segment)
    try:
        decode_bytes(tail)
        return Unverified(header, decode_object(decode_bytes(body)))
    except Unreadable:
        raise MalformedToken("a segment is not canonical base64url, or the payload is not strict JSON") from None
