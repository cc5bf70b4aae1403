"""Building indexes while everybody goes on writing.

`CREATE INDEX CONCURRENTLY` cannot stand in a transaction, so nothing undoes it: a build that is broken off leaves an
index that is kept up and never used (`INVALID`). It waits for every transaction that may still see the table as it was
before, which no process of ours may be while it waits for this one; whoever upgrades holds no snapshot meanwhile.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ostiary.stores.migrations.indexes import Index  # not otherwise: it imports Alembic

log = logging.getLogger("ostiary.postgres")

_LOOK_SECONDS = 0.2  # between looks for a build to be over that somebody else began


class _Place(NamedTuple):
    """A table that holds rows, and what its index is called; both with their schema, quoted."""

    table: str
    schema: str
    called: str

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.called}"


async def build_ahead(connection: Any, name: str, indexes: "Iterable[Index]") -> None:
    """Let each of them be there, valid, under the name that it has before its revision, or on each partition of its
    table. `connection`: in no transaction. For one process at a time. Raises the driver's own errors."""
    for index in indexes:
        for place in await _places(connection, name, index):
            await _build(connection, place, index)


async def _build(connection: Any, place: _Place, index: "Index") -> None:
    while (valid := await _is_valid(connection, place)) is not True:
        if valid is None:
            log.info("building the index %s; others go on reading and writing meanwhile", place.called)
            await connection.execute(f"CREATE INDEX CONCURRENTLY {place.called} ON {place.table} {index.what}")
        elif await _is_being_built(connection, place):
            await asyncio.sleep(_LOOK_SECONDS)  # by a server process whose client has gone: it goes on to its end
        else:
            log.info("the index %s was left unfinished: it is built anew", place.called)
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {place.qualified}")


async def _places(connection: Any, name: str, index: "Index") -> list[_Place]:
    """The table, or its partitions, down to those that have none of their own. None if it is not there yet."""
    table = f'"{name}".{index.table}'
    kind = await connection.fetchval("SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)", table)
    if kind == "r":
        return [_Place(table, f'"{name}"', index.ahead)]
    if kind != "p":
        return []
    leaves = (
        "SELECT relid::oid::bigint AS id, quote_ident(nspname) AS schema, quote_ident(relname) AS name"
        " FROM pg_partition_tree(to_regclass($1)) JOIN pg_class ON pg_class.oid = relid"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind = 'r' ORDER BY 1"
    )
    # an index is called after its partition's number: names of partitions are the operator's, and may be long
    return [
        _Place(f"{leaf['schema']}.{leaf['name']}", leaf["schema"], f"{index.ahead}_{leaf['id']}")
        for leaf in await connection.fetch(leaves, table)
    ]


async def _is_valid(connection: Any, place: _Place) -> bool | None:
    """None if there is none."""
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
    found: bool | None = await connection.fetchval(valid, place.qualified)
    return found


async def _is_being_built(connection: Any, place: _Place) -> bool:
    building = "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = to_regclass($1))"
    return bool(await connection.fetchval(building, place.qualified))
