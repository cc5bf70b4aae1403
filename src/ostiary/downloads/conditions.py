"""Conditional and range requests (RFC 9110 sections 13 and 14), decided. Pure.

One range of bytes is served. A request for several is answered with the whole file, as section 14.2 allows.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

from ostiary.downloads.errors import PreconditionFailed, RangeRefused

Headers = Iterable[tuple[bytes, bytes]]

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,100})-([0-9]{0,100})[ \t]*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What names this content: a strong entity tag, and when it was last changed, in whole seconds."""

    etag: str
    modified: int

    @property
    def last_modified(self) -> str:
        """As an HTTP date."""
        return formatdate(self.modified, usegmt=True)


@dataclass(frozen=True, slots=True)
class Span:
    """What to send: bytes `start` to `stop`, half-open. `partial`: 206."""

    start: int
    stop: int
    partial: bool


def one(headers: Headers, name: bytes) -> str | None:
    """The header's value; None without it, or if it comes twice and so says nothing."""
    values = [value for header, value in headers if header == name]
    return values[0].decode("latin-1").strip(" \t") if len(values) == 1 else None


def is_not_modified(headers: Headers, validators: Validators) -> bool:
    """Whether to answer 304. Raises PreconditionFailed."""
    headers = list(headers)
    if_match = _listed(headers, b"if-match")
    if if_match is not None:
        if "*" not in if_match and validators.etag not in if_match:  # strong comparison
            raise PreconditionFailed
    else:
        unmodified_since = _date(one(headers, b"if-unmodified-since"))
        if unmodified_since is not None and validators.modified > unmodified_since:
            raise PreconditionFailed
    if_none_match = _listed(headers, b"if-none-match")
    if if_none_match is not None:
        return "*" in if_none_match or validators.etag in [tag.removeprefix("W/") for tag in if_none_match]
    modified_since = _date(one(headers, b"if-modified-since"))
    return modified_since is not None and validators.modified <= modified_since


def span_of(headers: Headers, size: int, validators: Validators) -> Span:
    """The part that is asked for, or all of it. Raises RangeRefused."""
    headers = list(headers)
    whole = Span(0, size, False)
    asked = one(headers, b"range")
    match = _RANGE.fullmatch(asked) if asked is not None else None
    if match is None or not (match[1] or match[2]):
        return whole
    if_range = one(headers, b"if-range")
    if if_range is not None and if_range not in (validators.etag, validators.last_modified):
        return whole
    if not match[1]:  # the last so many bytes
        count = min(int(match[2]), size)
        if count == 0:
            raise RangeRefused(size)
        return Span(size - count, size, True)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return whole
    if start >= size:
        raise RangeRefused(size)
    return Span(start, min(int(match[2]) + 1, size) if match[2] else size, True)


def _listed(headers: Headers, name: bytes) -> list[str] | None:
    values = [value.decode("latin-1") for header, value in headers if header == name]
    return [tag.strip(" \t") for value in values for tag in value.split(",")] if values else None


def _date(text: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp()) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
