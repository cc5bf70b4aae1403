"""The revocation log: positions from a counter row, which every write that appends holds until it has committed."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

from ostiary import limits
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import Unavailable
from ostiary.revocation.entry import LOOK, Cursor, Entry, Hint, LogItem, Node, Probe, Scope, bulk
from ostiary.stores.postgres.batches import AT_ONCE, DURABLE
from ostiary.stores.postgres.connecting import Connector
from ostiary.stores.postgres.listening import listen, look
from ostiary.stores.postgres.parts import Part, Pools
from ostiary.stores.postgres.pool import Connection
from ostiary.stores.postgres.statements import Schema
from ostiary.stores.postgres.writing import check_warning

_LARGEST = 2**63 - 1
_SCOPES = {scope.value: scope for scope in Scope}  # a look-up that a million items need
_FORGOTTEN_AFTER = "1 day"  # of a node that was not heard of: far longer than any lease

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else


class Revocations(Part):
    """See the port."""

    def __init__(self, schema: Schema, pools: Pools, connector: Connector) -> None:
        super().__init__(schema, pools)
        self._connector = connector
        log, items, nodes = schema.log, schema.revocations, schema.nodes
        held = f"($3::boolean OR EXISTS (SELECT FROM {items} WHERE position = $1 AND nonce = $2))"
        self._register = (
            f"WITH d(is_on) AS MATERIALIZED ({DURABLE}) INSERT INTO {nodes} (id, seen_at, acknowledged) "
            f"SELECT $4, clock_timestamp(), CASE WHEN {held} THEN $1 ELSE 0 END FROM d "
            "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, acknowledged = excluded.acknowledged"
        )
        self._read = (
            "SELECT g.generation, g.held, i.position, i.nonce, i.scope, i.entry_id, i.value, i.until, "
            f"pg_is_in_recovery() FROM (SELECT generation, {held} AS held FROM {log}) g "
            f"LEFT JOIN LATERAL (SELECT * FROM {items} WHERE position > $1 AND g.held ORDER BY position LIMIT $4) i "
            "ON TRUE ORDER BY i.position"
        )
        self._acknowledge = (
            f"WITH a AS MATERIALIZED ({AT_ONCE}) UPDATE {nodes} SET acknowledged = $1 FROM a WHERE id = $4 AND "
            f"CASE WHEN $3::boolean THEN NOT EXISTS (SELECT FROM {items}) ELSE (SELECT (position, nonce) = ($1, $2) "
            f"FROM {items} ORDER BY position DESC LIMIT 1) END RETURNING TRUE"
        )
        ended = (
            f"(scope = 's' AND value = {ENDED_VERSION} AND length(entry_id) = 26 AND starts_with(entry_id, 'ses_') "
            "AND until BETWEEN 0 AND 1e15)"
        )
        self._packed = (
            "WITH page AS (SELECT count(*) AS count, count(id) AS packed, max(until) AS until, "
            "string_agg(id, '') AS ids, max(position) AS last FROM (SELECT position, "
            f"CASE WHEN {ended} THEN until END AS until, CASE WHEN {ended} THEN substr(entry_id, 5) END AS id "
            f"FROM {items} WHERE position > $1 AND {held} ORDER BY position LIMIT $4) i) "
            f"SELECT g.generation, page.*, (SELECT nonce FROM {items} WHERE position = page.last) FROM {log} g, page"
        )
        self._not_packed = (
            f"SELECT position, nonce, scope, entry_id, value, until FROM {items} "
            f"WHERE position > $1 AND position <= $2 AND NOT {ended} ORDER BY position"
        )
        self._behind = (
            f"SELECT CASE WHEN {held} AND made_at <= clock_timestamp() - make_interval(secs => $4) THEN "
            f"(SELECT count(*) FROM {nodes} WHERE acknowledged < $1 "
            "AND seen_at >= clock_timestamp() - make_interval(secs => $4)) END "
            f"FROM {log}"
        )

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        """The node's own line is committed before the log is read: whoever waits for the nodes, after a commit that
        this answer misses, finds it. And the server that answers has shown just now, after the question was sent, that
        it can commit: what another server commits later is covered by a lease that runs from before."""
        where = _where(cursor)

        async def ask(connection: Connection) -> list[Any]:
            if node:
                connection.warned = False
                await connection.execute(self._register, *where, node)
                check_warning(connection)
            rows: list[Any] = await connection.fetch(self._read, *where, limit + 1)
            return rows

        return _probe(await self._pools.log.run(ask), limit)

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        """A stretch of the log is one group, which is kept as long as its last: what ended together expires together.
        What is not packed is read after it; a purge between the two removes only what has expired."""
        where = _where(cursor)

        async def ask(connection: Connection) -> tuple[Any, list[Any]]:
            found = await connection.fetchrow(self._packed, *where, limits.CATCH_UP_ITEMS)
            count, packed, last = found[1], found[2], found[5]
            others = packed < count and count >= limits.CATCH_UP_LEAST
            return found, await connection.fetch(self._not_packed, where[0], last) if others else []

        (generation, count, packed, until, ids, last, nonce), rest = await self._pools.log.read(ask)
        if count < limits.CATCH_UP_LEAST or nonce is None:
            return None
        reached = Cursor(position=last, nonce=nonce)
        groups = [(math.ceil(until), ids.encode())] if packed else []
        return bulk(generation, reached, groups, [_item(*row) for row in rest])

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        where = _where(cursor)
        return bool(await self._pools.log.run(lambda c: c.fetchval(self._acknowledge, *where, node)))

    async def hints(self) -> AsyncIterator[Hint]:
        if self._connector.can_listen:
            async for hint in listen(self._connector, self._schema.channel):
                yield hint
        else:
            text = f"SELECT position FROM {self._schema.log}"
            async for _ in look(lambda: self._pools.log.run(lambda c: c.fetchval(text))):
                yield LOOK

    async def head(self) -> Cursor:
        text = f"SELECT position, nonce FROM {self._schema.revocations} ORDER BY position DESC LIMIT 1"
        rows = await self._pools.log.read(lambda c: c.fetch(text))
        return Cursor(position=rows[0][0], nonce=rows[0][1]) if rows else Cursor()

    async def nudge(self) -> None:
        text = f"SELECT pg_notify($1, '') FROM ({AT_ONCE}) a"
        await self._pools.log.run(lambda c: c.execute(text, self._schema.channel))

    async def pause(self, seconds: float, *, nodes: int) -> None:  # noqa: ARG002 - nobody tells
        await asyncio.sleep(seconds)

    async def behind(self, cursor: Cursor, *, within: float) -> int | None:
        where = _where(cursor)
        found = await self._pools.log.read(lambda c: c.fetchval(self._behind, *where, within))
        return None if found is None else int(found)

    async def describe(self, node: str, description: str) -> None:
        text = f"UPDATE {self._schema.nodes} SET description = $2 WHERE id = $1"
        await self._pools.log.run(lambda c: c.execute(text, node, description))

    async def nodes(self, *, within: float, limit: int) -> list[Node]:
        text = (
            "SELECT id, extract(epoch FROM clock_timestamp() - seen_at)::double precision, acknowledged, description "
            f"FROM {self._schema.nodes} WHERE seen_at >= clock_timestamp() - make_interval(secs => $1) "
            "ORDER BY seen_at LIMIT $2"
        )
        rows = await self._pools.log.read(lambda c: c.fetch(text, within, limit))
        return [
            Node(name=name, silent=max(0.0, silent), acknowledged=acknowledged, description=description or "")
            for name, silent, acknowledged, description in rows
        ]

    async def leave(self, node: str) -> None:
        text = f"DELETE FROM {self._schema.nodes} WHERE id = $1"
        await self._pools.log.run(lambda c: c.execute(text, node))

    async def purge(self, *, before: float) -> int:
        items, nodes = self._schema.revocations, self._schema.nodes
        await self._purge(nodes, f"seen_at < clock_timestamp() - interval '{_FORGOTTEN_AFTER}'")
        where = f"until < $1 AND position < (SELECT max(position) FROM {items})"
        return await self._purge(items, where, before, key="position")


def _where(cursor: Cursor) -> tuple[int, int, bool]:
    """Position, nonce, and whether it is the beginning, which is always held; no item stands at 0, nor has a nonce of
    -1."""
    possible = 0 < cursor.position <= _LARGEST and 0 <= cursor.nonce <= _LARGEST
    return (cursor.position, cursor.nonce, False) if possible else (0, -1, cursor == Cursor())


def _probe(rows: list[Any], limit: int) -> Probe:
    if not rows or rows[0][8]:
        raise Unavailable(private="postgres: this server is a standby, or its log is not there")
    generation, held = rows[0][:2]
    found = tuple(_item(*row[2:8]) for row in rows[:limit] if row[2] is not None)
    return Probe(generation=generation, matches=bool(held), items=found, complete=bool(held) and len(rows) <= limit)


def _item(position: int, nonce: int, scope: str, entry_id: str, value: int, until: float) -> LogItem:
    return LogItem(
        position=position, nonce=nonce, entry=Entry(scope=_SCOPES[scope], id=entry_id, value=value, until=until)
    )
