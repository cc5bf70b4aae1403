"""The issuer's revocation log as far as a relay has read it: no I/O, no clock of its own.

The rules, in words:

1. Items, positions, nonces and the log's generation are handed on as they came, so a follower can turn to another
   relay, or to the issuer, and go on where it was.
2. The copy was complete at the moment at which the last question whose answer was complete was *sent*, less the age of
   that answer, on this process's own monotonic clock. When the answer came does not matter.
3. What the copy says goes for a lease from that moment, wherever it is told. So an answer says its age: how long before
   the question *came* the copy was complete. Whoever asked takes it off a lease that runs from when he sent it. The
   time that the question and the answer take is in that lease already. Ages of several relays add up by themselves.
4. A copy whose lease is over, or that is being read from the start, says nothing.
5. A follower that has read further than the copy knows of no other log: the copy is behind, and has to be brought
   forward before it may say that it does not hold the follower's item.
6. What is heard from a stream is handed on, and changes nothing here.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from ostiary import limits
from ostiary.errors import Unavailable
from ostiary.relay.chunks import Chunk, Told
from ostiary.revocation.entry import Cursor
from ostiary.revocation.wire import Answer, read

Heard = Answer[msgspec.Raw]
"""What was answered to a question of a relay; items are kept as they are, whatever they say."""


class _Line(msgspec.Struct, frozen=True):
    cursor: str
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What follows a cursor. `reached`: the last item of it."""

    matches: bool
    complete: bool
    reached: Cursor
    texts: tuple[bytes, ...]


_LINE = msgspec.json.Decoder(_Line)


def told(raw: bytes) -> Told:
    """An item from its text. Raises Unavailable for what is none."""
    try:
        line = _LINE.decode(raw)
        return Told(cursor=read(line.cursor), until=line.until, text=bytes(raw))
    except (msgspec.MsgspecError, ValueError):
        raise Unavailable(private="an item of the feed cannot be read") from None


class LogCopy:
    """`incarnation` grows when what was handed on so far is no longer what follows. `lease` in seconds; infinite ages
    and leases are never handed on."""

    def __init__(self, *, most: int = limits.RELAY_ITEMS) -> None:
        self.generation: int | None = None
        self.everything = 0
        self.lease = 0.0
        self.complete_at = -math.inf
        self.incarnation = 0
        self._most = most
        self._chunks: list[Chunk] = []
        self._cursor = Cursor()
        self._count = 0
        self._unpacked: tuple[Chunk, list[bytes]] | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def cursor(self) -> Cursor:
        """Of the newest item; `Cursor()` before the first."""
        return self._cursor

    def size(self) -> int:
        """Bytes that the items take, about."""
        return sum(chunk.size() for chunk in self._chunks)

    def lease_left(self, now: float) -> float:
        """Seconds for which it may still be gone by at `now` (monotonic); 0 if it may not."""
        return max(0.0, self.complete_at + self.lease - now)

    def age(self, arrived: float) -> float:
        """Of an answer to a question that came at `arrived`."""
        return max(0.0, arrived - self.complete_at)

    # --- What it learns ----------------------------------------------------------------------------------------------

    def take(self, sent: float, heard: Heard) -> tuple[bool, Sequence[Told]]:
        """An answer to a question for what follows `cursor`, sent at `sent`: whether that was all, and the new items.
        Raises Unavailable for one that lends nothing, or makes no sense."""
        if not (math.isfinite(heard.lease) and heard.lease > 0 and math.isfinite(heard.age) and heard.age >= 0):
            raise Unavailable(private="the revocation feed lends nothing")
        if heard.generation != self.generation or not heard.matches:
            begun = self._cursor == Cursor()
            self._begin(heard.generation)
            if not begun:
                return False, ()  # what followed the item of another log
            if not heard.matches:
                raise Unavailable(private="the revocation feed does not hold its own beginning")
        items = [told(raw) for raw in heard.items]
        if not heard.complete and not items:
            raise Unavailable(private="the revocation feed does not go on")
        if self._count + len(items) > self._most:
            self._begin(heard.generation)
            raise Unavailable(private="the revocation feed is longer than a relay can hold")
        for item in items:
            self._append(item)
        self.everything = heard.everything
        if heard.complete and sent - heard.age >= self.complete_at:
            self.complete_at, self.lease = sent - heard.age, heard.lease
        return heard.complete, items

    def _begin(self, generation: int) -> None:
        """Read from the start. Nothing is lent until that is done."""
        self.generation = generation
        self.complete_at = -math.inf
        self.incarnation += 1
        self._chunks, self._cursor, self._count, self._unpacked = [], Cursor(), 0, None

    def _append(self, item: Told) -> None:
        if item.cursor.position <= self._cursor.position:
            raise Unavailable(private="the revocation feed is out of order")
        if not self._chunks or self._chunks[-1].full:
            self._chunks.append(Chunk())
        self._chunks[-1].add(item)
        self._cursor = item.cursor
        self._count += 1

    # --- What it says ------------------------------------------------------------------------------------------------

    def holds(self, cursor: Cursor) -> bool:
        """Whether this very item is here; the beginning always is."""
        return self._place(cursor) is not None

    def page(self, cursor: Cursor, *, most: int = limits.RELAY_PAGE_BYTES) -> Page:
        """What follows `cursor`, about `most` bytes at a time. To be asked only with a lease."""
        if cursor == self._cursor:
            return Page(matches=True, complete=True, reached=cursor, texts=())
        place = self._place(cursor)
        if place is None:
            return Page(matches=False, complete=False, reached=Cursor(), texts=())
        number, at = place
        texts: list[bytes] = []
        size, reached = 0, cursor
        while number < len(self._chunks) and size < most:
            chunk = self._chunks[number]
            for text in self._texts(chunk)[at:]:
                texts.append(text)
                size += len(text) + 1
                at += 1
                if size >= most:
                    break
            reached = chunk.cursor_at(at - 1) if at else reached
            number, at = (number + 1, 0) if at == len(chunk) else (number, at)
        return Page(matches=True, complete=reached == self._cursor, reached=reached, texts=tuple(texts))

    def _place(self, cursor: Cursor) -> tuple[int, int] | None:
        """Number of the chunk, and place in it, of what follows."""
        if cursor == Cursor():
            return 0, 0
        number = bisect_left(self._chunks, cursor.position, key=lambda chunk: chunk.positions[-1])
        if number == len(self._chunks):
            return None
        at = self._chunks[number].after(cursor)
        return None if at is None else (number, at)

    def _texts(self, chunk: Chunk) -> list[bytes]:
        """Many who start together read the same: the chunk that was unpacked last is kept so."""
        if not chunk.full:
            return chunk.texts()
        if self._unpacked is None or self._unpacked[0] is not chunk:
            self._unpacked = (chunk, chunk.texts())
        return self._unpacked[1]

    # --- What it forgets ---------------------------------------------------------------------------------------------

    def forget_expired(self, now: float) -> Iterator[None]:
        """Drop what nothing alive can refer to (`now` is wall time), where that is the half of a chunk or more; the
        newest item stays, so that cursors can match. A step for each chunk, so that others have their turn."""
        number = 0
        while number < len(self._chunks):
            chunk = self._chunks[number]
            alive = sum(until > now for until in chunk.untils)
            is_last = number == len(self._chunks) - 1
            if not is_last and 2 * alive <= len(chunk):
                rest = Chunk()
                for item in chunk.items():
                    if item.until > now:
                        rest.add(item)
                before = self._chunks[number - 1] if number else None
                self._count -= len(chunk) - len(rest)
                if not len(rest):
                    del self._chunks[number]
                elif before is not None and len(before) + len(rest) <= len(chunk) and not before.full:
                    for item in rest.items():
                        before.add(item)
                    del self._chunks[number]
                else:
                    self._chunks[number] = rest
                    number += 1
                self._unpacked = None
            else:
                number += 1
            yield
