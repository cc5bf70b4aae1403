"""The parts of the PostgreSQL store: what each protocol of the port asks, as statements.

Point look-ups go to the `quick` pool, where statements stay prepared. Whatever may read many rows goes to the `slow`
one, where each is planned for the very values that it is asked with: which index serves a search depends on them.
Purges and touches are done in portions, between which other writes get their turn; several nodes may purge at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ostiary.domain.account import Account
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.errors import Unavailable
from ostiary.stores.postgres.errors import WORTH_ANOTHER_TRY
from ostiary.stores.postgres.gathering import Gathering
from ostiary.stores.postgres.pool import Pool
from ostiary.stores.postgres.statements import Schema, Statements
from ostiary.stores.rows import prefix_end

R = TypeVar("R")
_PORTION = 500  # rows of one step of a purge or a touch
_TRIES = 8

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else


@dataclass(frozen=True, slots=True)
class Pools:
    """Where jobs go. `log` is the revocation log's own: a burst of look-ups must not cost a server its lease."""

    quick: Pool
    slow: Pool
    log: Pool


def can_be_stored(*values: object) -> bool:
    """Whether these can be among what the server holds: it has no U+0000, and no halves of characters. Nothing is found
    under others."""
    return not any(isinstance(v, str) and ("\0" in v or not _is_unicode(v)) for v in values)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Part:
    """What all of them need."""

    def __init__(self, schema: Schema, pools: Pools) -> None:
        self._schema = schema
        self._pools = pools

    def _by_id(self, table: Statements[R]) -> Gathering[str, R]:
        text = table.select + "WHERE id = ANY($1::text[])"

        async def fetch(ids: list[str]) -> Iterator[tuple[str, R]]:
            rows = await self._pools.quick.read(lambda c: c.fetch(text, ids))
            return ((row["id"], table.record(row)) for row in rows)

        return Gathering(fetch)

    async def _one(self, table: Statements[R], where: str, *values: Any) -> R | None:
        if not can_be_stored(*values):
            return None
        text = table.select + where
        rows = await self._pools.quick.read(lambda c: c.fetch(text, *values))
        return table.record(rows[0]) if rows else None

    async def _many(self, pool: Pool, table: Statements[R], where: str, *values: Any) -> list[R]:
        if not can_be_stored(*values):
            return []
        text = table.select + where
        rows = await pool.read(lambda c: c.fetch(text, *values))
        return [table.record(row) for row in rows]

    async def _number(self, text: str, *values: Any) -> int:
        if not can_be_stored(*values):
            return 0
        return int(await self._pools.slow.read(lambda c: c.fetchval(text, *values)))

    async def _purge(self, table: str, where: str, *values: Any, key: str = "id") -> int:
        text = (
            f"WITH over AS MATERIALIZED (SELECT {key} FROM {table} WHERE {where} LIMIT {_PORTION} "
            f"FOR UPDATE SKIP LOCKED), gone AS (DELETE FROM {table} USING over WHERE {table}.{key} = over.{key} "
            "RETURNING 1) SELECT count(*) FROM gone"
        )
        gone = 0
        while (now_gone := int(await self._pools.slow.run(lambda c: c.fetchval(text, *values)))) > 0:
            gone += now_gone
        return gone


class Accounts(Part):
    """See the port."""

    def __init__(self, schema: Schema, pools: Pools) -> None:
        super().__init__(schema, pools)
        self._found = self._by_id(schema.accounts)

    async def get(self, account_id: str) -> Account | None:
        return await self._found.get(account_id) if can_be_stored(account_id) else None

    async def by_username(self, username_key: str) -> Account | None:
        return await self._one(self._schema.accounts, "WHERE username_key = $1", username_key)

    async def page(self, *, start: str = "", only: str = "", after: str = "", limit: int) -> list[Account]:
        where, values = (
            f"WHERE {_AMONG[only]} AND username_key {'>' if after >= start else '>='} $1",
            [max(after, start)],
        )
        if start and (end := prefix_end(start)) is not None:
            where, values = f"{where} AND username_key < $2", [*values, end]
        where = f"{where} ORDER BY username_key LIMIT ${len(values) + 1}"
        return await self._many(self._pools.slow, self._schema.accounts, where, *values, limit)

    async def page_by_email(
        self, *, start: str, only: str = "", after: tuple[str, str] = ("", ""), limit: int
    ) -> list[Account]:
        where, values = f"WHERE {_AMONG[only]} AND email_folded >= $1", [start]
        if (end := prefix_end(start)) is not None:
            where, values = f"{where} AND email_folded < ${len(values) + 1}", [*values, end]
        if after[0] >= start:
            place = f"(${len(values) + 1}::text, ${len(values) + 2}::text)"
            where, values = f"{where} AND (email_folded, id) > {place}", [*values, *after]
        where = f"{where} ORDER BY email_folded, id LIMIT ${len(values) + 1}"
        return await self._many(self._pools.slow, self._schema.accounts, where, *values, limit)

    async def count_enabled_admins(self) -> int:
        return await self._number(f"SELECT count(*) FROM {self._schema.accounts.name} WHERE enabled_admin")


_AMONG = {"": "TRUE", "admins": "enabled_admin", "disabled": "disabled"}


class Sessions(Part):
    """See the port."""

    def __init__(self, schema: Schema, pools: Pools) -> None:
        super().__init__(schema, pools)
        self._found = self._by_id(schema.sessions)

    async def get(self, session_id: str) -> Session | None:
        return await self._found.get(session_id) if can_be_stored(session_id) else None

    async def by_token_digest(self, digest: bytes) -> Session | None:
        return await self._one(self._schema.sessions, "WHERE token_digest = $1", digest)

    async def of_account(self, account_id: str) -> list[Session]:
        where = "WHERE account_id = $1 AND ended_at IS NULL ORDER BY id"
        return await self._many(self._pools.quick, self._schema.sessions, where, account_id)

    async def page(self, *, account_id: str = "", kind: str = "", after: str = "", limit: int) -> list[Session]:
        where, values = _filter({"account_id": account_id, "kind": kind}, first=3)
        where = f"WHERE ended_at IS NULL AND id > $1{where} ORDER BY id LIMIT $2"
        return await self._many(self._pools.slow, self._schema.sessions, where, after, limit, *values)

    async def latest(
        self, *, everything: int, kind: str, before: tuple[float, str] | None = None, limit: int
    ) -> list[Session]:
        where, values = "WHERE ended_at IS NULL AND everything = $1 AND kind = $2", list[Any]([everything, kind, limit])
        if before is not None:
            where, values = f"{where} AND (last_seen_at, id) < ($4::double precision, $5::text)", [*values, *before]
        where += " ORDER BY last_seen_at DESC, id DESC LIMIT $3"
        return await self._many(self._pools.slow, self._schema.sessions, where, *values)

    async def count_not_ended(self, *, everything: int, now: float, kind: str = "") -> int:
        where, values = _filter({"kind": kind}, first=3)
        text = (
            f"SELECT count(*) FROM {self._schema.sessions.name} "
            f"WHERE ended_at IS NULL AND idle_expires_at > $1 AND everything = $2{where}"
        )
        return await self._number(text, now, everything, *values)

    async def count_seen(self, *, everything: int, kind: str, since: float) -> int:
        text = (
            f"SELECT count(*) FROM {self._schema.sessions.name} "
            "WHERE ended_at IS NULL AND everything = $1 AND kind = $2 AND last_seen_at >= $3"
        )
        return await self._number(text, everything, kind, since)

    async def touch(self, last_seen: Mapping[str, float]) -> None:
        name = self._schema.sessions.name
        text = (
            f"WITH v(id, at) AS (SELECT * FROM unnest($1::text[], $2::double precision[])), "
            f"seen AS MATERIALIZED (SELECT t.id, v.at FROM {name} t JOIN v ON t.id = v.id "
            "WHERE t.ended_at IS NULL AND t.last_seen_at < v.at ORDER BY t.id FOR UPDATE OF t) "
            f"UPDATE {name} t SET last_seen_at = seen.at, "
            "idle_expires_at = least(seen.at + t.idle_lifetime, t.expires_at) FROM seen "
            "WHERE t.id = seen.id AND t.ended_at IS NULL AND t.last_seen_at < seen.at"
        )
        ids = sorted(session_id for session_id in last_seen if can_be_stored(session_id))
        for start in range(0, len(ids), _PORTION):
            portion = ids[start : start + _PORTION]
            await self._touch(text, portion, [last_seen[session_id] for session_id in portion])

    async def _touch(self, text: str, ids: list[str], instants: list[float]) -> None:
        for left in reversed(range(_TRIES)):
            try:
                await self._pools.slow.run(lambda c: c.execute(text, ids, instants))
                return
            except Unavailable as error:
                if not left or not isinstance(error.__cause__, WORTH_ANOTHER_TRY):
                    raise

    async def purge(self, *, before: float) -> int:
        idle = "ended_at IS NULL AND idle_expires_at < $1 AND credential_expires_at < $1"
        ended = "ended_at IS NOT NULL AND ended_at < $1 AND credential_expires_at < $1"
        name = self._schema.sessions.name
        return await self._purge(name, idle, before) + await self._purge(name, ended, before)


class Throttles(Part):
    """See the port."""

    def __init__(self, schema: Schema, pools: Pools) -> None:
        super().__init__(schema, pools)
        self._found = self._by_id(schema.throttles)

    async def get(self, throttle_id: str) -> Throttle | None:
        return await self._found.get(throttle_id) if can_be_stored(throttle_id) else None

    async def purge(self, *, before: float) -> int:
        return await self._purge(self._schema.throttles.name, "last_failure_at < $1", before)


class SigningKeys(Part):
    """See the port."""

    async def all(self) -> list[SigningKey]:
        return await self._many(self._pools.quick, self._schema.signing_keys, "ORDER BY id")


class Clients(Part):
    """See the port."""

    async def get(self, client_id: str) -> Client | None:
        return await self._one(self._schema.clients, "WHERE id = $1", client_id)

    async def page(self, *, after: str = "", limit: int) -> list[Client]:
        where = "WHERE id > $1 ORDER BY id LIMIT $2"
        return await self._many(self._pools.slow, self._schema.clients, where, after, limit)


class SpentOnce(Part):
    """See the port."""

    async def get(self, spent_id: str) -> Spent | None:
        return await self._one(self._schema.spent, "WHERE id = $1", spent_id)

    async def purge(self, *, before: float) -> int:
        return await self._purge(self._schema.spent.name, "until < $1", before)


class Audit(Part):
    """See the port."""

    async def page(
        self, *, account_id: str = "", event: str = "", session_id: str = "", before: str = "", limit: int
    ) -> list[AuditEvent]:
        where, values = _filter({"session_id": session_id, "account_id": account_id, "event": event}, first=2)
        if before:
            values.append(before)
            where = f"{where} AND id < ${len(values) + 1}"
        where = f"WHERE TRUE{where} ORDER BY id DESC LIMIT $1"
        return await self._many(self._pools.slow, self._schema.audit_events, where, limit, *values)

    async def count_since(self, event: str, since: float) -> int:
        text = f"SELECT count(*) FROM {self._schema.audit_events.name} WHERE at >= $1 AND event = $2"
        return await self._number(text, since, event)

    async def purge(self, *, before: float) -> int:
        return await self._purge(self._schema.audit_events.name, "at < $1", before)


def _filter(wanted: dict[str, str], *, first: int) -> tuple[str, list[Any]]:
    """Conditions for those that are not empty, with placeholders from the number `first` on."""
    given = {column: value for column, value in wanted.items() if value}
    conditions = (f" AND {column} = ${first + at}" for at, column in enumerate(given))
    return "".join(conditions), list(given.values())
