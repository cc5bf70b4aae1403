"""One secret, a key for each purpose (HKDF-SHA-256, RFC 5869): what is made for one use is worthless in another."""

from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ostiary.errors import Misconfigured

SECRET_KEY_BYTES = 32
"""The least that `secret_key` must hold: 256 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedKeys:
    """32 bytes each, none of them printed."""

    token_digest: bytes = field(repr=False)
    refresh_tag: bytes = field(repr=False)
    refresh_successor: bytes = field(repr=False)
    device: bytes = field(repr=False)
    csrf: bytes = field(repr=False)
    dpop_nonce: bytes = field(repr=False)
    password_pepper: bytes = field(repr=False)
    seal: bytes = field(repr=False)
    fingerprint: str = ""

    @classmethod
    def from_secret(cls, secret_key: bytes) -> "DerivedKeys":
        """Raises Misconfigured for a secret shorter than 32 bytes."""
        if len(secret_key) < SECRET_KEY_BYTES:
            raise Misconfigured(
                f"secret_key must be at least {SECRET_KEY_BYTES} bytes; this one has {len(secret_key)}."
            )

        def derive(purpose: str) -> bytes:
            return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"ostiary/1/" + purpose.encode()).derive(
                secret_key
            )

        return cls(
            token_digest=derive("token digest"),
            refresh_tag=derive("refresh tag"),
            refresh_successor=derive("refresh successor"),
            device=derive("device"),
            csrf=derive("csrf"),
            dpop_nonce=derive("dpop nonce"),
            password_pepper=derive("password pepper"),
            seal=derive("seal"),
            fingerprint=derive("fingerprint").hex()[:16],
        )


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256, 32 bytes."""
    keyed = _keyed(key).copy()
    keyed.update(message)
    return keyed.finalize()


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> HMAC:
    """To be copied: that takes half as long as setting up the key anew, and never lets another thread go first."""
    return HMAC(key, hashes.SHA256())


def digest(key: bytes, text: str) -> bytes:
    """What a store keeps of a secret."""
    return mac(key, text.encode())


def seal(key: bytes, plaintext: bytes, *, context: str, nonce: bytes) -> bytes:
    """AES-256-GCM: 12 bytes of nonce, then ciphertext and tag. `context` says what it is and must be given again."""
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def unseal(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """Raises Misconfigured if another `secret_key` sealed it, or it was changed."""
    try:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise Misconfigured("The store was made with another secret_key; start with that one.") from error
