"""What each kind of record can be found by: the promises of the port's parts, kept by dictionaries and sorted lists.

Records are frozen and therefore handed out as they are.
"""

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.stores.rows import folded

R = TypeVar("R", Account, Session, Throttle, SigningKey, AuditEvent, Issuer, Client, Spent)


class Table(Generic[R]):
    """Records of one type by id, with the ids in order, and what else must be unique by its value."""

    def __init__(self, unique: Callable[[R], object | None] = lambda _: None) -> None:
        self.by_id: dict[str, R] = {}
        self.by_unique: dict[object, str] = {}
        self.ids: list[str] = []
        self._unique: Callable[[R], object | None] = unique

    async def get(self, record_id: str) -> R | None:
        return self.by_id.get(record_id)

    def find(self, value: object) -> R | None:
        found = self.by_unique.get(value)
        return None if found is None else self.by_id[found]

    def put(self, record: R) -> bool:
        """Store as it is; False, and nothing done, if its unique value is another record's."""
        value, old = self._unique(record), self.by_id.get(record.id)
        if value is not None and self.by_unique.get(value, record.id) != record.id:
            return False
        if old is None:
            bisect.insort(self.ids, record.id)
        elif (before := self._unique(old)) is not None:
            del self.by_unique[before]
        self.by_id[record.id] = record
        if value is not None:
            self.by_unique[value] = record.id
        return True

    def drop(self, record_id: str) -> None:
        self.forget(record_id)
        del self.ids[bisect.bisect_left(self.ids, record_id)]

    def drop_all(self, over: Callable[[R], bool]) -> int:
        gone = [record.id for record in self.by_id.values() if over(record)]
        for record_id in gone:
            self.forget(record_id)
        self.ids = [record_id for record_id in self.ids if record_id in self.by_id]
        return len(gone)

    def forget(self, record_id: str) -> None:
        """Drop it from everywhere but `ids`."""
        value = self._unique(self.by_id.pop(record_id))
        if value is not None:
            del self.by_unique[value]

    def after(self, record_id: str) -> Iterator[R]:
        return (self.by_id[found] for found in self.ids[bisect.bisect_right(self.ids, record_id) :])

    def before(self, record_id: str) -> Iterator[R]:
        """Downwards from `record_id`, which may be empty for the end."""
        end = bisect.bisect_left(self.ids, record_id) if record_id else len(self.ids)
        return (self.by_id[found] for found in reversed(self.ids[:end]))


def _first(records: Iterable[R], limit: int) -> list[R]:
    return [record for record, _ in zip(records, range(limit), strict=False)]


class Accounts(Table[Account]):
    def __init__(self) -> None:
        super().__init__(lambda account: account.username_key)
        self.names: list[str] = []  # in order

    def put(self, record: Account) -> bool:
        old = self.by_id.get(record.id)
        if not super().put(record):
            return False
        if old is None or old.username_key != record.username_key:
            if old is not None:
                self._leave_names(old)
            bisect.insort(self.names, record.username_key)
        return True

    def drop(self, record_id: str) -> None:
        self._leave_names(self.by_id[record_id])
        super().drop(record_id)

    def _leave_names(self, account: Account) -> None:
        del self.names[bisect.bisect_left(self.names, account.username_key)]

    async def by_username(self, username_key: str) -> Account | None:
        return self.find(username_key)

    async def page(self, *, start: str = "", only: str = "", after: str = "", limit: int) -> list[Account]:
        first = bisect.bisect_right(self.names, after) if after >= start else bisect.bisect_left(self.names, start)
        names = itertools.takewhile(lambda name: name.startswith(start), itertools.islice(self.names, first, None))
        accounts = (self.by_id[self.by_unique[name]] for name in names)
        return _first((account for account in accounts if _is_among(account, only)), limit)

    async def page_by_email(
        self, *, start: str, only: str = "", after: tuple[str, str] = ("", ""), limit: int
    ) -> list[Account]:
        places = sorted(
            (email, account.id)
            for account in self.by_id.values()
            if (email := folded(account.email)) is not None and email.startswith(start) and _is_among(account, only)
        )
        return [self.by_id[account_id] for _, account_id in places[bisect.bisect_right(places, after) :][:limit]]

    async def count_enabled_admins(self) -> int:
        return sum(account.is_enabled_admin for account in self.by_id.values())


def _is_among(account: Account, only: str) -> bool:
    return not only or (account.disabled if only == "disabled" else account.is_enabled_admin)


class Sessions(Table[Session]):
    def __init__(self) -> None:
        super().__init__(lambda session: session.token_digest)
        self.accounts: dict[str, set[str]] = {}
        self.seen: list[tuple[float, str]] = []  # of those that have not been ended, in order

    def put(self, record: Session) -> bool:
        old = self.by_id.get(record.id)
        if not super().put(record):
            return False
        if old is not None:
            self._leave_account(old)
            self._leave_seen(old)
        self.accounts.setdefault(record.account_id, set()).add(record.id)
        if record.ended_at is None:
            bisect.insort(self.seen, (record.last_seen_at, record.id))
        return True

    def drop(self, record_id: str) -> None:
        self._leave_seen(self.by_id[record_id])
        super().drop(record_id)

    def drop_all(self, over: Callable[[Session], bool]) -> int:
        gone = super().drop_all(over)
        self.seen = [place for place in self.seen if place[1] in self.by_id]
        return gone

    def _leave_seen(self, session: Session) -> None:
        if session.ended_at is None:
            del self.seen[bisect.bisect_left(self.seen, (session.last_seen_at, session.id))]

    def forget(self, record_id: str) -> None:
        self._leave_account(self.by_id[record_id])
        super().forget(record_id)

    def _leave_account(self, session: Session) -> None:
        of_account = self.accounts[session.account_id]
        of_account.remove(session.id)
        if not of_account:
            del self.accounts[session.account_id]

    async def by_token_digest(self, digest: bytes) -> Session | None:
        return self.find(digest)

    async def of_account(self, account_id: str) -> list[Session]:
        found = (self.by_id[session_id] for session_id in sorted(self.accounts.get(account_id, ())))
        return [session for session in found if session.ended_at is None]

    async def page(self, *, account_id: str = "", kind: str = "", after: str = "", limit: int) -> list[Session]:
        matching = (
            session
            for session in self.after(after)
            if session.ended_at is None
            and (not account_id or session.account_id == account_id)
            and (not kind or session.kind == kind)
        )
        return _first(matching, limit)

    async def latest(
        self, *, everything: int, kind: str, before: tuple[float, str] | None = None, limit: int
    ) -> list[Session]:
        end = len(self.seen) if before is None else bisect.bisect_left(self.seen, before)
        downwards = (self.by_id[self.seen[at][1]] for at in range(end - 1, -1, -1))
        return _first((one for one in downwards if (one.everything, one.kind) == (everything, kind)), limit)

    async def count_not_ended(self, *, everything: int, now: float, kind: str = "") -> int:
        return sum(
            session.is_live(now, everything) and (not kind or session.kind == kind) for session in self.by_id.values()
        )

    async def count_seen(self, *, everything: int, kind: str, since: float) -> int:
        behind = itertools.islice(self.seen, bisect.bisect_left(self.seen, (since, "")), None)
        sessions = (self.by_id[session_id] for _, session_id in behind)
        return sum((session.everything, session.kind) == (everything, kind) for session in sessions)

    async def touch(self, last_seen: Mapping[str, float]) -> None:
        for session_id, at in last_seen.items():
            session = self.by_id.get(session_id)
            if session is not None and session.ended_at is None and session.last_seen_at < at:
                self.put(replace(session, last_seen_at=at))

    async def purge(self, *, before: float) -> int:
        def over(session: Session) -> bool:
            ended = session.idle_expires_at if session.ended_at is None else session.ended_at
            return max(ended, session.credential_expires_at) < before

        return self.drop_all(over)


class Throttles(Table[Throttle]):
    async def purge(self, *, before: float) -> int:
        return self.drop_all(lambda throttle: throttle.last_failure_at < before)


class SigningKeys(Table[SigningKey]):
    async def all(self) -> list[SigningKey]:
        return [self.by_id[key_id] for key_id in self.ids]


class Clients(Table[Client]):
    async def page(self, *, after: str = "", limit: int) -> list[Client]:
        return _first(self.after(after), limit)


class SpentOnce(Table[Spent]):
    async def purge(self, *, before: float) -> int:
        return self.drop_all(lambda spent: spent.until < before)


class Audit(Table[AuditEvent]):
    async def page(
        self, *, account_id: str = "", event: str = "", session_id: str = "", before: str = "", limit: int
    ) -> list[AuditEvent]:
        matching = (
            found
            for found in self.before(before)
            if (not account_id or found.account_id == account_id)
            and (not event or found.event == event)
            and (not session_id or found.session_id == session_id)
        )
        return _first(matching, limit)

    async def count_since(self, event: str, since: float) -> int:
        return sum(found.event == event and found.at >= since for found in self.by_id.values())

    async def purge(self, *, before: float) -> int:
        return self.drop_all(lambda event: event.at < before)
