"""Proofs of possession: JWTs whose header carries the very public key that signed them (`dpop+jwt`, RFC 9449
section 4).

A proof says "whoever made this holds that key" and nothing about who that is. It is the only place where a key comes
out of a header, so it has its own two functions and its own result, which no `verify` accepts and no `Policy` judges.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from ostiary.jose.algorithms import ALGORITHMS
from ostiary.jose.encoding import Unreadable, decode_bytes, decode_object, encode_bytes
from ostiary.jose.errors import AlgorithmNotAllowed, InvalidKey, InvalidSignature, MalformedToken, WrongType
from ostiary.jose.header import NEVER_ACCEPTED, Members, comparable_type, decode_header
from ostiary.jose.jwk import PRIVATE_MEMBERS
from ostiary.jose.jws import assemble, split
from ostiary.jose.jwt import encode_claims
from ostiary.jose.keys import Key
from ostiary.jose.plain import encode_plain


class Proof(msgspec.Struct, frozen=True):
    """`key` has signed `claims`. The caller still has to judge them, and compare `key.thumbprint()` (RFC 9449
    section 4.3)."""

    key: Key
    claims: Members


def sign_proof(claims: Mapping[str, Any], key: Key, *, typ: str) -> str:
    """The header is `alg`, `typ`, `jwk`. Raises `InvalidKey` for an HMAC key, which has no public half."""
    public = {name: value for name, value in key.public().to_jwk().items() if name not in ("alg", "use", "kid")}
    header = {"alg": key.alg, "typ": typ, "jwk": public}
    return assemble(encode_bytes(encode_plain(header)), encode_claims(claims), key)


def verify_proof(token: str, *, typ: str, algorithms: Collection[str]) -> Proof:
    """Raises `MalformedToken`, `WrongType`, `AlgorithmNotAllowed`, `InvalidSignature`."""
    signed, segment, body, tail = split(token)
    header = decode_header(segment)
    jwk = header.get("jwk")
    unacceptable = NEVER_ACCEPTED - {"jwk"}
    if not isinstance(jwk, dict) or not PRIVATE_MEMBERS.isdisjoint(jwk) or not unacceptable.isdisjoint(header):
        raise MalformedToken("a proof's header has a public jwk, and nothing that is never accepted")
    if comparable_type(header.get("typ", "")) != comparable_type(typ):
        raise WrongType
    alg = header["alg"]
    if alg not in algorithms or alg not in ALGORITHMS or ALGORITHMS[alg].symmetric:
        raise AlgorithmNotAllowed
    try:
        key = Key.from_jwk(jwk, alg)
        matches = key.verify(decode_bytes(tail), signed)
        payload = decode_bytes(body)
        if not matches:
            raise InvalidSignature
        return Proof(key, Members(decode_object(payload)))
    except (InvalidKey, Unreadable):
        raise MalformedToken("the proof's key, payload or signature is not readable") from None
