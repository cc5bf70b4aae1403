"""Ids and the lowest value of each that is still accepted: small, and quick to ask.

One process may hold a million revocations, so what one takes counts. The 22 characters that make up a random id are
kept as one integer (48 bytes instead of 75), the value and the second of its expiry as one tuple that all entries of
that value and second share. With its place in the dictionary and in the list of its second an entry takes some 100
bytes. Of sessions nearly all that is known is that they ended: beyond some thousand, those that expire first move to a
packed base, where one takes some 13.
"""

import heapq
import math
import struct
import sys
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

from ostiary.revocation.packed import PREFIX_CHARS, SPAN, SPANS, Packed, Place, can_be_packed, place_of

Known = tuple[int, int]
"""The lowest value that is accepted, and the second from which on it may be forgotten."""

_NOTHING: Known = (0, 0)
ID_CHARS = 22  # of 128 random bits in base64url
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
    """

    __slots__ = (
        "_due",
        "_due_packable",
        "_packs",
        "_place_of",
        "_prefix",
        "_unsorted",
        "_young",
        "bases",
        "key_of",
        "known",
    )

    def __init__(self, prefix: str = "", *, packs: int | None = None, young: int = 0) -> None:
        self.known: dict[int | str, Known] = {}
        self.bases: list[Packed] = []  # mostly one; the next has longer spans
        self._prefix = prefix
        self.key_of = _key_of(prefix)  # what an id is kept as
        self._place_of = _place_of(prefix)
        self._packs = packs
        self._unsorted = False
        self._young = young
        self._due = _Due()
        self._due_packable = _Due()

    def __len__(self) -> int:
        return len(self.known) + self.packed

    @property
    def packed(self) -> int:
        """How many of its entries are packed."""
        return sum(map(len, self.bases))

    @property
    def waits(self) -> bool:
        """Whether anything is kept for later."""
        return bool(self._due.by_second or self._due_packable.by_second or self.bases)

    def lowest(self, entry_id: str) -> int:
        """The lowest value that is accepted, 0 if nothing is known. Another thread may be learning meanwhile: what
        moves to a base is in it before it leaves `known`, so bases are looked at last."""
        if not self.bases:
            known = self.known.get(self.key_of(entry_id), _NOTHING)[0]
            if known or not self.bases:
                return known
        if self._unsorted:
            for base in self.bases:
                base.sort()
            self._unsorted = False
        key, place = self._place_of(entry_id)
        known = self.known.get(key, _NOTHING)[0]
        if place is not None:
            at, word = place
            for base in self.bases:
                if word in base.buckets[at]:
                    return self._packs or 0
        return known

    def _is_prefix(self, entry_id: str) -> bool:
        return len(entry_id) == len(self._prefix) + PREFIX_CHARS and self._place_of(entry_id)[1] is not None

    def raise_to(self, entry_id: str, value: int, until: float) -> None:
        """Merge: the greater value and the later expiry count."""
        key, second = self.key_of(entry_id), math.ceil(min(until, _LATEST))
        if value == self._packs and isinstance(key, str) and self._is_prefix(key):
            self._base_for(second).add(key[-PREFIX_CHARS:].encode(), second)
            return
        self._raise(key, value, second)
        if self._packs is not None and len(self.known) > self._young:
            self._pack()

    def _raise(self, key: int | str, value: int, second: int) -> None:
        before = self.known.get(key)
        if before is not None:
            if value <= before[0] and second <= before[1]:
                return
            value = max(value, before[0])
            second = max(second, before[1])
        due = self._due_packable if value == self._packs and isinstance(key, int) else self._due
        keys, shared = due.by_second.get(second) or due.at(second)
        known = shared.get(value)
        if known is None:
            known = shared[value] = (value, second)
        self.known[key] = known
        if before is None or before[1] != second or before[0] != value:
            keys.append(key)

    def load(self, second: int, ids: bytes, *, again: bool = False) -> None:
        """Raise all of these to the value above all others: the last 22 characters of each id, one after the other.
        Much faster than one by one. `again`: most of them may be known."""
        if len(self.known) + len(ids) // ID_CHARS > self._young:
            self._base_for(second).load(second, ids, again=again)
            self._unsorted = True
            return
        for (chars,) in struct.iter_unpack(f"{ID_CHARS}s", ids):
            self._raise(int.from_bytes(chars), self._packs or 0, second)

    def _base_for(self, second: int) -> Packed:
        for base in self.bases:
            if base.fits(second):
                return base
        self.bases.append(Packed(self.bases[-1].span * SPANS if self.bases else SPAN))
        return self._base_for(second)

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
            known = self.known.get(key)
            if known is not None and known[1] == second and isinstance(key, int):
                base.add(key.to_bytes(ID_CHARS), second)
                del self.known[key]
        del keys[-_PORTION:]

    def holds(self, entry_id: str) -> bool:
        """Whether anything is known of it."""
        key = self.key_of(entry_id)
        return key in self.known or any(self.is_in(base, entry_id) for base in self.bases)

    def forget(self, now: float) -> int:
        """Drop what may be forgotten at `now`; how many."""
        before = len(self.known)
        for due in (self._due, self._due_packable):
            while due.seconds and due.seconds[0] <= now:
                second = due.seconds[0]
                for key in due.pop_first():
                    known = self.known.get(key)
                    if known is not None and known[1] == second:
                        del self.known[key]
        gone = before - len(self.known)
        if not self.known:
            self.known = {}  # a dictionary gives no room back
        gone += sum([base.forget(now) for base in self.bases])
        if not self.packed:
            self.bases = []
        return gone

    def drop_up_to(self, value: int) -> None:
        """Drop what refuses nothing that is not below `value`."""
        for key in [key for key, known in self.known.items() if known[0] <= value]:
            del self.known[key]

    def entries(self) -> Iterator[tuple[str, int, float]]:
        """Id, value, until, of what is not packed."""
        for key, (value, second) in self.known.items():
            yield self._text(key), value, float(second)

    def packed_entries(self, heard: Packed) -> Iterator[tuple[str, int, float]]:
        """The same of what is packed and not in the other, by the beginning of its id."""
        for base in self.bases:
            for chars, second in base.missing_in(heard):
                yield self._prefix + chars.decode(), self._packs or 0, float(second)

    def put_into(self, heard: Packed, entry_id: str, value: int) -> bool:
        """Note there that this was heard of; False if it is nothing that could be packed."""
        if value != self._packs:
            return False
        key = self.key_of(entry_id)
        if isinstance(key, int):
            heard.add(key.to_bytes(ID_CHARS), 0)
        elif self._is_prefix(key):
            heard.add(key[-PREFIX_CHARS:].encode(), 0)
        else:
            return False
        return True

    def is_in(self, heard: Packed, entry_id: str) -> bool:
        """Whether that was noted."""
        place = self._place_of(entry_id)[1]
        return place is not None and heard.holds(place)

    def size(self) -> int:
        """Bytes, about."""
        listed = self._due.size() + self._due_packable.size()
        packed = sum(base.size() for base in self.bases)
        return sys.getsizeof(self.known) + 48 * len(self.known) + listed + packed

    def _text(self, key: int | str) -> str:
        return key if isinstance(key, str) else self._prefix + key.to_bytes(ID_CHARS).decode()


def _packable(chars: str) -> bool:
    return chars.isascii() and can_be_packed(chars.encode())


@cache
def _key_of(prefix: str) -> Callable[[str], int | str]:
    """What the ids of one scope are kept as. It remembers: the same sessions and accounts are asked about again and
    again."""
    length = len(prefix) + ID_CHARS if prefix else -1

    def key_of(entry_id: str) -> int | str:
        if len(entry_id) == length and entry_id.startswith(prefix) and _packable(entry_id[len(prefix) :]):
            return int.from_bytes(entry_id[-ID_CHARS:].encode())
        return entry_id

    return lru_cache(maxsize=65_536)(key_of)


@cache
def _place_of(prefix: str) -> Callable[[str], tuple[int | str, Place | None]]:
    """What an id is kept as, and where in a packed base it, or the beginning of one, is looked for; None if it cannot
    be there."""
    key_of = _key_of(prefix)
    lengths = (len(prefix) + ID_CHARS, len(prefix) + PREFIX_CHARS) if prefix else ()

    def place(entry_id: str) -> tuple[int | str, Place | None]:
        if len(entry_id) in lengths and entry_id.startswith(prefix) and _packable(entry_id[len(prefix) :]):
            return key_of(entry_id), place_of(entry_id[len(prefix) :].encode())
        return key_of(entry_id), None

    return lru_cache(maxsize=65_536)(place)
