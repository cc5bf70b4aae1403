"""Tokens that no honest signer would make, and the keys that sign them."""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ostiary import jose

NOW = 1_800_000_000.0
ISSUER, AUDIENCE = "https://auth.example", "https://api.example"
POLICY = jose.Policy(issuer=ISSUER, audience=AUDIENCE, type="at+jwt")
ALGS = ("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
        "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448")  # fmt: skip
ASYMMETRIC = ALGS[3:]
RSA_KEYS = json.loads((Path(__file__).parents[2] / "vectors" / "jose" / "rsa_keys.json").read_text())


@cache
def key(alg: str, which: int = 0) -> jose.Key:
    """A key for `alg`, the same in every run; the RSA algorithms share their numbers."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519

    seed = hashlib.shake_256(f"{alg} {which}".encode()).digest(64)
    if alg.startswith("HS"):
        return jose.Key.from_secret(seed, alg)
    if alg[:2] in ("RS", "PS"):
        return jose.Key.from_jwk(RSA_KEYS[which], alg)
    if alg in ("EdDSA", "Ed25519"):
        return jose.Key(ed25519.Ed25519PrivateKey.from_private_bytes(seed[:32]), alg)
    if alg == "Ed448":
        return jose.Key(ed448.Ed448PrivateKey.from_private_bytes(seed[:57]), alg)
    curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}[alg]()
    return jose.Key(ec.derive_private_key(int.from_bytes(seed[:31], "big"), curve), alg)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def large_rsa_jwk(bits: int) -> dict[str, str]:
    """A public key of exactly `bits` without small factors. Nobody knows its primes, so nobody signs with it."""
    modulus = (1 << bits) - 1
    while any(modulus % prime == 0 for prime in range(3, 170, 2)):
        modulus -= 2
    return {"kty": "RSA", "alg": "RS256", "e": "AQAB", "n": b64(modulus.to_bytes((bits + 7) // 8, "big"))}


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that `POLICY` accepts at `NOW`, changed; a claim given as `...` is left out."""
    members = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "acc_1", "jti": "t_1", "iat": int(NOW), "exp": int(NOW) + 300, **changes,
    }  # fmt: skip
    return {name: value for name, value in members.items() if value is not ...}


def raw_token(header: bytes | dict[str, Any], payload: bytes | dict[str, Any], signer: jose.Key) -> str:
    """Any header over any payload, with a signature that is right for these very bytes."""
    head, body = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    return resign(f"{b64(head)}.{b64(body)}", signer)


def resign(signed: str, signer: jose.Key) -> str:
    return f"{signed}.{b64(signer.sign(signed.encode()))}"


def header(signer: jose.Key, **changes: Any) -> dict[str, Any]:
    members = {"alg": signer.alg, "typ": "at+jwt", "kid": signer.kid, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def good(signer: jose.Key, **changes: Any) -> str:
    return jose.sign(claims(**changes), signer, typ="at+jwt")


def code_of(token: Any, keys: jose.Key | jose.KeySet, policy: jose.Policy = POLICY, now: float = NOW) -> str:
    """The code with which the token is refused."""
    with pytest.raises(jose.TokenRejected) as caught:
        jose.verify(token, keys, policy, now=now)
    return caught.value.code


def payload_code(payload: bytes | dict[str, Any], policy: jose.Policy = POLICY, now: float = NOW) -> str:
    """The same for a well-signed payload."""
    signer = key("HS256")
    return code_of(raw_token(header(signer), payload, signer), signer, policy, now)


def header_code(members: bytes | dict[str, Any]) -> str:
    """The same for a well-signed header."""
    signer = key("HS256")
    return code_of(raw_token(members, claims(), signer), signer)
