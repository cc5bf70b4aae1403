"""What a one-time token allows: one action on one resource, within a short time. Pure rules.

A resource is a relative path in normal form, or an opaque id, which is a path of one segment. In words:

* segments are separated by `/`; none is empty, `.` or `..`, so that there is one way to write a path and no way up;
* there is no backslash and no percent-encoding, which some decoder on the way would make a separator of;
* there are no control characters, no line separators and no direction overrides, which would show another name;
* it is in Unicode's normal form C: a name that was typed on one system is found on another.
"""

import re
import unicodedata

from ostiary import limits
from ostiary.errors import InvalidRequest

DOWNLOAD = "download"
"""The action that the download server honours."""

_ACTION = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def resource_problem(text: str) -> str | None:
    """Why this is no resource, as the end of a sentence; None for one in normal form."""
    if not text:
        return "is empty"
    if len(text) > limits.RESOURCE_BYTES or len(text.encode("utf-8", "surrogatepass")) > limits.RESOURCE_BYTES:
        return f"is longer than {limits.RESOURCE_BYTES} bytes"
    if "\\" in text:
        return "has a backslash"
    if _ENCODED.search(text):
        return "is percent-encoded"
    if any(char in _OVERRIDES or unicodedata.category(char) in _REFUSED_CATEGORIES for char in text):
        return "has a character that cannot be seen"
    for segment in text.split("/"):
        if segment in ("", ".", ".."):
            return "has a segment that is empty, '.' or '..'"
        if len(segment.encode()) > limits.RESOURCE_SEGMENT_BYTES:
            return f"has a segment of more than {limits.RESOURCE_SEGMENT_BYTES} bytes"
    if not unicodedata.is_normalized("NFC", text):
        return "is not in normal form C"
    return None


def normal_resource(text: str) -> str:
    """`text` in normal form C, if it is a resource. Raises InvalidRequest."""
    # the length first: composing is quadratic in a row of marks
    normal = unicodedata.normalize("NFC", text) if len(text) <= limits.RESOURCE_BYTES else text
    problem = resource_problem(normal)
    if problem is not None:
        raise InvalidRequest(f"'resource' is a relative path in normal form or an id; this one {problem}.")
    return normal


def check_action(text: str) -> str:
    """A word such as `download`. Raises InvalidRequest."""
    if len(text) > limits.ACTION_CHARS or not _ACTION.fullmatch(text):
        raise InvalidRequest(
            f"'action' is a letter and then letters, digits, '_', '.', ':' or '-', at most {limits.ACTION_CHARS}."
        )
    return text


def life(asked: int | None, longest: float) -> int:
    """Seconds that the token lives: what was asked for, and never more than the setting allows."""
    most = max(1, int(longest))
    return most if asked is None else min(asked, most)
