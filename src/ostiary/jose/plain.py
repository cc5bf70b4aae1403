"""Whether a value is plain JSON that every verifier of ours would read back as it is. Raises `Unsignable`."""

from collections.abc import Mapping
from math import isfinite

from ostiary.jose.errors import Unsignable
from ostiary.limits import JSON_DEPTH, JSON_MEMBERS


def check_plain(value: object, depth: int = 1) -> None:
    """Strings, finite numbers, booleans, null, lists and objects with string names, within the bounds. No dates, no
    bytes: what they should look like is the caller's decision."""
    match value:
        case None | bool() | int():
            return
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Unsignable("a string is not Unicode text") from None
        case float():
            if not isfinite(value):
                raise Unsignable("a number is not finite")
        case list() | tuple():
            if depth > JSON_DEPTH:
                raise Unsignable("nested too deeply")
            for item in value:
                check_plain(item, depth + 1)
        case Mapping():
            if depth > JSON_DEPTH or len(value) > JSON_MEMBERS:
                raise Unsignable("nested too deeply, or too many members")
            for name, item in value.items():
                if not isinstance(name, str):
                    raise Unsignable("a member's name is not a string")
                check_plain(name)
                check_plain(item, depth + 1)
        case _:
            raise Unsignable("a value is not plain JSON")
