"""Ids of which all that is known is that they ended: some 13 bytes each instead of 100.

An id is 22 characters of base64url, which are random bits. The first 12, 72 bits, stand for it; of these the first two
and three bits of the third choose a bucket, and the last ten are kept in it. That another id begins alike has, with a
million packed ids, a chance of one in 10**15: it would be refused, never accepted, and its user would log in again.

A bucket is one string of records: ten characters and one byte for the span of time in which they may be forgotten.
The byte is none of ASCII, and the characters are, so what is searched for can be found nowhere but where a record
begins.
"""

import struct
import sys
from array import array
from collections.abc import Iterator

SPAN = 32  # seconds that share a byte
SPANS = 128  # bytes that are not ASCII
PREFIX_CHARS = 12
_KEPT = 10
_RECORD = _KEPT + 1
_BUCKETS = 2**15
_WAITING = 2**22  # bytes of ids that are sorted into their buckets together
_ID_CHARS = 22
_RECORDS = struct.Struct(f"{_KEPT}ss")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_BITS = [max(0, _ALPHABET.find(char)) for char in range(256)]
# what the first three characters add to the two bytes of the bucket's number: six bits, six bits, three bits
_FIRST = bytes(bits << 1 for bits in _BITS)
_SECOND = bytes(bits << 2 for bits in _BITS)
_THIRD_HIGH = bytes(bits >> 5 for bits in _BITS)
_THIRD_LOW = bytes(bits >> 3 & 3 for bits in _BITS)


Place = tuple[int, bytes]
"""The number of a bucket, and what is looked for in it."""


def place_of(chars: bytes) -> Place:
    """Of a whole id, or of its beginning, that can be packed."""
    first, second, third = chars[:3]
    high, low = _FIRST[first] | _THIRD_HIGH[third], _SECOND[second] | _THIRD_LOW[third]
    return high << 8 | low, chars[2:PREFIX_CHARS]


def can_be_packed(chars: bytes) -> bool:
    """Whether all of it is base64url: whole ids one after the other, or the beginning of one."""
    return not chars.translate(None, _ALPHABET)


class Packed:
    """A set of ids, each a `bytes` of 22 characters that can be packed, or the first 12 of them, with the time up to
    which it is kept: the end of a span of so many seconds, so up to that much longer than was said. `buckets`, as they
    are after `sort`, is for who asks very often."""

    __slots__ = ("_counts", "_waiting", "_waiting_bytes", "buckets", "span")

    def __init__(self, span: int = SPAN) -> None:
        self.span = span
        self.buckets = [b""] * _BUCKETS
        self._counts: dict[int, int] = {}
        self._waiting: dict[tuple[int, bool], list[bytes]] = {}
        self._waiting_bytes = 0

    def __len__(self) -> int:
        return sum(self._counts.values())

    def fits(self, second: int) -> bool:
        """Whether what may be forgotten at `second` can be held beside what is held: all of it within 128 spans."""
        span = self._span(second)
        return not self._counts or max(span, *self._counts) - min(span, *self._counts) < SPANS

    def holds(self, place: Place) -> bool:
        """Whether it holds this id, or one that begins alike."""
        if self._waiting:
            self.sort()
        return place[1] in self.buckets[place[0]]

    def add(self, chars: bytes, second: int) -> None:
        """One id, which `fits`."""
        if self._waiting:
            self.sort()
        (at, word), span = place_of(chars), self._span(second)
        bucket = self.buckets[at]
        if not self._kept_as_long(bucket, word, span):
            self.buckets[at] = bucket + word + _mark(span)
            self._counts[span] = self._counts.get(span, 0) + 1

    def load(self, second: int, ids: bytes, *, again: bool) -> None:
        """Many ids of 22 characters, one after the other, which `fits`. Most of them may be held already: `again`."""
        span = self._span(second)
        self._counts[span] = self._counts.get(span, 0) + len(ids) // _ID_CHARS
        self._waiting.setdefault((span, again), []).append(ids)
        self._waiting_bytes += len(ids)
        if self._waiting_bytes >= _WAITING:
            self.sort()

    def _span(self, second: int) -> int:
        return -(-second // self.span)

    def sort(self) -> None:
        """What was loaded, into its buckets: cheaper for many at a time."""
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        for (span, again), pages in waiting.items():
            ids = b"".join(pages)
            chosen: list[list[bytes]] = [[] for _ in range(_BUCKETS)]
            for at, word in zip(_buckets_of(ids), _words_of(ids), strict=True):
                chosen[at].append(word)
            mark, buckets = _mark(span), self.buckets
            for at, words in enumerate(chosen):
                fresh = words
                if again:
                    fresh = [word for word in words if not self._kept_as_long(buckets[at], word, span)]
                    self._counts[span] -= len(words) - len(fresh)
                if fresh:
                    buckets[at] += mark.join(fresh) + mark

    def _kept_as_long(self, bucket: bytes, word: bytes, span: int) -> bool:
        at = bucket.find(word)
        if at < 0:
            return False
        first = min(self._counts, default=span)
        return first + (bucket[at + _KEPT] - first) % SPANS >= span

    def forget(self, now: float) -> int:
        """Drop what may be forgotten at `now`; how many."""
        if self._waiting:
            self.sort()
        over = sorted(span for span in self._counts if span * self.span <= now)
        gone = sum(self._counts.pop(span) for span in over)
        if gone and not self._counts:
            self.buckets = [b""] * _BUCKETS
        elif gone:
            marks = [_mark(span) for span in over]
            self.buckets = [_without(bucket, marks) if bucket else bucket for bucket in self.buckets]
        return gone

    def missing_in(self, other: "Packed") -> Iterator[tuple[bytes, int]]:
        """The first 12 characters of what this holds and the other does not, and the second up to which it is kept."""
        self.sort()
        other.sort()
        first = min(self._counts, default=0)
        for at, (bucket, theirs) in enumerate(zip(self.buckets, other.buckets, strict=True)):
            if bucket and bucket != theirs:
                known = {word for word, _ in _RECORDS.iter_unpack(theirs)}
                head = bytes((_ALPHABET[at >> 9], _ALPHABET[at >> 2 & 63]))
                for word, mark in _RECORDS.iter_unpack(bucket):
                    if word not in known:
                        yield head + word, (first + (mark[0] - first) % SPANS) * self.span

    def size(self) -> int:
        """Bytes, about."""
        if self._waiting:
            self.sort()
        return sys.getsizeof(self.buckets) + sum(sys.getsizeof(bucket) for bucket in self.buckets if bucket)


def _mark(span: int) -> bytes:
    return bytes((SPANS + span % SPANS,))


def _words_of(ids: bytes) -> tuple[bytes, ...]:
    return struct.unpack(f"2x{_KEPT}s10x" * (len(ids) // _ID_CHARS), ids)


def _either(one: bytes, other: bytes) -> bytes:
    """The bits of both, at once for all bytes."""
    return (int.from_bytes(one) | int.from_bytes(other)).to_bytes(len(one))


def _buckets_of(ids: bytes) -> "array[int]":
    """Of each id, the number of its bucket: two bytes each, made of columns."""
    first, second, third = ids[0::_ID_CHARS], ids[1::_ID_CHARS], ids[2::_ID_CHARS]
    numbers = bytearray(2 * len(first))
    numbers[0::2] = _either(first.translate(_FIRST), third.translate(_THIRD_HIGH))
    numbers[1::2] = _either(second.translate(_SECOND), third.translate(_THIRD_LOW))
    found = array("H", bytes(numbers))
    if sys.byteorder == "little":
        found.byteswap()
    return found


def _without(bucket: bytes, marks: list[bytes]) -> bytes:
    """The bucket without the records that end with one of these. What came first is mostly what goes first."""
    for mark in marks:
        end = bucket.rfind(mark) + 1
        if bucket.count(mark) * _RECORD == end:
            bucket = bucket[end:]
        else:
            bucket = b"".join([word + other for word, other in _RECORDS.iter_unpack(bucket) if other != mark])
    return bucket
