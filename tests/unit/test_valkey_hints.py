"""What a message on Valkey's channel says."""

import struct

import pytest

from ostiary.revocation.entry import LOOK, Cursor, Hint
from ostiary.stores.valkey.log import encode_item, heard
from ostiary.testing import builders


def _told(part: bytes) -> bytes:
    return struct.pack(">H", len(part)) + part


def test_a_message_says_what_was_appended_and_behind_what() -> None:
    """M-33: the item before by id and nonce, the last one's id, and the items."""
    entry = builders.entry("a")
    item, _ = encode_item(entry)
    (nonce,) = struct.unpack_from(">Q", item)

    hint = heard(_told(b"7-0") + struct.pack(">Q", 5) + _told(b"8-0") + _told(item))

    after, reached = Cursor(position=7, nonce=5), Cursor(position=8, nonce=nonce)
    assert hint == Hint(entries=(entry,), after=after, reached=reached)


@pytest.mark.parametrize("kind", ["an item alone", "no item", "cut off", "another scope", "text"])
def test_what_another_version_says_is_a_look(kind: str) -> None:
    """M-33: of servers that are upgraded one after the other, none stops hearing because another writes what it cannot
    read."""
    item, _ = encode_item(builders.entry("a"))
    place = _told(b"") + _told(b"1-0")
    messages = {
        "an item alone": _told(item),
        "no item": place,
        "cut off": place + _told(item[:10]),
        "another scope": place + _told(item[:8] + b"?" + item[9:]),
        "text": b"{}",
    }
    assert heard(messages[kind]) == LOOK
