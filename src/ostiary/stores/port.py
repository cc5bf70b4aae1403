"""The promises that every store makes. `ostiary.testing.store_contract` is this page as tests.

* **Reads** return the record whether or not it has expired or ended: the domain judges. Absence is `None` or an empty
  list, never an exception. What was acknowledged by `write` is seen by every later read, from every process.
* **`write`** applies all of its changes or none, and says which: `True` if all conditions held, `False` if one did not
  (then nothing was changed, and the caller reads and judges again). When it has returned `True` the change survives
  a crash of the process and of the machine. Changes are made in their order: what one gives up is free for the next.
  With `durable=False` it survives the machine only once a later durable write of this process has returned `True`; a
  backend for which that saves nothing may ignore it.
* **Revisions** belong to the store: `Add` stores the record with revision 1 whatever it carried; `Swap` replaces the
  stored record only if its revision is still the one that `record` carries, and stores it with that revision + 1.
* **Times and digests** come back exactly as they went in: no rounding, no zones, no text in between.
* **Values** are valid Unicode without U+0000, integers of 64 bits, finite instants. A backend may refuse others with
  `InvalidRequest`.
* **Trouble** of the backend's own (a locked file, a lost connection, a full disk) is `errors.Unavailable`; no exception
  of a driver ever leaves. After an `Unavailable` from `write` the change may or may not have happened.
* **Listings** are sorted by id unless they say otherwise, start after `after` and hold at most `limit` records (keyset
  paging).
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.revocation.entry import Cursor, Entry, Hint, Node, Probe

Record = Account | Session | Throttle | SigningKey | AuditEvent | Issuer | Client | Spent


@dataclass(frozen=True, slots=True)
class Add:
    """Store a new record. Its id must be free; so must an account's `username_key` and a session's `token_digest`."""

    record: Record


@dataclass(frozen=True, slots=True)
class Swap:
    """Replace the record if nobody else has since it was read, and its unique fields are still free. Never creates.

    `was`: the record as it was read, if the caller has it at hand. A backend may then write only what differs; what is
    stored is the same."""

    record: Record
    was: Record | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """Change nothing, but let the whole write fail if the record has been changed or removed since it was read."""

    record: Record


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the record if nobody else has changed it since it was read."""

    record: Record


@dataclass(frozen=True, slots=True)
class Append:
    """Append an entry to the revocation log. Positions are given in commit order.

    `awaited`: whoever writes it waits until all nodes refuse what it says: the write nudges them, too.
    """

    entry: Entry
    awaited: bool = False


Change = Add | Swap | Expect | Remove | Append


def any_awaited(changes: Iterable[Change]) -> bool:
    """Whether the write nudges."""
    return any(isinstance(change, Append) and change.awaited for change in changes)


class Standing(NamedTuple):
    """What a new session of an account depends on: the issuer's `everything`, and how many sessions of the account have
    not been ended (they may have expired)."""

    everything: int
    sessions: int


class Accounts(Protocol):
    """Accounts by id and by the normal form of their user name."""

    async def get(self, account_id: str) -> Account | None: ...
    async def by_username(self, username_key: str) -> Account | None: ...
    async def page(self, *, start: str = "", only: str = "", after: str = "", limit: int) -> list[Account]:
        """Those whose user name's normal form begins with `start`, sorted by it; `after` is one. Wildcards are ordinary
        characters. `only` is "" for all, "admins" for those enabled administrators, or "disabled"."""
        ...

    async def page_by_email(
        self, *, start: str, only: str = "", after: tuple[str, str] = ("", ""), limit: int
    ) -> list[Account]:
        """Those whose e-mail, case folded, begins with `start`, sorted by that and then by id, as `after` is. `only`:
        as above."""
        ...

    async def count_enabled_admins(self) -> int: ...


class Sessions(Protocol):
    """Sessions by id, by token digest, by account."""

    async def get(self, session_id: str) -> Session | None: ...
    async def by_token_digest(self, digest: bytes) -> Session | None: ...
    async def of_account(self, account_id: str) -> list[Session]:
        """Every session of the account that has not been ended (it may have expired), sorted by id."""
        ...

    async def page(self, *, account_id: str = "", kind: str = "", after: str = "", limit: int) -> list[Session]:
        """Sessions that have not been ended; empty arguments do not filter."""
        ...

    async def latest(
        self, *, everything: int, kind: str, before: tuple[float, str] | None = None, limit: int
    ) -> list[Session]:
        """Sessions of one kind and of this count of `everything` that have not been ended, the most recently seen
        first, then by id downwards; `before`: only what stands behind this (`last_seen_at`, id)."""
        ...

    async def count_not_ended(self, *, everything: int, now: float, kind: str = "") -> int:
        """How many are live: not ended, of this count of `everything`, neither idle nor expired at `now`; of one kind
        if it is named."""
        ...

    async def count_seen(self, *, everything: int, kind: str, since: float) -> int:
        """How many of one kind and of this count of `everything` have not been ended and were seen at or after
        `since`."""
        ...

    async def touch(self, last_seen: Mapping[str, float]) -> None:
        """Raise `last_seen_at` of these sessions to at least the given instants. No revision changes, ended and unknown
        sessions are passed over, and an earlier instant than the stored one changes nothing."""
        ...

    async def purge(self, *, before: float) -> int:
        """Remove sessions that ended, lay idle out or expired, and whose last access token expired, before `before`."""
        ...


class Throttles(Protocol):
    """Counters by id."""

    async def get(self, throttle_id: str) -> Throttle | None: ...
    async def purge(self, *, before: float) -> int:
        """Remove counters whose last failure was before `before`."""
        ...


class SigningKeys(Protocol):
    """All of them: there are few."""

    async def all(self) -> list[SigningKey]: ...


class Clients(Protocol):
    """Registered services, by id."""

    async def get(self, client_id: str) -> Client | None: ...
    async def page(self, *, after: str = "", limit: int) -> list[Client]: ...


class SpentOnce(Protocol):
    """What may be used once: `Add` succeeds for exactly one of all who ever add an id, from whatever process."""

    async def get(self, spent_id: str) -> Spent | None: ...
    async def purge(self, *, before: float) -> int:
        """Remove what was spent and whose `until` is before `before`. A backend may also do so by itself once `until`
        has passed by a minute, and then counts less here."""
        ...


class Audit(Protocol):
    """Events, newest first: the one listing that is sorted downwards, so `before` takes the place of `after`."""

    async def page(
        self, *, account_id: str = "", event: str = "", session_id: str = "", before: str = "", limit: int
    ) -> list[AuditEvent]: ...
    async def count_since(self, event: str, since: float) -> int:
        """How many events of this name happened at or after `since`."""
        ...

    async def purge(self, *, before: float) -> int:
        """Remove events that happened before `before`."""
        ...


class Revocations(Protocol):
    """The log that every replica follows. Written by `Append` only, in the same write as the change itself.

    A *node* is a process that holds a replica; its name is its own choice, random and never used again.
    """

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        """Every item committed before this call began, after `cursor`, at most `limit` of them. `Cursor()` always
        matches; where the cursor does not, there are no items.

        With a `node` it also records, in the same transaction and by the backend's own clock, that this node is alive
        and has applied everything up to `cursor` (nothing, if the cursor does not match). It is then answered after
        that commit: where several machines share the backend only its authoritative primary can do so. A node is known
        from its first probe on, at whatever cursor.
        """
        ...

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        """Some of what follows the cursor, in bulk, for whoever is far behind: a `packed` probe of some megabytes at
        most, which ends with an item that the log holds. It is never `complete`, and tells nobody that anybody is
        alive: it lends nothing, an ordinary probe has to follow, and so it may come from wherever one can read. None
        where the log does not hold the cursor's item, and where what follows is better told item by item, because it
        is little or holds a mark."""
        ...

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        """Note that this node has applied everything up to `cursor`, if that is the newest item and the node is known;
        whether that was so. It lends nothing and does not say that the node is alive; what it says is true of the
        process, so it may be lost and need not be durable."""
        ...

    def hints(self) -> AsyncIterator[Hint]:
        """Endless: yields as soon as somebody, this process too, may have appended: the entries that the message
        carried, or `LOOK`. The first is `LOOK` as soon as it listens, for whatever came before. Messages may be lost,
        repeated, reordered, and come early; what they say of places in the log is true, or not said. Raises Unavailable
        when it can no longer listen; the caller calls again, later."""
        ...

    async def head(self) -> Cursor:
        """The newest item; `Cursor()` if there is none. All that was committed before the call is at or before it."""
        ...

    async def nudge(self) -> None:
        """Make `hints` of every process yield `LOOK` soon. The message may be lost."""
        ...

    async def pause(self, seconds: float, *, nodes: int) -> None:
        """For whoever has nudged, and waits: return after so many seconds; or before or a little after that, where it
        is heard when nodes acknowledge, as soon as so many may have done so. Raises nothing."""
        ...

    async def behind(self, cursor: Cursor, *, within: float) -> int | None:
        """How many nodes that probed within the last `within` seconds, by the backend's clock, have not acknowledged
        `cursor`. None if it cannot be told: the log does not hold that very item, or it was made anew less than
        `within` seconds ago and so does not know of everybody yet. `Cursor()` is acknowledged by whoever probed."""
        ...

    async def describe(self, node: str, description: str) -> None:
        """Keep what a node says of itself, for `nodes`. Nothing is kept of one that is not known: it has never probed,
        or has left."""
        ...

    async def nodes(self, *, within: float, limit: int) -> list[Node]:
        """At most `limit` of the nodes that probed within the last `within` seconds, by the backend's clock: the
        longest silent first. Raises Unavailable if they cannot be known."""
        ...

    async def leave(self, node: str) -> None:
        """A node that stops cleanly is no longer waited for. May be repeated."""
        ...

    async def purge(self, *, before: float) -> int:
        """Remove items whose `until` is before `before`; the newest item always stays, so that cursors can match."""
        ...


class Store(Protocol):
    """One backend, open. `shared` is True if another process may write to it at the same time; `immediate`, if a
    look-up is usually answered without waiting for anything, so that nothing is won by asking for several at once.

    `fencing`: seconds for which a primary that another one has replaced may go on answering probes; nodes accept by its
    answers for so much longer than their lease. 0 where there is none, or where it cannot answer at all."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def throttles(self) -> Throttles: ...
    @property
    def signing_keys(self) -> SigningKeys: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def spent(self) -> SpentOnce: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def revocations(self) -> Revocations: ...
    @property
    def immediate(self) -> bool: ...
    @property
    def shared(self) -> bool: ...
    @property
    def fencing(self) -> float: ...

    def announce(self) -> None:
        """From now on, and until `close` or the end of this process, whoever opened this store verifies credentials.
        To be called before the revocation log is read for the first time."""
        ...

    def others_serve(self) -> bool:
        """Whether anybody else has announced that. Quick enough to be asked at every change that ends something."""
        ...

    async def issuer(self) -> Issuer:
        """The issuer's own record; it exists from the moment the store was made (revision 1)."""
        ...

    async def standing(self, account_id: str) -> Standing:
        """In one look, of an account that may not exist. `sessions` are as many as `of_account` would find."""
        ...

    async def write(self, *changes: Change, durable: bool = True) -> bool: ...
    async def check(self) -> None:
        """Raise `Unavailable` unless a write would work right now, its `WrongSchema` unless the schema is one that this
        code works with."""
        ...

    async def close(self) -> None:
        """Finish what is under way. May be repeated; afterwards `write` and `check` raise `Unavailable`."""
        ...
