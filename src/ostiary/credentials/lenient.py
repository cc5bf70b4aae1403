"""Reading what is not acceptable, so that it can be explained: never for deciding.

base64url with padding or of the other alphabet, JSON with a member twice or a number that is none: each is read as far
as it goes, and said. Linear in the text, and nothing raises.
"""

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from ostiary import limits
from ostiary.jose.encoding import Unreadable, decode_bytes

_BASE64 = re.compile(r"[A-Za-z0-9_\-+/]*={0,2}", re.ASCII)
# Possessive, and a string without an end is taken whole: whatever the text, no character is looked at twice.
_STRUCTURE = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_NUMBER_DIGITS = 40  # a longer number is kept as text: it is no date, no count, and slow to turn into one


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose:
    """What a segment holds: `members` if it is a JSON object. `problems` are codes, the worst first."""

    members: dict[str, Any] | None = field(default=None, repr=False)
    problems: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()


def read_segment(segment: str) -> Loose:
    """The members of a header or payload segment."""
    raw, problem = read_bytes(segment)
    first = (problem,) if problem else ()
    if raw is None:
        return Loose(problems=first)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Loose(problems=(*first, "not_utf8"))
    loose = read_object(text)
    return Loose(members=loose.members, problems=(*first, *loose.problems), duplicates=loose.duplicates)


def read_bytes(segment: str) -> tuple[bytes | None, str]:
    """(bytes or None, problem or "")."""
    try:
        return decode_bytes(segment.encode("ascii")), ""
    except (Unreadable, UnicodeEncodeError):
        pass
    if not _BASE64.fullmatch(segment):
        return None, "not_base64url"
    bare = segment.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return urlsafe_b64decode(bare + "=" * (-len(bare) % 4)), "not_canonical"
    except ValueError:
        return None, "not_base64url"


def read_object(text: str) -> Loose:
    """The members of a JSON object."""
    if _depth(text) > limits.JSON_DEPTH:
        return Loose(problems=("too_deep",))
    problems: dict[str, None] = {}  # a set that keeps its order
    duplicates: dict[str, None] = {}

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for name, value in found:
            if name in members:
                duplicates[name] = None
            members[name] = value
        if len(found) > limits.JSON_MEMBERS:
            problems["too_many_members"] = None
        return members

    def no_number(word: str) -> str:
        problems["not_finite"] = None
        return word

    def whole(digits: str) -> int | str:
        return int(digits) if len(digits) <= _NUMBER_DIGITS else no_number(digits)

    def broken(digits: str) -> float | str:
        number = float(digits) if len(digits) <= _NUMBER_DIGITS else float("inf")
        return number if isfinite(number) else no_number(digits)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=no_number, parse_int=whole, parse_float=broken)
    except (ValueError, RecursionError):
        return Loose(problems=("not_json",))
    if not isinstance(value, dict):
        return Loose(problems=("not_object",))
    if duplicates:
        problems["duplicate"] = None
    return Loose(members=value, problems=tuple(problems), duplicates=tuple(duplicates))


def _depth(text: str) -> int:
    depth = deepest = 0
    for match in _STRUCTURE.finditer(text):
        mark = match[0]
        if mark in ("[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif mark in ("]", "}"):
            depth -= 1
    return deepest


def visible(text: str, most: int | None = None) -> str:
    """`text` with everything that a screen would obey or hide written as an escape: controls, marks that turn the
    direction of writing, invisible characters, halves of characters. Cut, and marked with an ellipsis, at `most`."""
    cut = text if most is None or len(text) <= most else text[:most]
    shown = cut if cut.isprintable() else "".join(map(_visible, cut))
    return shown if cut is text else shown + "…"


def _visible(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def one_line(value: Any, most: int) -> str:
    """A value in one line: a text as it is, unless it is empty, all else as JSON; visible, cut at `most` characters."""
    if isinstance(value, str) and value:
        return visible(value, most)
    return visible(json.dumps(value, ensure_ascii=False), most)


def indented(value: Any, most: int) -> str:
    """A value as indented JSON, visible, cut at `most` characters."""
    lines, room = [], most
    for line in json.dumps(value, ensure_ascii=False, indent=2).split("\n"):
        shown = visible(line)
        if len(shown) > room:
            lines.append(shown[:room] + "…")
            break
        lines.append(shown)
        room -= len(shown) + 1
    return "\n".join(lines)
