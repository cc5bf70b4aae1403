"""Key material bound to its algorithm: one function that signs, one that verifies.

`cryptography` is loaded when the first asymmetric key is made and `hmac` with the first secret, so that an import costs
neither.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ostiary.jose.algorithms import COORDINATE_BYTES, HASH_BYTES, Algorithm

if TYPE_CHECKING:
    import hashlib

    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
    PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]
"""(signature, signed bytes) -> whether it matches."""


def bind_secret(algorithm: Algorithm, secret: bytes) -> tuple[Sign, Verify]:
    """HMAC (RFC 2104). The key is taken in once; every message goes to a copy of that state."""
    import hmac

    start = hmac.new(secret, digestmod=algorithm.hash).copy
    same = hmac.compare_digest

    def sign(message: bytes) -> bytes:
        mac = start()
        mac.update(message)
        return mac.digest()

    def verify(signature: bytes, message: bytes) -> bool:
        mac = start()
        mac.update(message)
        return same(mac.digest(), signature)

    return sign, verify


def bind_pair(algorithm: Algorithm, public: "PublicKey", private: "PrivateKey | None") -> tuple[Sign | None, Verify]:
    """The same for an asymmetric key; without the private half there is nothing that signs."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(public, rsa.RSAPublicKey):
        return _bind_rsa(algorithm, public, private)  # type: ignore[arg-type]
    if isinstance(public, ec.EllipticCurvePublicKey):
        return _bind_ec(algorithm, public, private)  # type: ignore[arg-type]
    return _bind_okp(public, private)  # type: ignore[arg-type]


def _hash(algorithm: Algorithm) -> "tuple[HashAlgorithm, Prehashed, Callable[[bytes], hashlib._Hash]]":
    """The hash by its name for `cryptography`, the same for what is hashed already, and what begins it. hashlib has the
    algorithm at hand, which `cryptography` looks up again for each message: 2 % of an RSA verification."""
    import hashlib

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    named, start = {
        "sha256": (hashes.SHA256(), hashlib.sha256),
        "sha384": (hashes.SHA384(), hashlib.sha384),
        "sha512": (hashes.SHA512(), hashlib.sha512),
    }[algorithm.hash]
    return named, Prehashed(named), start


def _bind_rsa(
    algorithm: Algorithm, public: "rsa.RSAPublicKey", private: "rsa.RSAPrivateKey | None"
) -> tuple[Sign | None, Verify]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding

    named, hashed, start = _hash(algorithm)
    # RFC 7518 section 3.5: MGF1 with the same hash, and a salt of the hash's length
    scheme = (
        padding.PKCS1v15()
        if algorithm.scheme == "pkcs1"
        else padding.PSS(mgf=padding.MGF1(named), salt_length=HASH_BYTES[algorithm.hash])
    )
    size = (public.key_size + 7) // 8
    check = public.verify

    def verify(signature: bytes, message: bytes) -> bool:
        if len(signature) != size:
            return False
        try:
            check(signature, start(message).digest(), scheme, hashed)
        except InvalidSignature:
            return False
        return True

    if private is None:
        return None, verify
    make = private.sign
    return lambda message: make(start(message).digest(), scheme, hashed), verify


def _bind_ec(
    algorithm: Algorithm, public: "ec.EllipticCurvePublicKey", private: "ec.EllipticCurvePrivateKey | None"
) -> tuple[Sign | None, Verify]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    _, hashed, start = _hash(algorithm)
    scheme = ec.ECDSA(hashed)
    size = COORDINATE_BYTES[algorithm.curves[0]]
    read = int.from_bytes
    check = public.verify

    def verify(signature: bytes, message: bytes) -> bool:
        """RFC 7518 section 3.4: R and S side by side, each exactly as long as a coordinate. OpenSSL refuses 0 and
        whatever is not below the order."""
        if len(signature) != 2 * size:
            return False
        try:
            r, s = read(signature[:size], "big"), read(signature[size:], "big")
            check(encode_dss_signature(r, s), start(message).digest(), scheme)
        except InvalidSignature:
            return False
        return True

    if private is None:
        return None, verify
    make = private.sign

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(make(start(message).digest(), scheme))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign, verify


def _bind_okp(
    public: "ed25519.Ed25519PublicKey | ed448.Ed448PublicKey",
    private: "ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | None",
) -> tuple[Sign | None, Verify]:
    from cryptography.exceptions import InvalidSignature

    check = public.verify

    def verify(signature: bytes, message: bytes) -> bool:
        try:
            check(signature, message)
        except InvalidSignature:
            return False
        return True

    return (None if private is None else private.sign), verify
