"""Who may follow a relay: a file that names them, with digests of their secrets, or their public keys.

A relay has no store, so it cannot know the issuer's clients. One line for each follower: its id, and the SHA-256 of its
secret in hexadecimal, or a JWK set in JSON, with which it signs what says who it is (`private_key_jwt`). Empty lines,
and what follows a `#` at the beginning of one, say nothing. Secrets are random (`ostiary client create` makes them of
256 bits), so a plain digest gives nothing away.
"""

import hashlib
import hmac
import logging
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_plus

from ostiary import limits
from ostiary.credentials.client_assertion import claimed_client, read_assertion
from ostiary.credentials.client_keys import checked_keys
from ostiary.errors import InvalidClient, InvalidRequest, Malformed, Misconfigured, NotAuthenticated
from ostiary.jose import KeySet
from ostiary.jose.encoding import decode_object
from ostiary.relay.assertions import Assertions

log = logging.getLogger("ostiary.relay")

_NOBODY = b"\0" * 32
_LEEWAY = 30.0  # seconds that a follower's clock may be ahead of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """`digest`: of its secret; of its line, where it has `keys` instead."""

    digest: bytes
    keys: KeySet | None = None


class Allowed:
    """By the file at `path`. `audience` is the URL of this relay that an assertion has to be meant for; without it
    nobody follows by a key. Raises Misconfigured."""

    def __init__(self, path: Path, *, audience: str = "") -> None:
        self._path = path
        self._audience = audience.rstrip("/")
        self._assertions = Assertions()
        self._seen = self._state()
        self._followers = self._read()
        if not self._followers:
            raise Misconfigured(f"Nobody may follow: {path} names no one.")

    def __len__(self) -> int:
        return len(self._followers)

    def _read(self) -> Mapping[str, Follower]:
        followers = read_followers(self._path)
        if not self._audience and any(follower.keys for follower in followers.values()):
            raise Misconfigured(f"{self._path} names keys: say by which URL followers ask this relay (--audience).")
        return followers

    def look(self) -> bool:
        """Read the file again if it has changed; whether that let somebody go: the last one, too. One that cannot be
        read leaves all as it was."""
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        try:
            followers = self._read()
        except Misconfigured as error:
            log.warning("%s Those who might follow before still may.", error)
            return False
        before, self._followers = self._followers, followers
        log.info("%d may follow", len(followers))
        return any(name not in followers or followers[name].digest != known.digest for name, known in before.items())

    def knows(self, name: str, digest: bytes) -> bool:
        """Whether this follower may still follow by this secret, or these keys."""
        known = self._followers.get(name)
        return hmac.compare_digest(digest, known.digest if known else _NOBODY) and known is not None

    def follower(self, headers: Iterable[tuple[bytes, bytes]], now: float, monotonic: float) -> tuple[str, bytes]:
        """Who asks, and by what, for `knows`: HTTP Basic (RFC 6749 section 2.3.1), or an assertion as the bearer token.
        `now` is wall time, `monotonic` that of the clock that nobody sets. Raises NotAuthenticated, InvalidClient,
        Malformed, Overloaded."""
        values = [value for name, value in headers if name == b"authorization"]
        if not values:
            raise NotAuthenticated("Authenticate by HTTP Basic, or by an assertion as the bearer token.")
        if len(values) > 1:
            raise Malformed("The Authorization header was sent twice.")
        scheme, _, credential = values[0].partition(b" ")
        if len(credential) > limits.CREDENTIAL_CHARS:
            raise InvalidClient(private="oversized")
        if scheme.lower() == b"bearer":
            return self._by_assertion(credential.strip().decode("latin-1"), now, monotonic)
        if scheme.lower() != b"basic":
            raise InvalidClient(private="another scheme")
        return self._by_secret(credential)

    def _by_assertion(self, text: str, now: float, monotonic: float) -> tuple[str, bytes]:
        name = claimed_client(text)
        known = self._followers.get(name)
        if known is None or known.keys is None:
            raise InvalidClient(private="not one of the followers, or one without keys")
        assertion = read_assertion(
            text, name, known.keys, audience=(self._audience, f"{self._audience}/"), now=now, leeway=_LEEWAY
        )
        self._assertions.use(assertion, now, monotonic)
        return name, known.digest

    def _by_secret(self, encoded: bytes) -> tuple[str, bytes]:
        try:
            pair = b64decode(encoded.strip(), validate=True).decode("utf-8")
            name, colon, secret = pair.partition(":")
            name, secret = (unquote_plus(text, errors="strict") for text in (name, secret))
        except ValueError:
            raise InvalidClient(private="Authorization is not readable") from None
        digest = hashlib.sha256(secret.encode()).digest()
        known = self._followers.get(name)
        if not colon or not self.knows(name, digest) or known is None or known.keys is not None:
            raise InvalidClient(private="not one of the followers")
        return name, digest

    def _state(self) -> object:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_followers(path: Path) -> Mapping[str, Follower]:
    """By id. Raises Misconfigured, with the line's number and nothing of what it says."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.RELAY_FOLLOWERS_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The file of followers {path} cannot be read.") from None
    if len(data) > limits.RELAY_FOLLOWERS_BYTES:
        raise Misconfigured(f"The file of followers {path} is too large.")
    followers: dict[str, Follower] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, what = (*line.split(None, 1), "")[:2]
        follower = _by_keys(what) if what.startswith("{") else _by_digest(what.strip())
        if follower is None or not _is_name(name) or name in followers:
            meant = "an id of its own, and the SHA-256 of a secret in hexadecimal or a JWK set"
            raise Misconfigured(f"Line {number} of {path} is not {meant}.")
        followers[name] = follower
    return followers


def _by_digest(text: str) -> Follower | None:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return None
    return Follower(digest=digest) if len(digest) == 32 and digest != _NOBODY else None


def _by_keys(text: str) -> Follower | None:
    """None also for a set with a private key."""
    try:
        keys = KeySet.from_jwks(checked_keys(decode_object(text.encode())))
    except (InvalidRequest, ValueError):
        return None
    return Follower(digest=hashlib.sha256(text.strip().encode()).digest(), keys=keys)


def _is_name(text: str) -> bool:
    return len(text) <= limits.CLIENT_ID_CHARS and text.isascii() and text.isprintable() and ":" not in text
