"""Fetching a file for a one-time token: spend it, then take the transfer, as often as the line breaks.

The token is spent by the first answer, so what leads to the transfer is kept beside the unfinished file until it is
whole: `FILE.part` has the bytes, `FILE.part.json` where they come from, readable for its owner only. The token itself
is sent in a header, and neither printed nor kept.
"""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

import httpx2
import msgspec

from ostiary import jose
from ostiary.cli.byte_progress import ByteProgress, amount
from ostiary.cli.output import note, say
from ostiary.cli.shell import Usage
from ostiary.errors import OstiaryError, Unavailable

_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each new attempt after a broken line
_REASONS = {
    "already_used": "the link has been used, or its download is over: ask for a new link",
    "invalid_token": "the link is not valid any more, or not meant for this server: ask for a new link",
    "not_authenticated": "the link has no token",
    "wrong_resource": "the link is for another file",
    "not_found": "there is no such file",
}


class DownloadRefused(OstiaryError):
    """The server says no. `code` is its own."""

    hint = ""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(_REASONS.get(code, f"the server refuses it with status {status}"))
        self.code = code  # type: ignore[misc]


class NotNow(Unavailable):
    """The server does not answer, or says that it cannot."""

    hint = "try again"


class NotWhole(NotNow):
    """The line broke more often than anybody tries."""

    code = "broken_off"
    title = "The download broke off"
    hint = "run the same command again to go on"


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go and with what; `name` is what the file is called."""

    url: str
    name: str
    token: str = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Tells one link from another and opens nothing."""
        return hashlib.sha256(f"{self.url}\0{self.token}".encode()).hexdigest()


class _Unfinished(msgspec.Struct):
    """What `FILE.part.json` holds."""

    link: str
    transfer: str
    etag: str = ""
    size: int = -1


def link_of(url: str, token: str | None) -> Link:
    """Raises Usage for what is no such link."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Usage("this is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Usage("a link begins with https:// (or http://)")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    found = [value for name, value in pairs if name == "token" and value]
    if token is not None and found:
        raise Usage("the link has a token of its own: leave --token-stdin out")
    tokens = [token] if token else found
    if len(tokens) != 1:
        raise Usage("the link has no ?token=…: quote it, or pass the token with --token-stdin")
    rest = urlencode([(name, value) for name, value in pairs if name != "token"])
    name = unquote(parts.path.rpartition("/")[2])
    name = "".join(char for char in name if char.isprintable() and char not in "/\\").strip()
    return Link(
        parts._replace(query=rest, fragment="").geturl(), name if name not in ("", ".", "..") else "download", tokens[0]
    )


class Fetching:
    """One download, to `target`, or to stdout if that is None."""

    def __init__(self, link: Link, target: Path | None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._link = link
        self._target = target
        self._sleep = sleep
        self._client = httpx2.Client(follow_redirects=False, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"})

    def to_stdout(self) -> None:
        """No part is kept: what breaks off for good is lost."""
        with self._client:
            known = _Unfinished(self._link.fingerprint, self._spend())
            out = sys.stdout.buffer
            self._take(known, out, 0, restart=None)
            out.flush()

    def to_file(self) -> None:
        """Begin, or go on where an earlier run stopped."""
        assert self._target is not None  # noqa: S101
        part = self._target.with_name(self._target.name + ".part")
        record = part.with_name(part.name + ".json")
        with self._client:
            known = _read(record, self._link.fingerprint)
            if known is None:
                known = _Unfinished(self._link.fingerprint, self._spend())
                _write(record, known)
                part.unlink(missing_ok=True)
            with contextlib.closing(_open_part(part)) as out:
                self._go_on(known, record, out)
            part.replace(self._target)
            record.unlink(missing_ok=True)
        say(f"Saved {self._target} ({amount(self._target.stat().st_size)}).")

    def _go_on(self, known: _Unfinished, record: Path, out: BinaryIO) -> None:
        def restart() -> None:
            out.seek(0)
            out.truncate()

        try:
            self._take(known, out, out.seek(0, os.SEEK_END), restart=restart, describe=lambda: _write(record, known))
            out.flush()
            os.fsync(out.fileno())
        except KeyboardInterrupt:
            note("Run the same command again to go on; the link is spent, and good for this download only.")
            raise
        except DownloadRefused:
            record.unlink(missing_ok=True)  # it is over: nothing can go on from here
            raise

    def _spend(self) -> str:
        """Where the transfer is. Raises DownloadRefused, NotNow."""
        method = "POST" if _asks_first(self._link.token) else "GET"
        try:
            response = self._client.request(
                method, self._link.url, headers={"Authorization": f"Bearer {self._link.token}"}
            )
        except httpx2.HTTPError as error:
            raise NotNow("The server cannot be reached", private=type(error).__name__) from None
        if response.status_code != 303:
            raise _refusal(response)
        transfer = urljoin(self._link.url, response.headers.get("location", ""))
        if urlsplit(transfer)[:2] != urlsplit(self._link.url)[:2]:
            raise DownloadRefused("elsewhere", response.status_code)
        return transfer

    def _take(
        self,
        known: _Unfinished,
        out: BinaryIO,
        done: int,
        *,
        restart: Callable[[], None] | None,
        describe: Callable[[], None] = lambda: None,
    ) -> None:
        """All that is missing. Raises DownloadRefused, NotWhole."""
        pauses = iter(_PAUSES)
        while known.size < 0 or done < known.size:
            before = done
            try:
                done = self._take_some(known, out, done, restart, describe)
            except httpx2.HTTPError:
                done = out.tell() if restart is not None else done + self._written
            if 0 <= known.size <= done:
                break
            if done > before:
                pauses = iter(_PAUSES)  # it goes on, if only in steps
            pause = next(pauses, None)
            if pause is None:
                raise NotWhole
            self._sleep(pause)
        if done != known.size:
            raise NotWhole("The file is longer than was said; it may have changed")

    _written = 0

    def _take_some(
        self,
        known: _Unfinished,
        out: BinaryIO,
        done: int,
        restart: Callable[[], None] | None,
        describe: Callable[[], None],
    ) -> int:
        """One answer; how many bytes there are then."""
        self._written = 0
        headers = {"Range": f"bytes={done}-", "If-Range": known.etag} if done and known.etag else {}
        with self._client.stream("GET", known.transfer, headers=headers) as response:
            if response.status_code == 503:
                return done
            if response.status_code not in (200, 206):
                response.read()
                raise _refusal(response)
            if response.status_code == 200 and done:
                if restart is None:
                    raise DownloadRefused("changed", 200)
                restart()
                done = 0
            length = int(response.headers.get("content-length", -1))
            known.size = done + length if length >= 0 else -1
            known.etag = response.headers.get("etag", "")
            describe()
            with ByteProgress(self._link.name, total=known.size, done=done) as progress:
                for chunk in response.iter_raw():
                    out.write(chunk)
                    self._written += len(chunk)
                    progress.add(len(chunk))
        done += self._written
        if known.size < 0:
            known.size = done
        return done


def _refusal(response: httpx2.Response) -> OstiaryError:
    try:
        code = str(msgspec.json.decode(response.content)["code"])
    except (msgspec.DecodeError, KeyError, TypeError):
        code = "refused"
    if response.status_code >= 500 or response.status_code == 429:
        return NotNow("The server cannot answer right now", private=code)
    return DownloadRefused(code, response.status_code)


def _asks_first(token: str) -> bool:
    """Whether a person would have to press a button: whoever runs this command has done as much."""
    try:
        return jose.decode_unverified(token).claims.get("confirm") is True
    except jose.TokenRejected:
        return False


def _read(record: Path, link: str) -> _Unfinished | None:
    """What an earlier run of the same link left."""
    try:
        known = msgspec.json.decode(record.read_bytes(), type=_Unfinished)
    except (OSError, msgspec.DecodeError):
        return None
    return known if known.link == link else None


def _write(record: Path, known: _Unfinished) -> None:
    descriptor = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as out:  # noqa: PTH123 - a descriptor
        out.write(msgspec.json.encode(known))


def _open_part(part: Path) -> BinaryIO:
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    return open(descriptor, "r+b")  # noqa: PTH123 - closed by the caller
