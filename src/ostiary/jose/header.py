"""Immutable views of JSON objects, and the JOSE header read from its segment (RFC 7515 section 4)."""

from collections.abc import Iterator, Mapping
from typing import Any

from ostiary.jose.encoding import decode_bytes, decode_object
from ostiary.jose.errors import MalformedToken
from ostiary.limits import HEADER_CHARS, KID_CHARS

NEVER_ACCEPTED = frozenset(("crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"))
"""Members that would let a token say how it is to be read, or which key to trust. Never obeyed, so never accepted."""

_CONTAINERS = (list, dict)
_TEXTS = ("alg", "typ", "kid", "cty", "x5t", "x5t#S256")


class Members(Mapping[str, Any]):
    """A JSON object that nobody can change: lists and objects inside come out as fresh copies."""

    __slots__ = ("_members",)

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def __getitem__(self, name: str) -> Any:
        value = self._members[name]
        return _copy(value) if value.__class__ in _CONTAINERS else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {' '.join(map(ascii, self._members))}>"


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if isinstance(value, dict):
        return {name: _copy(item) for name, item in value.items()}
    return value


class Header(Members):
    """`alg` and `kid` as they stand; `type` is `typ` made comparable, None if absent."""

    __slots__ = ("alg", "kid", "type")

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self.alg: str = members["alg"]
        self.kid: str | None = members.get("kid")
        self.type = comparable_type(members["typ"]) if "typ" in members else None


def comparable_type(typ: str) -> str:
    """RFC 7515 section 4.1.9: case does not count, and `application/` may be left out."""
    return typ.lower().removeprefix("application/")


def decode_header(segment: bytes) -> dict[str, Any]:
    """The members of an encoded header, with whatever RFC 7515 says is a string being one. Raises
    `MalformedToken`."""
    if len(segment) > HEADER_CHARS:
        raise MalformedToken("the header is too large")
    try:
        members = decode_object(decode_bytes(segment))
    except ValueError:
        raise MalformedToken("the header is not canonical base64url of strict JSON") from None
    if "alg" not in members or not all(isinstance(members.get(name, ""), str) for name in _TEXTS):
        raise MalformedToken("a header member is absent or of the wrong type")
    if len(members.get("kid", "")) > KID_CHARS:
        raise MalformedToken("the kid is too long")
    return members


def read_header(segment: bytes) -> Header:
    """The same, for a token that is to be verified: members that nobody may decide for us are refused."""
    members = decode_header(segment)
    if not NEVER_ACCEPTED.isdisjoint(members):
        raise MalformedToken("the header has a member that is never accepted")
    return Header(members)
