"""Ids and the lowest value of each that is still accepted: small, and quick to ask.

One process may hold a million revocations, so what one takes counts. The 22 characters that make up a random id are
kept as one integer (48 bytes instead of 75), the value and the second of its expiry as one tuple that all entries of
that value and second share. With its place in the dictionary and in the list of its second an entry takes some 100
bytes.
"""

import heapq
import math
import struct
import sys
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

Known = tuple[int, int]
"""The lowest value that is accepted, and the second from which on it may be forgotten."""

_Due = tuple[list[int | str], dict[int, Known]]
"""Of one second: the keys that expire in it, and what they share."""

_NOTHING: Known = (0, 0)
ID_CHARS = 22  # of 128 random bits in base64url
_LATEST = 2**53  # seconds


class Table:
    """Of one scope, whose ids begin with `prefix`. Other ids work as well and take more room; without a prefix all ids
    are kept as they are."""

    __slots__ = ("_due", "_key_of", "_prefix", "_seconds", "known")

    def __init__(self, prefix: str = "") -> None:
        self.known: dict[int | str, Known] = {}
        self._prefix = prefix
        self._key_of = _key_of(prefix)
        self._due: dict[int, _Due] = {}
        self._seconds: list[int] = []

    def __len__(self) -> int:
        return len(self.known)

    def lowest(self, entry_id: str) -> int:
        """The lowest value that is accepted, 0 if nothing is known."""
        return self.known.get(self._key_of(entry_id), _NOTHING)[0]

    def raise_to(self, entry_id: str, value: int, until: float) -> None:
        """Merge: the greater value and the later expiry count."""
        self._raise(self._key_of(entry_id), value, math.ceil(min(until, _LATEST)))

    def _raise(self, key: int | str, value: int, second: int) -> None:
        before = self.known.get(key)
        if before is not None:
            if value <= before[0] and second <= before[1]:
                return
            value = max(value, before[0])
            second = max(second, before[1])
        keys, shared = self._due.get(second) or self._due_at(second)
        known = shared.get(value)
        if known is None:
            known = shared[value] = (value, second)
        self.known[key] = known
        if before is None or before[1] != second:
            keys.append(key)

    def _due_at(self, second: int) -> _Due:
        due = self._due.get(second)
        if due is None:
            due = self._due[second] = ([], {})
            heapq.heappush(self._seconds, second)
        return due

    def load(self, value: int, second: int, ids: bytes) -> None:
        """Raise all of these to one value: the last 22 characters of each id, one after the other. Much faster than one
        by one."""
        each = struct.unpack(f"{ID_CHARS}s" * (len(ids) // ID_CHARS), ids)
        keys: list[int | str] = [*map(int.from_bytes, each)]
        known = self.known
        if known and not known.keys().isdisjoint(keys):
            for key in keys:
                self._raise(key, value, second)
            return
        listed, shared = self._due_at(second)
        known.update(dict.fromkeys(keys, shared.setdefault(value, (value, second))))
        listed += keys

    def packed(self, value: int) -> Iterator[tuple[int, bytes]]:
        """What `load` takes, by second of expiry; only of entries of this value whose ids have the usual form."""
        for second, (keys, _) in self._due.items():
            chosen = [key for key in keys if isinstance(key, int) and self.known.get(key) == (value, second)]
            if chosen:
                yield second, b"".join([key.to_bytes(ID_CHARS) for key in dict.fromkeys(chosen)])

    def holds(self, entry_id: str) -> bool:
        """Whether anything is known of it."""
        return self._key_of(entry_id) in self.known

    def forget(self, now: float) -> int:
        """Drop what may be forgotten at `now`; how many."""
        before = len(self.known)
        while self._seconds and self._seconds[0] <= now:
            second = heapq.heappop(self._seconds)
            for key in self._due.pop(second)[0]:
                known = self.known.get(key)
                if known is not None and known[1] == second:
                    del self.known[key]
        return before - len(self.known)

    def drop_up_to(self, value: int) -> None:
        """Drop what refuses nothing that is not below `value`."""
        for key in [key for key, known in self.known.items() if known[0] <= value]:
            del self.known[key]

    def entries(self) -> Iterator[tuple[str, int, float]]:
        """Id, value, until."""
        for key, (value, second) in self.known.items():
            yield self._text(key), value, float(second)

    def size(self) -> int:
        """Bytes, about."""
        listed = sum(sys.getsizeof(keys) + 200 for keys, _ in self._due.values())
        return sys.getsizeof(self.known) + 48 * len(self.known) + listed

    def _text(self, key: int | str) -> str:
        return key if isinstance(key, str) else self._prefix + key.to_bytes(ID_CHARS).decode()


@cache
def _key_of(prefix: str) -> Callable[[str], int | str]:
    """What the ids of one scope are kept as. It remembers: the same sessions and accounts are asked about again and
    again."""
    length = len(prefix) + ID_CHARS if prefix else -1

    def key_of(entry_id: str) -> int | str:
        if len(entry_id) == length and entry_id.startswith(prefix) and entry_id.isascii():
            return int.from_bytes(entry_id[-ID_CHARS:].encode())
        return entry_id

    return lru_cache(maxsize=65_536)(key_of)
