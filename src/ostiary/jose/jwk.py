"""JWK members to key material and back (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

Pure translation: whether the material is fit for its algorithm is judged in `material.py`, when the `Key` is made.
"""

from collections.abc import Mapping
from typing import Any

from ostiary.jose.algorithms import COORDINATE_BYTES, Algorithm
from ostiary.jose.encoding import decode_bytes, decode_object, encode_bytes, is_text
from ostiary.jose.errors import InvalidKey
from ostiary.jose.material import algorithm_named, kind_of
from ostiary.limits import JWK_BYTES, JWK_SET_KEYS, KID_CHARS, RSA_BITS_MAX

_EC_NAMES = {"P-256": "SECP256R1", "P-384": "SECP384R1", "P-521": "SECP521R1"}
_RSA_PRIVATE = ("d", "p", "q", "dp", "dq", "qi")
PRIVATE_MEMBERS = frozenset((*_RSA_PRIVATE, "oth", "k"))
_ENCRYPT = frozenset(("encrypt", "wrapKey", "deriveKey", "deriveBits"))
_DECRYPT = frozenset(("decrypt", "unwrapKey", "deriveKey", "deriveBits"))


def read_members(jwk: Mapping[str, Any] | bytes | str) -> Mapping[str, Any]:
    """The members of one JWK or JWK set; text is read as strictly as a token."""
    if isinstance(jwk, Mapping):
        return jwk
    if not isinstance(jwk, bytes | str):
        raise InvalidKey("a JWK is an object, or its JSON text")
    if len(jwk) > JWK_BYTES:
        raise InvalidKey("the JWK is too large")
    try:
        return decode_object(jwk if isinstance(jwk, bytes) else jwk.encode())
    except ValueError:
        raise InvalidKey("the JWK is not strict JSON") from None


def read_set(jwks: Mapping[str, Any] | bytes | str) -> list[Mapping[str, Any]]:
    """The JWKs of a set, not yet looked at."""
    members = read_members(jwks).get("keys")
    if not isinstance(members, list | tuple) or not all(isinstance(jwk, Mapping) for jwk in members):
        raise InvalidKey("a JWK set is an object with a list of keys")
    if len(members) > JWK_SET_KEYS:
        raise InvalidKey("too many keys in one set")
    return list(members)


def read_algorithm(jwk: Mapping[str, Any], alg: str | None) -> Algorithm:
    """The JWK's `alg`, or the one that the caller states; if both, they agree. Nothing is ever guessed."""
    stated = jwk.get("alg", alg)
    if stated is None:
        raise InvalidKey("neither the JWK nor the caller says which algorithm the key is for")
    if alg is not None and stated != alg:
        raise InvalidKey("the JWK is for another algorithm")
    return algorithm_named(stated)


def read_kid(jwk: Mapping[str, Any]) -> str | None:
    kid = jwk.get("kid")
    if "kid" in jwk and not is_text(kid, KID_CHARS):
        raise InvalidKey("a kid is a string of 1 to 256 characters")
    return kid


def read_operations(jwk: Mapping[str, Any]) -> frozenset[str]:
    """What the key may do, out of `sign` and `verify` (RFC 7517 sections 4.2 and 4.3)."""
    if "use" in jwk and jwk["use"] != "sig":
        raise InvalidKey("the JWK is not for signatures")
    if "key_ops" not in jwk:
        return frozenset(("sign", "verify"))
    operations = _operations(jwk)
    if not operations <= {"sign", "verify"}:
        raise InvalidKey("key_ops names an operation that is not a signature's")
    return operations


def read_encryption_operations(jwk: Mapping[str, Any]) -> frozenset[str]:
    """The same out of `encrypt` and `decrypt`, whichever of RFC 7517's words for the two the algorithm uses."""
    if "use" in jwk and jwk["use"] != "enc":
        raise InvalidKey("the JWK is not for encryption")
    if "key_ops" not in jwk:
        return frozenset(("encrypt", "decrypt"))
    operations = _operations(jwk)
    if not operations <= _ENCRYPT | _DECRYPT:
        raise InvalidKey("key_ops names an operation that is not an encryption key's")
    found = {"encrypt": operations & _ENCRYPT, "decrypt": operations & _DECRYPT}
    return frozenset(name for name, words in found.items() if words)


def _operations(jwk: Mapping[str, Any]) -> frozenset[str]:
    operations = jwk["key_ops"]
    if not isinstance(operations, list | tuple) or not all(isinstance(name, str) for name in operations):
        raise InvalidKey("key_ops is a list of strings")
    if len(set(operations)) != len(operations):
        raise InvalidKey("key_ops names an operation twice")
    return frozenset(operations)


def read_material(jwk: Mapping[str, Any], *types: str, rsa_bits: int = RSA_BITS_MAX) -> Any:
    """bytes for `oct`, else a key of `cryptography`; `types` lists the `kty` that the algorithm takes."""
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in types:
        raise InvalidKey("the algorithm takes another type of key")
    if kty == "oct":
        return _octets(jwk, "k")
    try:
        return _read_rsa(jwk, rsa_bits) if kty == "RSA" else {"EC": _read_ec, "OKP": _read_okp}[kty](jwk)
    except InvalidKey:
        raise
    except Exception:  # noqa: BLE001 - the library refuses bad numbers with several types; none may leave
        raise InvalidKey("the JWK's numbers are not a key") from None


def _octets(jwk: Mapping[str, Any], name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str):
        raise InvalidKey(f"the JWK member {name!r} is absent or not a string")
    try:
        return decode_bytes(text.encode("ascii"))
    except ValueError:
        raise InvalidKey(f"the JWK member {name!r} is not canonical base64url") from None


def _number(jwk: Mapping[str, Any], name: str, bits: int) -> int:
    """Base64urlUInt: no leading zero octet, so that a number has one spelling (RFC 7518 section 2)."""
    octets = _octets(jwk, name)
    if not octets or octets[0] == 0 or len(octets) > bits // 8:
        raise InvalidKey(f"the JWK member {name!r} is not a number of 1 to {bits} bits")
    return int.from_bytes(octets, "big")


def _coordinate(jwk: Mapping[str, Any], name: str, curve: str) -> bytes:
    octets = _octets(jwk, name)
    if len(octets) != COORDINATE_BYTES[curve]:
        raise InvalidKey(f"the JWK member {name!r} has the wrong length")
    return octets


def _read_rsa(jwk: Mapping[str, Any], bits: int) -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    public = rsa.RSAPublicNumbers(_number(jwk, "e", bits), _number(jwk, "n", bits))
    if not any(name in jwk for name in (*_RSA_PRIVATE, "oth")):
        return public.public_key()
    if "oth" in jwk:
        raise InvalidKey("RSA keys with more than two primes are not supported")
    d, p, q, dp, dq, qi = (_number(jwk, name, bits) for name in _RSA_PRIVATE)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _read_ec(jwk: Mapping[str, Any]) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    name = jwk.get("crv")
    if not isinstance(name, str) or name not in _EC_NAMES:
        raise InvalidKey("the curve is not one of ours")
    x, y = (int.from_bytes(_coordinate(jwk, member, name), "big") for member in ("x", "y"))
    curve = getattr(ec, _EC_NAMES[name])()
    public = ec.EllipticCurvePublicNumbers(x, y, curve)
    if "d" not in jwk:
        return public.public_key()
    d = int.from_bytes(_coordinate(jwk, "d", name), "big")
    if ec.derive_private_key(d, curve).public_key().public_numbers() != public:
        raise InvalidKey("the private and the public half do not belong together")
    return ec.EllipticCurvePrivateNumbers(d, public).private_key()


def _read_okp(jwk: Mapping[str, Any]) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, x25519

    name = jwk.get("crv")
    if not isinstance(name, str) or name not in ("Ed25519", "Ed448", "X25519"):
        raise InvalidKey("the curve is not one of ours")
    public = _coordinate(jwk, "x", name)
    module: Any = {"Ed25519": ed25519, "Ed448": ed448, "X25519": x25519}[name]
    if "d" not in jwk:
        return getattr(module, f"{name}PublicKey").from_public_bytes(public)
    private = getattr(module, f"{name}PrivateKey").from_private_bytes(_coordinate(jwk, "d", name))
    if private.public_key().public_bytes_raw() != public:
        raise InvalidKey("the private and the public half do not belong together")
    return private


def _text(raw: bytes) -> str:
    return encode_bytes(raw).decode("ascii")


def _uint(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def public_members(public: Any) -> dict[str, str]:
    """The members that identify the key (RFC 7638 section 3.2), in lexicographic order."""
    kty, crv = kind_of(public)
    if kty == "OKP":
        return {"crv": crv, "kty": "OKP", "x": _text(public.public_bytes_raw())}
    numbers = public.public_numbers()
    if kty == "RSA":
        return {"e": _uint(numbers.e), "kty": "RSA", "n": _uint(numbers.n)}
    x, y = (_text(number.to_bytes(COORDINATE_BYTES[crv], "big")) for number in (numbers.x, numbers.y))
    return {"crv": crv, "kty": "EC", "x": x, "y": y}


def private_members(private: Any) -> dict[str, str]:
    """What `public_members` leaves out."""
    kty, crv = kind_of(private.public_key())
    if kty == "OKP":
        return {"d": _text(private.private_bytes_raw())}
    numbers = private.private_numbers()
    if kty == "EC":
        return {"d": _text(numbers.private_value.to_bytes(COORDINATE_BYTES[crv], "big"))}
    values = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    return {name: _uint(value) for name, value in zip(_RSA_PRIVATE, values, strict=True)}
