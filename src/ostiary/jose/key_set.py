"""Sets of keys, told apart by `kid` (RFC 7517 section 5)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

from ostiary.jose import jwk as _jwk
from ostiary.jose.algorithms import ALGORITHMS
from ostiary.jose.errors import AlgorithmNotAllowed, InvalidKey
from ostiary.jose.header import Header
from ostiary.jose.header_cache import HeaderCache
from ostiary.jose.key_object import KeyObject
from ostiary.jose.keys import Key
from ostiary.limits import JWK_SET_KEYS, RSA_BITS_RECEIVED

K = TypeVar("K", bound=KeyObject)


class Keys(Generic[K]):
    """Every kid once; all keys symmetric or none (flaw classes 12, 13). It never changes: to rotate, make another."""

    __slots__ = ("_algs", "_keys")

    def __init__(self, keys: Iterable[K]) -> None:
        chosen = tuple(keys)
        if not all(key.kid for key in chosen):
            raise InvalidKey("a key set holds keys that have a kid")
        if len(chosen) > JWK_SET_KEYS:
            raise InvalidKey("too many keys in one set")
        self._keys = {key.kid: key for key in chosen}
        self._algs = frozenset(key.alg for key in chosen)
        if len(self._keys) != len(chosen):
            raise InvalidKey("two keys of the set have the same kid")
        if len({key.symmetric for key in chosen}) > 1:
            raise InvalidKey("a key set is symmetric or asymmetric, never both")

    def to_jwks(self) -> dict[str, Any]:
        """The public halves, to publish. A symmetric set publishes nothing."""
        return {"keys": [key.to_jwk() for key in self if not key.symmetric]}

    def candidate(self, kid: str | None, alg: str) -> K | None:
        """The key named `kid`. Raises `AlgorithmNotAllowed` if no key of the set is bound to `alg`."""
        if alg not in self._algs:
            raise AlgorithmNotAllowed
        return self._keys.get(kid) if kid is not None else None

    def get(self, kid: str) -> K | None:
        return self._keys.get(kid)

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self))})"


class KeySet(Keys[Key]):
    """The keys that one issuer signs with."""

    __slots__ = ("headers",)

    def __init__(self, keys: Iterable[Key]) -> None:
        super().__init__(keys)
        self.headers: HeaderCache[bytes, tuple[Header, Key]] = HeaderCache()

    @classmethod
    def from_jwks(
        cls, jwks: Mapping[str, Any] | bytes | str, alg: str | None = None, *, rsa_bits: int = RSA_BITS_RECEIVED
    ) -> Self:
        """A JWK set. Keys of a kind we do not know, and keys that are not for signatures, are passed over
        (RFC 7517 section 5), as are keys without `alg` unless the caller states one; a broken key refuses the set.
        `rsa_bits` as in `Key.from_jwk`."""
        ours = (jwk for jwk in _jwk.read_set(jwks) if _is_ours(jwk, alg))
        return cls(Key.from_jwk(jwk, jwk.get("alg", alg), rsa_bits=rsa_bits) for jwk in ours)


def _is_ours(jwk: Mapping[str, Any], alg: str | None) -> bool:
    stated = jwk.get("alg", alg)
    row = ALGORITHMS.get(stated) if isinstance(stated, str) else None
    operations = jwk.get("key_ops")
    signs = not isinstance(operations, list | tuple) or "sign" in operations or "verify" in operations
    return row is not None and jwk.get("kty") == row.kty and jwk.get("use", "sig") == "sig" and signs
