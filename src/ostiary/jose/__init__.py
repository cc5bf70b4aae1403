"""JOSE, small and strict: compact JWS, JWE and JWT on `cryptography`, `hmac` and `msgspec`. Usable alone.

    key = jose.Key.generate("ES256")
    token = jose.sign({"iss": ..., "aud": ..., "sub": ..., "exp": ...}, key)
    claims = jose.verify(token, key.public(), jose.Policy(issuer=..., audience=..., type="JWT"))

    hidden = jose.EncryptionKey.generate("ECDH-ES+A256KW")
    token = jose.sign_then_encrypt({...}, key, hidden.public())
    claims = jose.verify_nested(token, hidden, key.public(), policy, now)

One key has one algorithm, and either signs or encrypts. `decode_unverified` is for looking, never for deciding. The
modules below are pure; only `verify` here reads the clock, and only if it is not told the time.
"""

from collections.abc import Callable
from functools import cache
from typing import TypeVar, overload

from ostiary.jose.claims import Claims, Policy, check_claims
from ostiary.jose.encryption_keys import EncryptionKey, EncryptionKeySet
from ostiary.jose.errors import (
    AlgorithmNotAllowed,
    DecryptionFailed,
    Expired,
    InvalidClaim,
    InvalidKey,
    InvalidPolicy,
    InvalidSignature,
    IssuedInFuture,
    JoseError,
    MalformedToken,
    MissingClaim,
    NotYetValid,
    TokenRejected,
    TooOld,
    Unencryptable,
    UnknownKey,
    Unsignable,
    WrongAudience,
    WrongIssuer,
    WrongType,
)
from ostiary.jose.header import Header
from ostiary.jose.jwe import Decrypted, decrypt, encrypt
from ostiary.jose.jws import Verified, sign_bytes, verify_signature
from ostiary.jose.jwt import Unverified, decode_unverified, sign
from ostiary.jose.key_set import KeySet
from ostiary.jose.keys import Key, insecure_hmac_key_shorter_than_the_hash
from ostiary.jose.nested import decrypt_token, encrypt_token, is_encrypted, sign_then_encrypt, verify_nested
from ostiary.jose.proof import Proof, sign_proof, verify_proof

T = TypeVar("T")

__all__ = [
    "AlgorithmNotAllowed",
    "Claims",
    "Decrypted",
    "DecryptionFailed",
    "EncryptionKey",
    "EncryptionKeySet",
    "Expired",
    "Header",
    "InvalidClaim",
    "InvalidKey",
    "InvalidPolicy",
    "InvalidSignature",
    "IssuedInFuture",
    "JoseError",
    "Key",
    "KeySet",
    "MalformedToken",
    "MissingClaim",
    "NotYetValid",
    "Policy",
    "Proof",
    "TokenRejected",
    "TooOld",
    "Unencryptable",
    "UnknownKey",
    "Unsignable",
    "Unverified",
    "Verified",
    "WrongAudience",
    "WrongIssuer",
    "WrongType",
    "check_claims",
    "decode_unverified",
    "decrypt",
    "decrypt_token",
    "encrypt",
    "encrypt_token",
    "insecure_hmac_key_shorter_than_the_hash",
    "is_encrypted",
    "sign",
    "sign_bytes",
    "sign_proof",
    "sign_then_encrypt",
    "verify",
    "verify_nested",
    "verify_proof",
    "verify_signature",
]


@overload
def verify(token: str, keys: Key | KeySet, policy: Policy, *, now: float | None = None) -> Claims: ...


@overload
def verify(token: str, keys: Key | KeySet, policy: Policy, *, into: type[T], now: float | None = None) -> T: ...


def verify(
    token: str, keys: Key | KeySet, policy: Policy, *, into: type[T] | None = None, now: float | None = None
) -> Claims | T:
    """The claims of a token that one of `keys` signed and that `policy` accepts at `now` (Unix seconds; without it,
    the system's clock), as `Claims` or as an object of the type `into` (see `Claims.into`). Raises `TokenRejected`."""
    claims = check_claims(verify_signature(token, keys), policy, _wall_clock()() if now is None else now)
    return claims if into is None else claims.into(into)


@cache
def _wall_clock() -> Callable[[], float]:
    from ostiary.clock import SYSTEM_CLOCK

    return SYSTEM_CLOCK.wall
