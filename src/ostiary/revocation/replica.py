"""The local replica of what has been revoked: how it follows the log. No I/O, no clock of its own.

The rules, in words; how entries merge and what is held of them: `knowledge.py`.

1. The lease runs from the moment a probe was *sent*, on this process's own monotonic clock: whatever was committed
   before that moment is in the answer. Without a lease the replica does not know, and says so.
2. The cursor is (position, nonce). If the log does not hold that very item, the replica reads it all again and merges;
   it never forgets because a log did, and says what the log has lost.
3. A log that was made anew gives no lease until everything that was accepted under the former one has been refused:
   see `adopt`.
4. Hints are applied at once, and never lend anything. One that continues exactly where the replica stands (the item
   before it is the cursor's, position and nonce) moves the cursor: an item is appended behind one other, so a log that
   holds it holds all that came before, and the replica has applied that. Any other hint moves nothing: what lies
   between is not known.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ostiary import limits
from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.revocation.entry import Cursor, Entry, Hint, Probe, Scope
from ostiary.revocation.knowledge import Knowledge
from ostiary.revocation.reread import Reread


class Next(Enum):
    """What follows from a probe's answer."""

    DONE = "done"
    MORE = "more"  # ask again at once: the log holds more, or is read again from the start
    ADOPT = "adopt"  # it is another log than the one that this replica goes by: see `Replica.adopt`


@dataclass(frozen=True, slots=True)
class Sent:
    """A probe on its way: when it was sent, by the monotonic clock, and how often a mark had divided it by then."""

    at: float
    splits: int


class Replica(Knowledge):
    """Everything that one process knows about revocations, and the log that it knows it from.

    `lease` is in seconds; infinite where nobody else can revoke (a store that belongs to this process).
    """

    __slots__ = ("_firm_floor", "_read_whole", "_reread", "cursor", "generation", "lease")

    def __init__(
        self,
        *,
        lease: float = math.inf,
        max_entries: int = limits.REPLICA_ENTRIES,
        young: int = limits.REPLICA_YOUNG_ENTRIES,
    ) -> None:
        is_alone = lease == math.inf
        super().__init__(lease_until=math.inf if is_alone else -math.inf, max_entries=max_entries, young=young)
        self.lease = lease
        self.cursor = Cursor()
        self.generation: int | None = None
        self._firm_floor = 0  # what was committed of it
        self._reread: Reread | None = None
        self._read_whole = False

    @property
    def everything(self) -> int | None:
        """The count of "everything" that this replica went by so far; None before it went by any log."""
        return None if self.generation is None else self._firm_floor // EPOCHS_PER_EVERYTHING

    def age(self, now: float) -> float:
        """Seconds since what this replica knows was complete; infinite if it never was."""
        if self.lease == math.inf:
            return 0.0
        return math.inf if self.lease_until == -math.inf else max(0.0, now - (self.lease_until - self.lease))

    # --- What it is told -----------------------------------------------------------------------------------------

    def apply(self, entries: Iterable[Entry]) -> None:
        """Merge what was committed. Raises as `hint` does."""
        self.hint(entries)
        self._firm_floor = max(self._firm_floor, self.floor)

    def told(self, hint: Hint) -> None:
        """`hint`, and where it continues what this replica has read, it is read so far (rule 4). Raises as `hint`
        does."""
        if hint.reached is None or not self._continues(hint):
            self.hint(hint.entries)
            return
        full = self._full()
        for entry in hint.entries:
            self._take(entry, full)
        self.cursor = hint.reached

    def _continues(self, hint: Hint) -> bool:
        """Marks and ends of everything are for probes alone, which read the issuer's count with them."""
        return (
            hint.after == self.cursor
            and self._read_whole
            and all(entry.scope is not Scope.EVERYTHING for entry in hint.entries)
        )

    # --- What it reads -------------------------------------------------------------------------------------------

    def on_send(self, now: float) -> Sent:
        """To be called when a probe for what comes after `cursor` is sent, at `now` (monotonic)."""
        return Sent(now, self._splits)

    def on_reply(self, sent: Sent, reply: Probe) -> Next:
        """Take in a probe's answer. When it came does not matter. Raises as `hint` does."""
        if reply.generation != self.generation:
            if self.lease != math.inf:
                return Next.ADOPT
            is_first = self.generation is None
            self.adopt(reply.generation, 0)
            if not is_first:
                return Next.MORE
        if not reply.matches:
            self._read_again()
            return Next.MORE
        full = self._full()
        for item in reply.items:
            self._take(item.entry, full)
        for second, ids in reply.packed:
            self._take_packed(second, ids, full)
        self._firm_floor = max(self._firm_floor, self.floor)
        if reply.reached is not None:
            self.cursor = reply.reached
        elif reply.items:
            self.cursor = reply.items[-1].cursor
        if not reply.complete:
            return Next.MORE
        self._read_whole = True
        if self._covered and sent.splits == self._splits:
            # all that was learnt before the mark was seen is in the log by now: after the mark, and so held anew; or
            # before it, and so below the floor
            self._drop_before_mark()
        if self.lease != math.inf:
            self.lease_until = max(self.lease_until, sent.at + self.lease)
        return Next.DONE

    def _take(self, entry: Entry, full: bool) -> None:
        """One item of the log."""
        if entry.scope is Scope.EVERYTHING and entry.id:
            self._see_mark(entry)
        self._merge(entry, full)
        if self._reread is not None:
            self._reread.note(entry, self._sessions)

    def _take_packed(self, second: int, ids: bytes, full: bool) -> None:
        """Many sessions that ended."""
        self._load(second, ids, full, again=self._reread is not None)
        if self._reread is not None:
            self._reread.note_ended(ids)

    # --- When it reads another log, or the log again -------------------------------------------------------------

    def adopt(self, generation: int, everything: int) -> None:
        """Go by this log from now on.

        The issuer's count of "everything", as it is after this log was made, is above all that was accepted under
        another log: what a lost log said of it need not be known any more.
        """
        self.generation = generation
        self.changes += 1
        self._raise_floor(everything)
        self._read_again()

    def _read_again(self) -> None:
        self.cursor = Cursor()
        self._reread = Reread() if len(self) else None
        self._read_whole = False

    @property
    def misses_some(self) -> bool:
        """True if the log has been read again, as a whole, and `lost` was not asked since."""
        return self._reread is not None and self._read_whole

    def lost(self, now: float) -> list[Entry]:
        """What this replica holds, that lives at `now` (wall), and that the log has not held since it was read again:
        to be appended anew. Answers once."""
        if self._reread is None or not self._read_whole:
            return []
        reread, self._reread = self._reread, None
        return [entry for scope, table in self._uncovered() for entry in reread.missing(scope, table, now)]
