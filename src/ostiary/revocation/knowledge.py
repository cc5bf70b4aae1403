"""What one process knows to have been revoked: no I/O, no clock of its own.

The rules, in words:

1. Entries merge by maximum. Order, repetition and loss of hints change nothing; adding an entry never
   turns a refusal into an acceptance.
2. A refusal needs no lease; to say that something has not been revoked takes one. How a replica gets it: `replica.py`.
3. An entry may be forgotten when everything that it can refuse has expired, or when a raised floor covers it: a mark
   in the log, and after it an end of everything that names this mark. Whoever raised "everything" read its count after
   the mark was committed, so what ended before the mark carries a lower count than the floor.
"""

import math
from collections.abc import Iterable
from enum import Enum
from typing import NoReturn

from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import Unavailable
from ostiary.revocation.entry import KEY_REVOKED, Entry, Scope
from ostiary.revocation.packed import BUCKET_MASK, PREFIX_CHARS
from ostiary.revocation.table import ID_CHARS, Table

_SESSIONS = "ses_"
_WORD = slice(len(_SESSIONS), len(_SESSIONS) + PREFIX_CHARS)  # what a packed session is known by
_END = slice(-ID_CHARS, None)  # of which an id is made up that is kept as an integer
_number = int.from_bytes
_PACKED_WEIGHT = 4  # so many packed entries count for one: they take less room, and asking takes longer


class Verdict(Enum):
    """What is known of a credential."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the lease is gone


class Knowledge:
    """What has been revoked, as far as it was told, and until when (`lease_until`, monotonic) nothing else can have
    been.

    With more than `max_entries`, of packed ones four times as many, it is `crowded`; with twice as many it gives up
    its lease rather than forget. `young`: how many ended sessions it keeps whole before it packs any.
    `client_changes` counts entries about clients: whoever remembers a client looks whether it has moved. `changes`
    grows with whatever may make `refuses` or `client_refused` say yes where it said no.
    """

    __slots__ = (
        "_accounts",
        "_at_most",
        "_before_mark",
        "_clients",
        "_covered",
        "_covering",
        "_keys",
        "_marks",
        "_sessions",
        "_splits",
        "_young",
        "changes",
        "client_changes",
        "floor",
        "lease_until",
        "max_entries",
    )

    def __init__(self, *, lease_until: float, max_entries: int, young: int) -> None:
        self.lease_until = lease_until
        self.max_entries = max_entries
        self.floor = 0
        self.client_changes = 0
        self.changes = 0
        self._at_most = 0
        self._young = young
        self._sessions = self._ended_sessions()
        self._accounts = Table("acc_")
        self._clients = Table("cli_")
        self._keys = Table()
        self._before_mark: Table | None = None
        self._marks: set[str] = set()
        self._covering: set[str] = set()
        self._covered = False
        self._splits = 0  # how often a mark has divided the sessions

    def _ended_sessions(self) -> Table:
        return Table(_SESSIONS, packs=ENDED_VERSION, young=self._young)

    def __len__(self) -> int:
        before = len(self._before_mark) if self._before_mark is not None else 0
        return before + len(self._sessions) + len(self._accounts) + len(self._clients) + len(self._keys)

    # --- What it says --------------------------------------------------------------------------------------------

    def judge(self, session_id: str, version: int, account_id: str, epoch: int, kid: str, now: float) -> Verdict:
        """Whether a credential of this session version, account epoch and signing key has been revoked, and whether
        it may be said at `now` (monotonic) that it has not. A refusal needs no lease.

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

    @property
    def crowded(self) -> bool:
        """True if somebody should let an end of everything cover what is held (rule 3), and nobody has."""
        return not self._covered and self._weighs(self.max_entries + 1)

    def _weighs(self, least: int) -> bool:
        """Whether all entries weigh so much; see `max_entries`. They weigh no more than when they were weighed last,
        and one for each that came since, so mostly nothing has to be counted."""
        if self._at_most < least:
            return False
        packed = self._sessions.packed + (self._before_mark.packed if self._before_mark is not None else 0)
        self._at_most = len(self) - packed + packed // _PACKED_WEIGHT
        return self._at_most >= least

    def size(self) -> int:
        """Bytes that the entries take, about."""
        tables = (self._sessions, self._accounts, self._clients, self._keys, self._before_mark)
        return sum(table.size() for table in tables if table is not None)

    # --- What it learns ------------------------------------------------------------------------------------------

    def hint(self, entries: Iterable[Entry]) -> None:
        """Merge what somebody says was committed. Raises Unavailable, with the lease dropped, rather than forget for
        want of room."""
        full = self._full()
        for entry in entries:
            self._merge(entry, full)

    def _merge(self, entry: Entry, full: bool) -> None:
        self.changes += 1
        self._at_most += 1
        scope, value = entry.scope, entry.value
        if scope is Scope.SESSION:
            self._raise(self._sessions, entry, full)
        elif scope is Scope.ACCOUNT:
            if value > self.floor:
                self._raise(self._accounts, entry, full)
        elif scope is Scope.EVERYTHING:
            self._raise_floor(value)
        elif scope is Scope.KEY:
            if value >= KEY_REVOKED:
                self._raise(self._keys, entry, full)
        else:
            self.client_changes += 1
            self._raise(self._clients, entry, full)

    def _raise_floor(self, everything: int) -> None:
        if everything * EPOCHS_PER_EVERYTHING > self.floor:
            self.floor = everything * EPOCHS_PER_EVERYTHING
            self._accounts.drop_up_to(self.floor)

    def _raise(self, table: Table, entry: Entry, full: bool) -> None:
        if entry.value <= 0:
            return
        if full and not table.holds(entry.id):
            self._give_up()
        table.raise_to(entry.id, entry.value, entry.until)

    def _load(self, second: int, ids: bytes, full: bool, *, again: bool) -> None:
        """Merge many sessions that ended, as `Probe.packed` tells of them."""
        if full:
            self._give_up()
        self.changes += 1
        self._at_most += len(ids) // ID_CHARS
        self._sessions.load(second, ids, again=again)

    def _full(self) -> bool:
        return self._weighs(2 * self.max_entries)

    def _give_up(self) -> NoReturn:
        self.lease_until = -math.inf
        raise Unavailable(private="the replica is full")

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

    def _drop_before_mark(self) -> None:
        """What stood before the mark: the floor covers it."""
        self._before_mark, self._covered = None, False

    # --- What it holds -------------------------------------------------------------------------------------------

    def _uncovered(self) -> list[tuple[Scope, Table]]:
        """What is held and no floor covers."""
        tables = [
            (Scope.KEY, self._keys),
            (Scope.CLIENT, self._clients),
            (Scope.ACCOUNT, self._accounts),
            (Scope.SESSION, self._sessions),
        ]
        if self._before_mark is not None and not self._covered:
            tables.append((Scope.SESSION, self._before_mark))
        return tables

    def forget_expired(self, now: float) -> int:
        """Drop what nothing alive can refer to (`now` is wall time); how many were dropped."""
        tables = (self._sessions, self._accounts, self._clients, self._keys, self._before_mark)
        return sum(table.forget(now) for table in tables if table is not None)
