"""The revocation log: positions from a counter row, which every write that appends holds until it has committed."""

from ostiary.revocation.entry import Cursor, Entry, LogItem, Probe, Scope
from ostiary.stores.postgres.parts import Part

_LARGEST = 2**63 - 1

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else


class Revocations(Part):
    """See the port."""

    async def probe(self, cursor: Cursor, limit: int) -> Probe:
        position = cursor.position if 0 <= cursor.position <= _LARGEST else 0  # no item stands at 0
        nonce = cursor.nonce if 0 <= cursor.nonce <= _LARGEST else -1
        log, items = self._schema.log, self._schema.revocations
        text = (
            "SELECT g.generation, g.matches, i.position, i.nonce, i.scope, i.entry_id, i.value, i.until "
            f"FROM (SELECT generation, $4::boolean OR EXISTS (SELECT FROM {items} WHERE position = $1 AND nonce = $2) "
            f"AS matches FROM {log}) g "
            f"LEFT JOIN LATERAL (SELECT * FROM {items} WHERE position > $1 AND g.matches ORDER BY position LIMIT $3) i "
            "ON TRUE ORDER BY i.position"
        )
        first = cursor == Cursor()
        rows = await self._pools.log.read(lambda c: c.fetch(text, position, nonce, limit + 1, first))
        generation, matches = rows[0][0], rows[0][1]
        found = tuple(
            LogItem(
                position=position, nonce=nonce, entry=Entry(scope=Scope(scope), id=entry_id, value=value, until=until)
            )
            for _, _, position, nonce, scope, entry_id, value, until in rows[:limit]
            if position is not None
        )
        return Probe(generation=generation, matches=matches, items=found, complete=matches and len(rows) <= limit)

    async def changed(self) -> bool:
        return True

    async def purge(self, *, before: float) -> int:
        items = self._schema.revocations
        where = f"until < $1 AND position < (SELECT max(position) FROM {items})"
        return await self._purge(items, where, before, key="position")
