"""`EncryptionKey` and `EncryptionKeySet`: they encrypt and decrypt, and can never sign or verify (flaw class 46)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

from ostiary.jose import jwk as _jwk
from ostiary.jose.encoding import is_text
from ostiary.jose.errors import InvalidKey
from ostiary.jose.jwe_algorithms import (
    AGREEMENT_CURVES,
    ENCRYPTIONS,
    KEY_MANAGEMENT,
    KeyManagement,
    encryption_named,
    management_named,
)
from ostiary.jose.key_management import Unwrap, Wrap, bind_aes_wrap, bind_agreement, bind_direct, bind_rsa
from ostiary.jose.key_object import KeyObject
from ostiary.jose.key_set import Keys
from ostiary.jose.material import check_rsa, halves, kind_of, looks_like_another_key
from ostiary.limits import KID_CHARS, RSA_BITS_MIN

_ALL: Final = frozenset(("encrypt", "decrypt"))


class EncryptionKey(KeyObject):
    """A key for one key management algorithm, and for the content encryptions `encs`, of which the first is used unless
    the caller names another. A `dir` key is the content encryption key itself, so it has exactly one.

    AES-GCM under one `dir` key is safe for 2**32 tokens (NIST SP 800-38D section 8.3): rotate long before (flaw class
    54). Every other algorithm makes a new content encryption key for each token and has no such end.

    Made by the class methods. Every one raises `InvalidKey` for what does not fit: type, curve, size, use, weakness.
    """

    __slots__ = ("encs", "management", "unwrap", "wrap")
    _use = "enc"
    encs: tuple[str, ...]
    management: KeyManagement
    wrap: Wrap | None
    """None if the key may not encrypt."""
    unwrap: Unwrap | None
    """None if the key may not decrypt."""

    def __init__(
        self, material: Any, alg: str, *, encs: Iterable[str] | None = None, kid: str | None = None,
        operations: frozenset[str] = _ALL,
    ) -> None:  # fmt: skip
        """`material` is bytes for `dir` and AES key wrap, else a key object of `cryptography`."""
        row = management_named(alg)
        if kid is not None and not is_text(kid, KID_CHARS):
            raise InvalidKey("a kid is a string of 1 to 256 characters")
        names = _read_encs(row, encs)
        if row.symmetric:
            secret = _check_secret(row, names, material)
            wrap, unwrap = bind_direct(secret) if row.name == "dir" else bind_aes_wrap(secret)
            may_encrypt, may_decrypt = "encrypt" in operations, "decrypt" in operations
            _set(self, "_material", secret)
        else:
            public, private = _check_pair(row, material)
            wrap, found = bind_agreement(row, public, private) if row.agrees else bind_rsa(public, private)
            # A private key's `key_ops` speak of the private half; anyone may use the public half.
            may_encrypt = private is not None or "encrypt" in operations
            may_decrypt = private is not None and "decrypt" in operations
            if private is not None and not may_decrypt:
                raise InvalidKey("key_ops leave nothing that the key could do")
            unwrap = found  # type: ignore[assignment]
            _set(self, "_material", (public, private))
        if not (may_encrypt or may_decrypt):
            raise InvalidKey("key_ops leave nothing that the key could do")
        _set(self, "management", row)
        _set(self, "alg", row.name)
        _set(self, "encs", names)
        _set(self, "operations", operations)
        _set(self, "wrap", wrap if may_encrypt else None)
        _set(self, "unwrap", unwrap if may_decrypt else None)
        _set(self, "kid", kid if kid is not None else self.thumbprint())

    @classmethod
    def from_jwk(
        cls, jwk: Mapping[str, Any] | bytes | str, alg: str | None = None, *, encs: Iterable[str] | None = None
    ) -> Self:
        """A JWK, as an object or as JSON text. `alg` is needed where the JWK does not say it. A JWK whose `alg` is a
        content encryption is a `dir` key for it."""
        members = _jwk.read_members(jwk)
        kid, operations = _jwk.read_kid(members), _jwk.read_encryption_operations(members)
        stated = members.get("alg", alg)
        if isinstance(stated, str) and stated in ENCRYPTIONS and "alg" in members:
            if alg not in (None, "dir") or (encs is not None and tuple(encs) != (stated,)):
                raise InvalidKey("the JWK is for another algorithm")
            stated, encs = "dir", (stated,)
        elif alg is not None and stated != alg:
            raise InvalidKey("the JWK is for another algorithm")
        row = management_named(stated)
        return cls(_jwk.read_material(members, *row.kty), row.name, encs=encs, kid=kid, operations=operations)

    @classmethod
    def from_pem(
        cls, pem: bytes | str, *, alg: str, encs: Iterable[str] | None = None, password: bytes | None = None,
        kid: str | None = None,
    ) -> Self:  # fmt: skip
        """A PKCS#8, SEC1 or PKCS#1 private key, or a public key, in PEM."""
        from ostiary.jose.pem import read_pem

        return cls(read_pem(pem, password), alg, encs=encs, kid=kid)

    @classmethod
    def from_secret(cls, secret: bytes, alg: str, *, encs: Iterable[str] | None = None, kid: str | None = None) -> Self:
        """A symmetric key: random bytes, exactly as many as the algorithm takes."""
        if not isinstance(secret, bytes):
            raise InvalidKey("a secret is bytes")
        return cls(secret, alg, encs=encs, kid=kid)

    @classmethod
    def generate(
        cls, alg: str, *, encs: Iterable[str] | None = None, crv: str = "X25519", kid: str | None = None,
        bits: int = RSA_BITS_MIN, random: Callable[[int], bytes] | None = None,
    ) -> Self:  # fmt: skip
        """A new secret or private key. `crv` counts for ECDH-ES, `bits` for RSA, `random` (default: the system's) for
        secrets."""
        row = management_named(alg)
        if row.symmetric:
            from secrets import token_bytes

            size = row.wrap_bytes or ENCRYPTIONS[_read_encs(row, encs)[0]].key_bytes
            return cls((random or token_bytes)(size), alg, encs=encs, kid=kid)
        from ostiary.jose.generate import generate_for_encryption

        return cls(generate_for_encryption(crv if row.agrees else "", bits), alg, encs=encs, kid=kid)

    def public(self) -> "EncryptionKey":
        """Only what encrypts, under the same kid."""
        if self.symmetric:
            raise InvalidKey("a symmetric key has no public half")
        return EncryptionKey(self._material[0], self.alg, encs=self.encs, kid=self.kid)

    def candidate(self, kid: str | None, alg: str) -> "EncryptionKey | None":  # noqa: ARG002 - as of a set
        """This very key: whoever passes one key has chosen it."""
        return self

    def _jwk_alg(self) -> str:
        # A `dir` key belongs to its content encryption; a JWK has no other member to say so.
        return self.encs[0] if self.alg == "dir" else self.alg


class EncryptionKeySet(Keys[EncryptionKey]):
    """The keys to which one recipient can be written to, told apart by `kid`. It never changes."""

    __slots__ = ()

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, Any] | bytes | str, alg: str | None = None) -> Self:
        """A JWK set. Keys of a kind we do not know, and keys that are not for encryption, are passed over, as are keys
        without `alg` unless the caller states one; a broken key refuses the set."""
        return cls(
            EncryptionKey.from_jwk(jwk, None if "alg" in jwk else alg)
            for jwk in _jwk.read_set(jwks)
            if _is_ours(jwk, alg)
        )


def _is_ours(jwk: Mapping[str, Any], alg: str | None) -> bool:
    stated = jwk.get("alg", alg)
    if not isinstance(stated, str) or jwk.get("use", "enc") != "enc":
        return False
    row = KEY_MANAGEMENT.get("dir" if stated in ENCRYPTIONS else stated)
    curve_is_ours = row is None or not row.agrees or jwk.get("crv") in AGREEMENT_CURVES
    operations = jwk.get("key_ops")
    encrypts = not isinstance(operations, list | tuple) or not {"sign", "verify"}.intersection(map(str, operations))
    return row is not None and jwk.get("kty") in row.kty and curve_is_ours and encrypts


def _read_encs(row: KeyManagement, encs: Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(encs, str):
        raise InvalidKey("encs is a list of names")
    names = tuple(ENCRYPTIONS) if encs is None else tuple(encryption_named(enc).name for enc in encs)
    if row.name == "dir" and (encs is None or len(names) != 1):
        raise InvalidKey("a dir key is for exactly one content encryption: name it in encs")
    if not names or len(set(names)) != len(names):
        raise InvalidKey("encs is empty or names one twice")
    return names


def _check_secret(row: KeyManagement, encs: tuple[str, ...], secret: object) -> bytes:
    """Exactly as long as the algorithm takes, and not the beginning of something that is published elsewhere."""
    size = row.wrap_bytes or ENCRYPTIONS[encs[0]].key_bytes
    if not isinstance(secret, bytes) or len(secret) != size:
        raise InvalidKey("the algorithm takes a secret of another length, or another type of key")
    if looks_like_another_key(secret):
        raise InvalidKey("this is an encoded key, not a secret")
    return secret


def _check_pair(row: KeyManagement, material: Any) -> tuple[Any, Any]:
    public, private = halves(material)
    kty, crv = kind_of(public)
    if kty not in row.kty or (row.agrees and crv not in AGREEMENT_CURVES):
        raise InvalidKey("the algorithm takes another type of key or curve")
    if kty == "RSA":
        check_rsa(public)
    return public, private


_set = object.__setattr__
