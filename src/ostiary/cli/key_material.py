"""What a key file holds, without regard to what it is for: type, size, identity."""

import hashlib
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ostiary import jose
from ostiary.cli.key_input import is_pem, jwk_members, read_key_text
from ostiary.cli.shell import Usage
from ostiary.jose.encoding import encode_bytes, encode_object
from ostiary.jose.jwk import public_members, read_material
from ostiary.jose.material import halves, kind_of
from ostiary.jose.pem import read_pem, write_public_pem
from ostiary.limits import JWK_SET_KEYS

_TYPES = ("EC", "OKP", "RSA", "oct")
_KEPT = ("alg", "kid", "use")
_RSA_STRONG_BITS = 3072  # NIST SP 800-57 part 1: 128 bits of strength
_SECRET_STRONG_BITS = 256
_DIFFERENT_BYTES = 8  # fewer different bytes than this are no chance


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKey:
    """One key. `material` is bytes of a secret, else the public half as `cryptography` has it. `stated`: the members of
    its JWK; none for PEM."""

    material: Any = field(repr=False)
    private: bool
    stated: Mapping[str, Any] = field(repr=False)

    @property
    def kty(self) -> str:
        """As a JWK says it."""
        return "oct" if isinstance(self.material, bytes) else kind_of(self.material)[0]

    @property
    def crv(self) -> str:
        """ "" where there is none."""
        return "" if isinstance(self.material, bytes) else kind_of(self.material)[1]

    @property
    def bits(self) -> int | None:
        """Size of an RSA key or of a secret; the curve says it of the others."""
        if isinstance(self.material, bytes):
            return 8 * len(self.material)
        return int(self.material.key_size) if self.kty == "RSA" else None

    @property
    def cautions(self) -> list[str]:
        """What is weak about it."""
        found = []
        if self.kty == "RSA" and (self.bits or 0) < _RSA_STRONG_BITS:
            found.append("RSA below 3072 bits is weaker than every other key here")
        if isinstance(self.material, bytes):
            found.append("a shared secret: whoever can check with it can also forge")
            if (self.bits or 0) < _SECRET_STRONG_BITS or len(set(self.material)) < _DIFFERENT_BYTES:
                found.append("the secret can be guessed: use 32 random bytes or more")
        if self.stated and "alg" not in self.stated:
            found.append("it does not say its algorithm (alg): one key is for one algorithm")
        return found

    def text(self, name: str) -> str | None:
        """A member of its JWK, if that is text."""
        value = self.stated.get(name)
        return value if isinstance(value, str) else None

    def thumbprint(self) -> str:
        """RFC 7638 with SHA-256, base64url."""
        return encode_bytes(hashlib.sha256(encode_object(dict(self._identity()))).digest()).decode("ascii")

    def public_jwk(self) -> dict[str, Any]:
        """Its public members, and what its JWK said about it. Raises `InvalidKey`."""
        self._check_public()
        kept = {name: self.stated[name] for name in _KEPT if self.text(name) is not None}
        return {**self._identity(), **kept}

    def public_pem(self) -> str:
        """SubjectPublicKeyInfo. Raises `InvalidKey`."""
        self._check_public()
        return write_public_pem(self.material).decode("ascii")

    def _check_public(self) -> None:
        if isinstance(self.material, bytes):
            raise jose.InvalidKey("a shared secret has no public half")

    def _identity(self) -> dict[str, str]:
        if isinstance(self.material, bytes):
            return {"k": encode_bytes(self.material).decode("ascii"), "kty": "oct"}
        return public_members(self.material)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """The keys of one file, at least one."""

    keys: tuple[FoundKey, ...]
    pem: bool = False
    is_set: bool = False
    cautions: tuple[str, ...] = ()


def found_keys(name: str) -> KeyFile:
    """What the file holds. Raises `Usage` for what is no key file, `InvalidKey` for a key that is none."""
    text = read_key_text(name)
    if is_pem(text):
        public, private = halves(read_pem(text, None))
        keys: tuple[FoundKey, ...] = (FoundKey(material=public, private=private is not None, stated={}),)
        return KeyFile(keys=keys, pem=True, cautions=_of_file(name, keys))
    members = jwk_members(text)
    listed = members.get("keys", [members])
    if not isinstance(listed, list) or not all(isinstance(jwk, Mapping) for jwk in listed):
        raise Usage("a JWK set is an object with a list of keys")
    if not 0 < len(listed) <= JWK_SET_KEYS:
        raise Usage(f"a JWK set holds 1 to {JWK_SET_KEYS} keys")
    keys = tuple(map(_from_jwk, listed))
    return KeyFile(keys=keys, is_set="keys" in members, cautions=_of_file(name, keys))


def _from_jwk(jwk: Mapping[str, Any]) -> FoundKey:
    material = read_material(jwk, *_TYPES)
    if isinstance(material, bytes):
        return FoundKey(material=material, private=True, stated=jwk)
    public, private = halves(material)
    return FoundKey(material=public, private=private is not None, stated=jwk)


def _of_file(name: str, keys: tuple[FoundKey, ...]) -> tuple[str, ...]:
    """Whether others may read what is secret."""
    if name == "-" or not any(key.private for key in keys):
        return ()
    mode = Path(name).stat().st_mode
    others = mode & (stat.S_IRWXG | stat.S_IRWXO)
    return ("others may read this private key: chmod 600",) if others else ()
