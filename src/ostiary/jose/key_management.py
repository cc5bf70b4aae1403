"""How the content encryption key gets to the recipient (RFC 7518 section 4): one function each way, bound to a key.

`Wrap` makes a content encryption key and what is sent of it, and may add members to the header. `Unwrap` finds it
again. It may raise whatever it meets: the caller turns all of it into one error.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ostiary.jose.encoding import decode_bytes
from ostiary.jose.jwe_algorithms import Encryption, KeyManagement
from ostiary.jose.jwk import PRIVATE_MEMBERS, public_members, read_material
from ostiary.jose.material import kind_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

Random = Callable[[int], bytes]
Wrap = Callable[[Encryption, dict[str, Any], Random], tuple[bytes, bytes]]
"""(content encryption, header to be sent, randomness) -> (content encryption key, encrypted key)."""
Unwrap = Callable[[Encryption, Mapping[str, Any], bytes], bytes]
"""(content encryption, header received, encrypted key) -> content encryption key."""


def bind_direct(secret: bytes) -> tuple[Wrap, Unwrap]:
    """`dir`: the shared secret is the content encryption key."""

    def wrap(_: Encryption, __: dict[str, Any], ___: Random) -> tuple[bytes, bytes]:
        return secret, b""

    def unwrap(_: Encryption, __: Mapping[str, Any], encrypted: bytes) -> bytes:
        _expect(not encrypted)
        return secret

    return wrap, unwrap


def bind_aes_wrap(secret: bytes) -> tuple[Wrap, Unwrap]:
    """`A128KW`, `A256KW`."""

    def wrap(enc: Encryption, _: dict[str, Any], random: Random) -> tuple[bytes, bytes]:
        return _wrap_new(enc, secret, random)

    def unwrap(enc: Encryption, _: Mapping[str, Any], encrypted: bytes) -> bytes:
        return _unwrap(enc, secret, encrypted)

    return wrap, unwrap


def bind_agreement(row: KeyManagement, public: Any, private: Any) -> tuple[Wrap, Unwrap | None]:
    """`ECDH-ES`, `ECDH-ES+A256KW`: with a key pair made for this one token, whose public half is the header's `epk`."""
    kty, crv = kind_of(public)

    def wrap(enc: Encryption, header: dict[str, Any], random: Random) -> tuple[bytes, bytes]:
        ephemeral = _new_pair(public)
        header["epk"] = public_members(ephemeral.public_key())
        derived = derive(row, enc, _agree(ephemeral, public), header)
        return (derived, b"") if row.direct else _wrap_new(enc, derived, random)

    def unwrap(enc: Encryption, header: Mapping[str, Any], encrypted: bytes) -> bytes:
        epk = header["epk"]
        _expect(isinstance(epk, dict) and PRIVATE_MEMBERS.isdisjoint(epk) and epk.get("crv") == crv)
        derived = derive(row, enc, _agree(private, read_material(epk, kty)), header)
        if not row.direct:
            return _unwrap(enc, derived, encrypted)
        _expect(not encrypted)
        return derived

    return wrap, None if private is None else unwrap


def bind_rsa(public: "rsa.RSAPublicKey", private: "rsa.RSAPrivateKey | None") -> tuple[Wrap, Unwrap | None]:
    """`RSA-OAEP-256`: SHA-256 for the hash and for MGF1."""
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA256

    scheme = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    size = (public.key_size + 7) // 8

    def wrap(enc: Encryption, _: dict[str, Any], random: Random) -> tuple[bytes, bytes]:
        key = random(enc.key_bytes)
        return key, public.encrypt(key, scheme)

    if private is None:
        return wrap, None
    decrypt = private.decrypt

    def unwrap(_: Encryption, __: Mapping[str, Any], encrypted: bytes) -> bytes:
        _expect(len(encrypted) == size)
        return decrypt(encrypted, scheme)

    return wrap, unwrap


def derive(row: KeyManagement, enc: Encryption, shared: bytes, header: Mapping[str, Any]) -> bytes:
    """Concat KDF (RFC 7518 section 4.6.2) with SHA-256, for the content encryption key or for the key that wraps it.
    Raises ValueError for an `apu` or `apv` that is not base64url text."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

    name, size = (enc.name, enc.key_bytes) if row.direct else (row.name, row.wrap_bytes)
    parties = (_party(header, "apu"), _party(header, "apv"))
    info = b"".join(len(part).to_bytes(4, "big") + part for part in (name.encode("ascii"), *parties))
    return ConcatKDFHash(SHA256(), size, info + (8 * size).to_bytes(4, "big")).derive(shared)


def _party(header: Mapping[str, Any], name: str) -> bytes:
    text = header.get(name, "")
    _expect(isinstance(text, str))
    return decode_bytes(text.encode("ascii")) if text else b""


def _new_pair(public: Any) -> Any:
    """A new private key on the curve of `public`."""
    from cryptography.hazmat.primitives.asymmetric import ec, x25519

    if isinstance(public, x25519.X25519PublicKey):
        return x25519.X25519PrivateKey.generate()
    return ec.generate_private_key(public.curve)


def _agree(private: Any, public: Any) -> bytes:
    """The shared secret. A point off the curve, or of small order, raises ValueError in `cryptography`."""
    from cryptography.hazmat.primitives.asymmetric import ec, x25519

    if isinstance(private, x25519.X25519PrivateKey):
        return private.exchange(public)
    shared: bytes = private.exchange(ec.ECDH(), public)
    return shared


def _wrap_new(enc: Encryption, wrapping_key: bytes, random: Random) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    key = random(enc.key_bytes)
    return key, aes_key_wrap(wrapping_key, key)


def _unwrap(enc: Encryption, wrapping_key: bytes, encrypted: bytes) -> bytes:
    from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

    _expect(len(encrypted) == enc.key_bytes + 8)
    return aes_key_unwrap(wrapping_key, encrypted)


def _expect(condition: bool) -> None:
    if not condition:
        raise ValueError
