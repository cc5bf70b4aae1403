"""Keys in files: a JWK, a JWK set or PEM, told apart by how they begin."""

from collections.abc import Mapping
from typing import Any

from ostiary import jose, limits
from ostiary.cli.files import read_input
from ostiary.cli.shell import Usage
from ostiary.jose.jwk import read_members


def read_key_text(name: str) -> bytes:
    """The text of a key file. Raises Usage."""
    text = read_input(name, most=limits.JWK_BYTES, what="key")
    if len(text) > limits.JWK_BYTES:
        raise Usage("the key file is larger than any key")
    if not text.strip():
        raise Usage("the key file is empty")
    return text.strip()


def is_pem(text: bytes) -> bool:
    """Whether it is PEM; anything else should be JSON."""
    return text.startswith(b"-----")


def jwk_members(text: bytes) -> Mapping[str, Any]:
    """The members of a JWK or of a JWK set. Raises Usage."""
    try:
        return read_members(text)
    except jose.InvalidKey as wrong:
        raise Usage(f"the key file is neither a JWK, a JWK set nor PEM: {wrong.reason}") from None


def read_signing_key(name: str, alg: str | None) -> jose.Key:
    """One key. Raises Usage."""
    keys = read_keys(name, alg)
    if isinstance(keys, jose.Key):
        return keys
    if len(keys) != 1:
        raise Usage(f"the file holds {len(keys)} usable keys: give one of them in a file of its own")
    return next(iter(keys))


def read_keys(name: str, alg: str | None) -> jose.Key | jose.KeySet:
    """What a file holds. `alg` is needed where the file does not say it: nothing is guessed. Raises Usage."""
    text = read_key_text(name)
    try:
        if is_pem(text):
            if alg is None:
                raise Usage("PEM does not say which algorithm the key is for: say it with --alg")
            return jose.Key.from_pem(text, alg=alg)
        members = jwk_members(text)
        if "keys" in members:
            keys = jose.KeySet.from_jwks(members, alg, rsa_bits=limits.RSA_BITS_MAX)
            if not len(keys):
                raise Usage("the JWK set holds no usable key; if its keys do not say their algorithm, use --alg")
            return keys
        if "alg" not in members and alg is None:
            raise Usage("the JWK does not say which algorithm it is for: say it with --alg")
        return jose.Key.from_jwk(members, alg, rsa_bits=limits.RSA_BITS_MAX)
    except jose.InvalidKey as wrong:
        raise Usage(f"the key is not usable: {wrong.reason}") from None
