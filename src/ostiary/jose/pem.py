"""PEM to key objects of `cryptography`. Raises `InvalidKey`."""

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
