"""The parts of the SQLite store: what each protocol of the port asks, as statements.

Point look-ups are `quick`, whatever may read many rows goes through the `slow` lane, so that no listing makes a log-in
wait. Purges and touches are done in portions, between which other writes get their turn.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ostiary.domain.account import Account
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.stores.rows import prefix_end
from ostiary.stores.sqlite import statements as of
from ostiary.stores.sqlite.lanes import Lane
from ostiary.stores.sqlite.look_ups import LookUps

_PORTION = 500  # rows of one step of a purge or a touch

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where jobs go. `log` is the revocation log's own: a burst of look-ups must not cost a server its lease. `probes`
    are those of its jobs that take some microseconds, mostly."""

    quick: LookUps
    slow: Lane
    log: Lane
    probes: LookUps
    writer: Lane


class Part:
    """What all of them do."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes

    async def purge_portions(self, table: str, where: str, *values: Any, key: str = "id") -> int:
        """Delete what `where` says, a portion at a time; how many rows."""
        statement = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {where} LIMIT {_PORTION})"

        def portion(connection: sqlite3.Connection) -> int:
            return connection.execute(statement, values).rowcount

        gone = 0
        while (now_gone := await self._lanes.writer.submit(portion)) > 0:
            gone += now_gone
        return gone


class Accounts(Part):
    """See the port."""

    async def get(self, account_id: str) -> Account | None:
        return await self._lanes.quick.submit(lambda c: of.ACCOUNTS.one(c, "WHERE id = ?", account_id))

    async def by_username(self, username_key: str) -> Account | None:
        return await self._lanes.quick.submit(lambda c: of.ACCOUNTS.one(c, "WHERE username_key = ?", username_key))

    async def page(self, *, start: str = "", only: str = "", after: str = "", limit: int) -> list[Account]:
        among, end = _AMONG[only], prefix_end(start)
        where, values = f"{among} username_key {'>' if after >= start else '>='} ?", [max(after, start)]
        if start and end is not None:
            where, values = f"{where} AND username_key < ?", [*values, end]
        where = f"{where} ORDER BY username_key LIMIT ?"
        return await self._lanes.slow.submit(lambda c: of.ACCOUNTS.many(c, where, *values, limit))

    async def page_by_email(
        self, *, start: str, only: str = "", after: tuple[str, str] = ("", ""), limit: int
    ) -> list[Account]:
        where, values = f"{_AMONG[only]} email_folded IS NOT NULL AND email_folded >= ?", [start]
        if (end := prefix_end(start)) is not None:
            where, values = f"{where} AND email_folded < ?", [*values, end]
        if after[0] >= start:
            where, values = f"{where} AND (email_folded, id) > (?, ?)", [*values, *after]
        where = f"{where} ORDER BY email_folded, id LIMIT ?"
        return await self._lanes.slow.submit(lambda c: of.ACCOUNTS.many(c, where, *values, limit))

    async def count_enabled_admins(self) -> int:
        statement = "SELECT count(*) FROM accounts WHERE enabled_admin"
        return await self._lanes.slow.submit(lambda c: _number(c, statement))


_AMONG = {
    "": "WHERE",
    "admins": "INDEXED BY accounts_enabled_admin WHERE enabled_admin AND",
    "disabled": "INDEXED BY accounts_disabled WHERE disabled AND",
}
"""They are few: their index, whatever else is asked for."""


class Sessions(Part):
    """See the port."""

    async def get(self, session_id: str) -> Session | None:
        return await self._lanes.quick.submit(lambda c: of.SESSIONS.one(c, "WHERE id = ?", session_id))

    async def by_token_digest(self, digest: bytes) -> Session | None:
        return await self._lanes.quick.submit(lambda c: of.SESSIONS.one(c, "WHERE token_digest = ?", digest))

    async def of_account(self, account_id: str) -> list[Session]:
        where = "WHERE account_id = ? AND ended_at IS NULL ORDER BY id"
        return await self._lanes.quick.submit(lambda c: of.SESSIONS.many(c, where, account_id))

    async def page(self, *, account_id: str = "", kind: str = "", after: str = "", limit: int) -> list[Session]:
        where, values = _filter({"account_id": account_id, "kind": kind})
        where = f"WHERE ended_at IS NULL{where} AND id > ? ORDER BY id LIMIT ?"
        return await self._lanes.slow.submit(lambda c: of.SESSIONS.many(c, where, *values, after, limit))

    async def latest(
        self, *, everything: int, kind: str, before: tuple[float, str] | None = None, limit: int
    ) -> list[Session]:
        where, values = "WHERE ended_at IS NULL AND everything = ? AND kind = ?", list[Any]([everything, kind])
        if before is not None:
            where, values = f"{where} AND (last_seen_at, id) < (?, ?)", [*values, *before]
        where += " ORDER BY last_seen_at DESC, id DESC LIMIT ?"
        return await self._lanes.slow.submit(lambda c: of.SESSIONS.many(c, where, *values, limit))

    async def count_not_ended(self, *, everything: int, now: float, kind: str = "") -> int:
        where, values = _filter({"kind": kind})
        statement = f"SELECT count(*) FROM sessions WHERE ended_at IS NULL{where} AND idle_expires_at > ?"
        statement += " AND everything = ?"
        return await self._lanes.slow.submit(lambda c: _number(c, statement, *values, now, everything))

    async def count_seen(self, *, everything: int, kind: str, since: float) -> int:
        statement = "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND everything = ? AND kind = ?"
        statement += " AND last_seen_at >= ?"
        return await self._lanes.slow.submit(lambda c: _number(c, statement, everything, kind, since))

    async def touch(self, last_seen: Mapping[str, float]) -> None:
        statement = (
            "UPDATE sessions SET last_seen_at = ?, idle_expires_at = min(? + idle_lifetime, expires_at) "
            "WHERE id = ? AND ended_at IS NULL AND last_seen_at < ?"
        )
        seen: list[tuple[Any, ...]] = [(at, at, session_id, at) for session_id, at in last_seen.items()]
        for start in range(0, len(seen), _PORTION):
            await self._lanes.writer.submit(partial(_run_many, statement, seen[start : start + _PORTION]))

    async def purge(self, *, before: float) -> int:
        idle = "ended_at IS NULL AND idle_expires_at < ? AND credential_expires_at < ?"
        ended = "ended_at IS NOT NULL AND ended_at < ? AND credential_expires_at < ?"
        of_idle = await self.purge_portions("sessions", idle, before, before)
        return of_idle + await self.purge_portions("sessions", ended, before, before)


class Throttles(Part):
    """See the port."""

    async def get(self, throttle_id: str) -> Throttle | None:
        return await self._lanes.quick.submit(lambda c: of.THROTTLES.one(c, "WHERE id = ?", throttle_id))

    async def purge(self, *, before: float) -> int:
        return await self.purge_portions("throttles", "last_failure_at < ?", before)


class SigningKeys(Part):
    """See the port."""

    async def all(self) -> list[SigningKey]:
        return await self._lanes.quick.submit(lambda c: of.SIGNING_KEYS.many(c, "ORDER BY id"))


class Clients(Part):
    """See the port."""

    async def get(self, client_id: str) -> Client | None:
        return await self._lanes.quick.submit(lambda c: of.CLIENTS.one(c, "WHERE id = ?", client_id))

    async def page(self, *, after: str = "", limit: int) -> list[Client]:
        where = "WHERE id > ? ORDER BY id LIMIT ?"
        return await self._lanes.slow.submit(lambda c: of.CLIENTS.many(c, where, after, limit))


class SpentOnce(Part):
    """See the port."""

    async def get(self, spent_id: str) -> Spent | None:
        return await self._lanes.quick.submit(lambda c: of.SPENT.one(c, "WHERE id = ?", spent_id))

    async def purge(self, *, before: float) -> int:
        return await self.purge_portions("spent", "until < ?", before)


class Audit(Part):
    """See the port."""

    async def page(
        self, *, account_id: str = "", event: str = "", session_id: str = "", before: str = "", limit: int
    ) -> list[AuditEvent]:
        where, values = _filter({"session_id": session_id, "account_id": account_id, "event": event})
        if before:
            where, values = f"{where} AND id < ?", [*values, before]
        where = f"WHERE TRUE{where} ORDER BY id DESC LIMIT ?"
        return await self._lanes.slow.submit(lambda c: of.AUDIT_EVENTS.many(c, where, *values, limit))

    async def count_since(self, event: str, since: float) -> int:
        statement = "SELECT count(*) FROM audit_events WHERE at >= ? AND event = ?"
        return await self._lanes.slow.submit(lambda c: _number(c, statement, since, event))

    async def purge(self, *, before: float) -> int:
        return await self.purge_portions("audit_events", "at < ?", before)


def _filter(wanted: dict[str, str]) -> tuple[str, list[Any]]:
    """Conditions for those that are not empty."""
    given = {column: value for column, value in wanted.items() if value}
    return "".join(f" AND {column} = ?" for column in given), list(given.values())


def _run_many(statement: str, values: list[tuple[Any, ...]], connection: sqlite3.Connection) -> None:
    connection.executemany(statement, values)


def _number(connection: sqlite3.Connection, statement: str, *values: Any) -> int:
    return int(connection.execute(statement, values).fetchone()[0])
