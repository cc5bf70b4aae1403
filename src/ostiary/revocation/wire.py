"""How the revocation feed travels: what the issuer says, a relay says again, and both a relay and a verifier read.

A cursor is its position and its nonce with a hyphen between. An answer to a question
is JSON; what is said as it happens is a stream of Server-Sent Events, in which each event that tells of items has the
cursor of the last as its id.
"""

from typing import Generic, TypeVar

import msgspec

from ostiary import limits
from ostiary.errors import InvalidRequest
from ostiary.revocation.entry import Cursor, Entry, Scope

T = TypeVar("T")

STREAM = "text/event-stream"
SCOPES = {scope.value: scope for scope in Scope}
_LARGEST = 2**63 - 1
_UNNAMED = ".unnamed-"  # the hyphen is in no follower's own name


class Item(msgspec.Struct, frozen=True):
    """One line of the log. `scope` may be one that this version does not know."""

    cursor: str
    scope: str
    id: str
    value: int
    until: float

    def entry(self) -> Entry:
        """Of a scope that is known."""
        return Entry(scope=SCOPES[self.scope], id=self.id, value=self.value, until=self.until)


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """What is answered to a question; items are `Item`, or their text as it came."""

    generation: int
    everything: int
    lease: float
    age: float
    matches: bool
    complete: bool
    items: list[T]


def written(cursor: Cursor) -> str:
    """As it travels."""
    return f"{cursor.position}-{cursor.nonce}"


def read(text: str) -> Cursor:
    """What an issuer or a relay has written. Raises ValueError."""
    position, _, nonce = text.partition("-")
    return Cursor(position=int(position), nonce=int(nonce))


def read_from_follower(text: str) -> Cursor:
    """What a follower asks by; the beginning, if it says nothing. Raises InvalidRequest for what nobody has written."""
    if text == "":
        return Cursor()
    numbers = text.split("-")
    if len(numbers) == 2 and all(number.isascii() and number.isdigit() and len(number) < 20 for number in numbers):
        cursor = read(text)
        if max(cursor.position, cursor.nonce) <= _LARGEST:
            return cursor
    raise InvalidRequest("A cursor is what an answer called `cursor`.")


def node_name(text: str, client_id: str) -> str:
    """The follower's name, which cannot be another one's: it stands behind its client's. "" for who says none. Raises
    InvalidRequest."""
    if len(text) > limits.FEED_NODE_CHARS or not all(char.isalnum() and char.isascii() for char in text):
        raise InvalidRequest(f"'node' is at most {limits.FEED_NODE_CHARS} ASCII letters and digits.")
    return f"{client_id}.{text}" if text else ""


def unnamed(client_id: str, server: str) -> str:
    """As who all followers of a client are known that say no name, and that this server lends to. None can be called
    so."""
    return f"{client_id or server}{_UNNAMED}{server[:8]}"


def is_unnamed(node: str) -> bool:
    """Whether it is such a name."""
    return _UNNAMED in node


def client_of_node(node: str) -> str:
    """The id before a follower's name; "" if there is none, as before the name of a process of the store."""
    return node.partition(".")[0] if "." in node else ""


def event(name: str, data: bytes, cursor: Cursor | None = None) -> bytes:
    """One event of the stream. `cursor`: from where whoever has read it goes on."""
    identity = b"id: " + written(cursor).encode() + b"\n" if cursor is not None else b""
    return identity + b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
