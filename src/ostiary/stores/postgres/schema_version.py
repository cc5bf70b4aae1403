"""Which version a PostgreSQL schema has, and bringing it up to date.

Nodes are upgraded one after the other, so code must work with a schema that is newer than it. A revision that only adds
(*expand*) leaves `schema_floors.oldest` as it is; one that takes away what older code needs (*contract*) is released
later, and raises it. Code works with a schema if its own version is not below that floor.

Whoever upgrades holds an advisory lock until the commit: of several nodes that start at once on an empty database, one
makes it, and the others find it made. Indexes on tables that may be large are built before, under that lock, by a
second connection, so that everybody can go on writing; then the rest is one short transaction.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import asyncpg

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.migrations import HEAD
from ostiary.stores.postgres.connecting import Connector, first_connection
from ostiary.stores.postgres.indexes import build_ahead
from ostiary.stores.postgres_url import PostgresUrl

DEFAULT_SCHEMA = "ostiary"
_READ_SECONDS = 10.0
_LOCK_MILLISECONDS = 5000  # that a statement waits for a table: while it waits, everybody else waits behind it
_PATIENCE_SECONDS = 600.0  # that an index waits for one transaction which began before it; nobody waits behind it
_TURN_SECONDS = 0.1  # between looks whether another node's upgrade is over
_NONCES = 2**53 - 1  # what JSON carries everywhere

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else


@dataclass(frozen=True, slots=True)
class Found:
    """`version` is None if there is nothing yet; `oldest` is the version of the oldest code that may work with it."""

    version: str | None
    oldest: str | None = None


def will_do(found: Found) -> bool:
    """Whether this code can work with it as it is."""
    if found.version is None or found.oldest is None:
        return False
    return found.version == HEAD or (found.version > HEAD and found.oldest <= HEAD)


async def prepare(connector: Connector, connection: Any, name: str, *, migrate: bool) -> None:
    """Let the schema be one that `will_do`. Raises Misconfigured, Unavailable, and the driver's own errors."""
    if await connection.fetchval("SELECT current_setting('server_encoding')") != "UTF8":
        raise Misconfigured("The PostgreSQL database is not encoded in UTF-8: make one with ENCODING 'UTF8'.")
    found = await read(connection, name)
    if found.version is None or found.version < HEAD:
        if not migrate:
            raise Misconfigured("The database has another schema than this program; run `ostiary db upgrade`.")
        found = await upgrade(connector, connection, name)
    if not will_do(found):
        raise Misconfigured("The database was made by a newer version of Ostiary; install that version.")


async def agree(connection: Any, name: str, fingerprint: str) -> None:
    """Raises Misconfigured if the nodes of this store have another secret key, and the driver's own errors."""
    known = f'SELECT fingerprint FROM "{name}".secret_keys'
    if await connection.fetchval(known) is None:
        await connection.execute(
            f'INSERT INTO "{name}".secret_keys (id, fingerprint) VALUES (1, $1) ON CONFLICT DO NOTHING', fingerprint
        )
    if await connection.fetchval(known) != fingerprint:
        raise Misconfigured("The store was made with another secret_key; start with that one.")


async def found_at(url: PostgresUrl) -> Found:
    """What is there, as it is. Raises Misconfigured or Unavailable."""
    async with first_connection(url, within=_READ_SECONDS) as (_, connection):
        return await read(connection, url.schema or DEFAULT_SCHEMA)


async def read(connection: Any, name: str) -> Found:
    """Raises Misconfigured if somebody else's tables are there; the driver's own errors."""
    # One statement, of one moment: between two, another node may have made the schema. And the catalogue itself, since
    # to_regclass answers from what this connection remembers of it, which an advisory lock does not bring up to date.
    tables = "SELECT count(*) > 0, count(*) FILTER (WHERE tablename = 'schema_floors') > 0 FROM pg_tables"
    ((some, ours),) = await connection.fetch(f"{tables} WHERE schemaname = $1", name)
    if not ours:
        if some:
            raise Misconfigured(f"The PostgreSQL schema {name} belongs to another program: name another one.")
        return Found(None)
    row = await connection.fetch(
        f'SELECT (SELECT version_num FROM "{name}".alembic_version), (SELECT oldest FROM "{name}".schema_floors)'
    )
    return Found(*row[0])


async def upgrade(connector: Connector, connection: Any, name: str) -> Found:
    """To `HEAD`, all or nothing but for indexes that take their place another time; nothing if somebody else was
    quicker. Raises the driver's own errors too."""
    try:
        while True:
            # READ COMMITTED whatever the server's default: a snapshot that stays would have the indexes wait for it
            async with connection.transaction(isolation="read_committed"):
                if await _has_turn(connection, name):
                    return await _upgrade(connector, connection, name)
            await asyncio.sleep(_TURN_SECONDS)
    except asyncpg.LockNotAvailableError as error:
        message = "Others were using the tables for too long: run `ostiary db upgrade` again when less is going on."
        raise Unavailable(message, private="postgres: lock timeout while upgrading") from error


async def _has_turn(connection: Any, name: str) -> bool:
    """Asked, not waited for: a statement that waits keeps a snapshot, for which the winner's indexes would wait."""
    text = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"
    return bool(await connection.fetchval(text, f"ostiary.{name}"))


async def _upgrade(connector: Connector, connection: Any, name: str) -> Found:
    found = await read(connection, name)
    if found.version is not None and found.version >= HEAD:
        return found
    # A statement without parameters: it closes what the driver has left open of the one before, and with that gives up
    # the last snapshot, for which an index would wait.
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout TO 0")
    from ostiary.stores.migrations import revisions  # after that, for Alembic may take seconds

    if found.version is not None:
        await _build_indexes(connector, name, found.version)
    await connection.execute(f"SET LOCAL search_path TO \"{name}\"; SET LOCAL synchronous_commit TO 'on'")
    await connection.execute(f"SET LOCAL lock_timeout TO {_LOCK_MILLISECONDS}")
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", name):
        await connection.execute(f'CREATE SCHEMA "{name}"')
    await connection.execute(revisions.postgres_statements(found.version))
    await _seed(connection)
    return await read(connection, name)


async def _build_indexes(connector: Connector, name: str, version: str) -> None:
    from ostiary.stores.migrations import revisions

    indexes = revisions.postgres_indexes(version)
    if not indexes:
        return
    # past a pooler where one can: it may have limits of its own
    building = await connector.connect(longest=_PATIENCE_SECONDS, prepares=False, direct=True)
    try:
        if not connector.pooled or connector.can_listen:
            await building.execute("SET statement_timeout TO 0")  # a large table takes as long as it takes
        await build_ahead(building, name, indexes)
    finally:
        building.terminate()


async def _seed(connection: Any) -> None:
    """What exists from the moment a store was made."""
    await connection.execute(
        "INSERT INTO issuers (id, everything, lease, created_at, revision) VALUES ('issuer', 0, 0, 0, 1) "
        "ON CONFLICT DO NOTHING"
    )
    await connection.execute(
        "INSERT INTO revocation_logs (id, generation, position, made_at) VALUES (1, $1, 0, clock_timestamp()) "
        "ON CONFLICT DO NOTHING",
        1 + secrets.randbelow(_NONCES),
    )
    await connection.execute("INSERT INTO schema_floors (id, oldest) VALUES (1, $1) ON CONFLICT DO NOTHING", HEAD)
