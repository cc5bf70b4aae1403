"""The keys that a client brings: a JWK set of public keys, each for one algorithm (RFC 7591 section 2, `jwks`)."""

from collections.abc import Mapping
from typing import Any

from ostiary import jose, limits
from ostiary.errors import InvalidRequest

ASSERTION_ALGORITHMS = (
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
)
"""What a client may sign with. Never a shared secret: whoever checks it could also have made it."""

_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


def checked_keys(jwks: Mapping[str, Any]) -> dict[str, Any]:
    """The set as it is kept: every key public, with its algorithm and an id; `alg` and `kid` that are missing are put
    in (by curve, RS256 for RSA; by thumbprint). Raises InvalidRequest."""
    members = jwks.get("keys")
    if set(jwks) != {"keys"} or not isinstance(members, list) or not 0 < len(members) <= limits.CLIENT_KEYS:
        raise InvalidRequest(f"'jwks' is an object with 'keys', a list of 1 to {limits.CLIENT_KEYS} public keys.")
    try:
        keys = jose.KeySet(_key(jwk) for jwk in members)
    except jose.InvalidKey as wrong:
        raise InvalidRequest(f"'jwks' cannot be used: {wrong.reason}.") from None
    return keys.to_jwks()


def _key(jwk: object) -> jose.Key:
    if not isinstance(jwk, Mapping):
        raise InvalidRequest("'jwks' has a key that is not an object.")
    if not _PRIVATE.isdisjoint(jwk):
        raise InvalidRequest("'jwks' holds a private or secret key. It is known to others now: make another one.")
    alg = jwk.get("alg") or ("RS256" if jwk.get("kty") == "RSA" else _BY_CURVE.get(str(jwk.get("crv"))))
    if alg not in ASSERTION_ALGORITHMS:
        raise InvalidRequest(f"'jwks' has a key that is for none of {', '.join(ASSERTION_ALGORITHMS)}.")
    return jose.Key.from_jwk(jwk, alg)
