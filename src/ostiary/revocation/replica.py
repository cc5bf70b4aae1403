"""The local replica of what has been revoked: no I/O, no clock of its own.

The rules, in words:

1. Entries merge by maximum. Order, repetition and loss of hints change nothing; adding an entry never
   turns a refusal into an acceptance.
2. The lease runs from the moment a probe was *sent*, on this process's own monotonic clock: whatever was committed
   before that moment is in the answer. Without a lease the replica does not know, and says so.
3. The cursor is (position, nonce). If the log does not hold that very item, the replica reads it all again and merges;
   it never forgets because a log did.
4. An entry may be forgotten when everything that it can refuse has expired.
"""

import heapq
import math
from collections.abc import Iterable
from enum import Enum

from ostiary import limits
from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.errors import Unavailable
from ostiary.revocation.entry import KEY_REVOKED, Cursor, Entry, Probe, Scope


class Verdict(Enum):
    """What the replica knows of a credential."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # the lease is gone


class Replica:
    """Everything that one process knows about revocations.

    `lease` is in seconds; infinite where nobody else can revoke (a store that belongs to this process).
    """

    __slots__ = (
        "_accounts",
        "_expiries",
        "_expiry_of",
        "_generation",
        "_keys",
        "_sessions",
        "cursor",
        "floor",
        "lease",
        "lease_until",
    )

    def __init__(self, *, lease: float = math.inf) -> None:
        self.lease = lease
        self.lease_until = math.inf if lease == math.inf else -math.inf
        self.cursor = Cursor()
        self.floor = 0
        self._generation: int | None = None
        self._sessions: dict[str, int] = {}
        self._accounts: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._expiries: list[tuple[float, str, str]] = []
        self._expiry_of: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._sessions) + len(self._accounts) + len(self._keys)

    def refuses(self, session_id: str, version: int, account_id: str, epoch: int, kid: str) -> bool:
        """True if a credential of this session version, account epoch and signing key has been revoked.

        The epoch comparison alone also serves kinds whose rights are read from the store: there it means "read again".
        """
        return (
            epoch < self.floor
            or epoch < self._accounts.get(account_id, 0)
            or version < self._sessions.get(session_id, 0)
            or kid in self._keys
        )

    def judge(self, session_id: str, version: int, account_id: str, epoch: int, kid: str, now: float) -> Verdict:
        """`refuses`, and whether the replica may say so at `now` (monotonic). A refusal needs no lease."""
        if self.refuses(session_id, version, account_id, epoch, kid):
            return Verdict.REFUSED
        return Verdict.ACCEPTED if now < self.lease_until else Verdict.UNKNOWN

    def session_version(self, session_id: str) -> int:
        """The lowest accepted version of this session; 0 if nothing is known."""
        return self._sessions.get(session_id, 0)

    def account_epoch(self, account_id: str) -> int:
        """The lowest accepted epoch of this account."""
        return max(self.floor, self._accounts.get(account_id, 0))

    def key_is_revoked(self, kid: str) -> bool:
        """True if nothing that this key signed may be accepted."""
        return kid in self._keys

    def apply(self, entries: Iterable[Entry]) -> None:
        """Merge. Raises Unavailable, with the lease dropped, rather than forget for want of room."""
        for entry in entries:
            if entry.scope is Scope.EVERYTHING:
                self.floor = max(self.floor, entry.value * EPOCHS_PER_EVERYTHING)
            elif entry.scope is Scope.KEY:
                if entry.value >= KEY_REVOKED:
                    self._raise(self._keys, entry)
            elif entry.scope is Scope.SESSION:
                self._raise(self._sessions, entry)
            elif entry.scope is Scope.ACCOUNT:
                self._raise(self._accounts, entry)

    def _raise(self, known: dict[str, int], entry: Entry) -> None:
        if entry.value > known.get(entry.id, 0):
            if len(self) >= limits.REPLICA_ENTRIES and entry.id not in known:
                self.lease_until = -math.inf
                raise Unavailable(private="the replica is full")
            known[entry.id] = entry.value
        self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        """An id's latest expiry counts; an earlier one that is still queued finds that it no longer does."""
        name = (entry.scope.value, entry.id)
        if entry.until > self._expiry_of.get(name, -math.inf):
            self._expiry_of[name] = entry.until
            heapq.heappush(self._expiries, (entry.until, *name))

    def on_reply(self, *, sent_at: float, reply: Probe) -> bool:
        """Take in a probe's answer; True if the log holds more and another probe must follow at once.

        `sent_at` is the monotonic instant at which the probe was sent, not when its answer came.
        """
        if not reply.matches or (self._generation is not None and reply.generation != self._generation):
            self._generation = reply.generation
            if self.cursor != Cursor():
                self.cursor = Cursor()
                return True
        self._generation = reply.generation
        self.apply(item.entry for item in reply.items)
        if reply.items:
            last = reply.items[-1]
            self.cursor = Cursor(position=last.position, nonce=last.nonce)
        if reply.complete and self.lease != math.inf:
            self.lease_until = max(self.lease_until, sent_at + self.lease)
        return not reply.complete

    def forget_expired(self, now: float) -> int:
        """Drop what nothing alive can refer to (`now` is wall time); how many were dropped."""
        tables = {
            Scope.SESSION.value: self._sessions,
            Scope.ACCOUNT.value: self._accounts,
            Scope.KEY.value: self._keys,
        }
        dropped = 0
        while self._expiries and self._expiries[0][0] <= now:
            until, scope, entry_id = heapq.heappop(self._expiries)
            if self._expiry_of.get((scope, entry_id)) == until:
                del self._expiry_of[scope, entry_id]
                tables[scope].pop(entry_id, None)
                dropped += 1
        return dropped
