"""Compact JWS (RFC 7515 sections 5 and 7.1): sign bytes, verify bytes. What they mean is `claims.py`'s affair."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ostiary.jose.encoding import Unreadable, decode_bytes, encode_bytes
from ostiary.jose.errors import AlgorithmNotAllowed, InvalidSignature, MalformedToken, UnknownKey, Unsignable
from ostiary.jose.header import NEVER_ACCEPTED, Header, read_header
from ostiary.jose.key_set import KeySet
from ostiary.jose.keys import Key
from ostiary.jose.plain import encode_plain
from ostiary.limits import CREDENTIAL_CHARS

_OURS = NEVER_ACCEPTED | {"alg", "typ", "kid"}
_KEYS = (Key, KeySet)


class Verified(msgspec.Struct, frozen=True, gc=False):
    """A payload that `key` has signed. Nothing in it has been judged yet."""

    header: Header
    payload: bytes
    key: Key


def sign_bytes(
    payload: bytes,
    key: Key,
    *,
    typ: str | None = None,
    headers: Mapping[str, Any] | None = None,
    max_chars: int = CREDENTIAL_CHARS,
) -> str:
    """A compact JWS. The header is `alg`, then `typ`, then `kid`, then `headers`. Raises `Unsignable`."""
    if typ is not None and not isinstance(typ, str):
        raise Unsignable("typ is a string")
    if headers:
        if not _OURS.isdisjoint(headers):
            raise Unsignable("a header member is not the caller's to set")
        return assemble(_encode_header({**_own_header(key, typ), **headers}), payload, key, max_chars)
    known = key.written.get(typ)
    if known is None:
        known = _encode_header(_own_header(key, typ))
        key.written.remember(typ, known)
    return assemble(known, payload, key, max_chars)


def _own_header(key: Key, typ: str | None) -> dict[str, Any]:
    members = {"alg": key.alg, "typ": typ, "kid": key.kid or None}
    return {name: text for name, text in members.items() if text is not None}


def _encode_header(members: dict[str, Any]) -> bytes:
    return encode_bytes(encode_plain(members))


def assemble(header: bytes, payload: bytes, key: Key, max_chars: int = CREDENTIAL_CHARS) -> str:
    """An encoded header and a payload, signed. Raises `Unsignable` if the result is too large."""
    signed = header + b"." + encode_bytes(payload)
    token = signed + b"." + encode_bytes(key.sign(signed))
    if len(token) > max_chars:
        raise Unsignable("the token would be larger than any verifier accepts")
    return token.decode("ascii")


def split(token: str, max_chars: int = CREDENTIAL_CHARS) -> tuple[bytes, bytes, bytes, bytes]:
    """The text that was signed, and header, payload and signature, all still encoded. One grammar: two dots, and
    nothing empty but perhaps the payload (flaw classes 26 to 28)."""
    if token.__class__ is not str or len(token) > max_chars:
        raise MalformedToken("a token is a string of limited length")
    try:
        signed, _, tail = token.encode("ascii").rpartition(b".")
    except UnicodeEncodeError:
        raise MalformedToken("a token is ASCII") from None
    segment, dot, body = signed.partition(b".")
    if not dot or not segment or not tail or b"." in body:
        raise MalformedToken("a token has three segments")
    return signed, segment, body, tail


def verify_signature(token: str, keys: Key | KeySet, *, max_chars: int = CREDENTIAL_CHARS) -> Verified:
    """The payload, if one of `keys` signed it. Order: length, segments, header, key, algorithm, signature; the payload
    is not looked at before (flaw class 58).

    A `KeySet` is asked by `kid`, which must be there; a single `Key` was chosen by the caller, so `kid` does not
    count. Raises `MalformedToken`, `AlgorithmNotAllowed`, `UnknownKey`, `InvalidSignature`; `TypeError` if `keys` is
    neither.
    """
    if not isinstance(keys, _KEYS):
        raise TypeError("keys must be a Key or a KeySet")
    signed, segment, body, tail = split(token, max_chars)
    known = keys.headers.get(segment)
    header, key = known or _choose(segment, keys)
    try:
        matches = key.verify(decode_bytes(tail), signed)
        payload = decode_bytes(body)  # also where nothing matches: "malformed" says that the encoding was damaged
    except Unreadable:
        raise MalformedToken("a segment is not canonical base64url") from None
    if not matches:
        raise InvalidSignature
    if known is None:
        keys.headers.remember(segment, (header, key))
    return Verified(header, payload, key)


def _choose(segment: bytes, keys: Key | KeySet) -> tuple[Header, Key]:
    header = read_header(segment)
    key = keys.candidate(header.kid, header.alg)
    if key is None:
        raise UnknownKey(header.kid)
    if header.alg != key.alg:
        raise AlgorithmNotAllowed
    return header, key
