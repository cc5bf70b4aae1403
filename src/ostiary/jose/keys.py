"""`Key`: material bound to exactly one algorithm, for good. It signs and verifies; it can never encrypt or decrypt."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from ostiary.jose import jwk as _jwk
from ostiary.jose.algorithms import HASH_BYTES, Algorithm
from ostiary.jose.encoding import is_text
from ostiary.jose.errors import InvalidKey
from ostiary.jose.header import Header
from ostiary.jose.header_cache import HeaderCache
from ostiary.jose.key_object import KeyObject
from ostiary.jose.material import algorithm_named, check_pair, check_secret
from ostiary.jose.primitives import Sign, Verify, bind_pair, bind_secret
from ostiary.limits import KID_CHARS, RSA_BITS_MIN, RSA_BITS_RECEIVED

if TYPE_CHECKING:
    from ostiary.jose.primitives import PrivateKey, PublicKey

_ALL: Final = frozenset(("sign", "verify"))


class Key(KeyObject):
    """A signing key. `kid` is "" only for a key of `insecure_hmac_key_shorter_than_the_hash`.

    Made by the class methods. Every one raises `InvalidKey` for what does not fit: type, curve, size, use, weakness.
    """

    __slots__ = ("algorithm", "headers", "sign", "verify", "written")
    _use = "sig"
    algorithm: Algorithm
    headers: "HeaderCache[bytes, tuple[Header, Key]]"
    written: HeaderCache[str | None, bytes]
    sign: Sign
    """The raw signature of some bytes, as JWS has it. Raises `InvalidKey` if the key may not sign."""
    verify: Verify
    """(signature, bytes) -> whether they match, in constant time where that matters. Raises `InvalidKey` likewise."""

    def __init__(self, material: Any, alg: str, *, kid: str | None = None, operations: frozenset[str] = _ALL) -> None:
        """`material` is bytes for HMAC, else a key object of `cryptography`."""
        algorithm = algorithm_named(alg)
        if kid is not None and not is_text(kid, KID_CHARS):
            raise InvalidKey("a kid is a string of 1 to 256 characters")
        if algorithm.symmetric:
            self._bind_secret(algorithm, check_secret(algorithm, material), operations)
        else:
            self._bind_pair(algorithm, *check_pair(algorithm, material), operations)
        _set(self, "kid", kid if kid is not None else self.thumbprint())

    def _bind_secret(self, algorithm: Algorithm, secret: bytes, operations: frozenset[str]) -> None:
        sign, verify = bind_secret(algorithm, secret)
        self._bind(
            algorithm, secret, operations, sign if "sign" in operations else None,
            verify if "verify" in operations else None,
        )  # fmt: skip

    def _bind_pair(
        self, algorithm: Algorithm, public: "PublicKey", private: "PrivateKey | None", operations: frozenset[str]
    ) -> None:
        # A private key's `key_ops` speak of the private half; the public half may always verify.
        sign, verify = bind_pair(algorithm, public, private)
        if ("verify" if private is None else "sign") not in operations:
            raise InvalidKey("key_ops leave nothing that the key could do")
        self._bind(algorithm, (public, private), operations, sign, verify)

    def _bind(
        self, algorithm: Algorithm, material: Any, operations: frozenset[str], sign: Sign | None, verify: Verify | None
    ) -> None:
        if sign is None and verify is None:
            raise InvalidKey("key_ops leave nothing that the key could do")
        _set(self, "algorithm", algorithm)
        _set(self, "alg", algorithm.name)
        _set(self, "operations", operations)
        _set(self, "headers", HeaderCache())
        _set(self, "written", HeaderCache())
        _set(self, "_material", material)
        _set(self, "sign", sign or _may_not)
        _set(self, "verify", verify or _may_not)

    @classmethod
    def from_jwk(
        cls, jwk: Mapping[str, Any] | bytes | str, alg: str | None = None, *, rsa_bits: int = RSA_BITS_RECEIVED
    ) -> Self:
        """A JWK, as an object or as JSON text. `alg` is needed where the JWK does not say it. A JWK comes from
        somewhere else, so an RSA key has at most `rsa_bits`: with 16384 each verification takes 50 times as long."""
        members = _jwk.read_members(jwk)
        algorithm = _jwk.read_algorithm(members, alg)
        kid, operations = _jwk.read_kid(members), _jwk.read_operations(members)
        material = _jwk.read_material(members, algorithm.kty, rsa_bits=rsa_bits)
        return cls(material, algorithm.name, kid=kid, operations=operations)

    @classmethod
    def from_pem(cls, pem: bytes | str, *, alg: str, password: bytes | None = None, kid: str | None = None) -> Self:
        """A PKCS#8, SEC1 or PKCS#1 private key, or a public key, in PEM."""
        from ostiary.jose.pem import read_pem

        return cls(read_pem(pem, password), alg, kid=kid)

    @classmethod
    def from_secret(cls, secret: bytes, alg: str, *, kid: str | None = None) -> Self:
        """An HMAC key: random bytes, at least as many as the hash has."""
        if not isinstance(secret, bytes):
            raise InvalidKey("an HMAC secret is bytes")
        return cls(secret, alg, kid=kid)

    @classmethod
    def generate(
        cls, alg: str, *, kid: str | None = None, bits: int = RSA_BITS_MIN, random: Callable[[int], bytes] | None = None
    ) -> Self:
        """A new private key. `bits` counts for RSA only; `random` (default: the system's) for HMAC only."""
        algorithm = algorithm_named(alg)
        if algorithm.symmetric:
            from secrets import token_bytes

            return cls((random or token_bytes)(HASH_BYTES[algorithm.hash]), alg, kid=kid)
        from ostiary.jose.generate import generate_pair

        return cls(generate_pair(algorithm, bits), alg, kid=kid)

    def public(self) -> "Key":
        """Only what verifies, under the same kid."""
        if self.algorithm.symmetric:
            raise InvalidKey("an HMAC key has no public half")
        return Key(self._material[0], self.alg, kid=self.kid)

    def candidate(self, kid: str | None, alg: str) -> "Key | None":  # noqa: ARG002 - the shape of KeySet.candidate
        """This very key: whoever passes one key has chosen it, so `kid`, a hint among several, is not looked at."""
        return self


_set = object.__setattr__


def _may_not(*_: bytes) -> NoReturn:
    raise InvalidKey("the key may not do this")


def insecure_hmac_key_shorter_than_the_hash(secret: bytes, alg: str = "HS256") -> Key:
    """For old test vectors only: an HMAC key that RFC 7518 section 3.2 forbids, because it can be guessed.

    The empty key and encoded asymmetric keys are refused here too. It has no `kid` and enters no `KeySet`."""
    algorithm = algorithm_named(alg)
    check_secret(algorithm, secret, shortest=1)
    key = Key.__new__(Key)
    key._bind_secret(algorithm, secret, _ALL)  # noqa: SLF001 - its own constructor, in all but place
    _set(key, "kid", "")
    return key
