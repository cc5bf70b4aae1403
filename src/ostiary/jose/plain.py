"""Plain JSON out: what is signed is what every verifier of ours reads back. Raises `Unsignable`."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from ostiary.jose.encoding import SMALL, decode_shallow, encode_object
from ostiary.jose.errors import Unsignable
from ostiary.limits import JSON_DEPTH, JSON_MEMBERS


def encode_plain(members: Mapping[str, Any]) -> bytes:
    """Compact JSON, members in their order: strings, finite numbers, booleans, null, lists and objects within the
    bounds. No dates, no bytes: what they should look like is the caller's decision."""
    if not isinstance(members, Mapping):
        raise Unsignable("only an object can be signed")
    plain = dict(members)
    text = _encode_usual(plain)
    if text is not None:
        return text
    _check(plain, 1)
    try:
        return encode_object(plain)
    except (TypeError, ValueError):  # a subclass that JSON has no form for; more digits than Python writes down
        raise Unsignable("a value is not plain JSON") from None


def _encode_usual(plain: dict[str, Any]) -> bytes | None:
    """The text of an object that is small and not deep, if it reads back as it was: then every value is plain, which
    is quicker found out so than by looking at each. None leaves it to a closer look."""
    try:
        text = encode_object(plain)
        return text if len(text) <= SMALL and decode_shallow(text) == plain else None
    except (TypeError, ValueError, RecursionError):
        return None


def _check(value: object, depth: int) -> None:
    match value:
        case None | int():
            pass
        case str():
            _check_text(value)
        case float():
            if not isfinite(value):
                raise Unsignable("a number is not finite")
        case list() | tuple() if depth <= JSON_DEPTH:
            for item in value:
                _check(item, depth + 1)
        case dict() if depth <= JSON_DEPTH and len(value) <= JSON_MEMBERS:
            for name, item in value.items():
                _check_text(name)
                _check(item, depth + 1)
        case _:
            raise Unsignable("a value is not plain JSON, is nested too deeply or has too many members")


def _check_text(text: object) -> None:
    try:
        if not isinstance(text, str):
            raise Unsignable("a member's name is not a string")
        text.encode()
    except UnicodeEncodeError:
        raise Unsignable("a string is not Unicode text") from None
