"""Where a list goes on: after the id of the last row that was shown."""

import re

from ostiary.credentials.opaque import decode, encode
from ostiary.errors import InvalidRequest


def checked_cursor(cursor: str, prefix: str) -> str:
    """The cursor, if it is an id of what is listed, or empty. What never was an id would quietly show some page or
    none, and a caller would take that for the end. Raises InvalidRequest."""
    if cursor and not re.fullmatch(rf"{prefix}_[A-Za-z0-9_-]{{1,64}}", cursor):
        raise not_a_cursor()
    return cursor


def place_of(*parts: str) -> str:
    """A cursor that says more than an id: for a URL, and not for people."""
    return encode("\0".join(parts).encode())


def read_place(cursor: str, count: int) -> list[str]:
    """The parts that `place_of` was given. Raises InvalidRequest."""
    try:
        parts = (decode(cursor) or b"").decode().split("\0")
    except UnicodeDecodeError:
        raise not_a_cursor() from None
    if len(parts) != count:
        raise not_a_cursor()
    return parts


def not_a_cursor() -> InvalidRequest:
    """What is wrong with it."""
    return InvalidRequest("The cursor is what the page before called `next`.")
