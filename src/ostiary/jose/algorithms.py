"""Every signature algorithm, as rows of one table (RFC 7518 section 3, RFC 8037, RFC 9864). A new one is a new row.

Nothing is looked up by what a token says: a key is bound to its row when it is made, and a header's `alg` is only ever
compared with the row's name.
"""

import msgspec


class Algorithm(msgspec.Struct, frozen=True):
    """`kty` and `curves` are what a key must be; `hash` is the name that hashlib uses, empty where the scheme brings
    its own."""

    name: str
    kty: str
    scheme: str
    hash: str = ""
    curves: tuple[str, ...] = ()

    @property
    def symmetric(self) -> bool:
        return self.kty == "oct"


HASH_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}

COORDINATE_BYTES = {"P-256": 32, "P-384": 48, "P-521": 66, "Ed25519": 32, "Ed448": 57, "X25519": 32}
"""JWK `crv` to the length of a coordinate; an ECDSA signature is two of them."""

_ROWS = (
    Algorithm("HS256", "oct", "hmac", "sha256"),
    Algorithm("HS384", "oct", "hmac", "sha384"),
    Algorithm("HS512", "oct", "hmac", "sha512"),
    Algorithm("RS256", "RSA", "pkcs1", "sha256"),
    Algorithm("RS384", "RSA", "pkcs1", "sha384"),
    Algorithm("RS512", "RSA", "pkcs1", "sha512"),
    Algorithm("PS256", "RSA", "pss", "sha256"),
    Algorithm("PS384", "RSA", "pss", "sha384"),
    Algorithm("PS512", "RSA", "pss", "sha512"),
    Algorithm("ES256", "EC", "ecdsa", "sha256", ("P-256",)),
    Algorithm("ES384", "EC", "ecdsa", "sha384", ("P-384",)),
    Algorithm("ES512", "EC", "ecdsa", "sha512", ("P-521",)),
    Algorithm("EdDSA", "OKP", "eddsa", curves=("Ed25519", "Ed448")),
    Algorithm("Ed25519", "OKP", "eddsa", curves=("Ed25519",)),
    Algorithm("Ed448", "OKP", "eddsa", curves=("Ed448",)),
)

ALGORITHMS = {row.name: row for row in _ROWS}
