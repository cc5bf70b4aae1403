"""Compact JWE (RFC 7516 sections 5 and 7.1): encrypt bytes, decrypt bytes.

Decrypting says nothing about who wrote the plaintext: whoever has a public encryption key can. A token that is to be
believed is signed inside, and `nested.py` reads it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ostiary.jose.content import decrypt_content, encrypt_content
from ostiary.jose.encoding import Unreadable, decode_bytes, encode_bytes
from ostiary.jose.encryption_keys import EncryptionKey, EncryptionKeySet
from ostiary.jose.errors import (
    AlgorithmNotAllowed,
    DecryptionFailed,
    InvalidKey,
    MalformedToken,
    Unencryptable,
    UnknownKey,
    Unsignable,
)
from ostiary.jose.header import NEVER_ACCEPTED, Header, read_header
from ostiary.jose.jwe_algorithms import ENCRYPTIONS, Encryption
from ostiary.jose.plain import encode_plain
from ostiary.limits import ENCRYPTED_CREDENTIAL_CHARS, HEADER_CHARS

_OURS = NEVER_ACCEPTED | {"alg", "enc", "typ", "cty", "kid", "epk"}
_KEYS = (EncryptionKey, EncryptionKeySet)


class Decrypted(msgspec.Struct, frozen=True, gc=False):
    """A plaintext that was encrypted to `key`, by whomever."""

    header: Header
    plaintext: bytes
    key: EncryptionKey


def encrypt(
    plaintext: bytes,
    key: EncryptionKey,
    *,
    enc: str | None = None,
    typ: str | None = None,
    cty: str | None = None,
    headers: Mapping[str, Any] | None = None,
    random: Callable[[int], bytes] | None = None,
) -> str:
    """A compact JWE. The header is `alg`, `enc`, then `typ`, `cty`, `kid`, then `headers` (for ECDH-ES, `apu` and `apv`
    may be there), then `epk`. `enc` is one of the key's, by default its first; `random` (default: the system's) makes
    content encryption key and initialization vector. Raises `Unencryptable`; `InvalidKey` if the key may not."""
    if not isinstance(key, EncryptionKey):
        raise TypeError("key must be an EncryptionKey")
    name = key.encs[0] if enc is None else enc
    if name not in key.encs:
        raise Unencryptable("the key is not for this content encryption")
    if key.wrap is None:
        raise InvalidKey("the key may not do this")
    if random is None:
        from secrets import token_bytes

        random = token_bytes
    texts = {"alg": key.alg, "enc": name, "typ": typ, "cty": cty, "kid": key.kid}
    members: dict[str, Any] = {member: text for member, text in texts.items() if text is not None}
    if headers:
        if not _OURS.isdisjoint(headers):
            raise Unencryptable("a header member is not the caller's to set")
        members.update(headers)
    row = ENCRYPTIONS[name]
    try:
        content_key, encrypted_key = key.wrap(row, members, random)
        head = encode_bytes(encode_plain(members))
    except (Unsignable, ValueError):
        raise Unencryptable("the header is not plain JSON, or its apu or apv not base64url") from None
    iv = random(row.iv_bytes)
    ciphertext, tag = encrypt_content(row, content_key, iv, head, plaintext)
    token = b".".join((head, *map(encode_bytes, (encrypted_key, iv, ciphertext, tag))))
    if len(token) > ENCRYPTED_CREDENTIAL_CHARS or len(head) > HEADER_CHARS:
        raise Unencryptable("the token would be larger than any recipient accepts")
    return token.decode("ascii")


def decrypt(token: str, keys: EncryptionKey | EncryptionKeySet) -> Decrypted:
    """The plaintext, if it was encrypted to one of `keys`. Order: length, segments, header, key, algorithms, encoding.
    What is wrong beyond that is `DecryptionFailed`, whatever it is.

    A set is asked by `kid`, which must be there; a single key was chosen by the caller, so `kid` does not count. Raises
    `MalformedToken`, `AlgorithmNotAllowed`, `UnknownKey`, `DecryptionFailed`; `TypeError` if `keys` is neither;
    `InvalidKey` if the key may not decrypt.
    """
    if not isinstance(keys, _KEYS):
        raise TypeError("keys must be an EncryptionKey or an EncryptionKeySet")
    segment, *others = split(token)
    header = read_header(segment)
    name = header.get("enc")
    if not isinstance(name, str):
        raise MalformedToken("a header member is absent or of the wrong type")
    key = keys.candidate(header.kid, header.alg)
    if key is None:
        raise UnknownKey(header.kid)
    if header.alg != key.alg or name not in key.encs:
        raise AlgorithmNotAllowed
    if key.unwrap is None:
        raise InvalidKey("the key may not do this")
    try:
        encrypted_key, iv, ciphertext, tag = map(decode_bytes, others)
    except Unreadable:
        raise MalformedToken("a segment is not canonical base64url") from None
    enc = ENCRYPTIONS[name]
    content_key = _content_key(key, enc, header, encrypted_key)
    try:
        plaintext = decrypt_content(enc, content_key, iv, segment, ciphertext, tag)
    except Exception:  # noqa: BLE001 - the library refuses with several types; none may leave, none may differ
        raise DecryptionFailed from None
    return Decrypted(header, plaintext, key)


def split(token: str) -> list[bytes]:
    """Header, encrypted key, initialization vector, ciphertext and tag, all still encoded. One grammar: four dots, and
    a header (flaw classes 26 to 28)."""
    if token.__class__ is not str or len(token) > ENCRYPTED_CREDENTIAL_CHARS:
        raise MalformedToken("a token is a string of limited length")
    try:
        segments = token.encode("ascii").split(b".", 5)
    except UnicodeEncodeError:
        raise MalformedToken("a token is ASCII") from None
    if len(segments) != 5 or not segments[0]:
        raise MalformedToken("an encrypted token has five segments")
    return segments


def _content_key(key: EncryptionKey, enc: Encryption, header: Header, encrypted_key: bytes) -> bytes:
    """The content encryption key; where there is none of the right length, a random one, so that the failure shows only
    where every failure shows (RFC 7516 section 11.5)."""
    from secrets import token_bytes

    substitute = token_bytes(enc.key_bytes)
    assert key.unwrap is not None  # noqa: S101 - the caller looked
    try:
        found = key.unwrap(enc, header, encrypted_key)
    except Exception:  # noqa: BLE001 - as above
        return substitute
    return found if len(found) == enc.key_bytes else substitute
