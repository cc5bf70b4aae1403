"""Every way to encrypt, as rows of two tables (RFC 7518 sections 4 and 5, RFC 8037 section 3.2).

What is not here is refused: RSA1_5 and PBES2 among the first, compression among what a header may ask for. A key is
bound to its rows when it is made; a header's `alg` and `enc` are only ever compared with their names.
"""

import msgspec

from ostiary.jose.errors import InvalidKey


class KeyManagement(msgspec.Struct, frozen=True):
    """How the content encryption key travels. `kty` lists the types that a key may have. `agrees`: the key comes out
    of a Diffie-Hellman agreement. `wrap_bytes`: length of the AES key that wraps the content encryption key; 0 where no
    AES key wraps it."""

    name: str
    kty: tuple[str, ...]
    agrees: bool = False
    wrap_bytes: int = 0

    @property
    def symmetric(self) -> bool:
        return self.kty == ("oct",)

    @property
    def direct(self) -> bool:
        """Whether the content encryption key is not sent at all."""
        return self.name in ("dir", "ECDH-ES")


class Encryption(msgspec.Struct, frozen=True):
    """How the content is encrypted. Lengths in bytes. `hash` is empty for GCM; else HMAC with it authenticates, under
    the first half of the key, what AES-CBC encrypts under the second."""

    name: str
    key_bytes: int
    iv_bytes: int
    hash: str = ""


TAG_BYTES = 16
"""Of GCM. An HMAC tag is as long as half of the key."""

AGREEMENT_CURVES = ("P-256", "P-384", "P-521", "X25519")
"""`crv` of the keys that can agree on another."""

_MANAGEMENT = (
    KeyManagement("dir", ("oct",)),
    KeyManagement("A128KW", ("oct",), wrap_bytes=16),
    KeyManagement("A256KW", ("oct",), wrap_bytes=32),
    KeyManagement("ECDH-ES", ("EC", "OKP"), agrees=True),
    KeyManagement("ECDH-ES+A256KW", ("EC", "OKP"), agrees=True, wrap_bytes=32),
    KeyManagement("RSA-OAEP-256", ("RSA",)),
)
_ENCRYPTIONS = (
    Encryption("A256GCM", 32, 12),
    Encryption("A128GCM", 16, 12),
    Encryption("A256CBC-HS512", 64, 16, "sha512"),
    Encryption("A128CBC-HS256", 32, 16, "sha256"),
)

KEY_MANAGEMENT = {row.name: row for row in _MANAGEMENT}
ENCRYPTIONS = {row.name: row for row in _ENCRYPTIONS}


def management_named(alg: object) -> KeyManagement:
    """The row of the table. Raises `InvalidKey`."""
    row = KEY_MANAGEMENT.get(alg) if isinstance(alg, str) else None
    if row is None:
        raise InvalidKey("the algorithm is not one of ours for encryption")
    return row


def encryption_named(enc: object) -> Encryption:
    """The row of the table. Raises `InvalidKey`."""
    row = ENCRYPTIONS.get(enc) if isinstance(enc, str) else None
    if row is None:
        raise InvalidKey("the content encryption is not one of ours")
    return row
