"""Ids of which all that is known is that they ended: some 13 bytes each instead of 100.

An id is 22 characters of base64url, which are random bits. The first ten, 60 bits, stand for it, and their hash chooses
the bucket that they are kept in. That another id begins alike has, with a million packed ids, a chance of one in
10**12: it would be refused, never accepted, and its user would log in again.

A bucket is one string of records: ten characters and one for the span of time in which they may be forgotten. The last
is none of base64url, and the others are, so what is searched for can be found nowhere but where a record begins.
"""

import sys
from collections.abc import Iterator

SPAN = 64  # seconds that share a mark
SPANS = 64
PREFIX_CHARS = 10
BUCKET_MASK = 2**15 - 1  # of a word's hash: the number of its bucket
_ID_CHARS = 22
_RECORD = PREFIX_CHARS + 1
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_MARKS = "".join(map(chr, sorted(set(range(128)) - set(_ALPHABET))))  # ASCII: other strings have a longer head
_SPAN_OF = {mark: number for number, mark in enumerate(_MARKS)}


def can_be_packed(chars: bytes) -> bool:
    """Whether all of it is base64url: whole ids one after the other, or the beginning of one."""
    return not chars.translate(None, _ALPHABET)


class Packed:
    """A set of ids, each told by its word, the first ten characters of it, with the time up to which it is kept: the
    end of a span of so many seconds, so up to that much longer than was said. `buckets` is for who asks very often."""

    __slots__ = ("_counts", "buckets", "span")

    def __init__(self, span: int = SPAN) -> None:
        self.span = span
        self.buckets = [""] * (BUCKET_MASK + 1)
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return sum(self._counts.values())

    def fits(self, second: int) -> bool:
        """Whether what may be forgotten at `second` can be held beside what is held: all of it within 64 spans."""
        span = self._span(second)
        return not self._counts or max(span, *self._counts) - min(span, *self._counts) < SPANS

    def __contains__(self, word: str) -> bool:
        """Whether it holds an id that begins so."""
        return word in self.buckets[hash(word) & BUCKET_MASK]

    def add(self, word: str, second: int) -> None:
        """One id, which `fits`."""
        span, at = self._span(second), hash(word) & BUCKET_MASK
        bucket = self.buckets[at]
        if not self._kept_as_long(bucket, word, span):
            self.buckets[at] = bucket + word + _mark(span)
            self._counts[span] = self._counts.get(span, 0) + 1

    def load(self, second: int, ids: bytes, *, again: bool) -> None:
        """Many ids of 22 characters, one after the other, which `fits`. Most of them may be held already: `again`."""
        span, words, buckets = self._span(second), _words_of(ids), self.buckets
        mark = _mark(span)
        if again:
            words = [word for word in words if not self._kept_as_long(buckets[hash(word) & BUCKET_MASK], word, span)]
        for word in words:
            buckets[hash(word) & BUCKET_MASK] += word + mark
        self._counts[span] = self._counts.get(span, 0) + len(words)

    def _span(self, second: int) -> int:
        return -(-second // self.span)

    def _kept_as_long(self, bucket: str, word: str, span: int) -> bool:
        at = bucket.find(word)
        if at < 0:
            return False
        first = min(self._counts, default=span)
        return first + (_SPAN_OF[bucket[at + PREFIX_CHARS]] - first) % SPANS >= span

    def forget(self, now: float) -> int:
        """Drop what may be forgotten at `now`; how many."""
        over = sorted(span for span in self._counts if span * self.span <= now)
        gone = sum(self._counts.pop(span) for span in over)
        if gone and not self._counts:
            self.buckets = [""] * (BUCKET_MASK + 1)
        elif gone:
            marks = [_mark(span) for span in over]
            self.buckets = [_without(bucket, marks) if bucket else bucket for bucket in self.buckets]
        return gone

    def missing_in(self, other: "Packed") -> Iterator[tuple[str, int]]:
        """The words of what this holds and the other does not, and the second up to which each is kept."""
        first = min(self._counts, default=0)
        for bucket, theirs in zip(self.buckets, other.buckets, strict=True):
            if bucket and bucket != theirs:
                known = {word for word, _ in _records(theirs)}
                for word, mark in _records(bucket):
                    if word not in known:
                        yield word, (first + (_SPAN_OF[mark] - first) % SPANS) * self.span

    def size(self) -> int:
        """Bytes, about."""
        return sys.getsizeof(self.buckets) + sum(sys.getsizeof(bucket) for bucket in self.buckets if bucket)


def _mark(span: int) -> str:
    return _MARKS[span % SPANS]


def _records(bucket: str) -> Iterator[tuple[str, str]]:
    for at in range(0, len(bucket), _RECORD):
        yield bucket[at : at + PREFIX_CHARS], bucket[at + PREFIX_CHARS]


def _words_of(ids: bytes) -> list[str]:
    """The word of each id: column by column into lines, which are split at once."""
    lines = bytearray(b"\n") * (len(ids) // _ID_CHARS * _RECORD)
    for column in range(PREFIX_CHARS):
        lines[column::_RECORD] = ids[column::_ID_CHARS]
    return lines.decode().split()


def _without(bucket: str, marks: list[str]) -> str:
    """The bucket without the records that end with one of these. What came first is mostly what goes first."""
    for mark in marks:
        end = bucket.rfind(mark) + 1
        if bucket.count(mark) * _RECORD == end:
            bucket = bucket[end:]
        else:
            bucket = "".join([word + other for word, other in _records(bucket) if other != mark])
    return bucket
