"""Whether key material is fit for an algorithm: type, curve, size and known weaknesses. Raises `InvalidKey`."""

from typing import TYPE_CHECKING, Any

from ostiary.jose.algorithms import ALGORITHMS, HASH_BYTES, Algorithm
from ostiary.jose.errors import InvalidKey
from ostiary.limits import RSA_BITS_MAX, RSA_BITS_MIN

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

    from ostiary.jose.primitives import PrivateKey, PublicKey

_EC_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_RSA_EXPONENT_BITS = 64  # common exponents have 17 bits; a long one only costs the verifier time
_SMALL_PRIMES = (
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    73,
    79,
    83,
    89,
    97,
    101,
    103,
    107,
    109,
    113,
    127,
    131,
    137,
    139,
    149,
    151,
    157,
    163,
    167,
)


def algorithm_named(alg: object) -> Algorithm:
    """The row of the table. `none` is not in it."""
    row = ALGORITHMS.get(alg) if isinstance(alg, str) else None
    if row is None:
        raise InvalidKey("the algorithm is not one of ours")
    return row


def check_secret(algorithm: Algorithm, secret: object, *, shortest: int | None = None) -> bytes:
    """RFC 7518 section 3.2: at least as long as the hash; and not the text of an asymmetric key (flaw classes
    2, 3). `shortest` in bytes replaces the first rule."""
    if not isinstance(secret, bytes) or not algorithm.symmetric:
        raise InvalidKey("the algorithm takes another type of key")
    if len(secret) < (HASH_BYTES[algorithm.hash] if shortest is None else shortest):
        raise InvalidKey("an HMAC key must be at least as long as the hash")
    if looks_like_another_key(secret):
        raise InvalidKey("this is an encoded asymmetric key or a JWK, not an HMAC secret")
    return secret


def check_pair(algorithm: Algorithm, material: Any) -> "tuple[PublicKey, PrivateKey | None]":
    """The public half and, if there is one, the private half."""
    public, private = halves(material)
    kty, curve = kind_of(public)
    if kty != algorithm.kty or (algorithm.curves and curve not in algorithm.curves):
        raise InvalidKey("the algorithm takes another type of key or curve")
    if kty == "RSA":
        check_rsa(public)
    return public, private


def halves(material: Any) -> tuple[Any, Any]:
    """(public, private or None) of a key object of `cryptography`."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519

    private_types = (
        rsa.RSAPrivateKey,
        ec.EllipticCurvePrivateKey,
        ed25519.Ed25519PrivateKey,
        ed448.Ed448PrivateKey,
        x25519.X25519PrivateKey,
    )
    return (material.public_key(), material) if isinstance(material, private_types) else (material, None)


def kind_of(public: Any) -> tuple[str, str]:
    """(`kty`, `crv`) of a public key object; "" for RSA, and for curves that are not ours."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519

    match public:
        case rsa.RSAPublicKey():
            return "RSA", ""
        case ec.EllipticCurvePublicKey():
            return "EC", _EC_CURVES.get(public.curve.name, "")
        case ed25519.Ed25519PublicKey():
            return "OKP", "Ed25519"
        case ed448.Ed448PublicKey():
            return "OKP", "Ed448"
        case x25519.X25519PublicKey():
            return "OKP", "X25519"
        case _:
            raise InvalidKey("this type of key is not one of ours")


def check_rsa(public: "rsa.RSAPublicKey") -> None:
    """Size, exponent and known weaknesses."""
    if not RSA_BITS_MIN <= public.key_size <= RSA_BITS_MAX:
        raise InvalidKey("an RSA key must have 2048 to 16384 bits")
    numbers = public.public_numbers()
    if numbers.e < 3 or numbers.e % 2 == 0 or numbers.e.bit_length() > _RSA_EXPONENT_BITS:
        raise InvalidKey("the RSA exponent must be odd, at least 3 and at most 64 bits long")
    residues = [(numbers.n % prime, prime) for prime in _SMALL_PRIMES]
    if numbers.n % 2 == 0 or not all(residue for residue, _ in residues):
        raise InvalidKey("the RSA modulus has a small factor")
    # CVE-2017-15361 (ROCA): such primes are powers of 65537 modulo many small primes, and so is their product
    if all(residue in _powers(prime) for residue, prime in residues):
        raise InvalidKey("the RSA key has the ROCA weakness")


def _powers(prime: int) -> set[int]:
    """The subgroup that 65537 generates modulo `prime`."""
    return {pow(65537, exponent, prime) for exponent in range(prime - 1)}


def looks_like_another_key(secret: bytes) -> bool:
    """PEM, SSH, DER, base64 of DER, or JSON: text that is published elsewhere must never become a secret."""
    text = secret.strip(b" \t\r\n\xef\xbb\xbf\0")
    if b"-----BEGIN" in text or b"---- BEGIN" in text:
        return True
    if text.startswith((b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-", b"PuTTY-User-Key")):
        return True
    if text[:1] in (b"{", b"[") and _is_json(text):
        return True
    return _is_der(secret) or (text[:1] == b"M" and _is_der_in_base64(text))


def _is_json(text: bytes) -> bool:
    import json

    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_der_in_base64(text: bytes) -> bool:
    import base64

    try:
        return _is_der(base64.b64decode(b"".join(text.split()), validate=True))
    except ValueError:
        return False


def _is_der(data: bytes) -> bool:
    """One ASN.1 SEQUENCE that fills `data` exactly and begins as keys and certificates do."""
    if len(data) < 40 or data[0] != 0x30:
        return False
    if data[1] < 0x80:
        header, length = 2, data[1]
    else:
        octets = data[1] & 0x7F
        header, length = 2 + octets, int.from_bytes(data[2 : 2 + octets], "big")
    return header + length == len(data) and data[header] in (0x02, 0x30)
