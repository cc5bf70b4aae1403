"""What signing and encryption keys have in common: they never change, have a `kid`, and can be written down."""

from typing import Any, ClassVar, NoReturn, Self

from ostiary.jose import jwk as _jwk
from ostiary.jose.encoding import encode_bytes, encode_object
from ostiary.jose.errors import InvalidKey


class KeyObject:
    """`alg` names the algorithm. `kid` is the name given, else the RFC 7638 thumbprint. A secret's thumbprint is as
    good a test of a guess as any token that the key has made, so it gives away nothing more."""

    __slots__ = ("_material", "alg", "kid", "operations")
    _use: ClassVar[str]
    alg: str
    kid: str
    operations: frozenset[str]
    _material: Any
    """The bytes of a secret, else the public half and the private half or None."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a key never changes")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a key never changes")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """What never changes is its own copy."""
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled, since it may be secret: hand on what to_jwk() or to_pem() gives")

    @property
    def symmetric(self) -> bool:
        return isinstance(self._material, bytes)

    @property
    def private(self) -> bool:
        """Whether it holds something secret. A symmetric key always does."""
        return self.symmetric or self._material[1] is not None

    def to_jwk(self, *, private: bool = False) -> dict[str, Any]:
        """A JWK with `alg`, `use` and `kid`; the secret members only on request."""
        members: dict[str, Any] = {
            **self._identity(private=private), "alg": self._jwk_alg(), "use": self._use, "kid": self.kid,
        }  # fmt: skip
        if private and not self.symmetric:
            members.update(_jwk.private_members(self._private_half()))
        return members

    def to_pem(self, *, private: bool = False, password: bytes | None = None) -> bytes:
        """PEM: SubjectPublicKeyInfo, or PKCS#8 with `private`, encrypted if there is a `password`. It does not say
        which algorithm the key is bound to. Raises `InvalidKey` for a symmetric key, which has no such form."""
        from ostiary.jose.pem import write_private_pem, write_public_pem

        if self.symmetric:
            raise InvalidKey("a symmetric key has no PEM form")
        if private:
            return write_private_pem(self._private_half(), password)
        if password is not None:
            raise InvalidKey("a public key is not encrypted")
        return write_public_pem(self._material[0])

    def thumbprint(self) -> str:
        """RFC 7638 with SHA-256, base64url."""
        import hashlib

        return encode_bytes(hashlib.sha256(encode_object(self._identity(private=True))).digest()).decode("ascii")

    def thumbprint_uri(self) -> str:
        """RFC 9278."""
        return f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{self.thumbprint()}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alg={self.alg!r}, kid={self.kid!r}{', private=***' if self.private else ''})"

    def _jwk_alg(self) -> str:
        return self.alg

    def _private_half(self) -> Any:
        if self._material[1] is None:
            raise InvalidKey("the key has no private half")
        return self._material[1]

    def _identity(self, *, private: bool) -> dict[str, str]:
        if not self.symmetric:
            return _jwk.public_members(self._material[0])
        if not private:
            raise InvalidKey("a symmetric key has no public form")
        return {"k": encode_bytes(self._material).decode("ascii"), "kty": "oct"}
