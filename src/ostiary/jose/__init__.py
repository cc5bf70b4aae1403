"""JOSE, small and strict: compact JWS and JWT on `cryptography`, `hmac` and `msgspec`. Usable alone.

    key = jose.Key.generate("ES256")
    token = jose.sign({"iss": ..., "aud": ..., "sub": ..., "exp": ...}, key)
    claims = jose.verify(token, key.public(), jose.Policy(issuer=..., audience=..., type="JWT"))

One key has one algorithm. `decode_unverified` is for looking, never for deciding. The modules below are pure; only
`verify` here reads the clock, and only if it is not told the time.
"""

from ostiary.clock import SYSTEM_CLOCK
from ostiary.jose.claims import Claims, Policy, check_claims
from ostiary.jose.errors import (
    AlgorithmNotAllowed,
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
    UnknownKey,
    Unsignable,
    WrongAudience,
    WrongIssuer,
    WrongType,
)
from ostiary.jose.header import Header
from ostiary.jose.jws import Verified, sign_bytes, verify_signature
from ostiary.jose.jwt import Unverified, decode_unverified, sign, verify_at
from ostiary.jose.key_set import KeySet
from ostiary.jose.keys import Key, insecure_hmac_key_shorter_than_the_hash
from ostiary.jose.proof import Proof, sign_proof, verify_proof

__all__ = [
    "AlgorithmNotAllowed",
    "Claims",
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
    "UnknownKey",
    "Unsignable",
    "Unverified",
    "Verified",
    "WrongAudience",
    "WrongIssuer",
    "WrongType",
    "check_claims",
    "decode_unverified",
    "insecure_hmac_key_shorter_than_the_hash",
    "sign",
    "sign_bytes",
    "sign_proof",
    "verify",
    "verify_proof",
    "verify_signature",
]


def verify(token: str, keys: Key | KeySet, policy: Policy, *, now: float | None = None) -> Claims:
    """The claims of a token that one of `keys` signed and that `policy` accepts at `now` (Unix seconds; without it,
    the system's clock). Raises `TokenRejected`."""
    return verify_at(token, keys, policy, SYSTEM_CLOCK.wall() if now is None else now)
