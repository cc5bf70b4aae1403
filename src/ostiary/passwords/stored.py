"""What stands in the account's row: how a stored password hash is written and read.

Ours is a PHC string whose function names both steps, and whose ``keyid`` names the pepper::

    $argon2id-hmac-sha256$v=19$m=19456,t=2,p=1,keyid=<id>$<salt>$<hash>

with hash = Argon2id(HMAC-SHA-256(pepper, NFC password), salt). Without the pepper's key nobody can guess against a
stolen table (NIST SP 800-63B-4 section 3.1.1.2). Read, but never written, are what other systems leave:
``$argon2id$…``, ``$argon2i$…``, Django's ``argon2$argon2id$…`` and ``pbkdf2_sha256$iterations$salt$hash``.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal

from ostiary.errors import Misconfigured
from ostiary.limits import (
    HASH_ITERATIONS,
    HASH_LANES,
    HASH_MEMORY_KIB,
    HASH_PASSES,
    STORED_PASSWORD_CHARS,
)

_VERSION = 19  # RFC 9106
_SALT_BYTES = range(8, 65)
_HASH_BYTES = range(16, 129)
_PEPPER_BYTES_MIN = 32
_PHC = re.compile(
    r"\$(?P<function>argon2id-hmac-sha256|argon2id|argon2i)\$v=19"
    r"\$m=(?P<m>[0-9]{1,9}),t=(?P<t>[0-9]{1,9}),p=(?P<p>[0-9]{1,9})(?:,keyid=(?P<keyid>[A-Za-z0-9_-]{1,64}))?"
    r"\$(?P<salt>[A-Za-z0-9+/]+)\$(?P<hash>[A-Za-z0-9+/]+)"
)
_DJANGO = re.compile(r"pbkdf2_sha256\$(?P<iterations>[0-9]{1,9})\$(?P<salt>[^$]+)\$(?P<hash>[A-Za-z0-9+/]+=*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Parameters:
    """Cost of one hash. The default is OWASP's: 19 MiB, two passes, one lane; ``Misconfigured`` outside the bounds."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1
    salt_bytes: int = 16
    hash_bytes: int = 32

    def __post_init__(self) -> None:
        within = (
            1 <= self.lanes <= HASH_LANES
            and 8 * self.lanes <= self.memory_kib <= HASH_MEMORY_KIB
            and 1 <= self.passes <= HASH_PASSES
            and self.salt_bytes in _SALT_BYTES
            and self.hash_bytes in _HASH_BYTES
        )
        if not within:
            raise Misconfigured("The cost of a password hash is outside its bounds")


class Pepper:
    """The server's key over all password hashes, with the public id by which a stored hash names it."""

    __slots__ = ("_key", "key_id")

    def __init__(self, *, key_id: str, key: bytes) -> None:
        if len(key) < _PEPPER_BYTES_MIN:
            raise Misconfigured(f"A pepper needs {_PEPPER_BYTES_MIN} bytes or more")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key_id):
            raise Misconfigured("A pepper's id consists of 1 to 64 letters, digits, _ and -")
        self.key_id = key_id
        self._key = key

    @classmethod
    def derived_from(cls, secret: bytes) -> "Pepper":
        """A pepper of its own for one use out of the server's secret; its id follows from it and tells nothing."""
        if len(secret) < _PEPPER_BYTES_MIN:
            raise Misconfigured(f"A pepper needs {_PEPPER_BYTES_MIN} bytes or more")
        key = hmac.digest(secret, b"ostiary password pepper 1", "sha256")
        key_id = hmac.digest(key, b"ostiary password pepper id", "sha256")[:6]
        return cls(key_id=base64.urlsafe_b64encode(key_id).decode("ascii"), key=key)

    def applied_to(self, password: bytes) -> bytes:
        return hmac.digest(self._key, password, "sha256")

    def __repr__(self) -> str:
        return f"Pepper(key_id={self.key_id!r}, key=***)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Argon2Hash:
    """``key_id`` is the pepper's; None: the password itself went in."""

    variant: Literal["argon2id", "argon2i"]
    parameters: Argon2Parameters
    key_id: str | None
    salt: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Pbkdf2Hash:
    iterations: int
    salt: bytes
    digest: bytes

    def matches(self, password: bytes) -> bool:
        computed = hashlib.pbkdf2_hmac("sha256", password, self.salt, self.iterations, len(self.digest))
        return hmac.compare_digest(computed, self.digest)


def written(*, parameters: Argon2Parameters, key_id: str, salt: bytes, digest: bytes) -> str:
    cost = f"m={parameters.memory_kib},t={parameters.passes},p={parameters.lanes},keyid={key_id}"
    return f"$argon2id-hmac-sha256$v={_VERSION}${cost}${_b64(salt)}${_b64(digest)}"


def read(stored: str) -> Argon2Hash | Pbkdf2Hash | None:
    """Return what is stored, or None: another format, not well-formed, or costlier than the bounds allow."""
    if len(stored) > STORED_PASSWORD_CHARS:
        return None
    try:
        if found := _DJANGO.fullmatch(stored):
            return _read_pbkdf2(found)
        if found := _PHC.fullmatch(stored.removeprefix("argon2")):
            return _read_argon2(found)
    except (Misconfigured, binascii.Error):
        return None
    return None


def _read_pbkdf2(found: re.Match[str]) -> Pbkdf2Hash | None:
    iterations, digest = int(found["iterations"]), base64.b64decode(found["hash"], validate=True)
    if not 1 <= iterations <= HASH_ITERATIONS or len(digest) not in _HASH_BYTES:
        return None
    return Pbkdf2Hash(iterations=iterations, salt=found["salt"].encode("utf-8", "surrogatepass"), digest=digest)


def _read_argon2(found: re.Match[str]) -> Argon2Hash | None:
    function, key_id = found["function"], found["keyid"]
    if (function == "argon2id-hmac-sha256") != (key_id is not None):
        return None
    salt, digest = _unb64(found["salt"]), _unb64(found["hash"])
    parameters = Argon2Parameters(
        memory_kib=int(found["m"]),
        passes=int(found["t"]),
        lanes=int(found["p"]),
        salt_bytes=len(salt),
        hash_bytes=len(digest),
    )
    variant: Literal["argon2id", "argon2i"] = "argon2i" if function == "argon2i" else "argon2id"
    return Argon2Hash(variant=variant, parameters=parameters, key_id=key_id, salt=salt, digest=digest)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
