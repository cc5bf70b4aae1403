"""Ids and the lowest value of each that is still accepted: small, and quick to ask.

One process may hold a million revocations, so what one takes counts. The first thousands are kept under their ids as
they are, which a string's own hash finds; of all others the 22 characters that make up a random id are kept as one
integer (48 bytes instead of 75). The value and the second of its expiry are one tuple that all entries of that value
and second share. With its place in the dictionary and in the list of its second an entry takes some 100 bytes. Of
sessions nearly all that is known is that they ended: beyond some thousand, those that expire first move to a packed
base, where one takes some 13.
"""

import heapq
import math
import struct
import sys
from collections.abc import Iterator

from ostiary.revocation.packed import PREFIX_CHARS, SPAN, SPANS, Packed, can_be_packed

Known = tuple[int, int]
"""The lowest value that is accepted, and the second from which on it may be forgotten."""

_NOTHING: Known = (0, 0)
ID_CHARS = 22  # of 128 random bits in base64url
AS_THEY_ARE = 16_384  # entries that are kept under their whole ids
_LATEST = 2**53  # seconds
_PORTION = 256  # entries that move to the packed base in one go


class _Due:
    """Keys by the second in which they expire, and for each second what its keys share."""

    __slots__ = ("by_second", "seconds")

    def __init__(self) -> None:
        self.by_second: dict[int, tuple[list[int | str], dict[int, Known]]] = {}
        self.seconds: list[int] = []

    def at(self, second: int) -> tuple[list[int | str], dict[int, Known]]:
        due = self.by_second.get(second)
        if due is None:
            due = self.by_second[second] = ([], {})
            heapq.heappush(self.seconds, second)
        return due

    def pop_first(self) -> list[int | str]:
        return self.by_second.pop(heapq.heappop(self.seconds))[0]

    def size(self) -> int:
        return sum(sys.getsizeof(keys) + 200 for keys, _ in self.by_second.values())


class Table:
    """Of one scope, whose ids begin with `prefix`. Other ids work as well and take more room; without a prefix all ids
    are kept as they are.

    `packs`: the value above all others; with more than `young` entries those that have it are packed. Such an entry is
    known by the beginning of its id alone, and is told of by it: an id with no more than that stands for all that
    begin so.

    Whoever asks for every request looks at `known`, `compact` and the first base's `buckets` itself, in this order, and
    at `others`: see `Knowledge.judge`. Another thread may be learning meanwhile: an entry never moves between `known`
    and `compact`, and what moves to a base is in it before it leaves them.
    """

    __slots__ = (
        "_due",
        "_due_packable",
        "_packs",
        "_prefix",
        "_young",
        "bases",
        "buckets",
        "compact",
        "known",
        "others",
    )

    def __init__(self, prefix: str = "", *, packs: int | None = None, young: int = 0) -> None:
        self.known: dict[str, Known] = {}
        self.compact: dict[int, Known] = {}
        self.bases: list[Packed] = []  # mostly one; the next has longer spans
        self.buckets: list[str] | None = None
        self.others = False  # whether there is more than one base
        self._prefix = prefix
        self._packs = packs
        self._young = young
        self._due = _Due()
        self._due_packable = _Due()

    def __len__(self) -> int:
        return len(self.known) + len(self.compact) + self.packed

    @property
    def packed(self) -> int:
        """How many of its entries are packed."""
        return sum(map(len, self.bases))

    @property
    def waits(self) -> bool:
        """Whether anything is kept for later."""
        return bool(self._due.by_second or self._due_packable.by_second or self.bases)

    def lowest(self, entry_id: str) -> int:
        """The lowest value that is accepted, 0 if nothing is known."""
        known = self.known.get(entry_id, _NOTHING)[0]
        if not known and self.compact and self._is_whole(entry_id):
            known = self.compact.get(_integer_of(entry_id), _NOTHING)[0]
        if self.bases:
            word = self._word_of(entry_id)
            if word and any(word in base for base in self.bases):
                return self._packs or 0
        return known

    def _is_whole(self, entry_id: str) -> bool:
        """Whether it is the prefix and 22 characters of base64url."""
        prefix = self._prefix
        return (
            bool(prefix)
            and len(entry_id) == len(prefix) + ID_CHARS
            and entry_id.startswith(prefix)
            and _packable(entry_id[len(prefix) :])
        )

    def _word_of(self, entry_id: str) -> str:
        """What a base may know of this id, or of all that begin so; "" if it can know nothing."""
        prefix = self._prefix
        fits = prefix and PREFIX_CHARS <= len(entry_id) - len(prefix) <= ID_CHARS and entry_id.startswith(prefix)
        if not fits or not _packable(entry_id[len(prefix) :]):
            return ""
        return entry_id[len(prefix) : len(prefix) + PREFIX_CHARS]

    def raise_to(self, entry_id: str, value: int, until: float) -> None:
        """Merge: the greater value and the later expiry count."""
        second = math.ceil(min(until, _LATEST))
        is_whole = self._is_whole(entry_id)
        if value == self._packs and not is_whole and (word := self._word_of(entry_id)):
            self._base_for(second).add(word, second)
            return
        self._raise(entry_id, value, second, is_whole=is_whole)
        if self._packs is not None and len(self.known) + len(self.compact) > self._young:
            self._pack()

    def _raise(self, entry_id: str, value: int, second: int, *, is_whole: bool) -> None:
        key: str | int = entry_id
        before = self.known.get(entry_id)
        if before is None and is_whole:
            number = _integer_of(entry_id)
            before = self.compact.get(number)
            if before is not None or len(self.known) >= AS_THEY_ARE:
                key = number
        if before is not None:
            if value <= before[0] and second <= before[1]:
                return
            value = max(value, before[0])
            second = max(second, before[1])
        due = self._due_packable if value == self._packs and is_whole else self._due
        keys, shared = due.by_second.get(second) or due.at(second)
        known = shared.get(value)
        if known is None:
            known = shared[value] = (value, second)
        if isinstance(key, int):
            self.compact[key] = known
        else:
            self.known[key] = known
        if before is None or before[1] != second or before[0] != value:
            keys.append(key)

    def load(self, second: int, ids: bytes, *, again: bool = False) -> None:
        """Raise all of these to the value above all others: the last 22 characters of each id, one after the other.
        Much faster than one by one. `again`: most of them may be known."""
        if len(self.known) + len(self.compact) + len(ids) // ID_CHARS > self._young:
            self._base_for(second).load(second, ids, again=again)
            return
        for (chars,) in struct.iter_unpack(f"{ID_CHARS}s", ids):
            self._raise(self._prefix + chars.decode(), self._packs or 0, second, is_whole=True)

    def _base_for(self, second: int) -> Packed:
        for base in self.bases:
            if base.fits(second):
                return base
        self.bases.append(Packed(self.bases[-1].span * SPANS if self.bases else SPAN))
        self._see_bases()
        return self._base_for(second)

    def _see_bases(self) -> None:
        self.buckets = self.bases[0].buckets if self.bases else None
        self.others = len(self.bases) > 1

    def _pack(self) -> None:
        """Some of those that expire first."""
        due = self._due_packable
        while due.seconds and not due.by_second[due.seconds[0]][0]:
            due.pop_first()
        if not due.seconds:
            return
        second = due.seconds[0]
        base = self._base_for(second)
        keys = due.by_second[second][0]
        for key in keys[-_PORTION:]:
            known = self._whole(key)
            if known is not None and known[1] == second:
                base.add(self._text(key)[len(self._prefix) :][:PREFIX_CHARS], second)
                self._drop(key)
        del keys[-_PORTION:]

    def _whole(self, key: int | str) -> Known | None:
        return self.compact.get(key) if isinstance(key, int) else self.known.get(key)

    def _drop(self, key: int | str) -> None:
        if isinstance(key, int):
            del self.compact[key]
        else:
            del self.known[key]

    def holds(self, entry_id: str) -> bool:
        """Whether anything is known of it."""
        return self.lowest(entry_id) > 0

    def forget(self, now: float) -> int:
        """Drop what may be forgotten at `now`; how many."""
        gone = 0
        for due in (self._due, self._due_packable):
            while due.seconds and due.seconds[0] <= now:
                second = due.seconds[0]
                for key in due.pop_first():
                    known = self._whole(key)
                    if known is not None and known[1] == second:
                        self._drop(key)
                        gone += 1
        if not self.known:
            self.known = {}  # a dictionary gives no room back
        if not self.compact:
            self.compact = {}
        gone += sum([base.forget(now) for base in self.bases])
        if not self.packed:
            self.bases = []
        self._see_bases()
        return gone

    def drop_up_to(self, value: int) -> None:
        """Drop what refuses nothing that is not below `value`."""
        for text in [text for text, known in self.known.items() if known[0] <= value]:
            del self.known[text]
        for number in [number for number, known in self.compact.items() if known[0] <= value]:
            del self.compact[number]

    def entries(self) -> Iterator[tuple[str, int, float]]:
        """Id, value, until, of what is not packed."""
        for text, (value, second) in self.known.items():
            yield text, value, float(second)
        for number, (value, second) in self.compact.items():
            yield self._text(number), value, float(second)

    def packed_entries(self, heard: Packed) -> Iterator[tuple[str, int, float]]:
        """The same of what is packed and not in the other, by the beginning of its id."""
        for base in self.bases:
            for word, second in base.missing_in(heard):
                yield self._prefix + word, self._packs or 0, float(second)

    def put_into(self, heard: Packed, entry_id: str, value: int) -> bool:
        """Note there that this was heard of; False if it is nothing that could be packed."""
        word = self._word_of(entry_id) if value == self._packs else ""
        if word:
            heard.add(word, 0)
        return bool(word)

    def is_in(self, heard: Packed, entry_id: str) -> bool:
        """Whether that was noted."""
        word = self._word_of(entry_id)
        return bool(word) and word in heard

    def size(self) -> int:
        """Bytes, about."""
        whole = sys.getsizeof(self.known) + 80 * len(self.known) + sys.getsizeof(self.compact) + 48 * len(self.compact)
        listed = self._due.size() + self._due_packable.size()
        return whole + listed + sum(base.size() for base in self.bases)

    def _text(self, key: int | str) -> str:
        return key if isinstance(key, str) else self._prefix + key.to_bytes(ID_CHARS).decode()


def _integer_of(entry_id: str) -> int:
    """What a whole id is kept as in `compact`."""
    return int.from_bytes(entry_id[-ID_CHARS:].encode())


def _packable(chars: str) -> bool:
    return chars.isascii() and can_be_packed(chars.encode())
