"""One line of the revocation log."""

from dataclasses import dataclass
from enum import StrEnum

from ostiary.revocation.packed import can_be_packed


class Scope(StrEnum):
    """What an entry is about. One letter each: this is what travels and what is stored."""

    SESSION = "s"
    ACCOUNT = "u"
    CLIENT = "c"
    KEY = "k"
    EVERYTHING = "g"


KEYS_CHANGED = 0
"""Value of a `KEY` entry that only says: read the signing keys again."""
KEY_REVOKED = 1
"""Value of a `KEY` entry that refuses all that the key signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`value` is the lowest that is still accepted: a session's version, an account's or client's epoch, everybody's
    count; for a key 1 means revoked. Entries merge by maximum, so order and repetition do not matter.

    `until` (Unix seconds): when the last credential that the entry can refuse has expired, with leeway; from then on it
    may be forgotten.
    """

    scope: Scope
    id: str
    value: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Up to where a replica has read: (position, nonce) of the last item; (0, 0) before the first."""

    position: int = 0
    nonce: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogItem:
    """An entry where it stands in the log. Positions grow in commit order; `nonce` tells two items apart that stood
    at the same position of a log before and after it was lost."""

    position: int
    nonce: int
    entry: Entry

    @property
    def cursor(self) -> Cursor:
        """Of whoever has read up to here."""
        return Cursor(position=self.position, nonce=self.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What somebody says was appended; without entries it says "look".

    `after` and `reached`, where they are known: the item that was the newest when these were appended behind it in one
    write, and the last of these. Whoever has applied the log up to `after` has, with the entries, applied it up to
    `reached`.
    """

    entries: tuple[Entry, ...] = ()
    after: Cursor | None = None
    reached: Cursor | None = None


LOOK = Hint()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a store answers to a replica's question "what came after my cursor?".

    `matches` is False if the log does not hold the cursor's item: the replica has to read again from the start.
    `complete` is False if more items follow than one answer holds. `generation` changes when the log was made anew.

    `packed` may stand for the bulk of a long log, so that a process that is far behind need not take in a million
    items: ended sessions by the second in which they may be forgotten, of each only the last 22 characters of its id,
    one after the other. Then `reached` is the last item that `packed` and `items` together tell of, and no item up to
    there is a mark. It is also said where the last items are of a kind that this version does not know.
    """

    generation: int
    matches: bool
    items: tuple[LogItem, ...]
    complete: bool
    packed: tuple[tuple[int, bytes], ...] = ()
    reached: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A process that follows the log. `silent`: seconds since its last probe, by the backend's clock. `acknowledged`:
    the position up to which it has applied the log, 0 before the first item. `description`: what it said of itself
    last, "" if nothing."""

    name: str
    silent: float
    acknowledged: int
    description: str = ""


def bulk(generation: int, reached: Cursor, packed: list[tuple[int, bytes]], items: list[LogItem]) -> Probe | None:
    """A page for whoever is far behind, as `Probe.packed` has it; None if it cannot be told so."""
    if any(item.entry.scope is Scope.EVERYTHING and item.entry.id for item in items):
        return None  # a mark divides what stands before it from what follows
    if not all(can_be_packed(ids) for _, ids in packed):
        return None
    return Probe(
        generation=generation,
        matches=True,
        items=tuple(items),
        complete=False,
        packed=tuple(packed),
        reached=reached,
    )
