"""base64url and JSON, each in its one strict form.

base64url: RFC 7515 section 2 without padding, and canonical: two texts never stand for the same bytes (RFC 4648
section 3.5). JSON: UTF-8 (no mark), an object, no member twice at any depth, finite numbers, bounded depth and breadth.
Everything here raises `Unreadable`, which callers turn into an error about a token or a key.
"""

import re
from binascii import b2a_base64
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from ostiary.limits import JSON_DEPTH, JSON_MEMBERS

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# Whatever is not base64url, "+", "/", "=" and the quotation mark included, becomes a byte that the decoder refuses.
_TO_STANDARD = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(byte, byte) if byte in _ALPHABET else 0xFF for byte in range(256)
)
_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")
_AROUND = ((b'"', b'"'), (b'"', b'"'), (b'"', b'=="'), (b'"', b'="'))
# The last character may only use the bits that belong to a byte.
_TAILS = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")

# msgspec reads base64 out of a JSON string, strictly, and twice as fast as binascii does.
_decode_base64 = msgspec.json.Decoder(bytes).decode
_decode_json = msgspec.json.Decoder().decode
# The shape of nearly every header and payload: its depth is bounded by its type, so nobody has to count brackets.
_Flat = str | int | float | bool | None | list[str | int | float | bool | None]
_Shallow = dict[str, _Flat | dict[str, _Flat | dict[str, _Flat]]]
decode_shallow = msgspec.json.Decoder(_Shallow).decode
_encode_json = msgspec.json.Encoder().encode
SMALL = 4 * JSON_MEMBERS  # bytes: no object in so few has too many members
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Strings, closed or not, and brackets. Possessive: what has been read is never read again, so one pass is one pass."""


class Unreadable(ValueError):
    """The text is not in the one form that is accepted. The message is ours and quotes nothing."""


class NotAnObject(Unreadable):
    """It is JSON, and no object."""


def is_text(value: object, most: int) -> bool:
    """A string of 1 to `most` characters, whatever the annotations promise."""
    return isinstance(value, str) and 0 < len(value) <= most


def encode_bytes(raw: bytes) -> bytes:
    """base64url without padding."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_FROM_STANDARD)


def decode_bytes(text: bytes) -> bytes:
    """The bytes of canonical base64url. Raises `Unreadable`."""
    rest = len(text) & 3
    try:
        raw = _decode_base64(text.translate(_TO_STANDARD).join(_AROUND[rest]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("not base64url") from None
    if rest and text[-1] not in _TAILS[rest]:
        raise Unreadable("not canonical base64url")
    return raw


def encode_object(members: dict[str, Any]) -> bytes:
    """Compact JSON, members in their order. The caller has made sure that the values are plain JSON."""
    return _encode_json(members)


def decode_object(raw: bytes) -> dict[str, Any]:
    """The members of a JSON object. Raises `Unreadable`."""
    # The decoder keeps the last of two members of one name. What encodes to the very same bytes had none twice; that
    # is the common case and costs a third of looking at every member.
    try:
        members = decode_shallow(raw)
        if len(raw) <= SMALL and _encode_json(members) == raw:
            return members
    except (msgspec.DecodeError, UnicodeDecodeError):
        members = _decode_any(raw)
    if raw.count(b":") > JSON_MEMBERS or _encode_json(members) != raw:
        _check_members(raw)
    return members


def _decode_any(raw: bytes) -> dict[str, Any]:
    if raw.count(b"[") + raw.count(b"{") > JSON_DEPTH and _depth(raw) > JSON_DEPTH:
        raise Unreadable("JSON nested too deeply")
    try:
        value = _decode_json(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("not JSON") from None
    if value.__class__ is not dict:
        raise NotAnObject("not a JSON object")
    members: dict[str, Any] = value
    return members


def _depth(raw: bytes) -> int:
    """Levels of nesting of the longest well-formed beginning; for the rest, never less than a parser would see."""
    depth = deepest = 0
    for match in _STRUCTURE.finditer(raw):
        mark = match[0]
        if mark in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif mark in (b"]", b"}"):
            depth -= 1
    return deepest


def _check_members(raw: bytes) -> None:
    _member_check()(raw.decode())  # valid JSON of bounded depth: msgspec has read it already


@cache
def _member_check() -> Callable[[str], Any]:
    import json

    return json.JSONDecoder(object_pairs_hook=_unique).decode


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > JSON_MEMBERS:
        raise Unreadable("too many members in one JSON object")
    if len({name for name, _ in pairs}) != len(pairs):
        raise Unreadable("a JSON member appears twice")
