"""Who may follow a relay: a file that names them, with digests of their secrets.

A relay has no store, so it cannot know the issuer's clients. One line for each follower: its id, and the SHA-256 of its
secret in hexadecimal. Empty lines, and what follows a `#` at the beginning of one, say nothing. Secrets are random
(`ostiary client create` makes them of 256 bits), so a plain digest gives nothing away.
"""

import hashlib
import hmac
import logging
from base64 import b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote_plus

from ostiary import limits
from ostiary.errors import InvalidClient, Malformed, Misconfigured, NotAuthenticated

log = logging.getLogger("ostiary.relay")

_NOBODY = b"\0" * 32


class Allowed:
    """By the file at `path`. Raises Misconfigured."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._state()
        self._digests = read_followers(path)
        if not self._digests:
            raise Misconfigured(f"Nobody may follow: {path} names no one.")

    def __len__(self) -> int:
        return len(self._digests)

    def look(self) -> bool:
        """Read the file again if it has changed; whether that let somebody go: the last one, too. One that cannot be
        read leaves all as it was."""
        state = self._state()
        if state == self._seen:
            return False
        self._seen = state
        try:
            digests = read_followers(self._path)
        except Misconfigured as error:
            log.warning("%s Those who might follow before still may.", error)
            return False
        before, self._digests = self._digests, digests
        log.info("%d may follow", len(digests))
        return any(digests.get(name) != digest for name, digest in before.items())

    def knows(self, name: str, digest: bytes) -> bool:
        """Whether this follower may still follow by this secret."""
        known = self._digests.get(name, _NOBODY)
        return hmac.compare_digest(digest, known) and known != _NOBODY

    def follower(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, bytes]:
        """Who asks, and by which secret's digest: HTTP Basic (RFC 6749 section 2.3.1). Raises NotAuthenticated,
        InvalidClient, Malformed."""
        values = [value for name, value in headers if name == b"authorization"]
        if not values:
            raise NotAuthenticated("Authenticate by HTTP Basic.")
        if len(values) > 1:
            raise Malformed("The Authorization header was sent twice.")
        scheme, _, encoded = values[0].partition(b" ")
        if scheme.lower() != b"basic":
            raise InvalidClient("Authenticate by HTTP Basic.", private="another scheme")
        if len(encoded) > limits.CREDENTIAL_CHARS:
            raise InvalidClient(private="oversized")
        try:
            pair = b64decode(encoded.strip(), validate=True).decode("utf-8")
            name, colon, secret = pair.partition(":")
            name, secret = (unquote_plus(text, errors="strict") for text in (name, secret))
        except ValueError:
            raise InvalidClient(private="Authorization is not readable") from None
        digest = hashlib.sha256(secret.encode()).digest()
        if not colon or not self.knows(name, digest):
            raise InvalidClient(private="not one of the followers")
        return name, digest

    def _state(self) -> object:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_followers(path: Path) -> Mapping[str, bytes]:
    """Ids to digests. Raises Misconfigured, with the line's number and nothing of what it says."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.RELAY_FOLLOWERS_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(f"The file of followers {path} cannot be read.") from None
    if len(data) > limits.RELAY_FOLLOWERS_BYTES:
        raise Misconfigured(f"The file of followers {path} is too large.")
    digests: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split()
        digest = _digest(parts[1]) if len(parts) == 2 else None
        if digest is None or not _is_name(parts[0]) or parts[0] in digests:
            raise Misconfigured(
                f"Line {number} of {path} is not an id of its own and the SHA-256 of a secret in hexadecimal."
            )
        digests[parts[0]] = digest
    return digests


def _digest(text: str) -> bytes | None:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return None
    return digest if len(digest) == 32 and digest != _NOBODY else None


def _is_name(text: str) -> bool:
    return len(text) <= limits.CLIENT_ID_CHARS and text.isascii() and text.isprintable() and ":" not in text
