"""Building indexes while everybody goes on writing.

`CREATE INDEX CONCURRENTLY` cannot stand in a transaction, so nothing undoes it: a build that is broken off leaves an
index that is kept up and never used (`INVALID`). It waits for every transaction that may still see the table as it was
before, which no process of ours may be while it waits for this one; whoever upgrades holds no snapshot meanwhile.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ostiary.stores.migrations.indexes import Index  # not otherwise: it imports Alembic

log = logging.getLogger("ostiary.postgres")

_LOOK_SECONDS = 0.2  # between looks for a build to be over that somebody else began


async def build_ahead(connection: Any, name: str, indexes: "Iterable[Index]") -> None:
    """Let each of them be there, valid, under the name that it has before its revision. `connection`: in no
    transaction. For one process at a time. Raises the driver's own errors."""
    for index in indexes:
        if not await _can_be_built(connection, name, index):
            continue
        while (valid := await _is_valid(connection, name, index)) is not True:
            if valid is None:
                log.info("building the index %s; others go on reading and writing meanwhile", index.ahead)
                await connection.execute(f'CREATE INDEX CONCURRENTLY {index.ahead} ON "{name}".{index.definition}')
            elif await _is_being_built(connection, name, index):
                await asyncio.sleep(_LOOK_SECONDS)  # by a server process whose client has gone: it goes on to its end
            else:
                log.info("the index %s was left unfinished: it is built anew", index.ahead)
                await connection.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}".{index.ahead}')


async def _can_be_built(connection: Any, name: str, index: "Index") -> bool:
    """An ordinary table, that is: one that the operator has partitioned gets its index in the upgrade itself."""
    kind = "SELECT relkind = 'r' FROM pg_class WHERE oid = to_regclass($1)"
    return bool(await connection.fetchval(kind, f'"{name}".{index.table}'))


async def _is_valid(connection: Any, name: str, index: "Index") -> bool | None:
    """None if there is none."""
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
    found: bool | None = await connection.fetchval(valid, f'"{name}".{index.ahead}')
    return found


async def _is_being_built(connection: Any, name: str, index: "Index") -> bool:
    building = "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = to_regclass($1))"
    return bool(await connection.fetchval(building, f'"{name}".{index.ahead}'))
