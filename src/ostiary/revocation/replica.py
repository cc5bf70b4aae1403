"""The local replica of what has been revoked: no I/O, no clock of its own.

The rules, in words:

1. Entries merge by maximum. Order, repetition and loss of hints change nothing; adding an entry never
   turns a refusal into an acceptance.
2. The lease runs from the moment a probe was *sent*, on this process's own monotonic clock: whatever was committed
   before that moment is in the answer. Without a lease the replica does not know, and says so.
3. The cursor is (position, nonce). If the log does not hold that very item, the replica reads it all again and merges;
   it never forgets because a log did, and says what the log has lost.
4. A log that was made anew gives no lease until everything that was accepted under the former one has been refused:
   see `adopt`.
5. Hints are applied at once, and never lend anything. One that continues exactly where the replica stands (the item
   before it is the cursor's, position and nonce) moves the cursor: an item is appended behind one other, so a log that
   holds it holds all that came before, and the replica has applied that. Any other hint moves nothing: what lies
   between is not known.
6. An entry may be forgotten when everything that it can refuse has expired, or when a raised floor covers it: a mark
   in the log, and after it an end of everything that names this mark. Whoever raised "everything" read its count after
   the mark was committed, so what ended before the mark carries a lower count than the floor.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ostiary import limits
from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import Unavailable
from ostiary.revocation.entry import KEY_REVOKED, Cursor, Entry, Hint, Probe, Scope
from ostiary.revocation.packed import BUCKET_MASK, PREFIX_CHARS, Packed
from ostiary.revocation.table import ID_CHARS, Table

_SESSIONS = "ses_"
_WORD = slice(len(_SESSIONS), len(_SESSIONS) + PREFIX_CHARS)  # what a packed session is known by
_END = slice(-ID_CHARS, None)  # of which an id is made up that is kept as an integer
_number = int.from_bytes
_PACKED_WEIGHT = 4  # so many packed entries count for one: they take less room, and asking takes longer


class Verdict(Enum):
    """What the replica knows of a credential."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the lease is gone


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


class Replica:
    """Everything that one process knows about revocations.

    `lease` is in seconds; infinite where nobody else can revoke (a store that belongs to this process). With more than
    `max_entries`, of packed ones four times as many, it is `crowded`; with twice as many it gives up its lease rather
    than forget. `young`: how many ended sessions it keeps whole before it packs any. `client_changes` counts
    entries about clients: whoever remembers a client looks whether it has moved. `changes` grows with whatever
    may make `refuses` or `client_refused` say yes where it said no.
    """

    __slots__ = (
        "_accounts",
        "_before_mark",
        "_clients",
        "_covered",
        "_covering",
        "_firm_floor",
        "_heard",
        "_heard_ended",
        "_keys",
        "_marks",
        "_read_whole",
        "_sessions",
        "_splits",
        "_young",
        "changes",
        "client_changes",
        "cursor",
        "floor",
        "generation",
        "lease",
        "lease_until",
        "max_entries",
    )

    def __init__(
        self,
        *,
        lease: float = math.inf,
        max_entries: int = limits.REPLICA_ENTRIES,
        young: int = limits.REPLICA_YOUNG_ENTRIES,
    ) -> None:
        self.lease = lease
        self.lease_until = math.inf if lease == math.inf else -math.inf
        self.max_entries = max_entries
        self.cursor = Cursor()
        self.generation: int | None = None
        self.floor = 0
        self.client_changes = 0
        self.changes = 0
        self._firm_floor = 0
        self._young = young
        self._sessions = self._ended_sessions()
        self._accounts = Table("acc_")
        self._clients = Table("cli_")
        self._keys = Table()
        self._before_mark: Table | None = None
        self._marks: set[str] = set()
        self._covering: set[str] = set()
        self._covered = False
        self._splits = 0
        self._heard: dict[tuple[Scope, str], int] | None = None
        self._heard_ended: Packed | None = None
        self._read_whole = False

    def _ended_sessions(self) -> Table:
        return Table(_SESSIONS, packs=ENDED_VERSION, young=self._young)

    def __len__(self) -> int:
        before = len(self._before_mark) if self._before_mark is not None else 0
        return before + len(self._sessions) + len(self._accounts) + len(self._clients) + len(self._keys)

    # --- What it says --------------------------------------------------------------------------------------------

    def judge(self, session_id: str, version: int, account_id: str, epoch: int, kid: str, now: float) -> Verdict:
        """Whether a credential of this session version, account epoch and signing key has been revoked, and whether the
        replica may say that it has not at `now` (monotonic). A refusal needs no lease.

        This is done for every request, so here everything is looked at without a call, and who meets nothing at all
        needs no more; `_refuses` says what it means where something was met.

        Another thread may be learning meanwhile (a verifier's feed), so the lease is read first: it vouches for what
        was known by then. And what covers something else is looked at after it: packed sessions, those before a mark,
        and at last the floor.
        """
        lease_until = self.lease_until
        accounts, sessions = self._accounts, self._sessions
        if (
            kid in self._keys.known
            or account_id in accounts.known
            or (accounts.compact and account_id.isascii() and _number(account_id[_END].encode()) in accounts.compact)
            or session_id in sessions.known
            or (sessions.compact and session_id.isascii() and _number(session_id[_END].encode()) in sessions.compact)
            or (
                (buckets := sessions.buckets) is not None
                and (word := session_id[_WORD]) in buckets[hash(word) & BUCKET_MASK]
            )
            or (sessions.others and sessions.lowest(session_id))
            or self._before_mark is not None
            or epoch < self.floor
        ) and self._refuses(session_id, version, account_id, epoch, kid):
            return Verdict.REFUSED
        return Verdict.ACCEPTED if now < lease_until else Verdict.UNKNOWN

    def _refuses(self, session_id: str, version: int, account_id: str, epoch: int, kid: str) -> bool:
        if kid in self._keys.known or epoch < self._accounts.lowest(account_id):
            return True
        if version < self._sessions.lowest(session_id):
            return True
        before = self._before_mark
        return (before is not None and version < before.lowest(session_id)) or epoch < self.floor

    def refuses(self, session_id: str, version: int, account_id: str, epoch: int, kid: str) -> bool:
        """True if `judge` refuses it, whatever the lease.

        The epoch comparison alone also serves kinds whose rights are read from the store: there it means "read again".
        """
        return self.judge(session_id, version, account_id, epoch, kid, math.inf) is Verdict.REFUSED

    def client_refused(self, client_id: str, epoch: int) -> bool:
        """True if what was issued to this client under this epoch of its has been revoked."""
        return len(self._clients) > 0 and epoch < self._clients.lowest(client_id)

    def session_version(self, session_id: str) -> int:
        """The lowest accepted version of this session; 0 if nothing is known."""
        lowest = self._sessions.lowest(session_id)
        return lowest if self._before_mark is None else max(lowest, self._before_mark.lowest(session_id))

    def account_epoch(self, account_id: str) -> int:
        """The lowest accepted epoch of this account."""
        return max(self.floor, self._accounts.lowest(account_id))

    def key_is_revoked(self, kid: str) -> bool:
        """True if nothing that this key signed may be accepted."""
        return kid in self._keys.known

    def age(self, now: float) -> float:
        """Seconds since what this replica knows was complete; infinite if it never was."""
        if self.lease == math.inf:
            return 0.0
        return math.inf if self.lease_until == -math.inf else max(0.0, now - (self.lease_until - self.lease))

    @property
    def crowded(self) -> bool:
        """True if somebody should let an end of everything cover what is held (rule 6), and nobody has."""
        return self._weight() > self.max_entries and not self._covered

    def _weight(self) -> int:
        """Of all entries; see `max_entries`."""
        packed = self._sessions.packed + (self._before_mark.packed if self._before_mark is not None else 0)
        return len(self) - packed + packed // _PACKED_WEIGHT

    def size(self) -> int:
        """Bytes that the entries take, about."""
        tables = (self._sessions, self._accounts, self._clients, self._keys, self._before_mark)
        return sum(table.size() for table in tables if table is not None)

    # --- What it learns ------------------------------------------------------------------------------------------

    def apply(self, entries: Iterable[Entry]) -> None:
        """Merge what was committed. Raises Unavailable, with the lease dropped, rather than forget for want of room."""
        self.hint(entries)
        self._firm_floor = max(self._firm_floor, self.floor)

    def hint(self, entries: Iterable[Entry]) -> None:
        """Merge what somebody says was committed. Raises as `apply` does."""
        full = self._weight() >= 2 * self.max_entries
        for entry in entries:
            self._merge(entry, full)

    def told(self, hint: Hint) -> None:
        """`hint`, and where it continues what this replica has read, it is read so far (rule 5). Raises as `apply`
        does."""
        if hint.reached is None or not self._continues(hint):
            self.hint(hint.entries)
            return
        full = self._weight() >= 2 * self.max_entries
        for entry in hint.entries:
            self._take(entry, full)
        self.cursor = hint.reached

    def _continues(self, hint: Hint) -> bool:
        """Marks and ends of everything are for probes alone, which read the issuer's count with them (rules 4, 6)."""
        return (
            hint.after == self.cursor
            and self._read_whole
            and all(entry.scope is not Scope.EVERYTHING for entry in hint.entries)
        )

    def _merge(self, entry: Entry, full: bool) -> None:
        self.changes += 1
        scope, value = entry.scope, entry.value
        if scope is Scope.SESSION:
            self._raise(self._sessions, entry, full)
        elif scope is Scope.ACCOUNT:
            if value > self.floor:
                self._raise(self._accounts, entry, full)
        elif scope is Scope.EVERYTHING:
            if value * EPOCHS_PER_EVERYTHING > self.floor:
                self.floor = value * EPOCHS_PER_EVERYTHING
                self._accounts.drop_up_to(self.floor)
        elif scope is Scope.KEY:
            if value >= KEY_REVOKED:
                self._raise(self._keys, entry, full)
        else:
            self.client_changes += 1
            self._raise(self._clients, entry, full)

    def _raise(self, table: Table, entry: Entry, full: bool) -> None:
        if entry.value <= 0:
            return
        if full and not table.holds(entry.id):
            self.lease_until = -math.inf
            raise Unavailable(private="the replica is full")
        table.raise_to(entry.id, entry.value, entry.until)

    # --- How it follows the log ----------------------------------------------------------------------------------

    def on_send(self, now: float) -> Sent:
        """To be called when a probe for what comes after `cursor` is sent, at `now` (monotonic)."""
        return Sent(now, self._splits)

    def on_reply(self, sent: Sent, reply: Probe) -> Next:
        """Take in a probe's answer. When it came does not matter."""
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
        full = self._weight() >= 2 * self.max_entries
        for item in reply.items:
            self._take(item.entry, full)
        for second, ids in reply.packed:
            self._take_packed(second, ids, full)
        self._firm_floor = max(self._firm_floor, self.floor)
        if reply.reached is not None:
            self.cursor = reply.reached
        elif reply.items:
            last = reply.items[-1]
            self.cursor = Cursor(position=last.position, nonce=last.nonce)
        if not reply.complete:
            return Next.MORE
        self._read_whole = True
        if self._covered and sent.splits == self._splits:
            # all that was learnt before the mark was seen is in the log by now: after the mark, and so held anew; or
            # before it, and so below the floor
            self._before_mark, self._covered = None, False
        if self.lease != math.inf:
            self.lease_until = max(self.lease_until, sent.at + self.lease)
        return Next.DONE

    def adopt(self, generation: int, everything: int) -> None:
        """Go by this log from now on.

        The issuer's count of "everything", as it is after this log was made, is above all that was accepted under
        another log: what a lost log said of it need not be known any more.
        """
        self.generation = generation
        self.changes += 1
        self.floor = max(self.floor, everything * EPOCHS_PER_EVERYTHING)
        self._accounts.drop_up_to(self.floor)
        self._read_again()

    @property
    def everything(self) -> int | None:
        """The count of "everything" that this replica went by so far; None before it went by any log."""
        return None if self.generation is None else self._firm_floor // EPOCHS_PER_EVERYTHING

    def _read_again(self) -> None:
        self.cursor = Cursor()
        self._heard, self._heard_ended = ({}, Packed()) if len(self) else (None, None)
        self._read_whole = False

    def _take(self, entry: Entry, full: bool) -> None:
        """One item of the log."""
        if entry.scope is Scope.EVERYTHING and entry.id:
            self._see_mark(entry)
        self._merge(entry, full)
        if self._heard is None or self._heard_ended is None:
            return
        if entry.scope is not Scope.SESSION or not self._sessions.put_into(self._heard_ended, entry.id, entry.value):
            name = (entry.scope, entry.id)
            self._heard[name] = max(entry.value, self._heard.get(name, 0))

    def _take_packed(self, second: int, ids: bytes, full: bool) -> None:
        """Many sessions that ended."""
        if full:
            self.lease_until = -math.inf
            raise Unavailable(private="the replica is full")
        self.changes += 1
        self._sessions.load(second, ids, again=self._heard is not None)
        if self._heard_ended is not None:
            self._heard_ended.load(0, ids, again=False)

    def _see_mark(self, entry: Entry) -> None:
        if entry.value > 0:
            self._covered = self._covered or (self._before_mark is not None and entry.id in self._covering)
        elif entry.id not in self._marks:  # else the log is read again
            self._marks.add(entry.id)
            self._covering.add(entry.id)  # a later mark covers as well what stands before an earlier one
            if self._before_mark is None:
                self._before_mark, self._sessions = self._sessions, self._ended_sessions()
                self._covering = {entry.id}
                self._splits += 1

    @property
    def misses_some(self) -> bool:
        """True if the log has been read again, as a whole, and `lost` was not asked since."""
        return self._heard is not None and self._read_whole

    def lost(self, now: float) -> list[Entry]:
        """What this replica holds, that lives at `now` (wall), and that the log has not held since it was read again:
        to be appended anew. Answers once."""
        if self._heard is None or self._heard_ended is None or not self._read_whole:
            return []
        heard, self._heard = self._heard, None
        ended, self._heard_ended = self._heard_ended, None
        tables = [
            (Scope.KEY, self._keys),
            (Scope.CLIENT, self._clients),
            (Scope.ACCOUNT, self._accounts),
            (Scope.SESSION, self._sessions),
        ]
        if self._before_mark is not None and not self._covered:
            tables.append((Scope.SESSION, self._before_mark))
        return [
            Entry(scope=scope, id=entry_id, value=value, until=until)
            for scope, table in tables
            for entry_id, value, until in (*table.entries(), *table.packed_entries(ended))
            if until > now
            and heard.get((scope, entry_id), 0) < value
            and not (scope is Scope.SESSION and table.is_in(ended, entry_id))
        ]

    def forget_expired(self, now: float) -> int:
        """Drop what nothing alive can refer to (`now` is wall time); how many were dropped."""
        tables = (self._sessions, self._accounts, self._clients, self._keys, self._before_mark)
        return sum(table.forget(now) for table in tables if table is not None)
