"""Signed, then encrypted (RFC 7519 section 11.2): nobody else can read it, and it says who wrote it."""

from collections.abc import Callable, Mapping
from typing import Any

from ostiary.jose.claims import Claims, Policy, check_claims
from ostiary.jose.encryption_keys import EncryptionKey, EncryptionKeySet
from ostiary.jose.errors import MalformedToken
from ostiary.jose.header import comparable_type
from ostiary.jose.jwe import decrypt, encrypt
from ostiary.jose.jws import verify_signature
from ostiary.jose.jwt import sign
from ostiary.jose.key_set import KeySet
from ostiary.jose.keys import Key


def sign_then_encrypt(
    claims: Mapping[str, Any],
    signing_key: Key,
    encryption_key: EncryptionKey,
    *,
    typ: str = "JWT",
    enc: str | None = None,
    random: Callable[[int], bytes] | None = None,
) -> str:
    """A JWT of type `typ` inside a JWE. The outer header has `cty` JWT (RFC 7519 section 5.2) and nothing of the
    claims. Raises `Unsignable`, `Unencryptable`."""
    return encrypt_token(sign(claims, signing_key, typ=typ), encryption_key, enc=enc, random=random)


def encrypt_token(
    token: str, key: EncryptionKey, *, enc: str | None = None, random: Callable[[int], bytes] | None = None
) -> str:
    """A JWE around a token that has been signed."""
    return encrypt(token.encode("ascii"), key, enc=enc, cty="JWT", random=random)


def is_encrypted(token: str) -> bool:
    """Whether it has the five segments of a compact JWE. Says nothing about what they hold."""
    return token.count(".") == 4


def decrypt_token(token: str, keys: EncryptionKey | EncryptionKeySet) -> str:
    """The token inside a JWE: to be verified now, and not to be believed before (flaw class 47). Raises what `decrypt`
    raises, and `MalformedToken` if the JWE does not say that it holds a JWT."""
    decrypted = decrypt(token, keys)
    if comparable_type(decrypted.header.get("cty", "")) != "jwt":
        raise MalformedToken("the token does not say that it holds another")
    try:
        return decrypted.plaintext.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedToken("a token is ASCII") from None


def verify_nested(
    token: str,
    encryption_keys: EncryptionKey | EncryptionKeySet,
    signing_keys: Key | KeySet,
    policy: Policy,
    now: float,
) -> Claims:
    """The claims of a token that one of `signing_keys` signed and that `policy` accepts at `now`, after one of
    `encryption_keys` has opened what it came in. Raises `TokenRejected`."""
    return check_claims(verify_signature(decrypt_token(token, encryption_keys), signing_keys), policy, now)
