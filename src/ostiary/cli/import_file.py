"""Files of accounts to import: CSV with a header, a JSON array, or JSON lines. Read row by row, as often as asked.

A row that cannot be used is a ``BadRow`` with its reason, and the rows after it are read all the same; a file that
cannot be read at all is ``InvalidRequest``. Nothing here touches a store.
"""

import csv
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import msgspec

from ostiary.cli.prompts import interruptible
from ostiary.errors import InvalidRequest

COLUMNS = ("username", "password", "password_hash", "email", "display_name", "roles")
_OF_ERROR_FILES = ("line", "reason")  # so that a mended error file can be imported as it is
_SPOOL_BYTES = 16 * 1024 * 1024  # of stdin that stay in memory; the rest goes to a temporary file
_LINE_CHARS = 64 * 1024


class Format(StrEnum):
    """How the rows are written."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One account as it was written. ``line`` is the line of a CSV or JSON-lines file, or the place in an array."""

    line: int
    username: str
    password: str | None = field(default=None, repr=False)
    password_hash: str | None = field(default=None, repr=False)
    email: str | None = None
    display_name: str | None = None
    roles: tuple[str, ...] | None = None
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that cannot be imported. ``raw`` is what it held, for the file of errors."""

    line: int
    reason: str
    raw: Mapping[str, Any] = field(repr=False)


class ImportFile:
    """Opened text and its format. Iterating reads from the start."""

    def __init__(self, text: IO[str], form: Format) -> None:
        self.form = form
        self._text = text

    def __iter__(self) -> Iterator[Row | BadRow]:
        self._text.seek(0)
        try:
            match self.form:
                case Format.CSV:
                    yield from _csv_rows(self._text)
                case Format.JSON:
                    yield from _json_rows(self._text)
                case Format.JSONL:
                    yield from _jsonl_rows(self._text)
        except UnicodeDecodeError:
            raise InvalidRequest("The file is not UTF-8 text.") from None

    def count(self) -> int:
        """How many rows there are. Raises ``InvalidRequest`` if the file cannot be read to its end."""
        return sum(1 for _ in self)


@contextmanager
def opened(name: str, form: Format | None = None) -> Iterator[ImportFile]:
    """Open a file, or with ``-`` what comes on stdin. The format follows from the name, else from how it begins. What
    can be read once only, such as a pipe, is kept while it is needed."""
    with ExitStack() as stack:
        with interruptible():  # a pipe waits for whoever writes into it
            source: IO[bytes] = sys.stdin.buffer
            if name != "-":
                try:
                    source = stack.enter_context(Path(name).open("rb"))
                except OSError as wrong:
                    raise InvalidRequest(f"The file cannot be read ({wrong.strerror}).") from wrong
            if name == "-" or not source.seekable():
                spool = stack.enter_context(tempfile.SpooledTemporaryFile(_SPOOL_BYTES))
                shutil.copyfileobj(source, spool)
                source = spool
        text = io.TextIOWrapper(source, "utf-8-sig", newline="")
        yield _recognised(text, form, Path(name).suffix.lower())


def is_the_same(name: str, path: Path) -> bool:
    """Whether what is read under ``name`` (``-`` for stdin) is the very file at ``path``, by whatever link."""
    try:
        read = os.fstat(sys.stdin.fileno()) if name == "-" else Path(name).stat()
        return os.path.samestat(read, path.stat())
    except (OSError, ValueError):
        return False


_SUFFIXES = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}


def _recognised(text: IO[str], form: Format | None, suffix: str) -> ImportFile:
    text.seek(0)
    if form is None:
        form = _SUFFIXES.get(suffix)
    if form is None:
        try:
            start = text.read(1024).lstrip()
        except UnicodeDecodeError:
            raise InvalidRequest("The file is not UTF-8 text.") from None
        otherwise = Format.JSON if suffix == ".json" else Format.CSV
        form = {"[": Format.JSON, "{": Format.JSONL}.get(start[:1], otherwise)
    return ImportFile(text, form)


def _csv_rows(text: IO[str]) -> Iterator[Row | BadRow]:
    reader = csv.reader(text)
    header = [name.strip().lower() for name in next(reader, [])]
    _check_header(header)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            raise InvalidRequest(f"The file is not CSV from line {line} on: {wrong}.") from None
        if not any(cells):
            continue
        raw = dict(zip(header, cells, strict=False))
        if len(cells) != len(header):
            reason = f"it has {len(cells)} cells, the header has {len(header)}"
            yield BadRow(line=line, reason=reason, raw=raw)
        else:
            yield _row(line, raw)


def _check_header(header: list[str]) -> None:
    words = f"the first line of a CSV file names its columns, of {', '.join(COLUMNS)}"
    if "username" not in header or len(set(header)) != len(header):
        raise InvalidRequest(f"The column username is missing or a column stands twice: {words}.")
    if set(header) - {*COLUMNS, *_OF_ERROR_FILES}:
        raise InvalidRequest(f"The file has columns that are not known: {words}.")


def _json_rows(text: IO[str]) -> Iterator[Row | BadRow]:
    try:
        items = msgspec.json.decode(text.read().encode())
    except msgspec.DecodeError as wrong:
        raise InvalidRequest(f"The file is not JSON: {wrong}.") from None
    except RecursionError:
        raise InvalidRequest("The file is no array of accounts: it nests too deeply.") from None
    if not isinstance(items, list):
        raise InvalidRequest("The file is not a JSON array of accounts.")
    for place, item in enumerate(items, start=1):
        yield _object(place, item)


def _jsonl_rows(text: IO[str]) -> Iterator[Row | BadRow]:
    line = 0
    while content := text.readline(_LINE_CHARS):
        line += 1
        whole = len(content) < _LINE_CHARS
        while not content.endswith("\n") and (rest := text.readline(_LINE_CHARS)):
            content, whole = rest, False
        if not whole:
            yield BadRow(line=line, reason="the line is too long", raw={})
        elif content.strip():
            try:
                item = msgspec.json.decode(content)
            except (msgspec.DecodeError, RecursionError):
                yield BadRow(line=line, reason="the line is not JSON", raw={})
            else:
                yield _object(line, item)


def _object(line: int, item: object) -> Row | BadRow:
    if not isinstance(item, dict):
        return BadRow(line=line, reason="it is not a JSON object", raw={})
    unknown = sorted(set(item) - {*COLUMNS, *_OF_ERROR_FILES})
    if unknown:
        return BadRow(line=line, reason=f"it has members that are not known; known are {', '.join(COLUMNS)}", raw=item)
    return _row(line, item)


def _row(line: int, raw: Mapping[str, Any]) -> Row | BadRow:
    texts = {name: raw.get(name) for name in COLUMNS if name != "roles"}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            return BadRow(line=line, reason=f"{name} is not text", raw=raw)
    if not texts["username"]:
        return BadRow(line=line, reason="username is missing", raw=raw)
    if bool(texts["password"]) == bool(texts["password_hash"]):
        return BadRow(line=line, reason="it needs either password or password_hash", raw=raw)
    roles = _roles(raw.get("roles"))
    if roles is None:
        return BadRow(line=line, reason="roles is neither a list nor text with spaces or commas between", raw=raw)
    return Row(
        line=line,
        username=str(texts["username"]),
        password=texts["password"] or None,
        password_hash=texts["password_hash"] or None,
        email=texts["email"] or None,
        display_name=texts["display_name"] or None,
        roles=roles or None,
        raw=raw,
    )


def _roles(value: object) -> tuple[str, ...] | None:
    """Empty: none were given. None: it is not a list of roles."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.replace(",", " ").replace(";", " ").replace("|", " ").split())
    if isinstance(value, list) and all(isinstance(role, str) for role in value):
        return tuple(value)
    return None


class RefusedRows:
    """The file of refused rows, in the format of the import with ``line`` and ``reason`` added; private, because it
    holds the passwords that are to be mended. Written as it goes: an interruption loses none."""

    def __init__(self, path: Path, form: Format) -> None:
        self._form = form
        try:
            path.touch(mode=0o600)
            path.chmod(0o600)
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as wrong:
            raise InvalidRequest(f"The file for refused rows cannot be written ({wrong.strerror}).") from wrong
        self._csv = csv.DictWriter(self._file, (*COLUMNS, *_OF_ERROR_FILES), extrasaction="ignore", lineterminator="\n")
        if form is Format.CSV:
            self._csv.writeheader()

    def write(self, rows: Iterable[BadRow]) -> None:
        for row in rows:
            content = {**row.raw, "line": row.line, "reason": row.reason}
            if self._form is Format.CSV:
                self._csv.writerow(content)
            else:
                self._file.write(msgspec.json.encode(content).decode() + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
