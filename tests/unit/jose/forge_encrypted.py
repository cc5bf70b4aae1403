"""Encrypted tokens that no honest sender would make, and the keys they are made for."""

import hashlib
import json
from functools import cache
from typing import Any

import pytest
from tests.unit.jose.forge import RSA_KEYS, b64, unb64

from ostiary import jose
from ostiary.jose.content import encrypt_content
from ostiary.jose.jwe_algorithms import ENCRYPTIONS

ENCS = tuple(ENCRYPTIONS)
MANAGED = ("dir", "A128KW", "A256KW", "ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP-256")
CURVES = ("P-256", "P-384", "P-521", "X25519")
KINDS = [(alg, crv) for alg in MANAGED for crv in (CURVES if alg.startswith("ECDH") else ("",))]
PLAINTEXT = b"nobody's business"


@cache
def hidden(alg: str, crv: str = "", enc: str = "", which: int = 0) -> jose.EncryptionKey:
    """A private or secret key for `alg`, the same in every run; for `dir`, one of `enc`."""
    from cryptography.hazmat.primitives.asymmetric import ec, x25519

    seed = hashlib.shake_256(f"{alg} {crv} {enc} {which}".encode()).digest(96)
    if alg == "RSA-OAEP-256":
        return jose.EncryptionKey.from_jwk(RSA_KEYS[which], alg)
    if alg.startswith("ECDH") and crv in ("", "X25519"):
        return jose.EncryptionKey(x25519.X25519PrivateKey.from_private_bytes(seed[:32]), alg)
    if alg.startswith("ECDH"):
        curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}[crv]()
        return jose.EncryptionKey(ec.derive_private_key(int.from_bytes(seed[:31], "big"), curve), alg)
    if alg == "dir":
        enc = enc or ENCS[0]
        return jose.EncryptionKey.from_secret(seed[: ENCRYPTIONS[enc].key_bytes], alg, encs=(enc,))
    return jose.EncryptionKey.from_secret(seed[: {"A128KW": 16, "A256KW": 32}[alg]], alg)


def sender(key: jose.EncryptionKey) -> jose.EncryptionKey:
    """What somebody who writes to `key` has."""
    return key if key.symmetric else key.public()


def header_of(token: str) -> dict[str, Any]:
    return dict(json.loads(unb64(token.partition(".")[0])))


def forged(
    key: jose.EncryptionKey,
    *,
    plaintext: bytes = PLAINTEXT,
    using: str = "",
    content_key: bytes | None = None,
    encrypted_key: bytes | None = None,
    raw_header: bytes | None = None,
    **changes: Any,
) -> str:
    """A token that decrypts but for what is asked for: header members changed (`...` leaves one out) before anything is
    authenticated, another content key under the genuine wrapping, another encrypted key. `using` names the content
    encryption."""
    name = using or key.encs[0]
    members: dict[str, Any] = {"alg": key.alg, "enc": name, "kid": key.kid}
    drawn = (lambda size: content_key) if content_key is not None else (lambda size: b"\x07" * size)
    wrap = sender(key).wrap
    assert wrap
    secret, wrapped = wrap(ENCRYPTIONS[name], members, drawn)
    members = {member: value for member, value in {**members, **changes}.items() if value is not ...}
    head = b64(json.dumps(members).encode() if raw_header is None else raw_header)
    iv = b"\x05" * ENCRYPTIONS[name].iv_bytes
    if len(secret) == ENCRYPTIONS[name].key_bytes:
        sealed = encrypt_content(ENCRYPTIONS[name], secret, iv, head.encode(), plaintext)
    else:  # under a key of another length: what a careless recipient would go on to decrypt
        other = next(row for row in ENCRYPTIONS.values() if row.key_bytes == len(secret) and not row.hash)
        sealed = encrypt_content(other, secret, iv, head.encode(), plaintext)
    return ".".join((head, *map(b64, (wrapped if encrypted_key is None else encrypted_key, iv, *sealed))))


def with_segment(token: str, place: int, raw: bytes | str) -> str:
    segments = token.split(".")
    segments[place] = raw if isinstance(raw, str) else b64(raw)
    return ".".join(segments)


def refusal(token: Any, keys: jose.EncryptionKey | jose.EncryptionKeySet) -> jose.TokenRejected:
    with pytest.raises(jose.TokenRejected) as caught:
        jose.decrypt(token, keys)
    return caught.value


def fails(token: Any, key: jose.EncryptionKey) -> None:
    """Refused by key and by set, with the one error that says nothing."""
    for keys in (key, jose.EncryptionKeySet([key])):
        error = refusal(token, keys)
        assert type(error) is jose.DecryptionFailed
        assert (str(error), error.reason, error.claim) == (
            str(jose.DecryptionFailed()),
            jose.DecryptionFailed.title,
            None,
        )
        assert error.__suppress_context__
        assert error.__cause__ is None
