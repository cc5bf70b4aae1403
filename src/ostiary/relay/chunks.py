"""Items of a revocation log as they came, in their order: many of them in little room.

An item is the text that it travelled as, and is handed on as that very text. A full chunk is compressed: of 130 bytes
some 70 are left, with what it takes to find an item.
"""

import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ostiary.revocation.entry import Cursor

ITEMS = 1024  # of a full chunk
_LEVEL = 1  # ids are random: working harder saves nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One item: where it stands, until when (Unix seconds) it must be kept, and its JSON."""

    cursor: Cursor
    until: float
    text: bytes


class Chunk:
    """Neighbours. Positions grow."""

    __slots__ = ("_ends", "_nonces", "_packed", "_texts", "positions", "untils")

    def __init__(self) -> None:
        self.positions = array("q")
        self.untils = array("d")
        self._nonces = array("q")
        self._texts: list[bytes] = []
        self._packed = b""
        self._ends = array("L")

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def full(self) -> bool:
        return len(self.positions) >= ITEMS

    @property
    def last(self) -> Cursor:
        return Cursor(position=self.positions[-1], nonce=self._nonces[-1])

    def add(self, item: Told) -> None:
        """Behind the others; never to a full one."""
        self.positions.append(item.cursor.position)
        self._nonces.append(item.cursor.nonce)
        self.untils.append(item.until)
        self._texts.append(item.text)
        if self.full:
            self._pack()

    def after(self, cursor: Cursor) -> int | None:
        """The place behind this very item; None if it is not here."""
        at = bisect_right(self.positions, cursor.position)
        here = at > 0 and (self.positions[at - 1], self._nonces[at - 1]) == (cursor.position, cursor.nonce)
        return at if here else None

    def texts(self) -> list[bytes]:
        if not self._packed:
            return self._texts
        joined = zlib.decompress(self._packed)
        return [joined[begin:end] for begin, end in pairwise((0, *self._ends))]

    def cursor_at(self, place: int) -> Cursor:
        return Cursor(position=self.positions[place], nonce=self._nonces[place])

    def items(self) -> Iterator[Told]:
        for place, text in enumerate(self.texts()):
            yield Told(cursor=self.cursor_at(place), until=self.untils[place], text=text)

    def size(self) -> int:
        """Bytes, about."""
        loose = sum(map(len, self._texts)) + 41 * len(self._texts)
        return 24 * len(self) + len(self._packed) + 8 * len(self._ends) + loose + 400

    def _pack(self) -> None:
        end = 0
        for text in self._texts:
            end += len(text)
            self._ends.append(end)
        self._packed = zlib.compress(b"".join(self._texts), _LEVEL)
        self._texts = []
