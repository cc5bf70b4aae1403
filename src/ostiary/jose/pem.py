"""PEM to key objects of `cryptography`, and back. Raises `InvalidKey`."""

from typing import Any

from ostiary.jose.errors import InvalidKey
from ostiary.limits import JWK_BYTES


def read_pem(pem: bytes | str, password: bytes | None) -> Any:
    """A private key if the text holds one, else a public key. Certificates are not keys."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

    try:
        text = pem if isinstance(pem, bytes) else pem.encode("ascii")
        if len(text) > JWK_BYTES:
            raise InvalidKey("the PEM text is too large")
        return load_pem_private_key(text, password) if b"PRIVATE KEY-----" in text else load_pem_public_key(text)
    except InvalidKey:
        raise
    except Exception:  # noqa: BLE001 - the library refuses with half a dozen types; none may leave
        raise InvalidKey("the PEM text is not a key, or its password is wrong") from None


def write_public_pem(public: Any) -> bytes:
    """SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def write_private_pem(private: Any, password: bytes | None) -> bytes:
    """PKCS#8, encrypted with what `cryptography` holds best if there is a password."""
    from cryptography.hazmat.primitives import serialization as ser

    if password is not None and not password:
        raise InvalidKey("a password is not empty")
    encryption = ser.NoEncryption() if password is None else ser.BestAvailableEncryption(password)
    try:
        pem: bytes = private.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, encryption)
    except ValueError:
        raise InvalidKey("the password is too long") from None
    return pem
