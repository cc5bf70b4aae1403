"""Where a list goes on: after the id of the last row that was shown."""

import re

from ostiary.errors import InvalidRequest


def checked_cursor(cursor: str, prefix: str) -> str:
    """The cursor, if it is an id of what is listed, or empty. What never was an id would quietly show some page or
    none, and a caller would take that for the end. Raises InvalidRequest."""
    if cursor and not re.fullmatch(rf"{prefix}_[A-Za-z0-9_-]{{1,64}}", cursor):
        raise InvalidRequest("The cursor is what the page before called `next`.")
    return cursor
