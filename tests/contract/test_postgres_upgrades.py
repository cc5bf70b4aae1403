"""Upgrading a large PostgreSQL database under load: indexes are built while everybody goes on writing."""

# ruff: noqa: S608 - names of the test itself

import asyncio
import itertools
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.servers.pgbouncer import bouncer
from tests.servers.postgres import Cluster, folder

from ostiary.errors import Unavailable
from ostiary.stores.migrations import HEAD, revisions
from ostiary.stores.port import Add
from ostiary.stores.postgres import PostgresStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio
_names = itertools.count()
_BEFORE = "0007"
_AHEAD = revisions.postgres_indexes(_BEFORE)
_SEEN = next(index for index in _AHEAD if index.table == "sessions")


class Place:
    """A schema of the revision before, of a role of its own, in which a node of that revision is at work."""

    def __init__(self, postgres: Cluster, name: str, node: PostgresStore) -> None:
        self.postgres = postgres
        self.name = name
        self.node = node
        self.fresh = self.indexes()

    @property
    def url(self) -> str:
        return self.postgres.url(user=self.name, schema=self.name, pool_size=3)

    def version(self) -> str:
        return self.postgres.sql(f"SELECT version_num FROM {self.name}.alembic_version")

    def indexes(self) -> dict[str, str]:
        """Name and definition of each, as in a schema that has no name."""
        text = f"SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = '{self.name}'"
        lines = self.postgres.sql(text).replace(f"{self.name}.", "").splitlines()
        return dict(line.split("|", 1) for line in lines)

    def unfinished(self) -> list[str]:
        text = (
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            f"WHERE relnamespace = '{self.name}'::regnamespace AND NOT indisvalid"
        )
        return self.postgres.sql(text).split()

    def held_up(self) -> list[str]:
        """Indexes that are under way for as long as somebody is writing: those of the sessions, which come last."""
        return [name for name in self.unfinished() if name.startswith(_SEEN.ahead)]

    async def patient(self) -> Any:
        """A connection that may take its time, on a machine that is busy otherwise."""
        connection = await self.node._pools.slow._connect()
        for timeout in ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout"):
            await connection.execute(f"SET {timeout} TO 0")
        return connection

    @asynccontextmanager
    async def somebody_writing(self) -> AsyncIterator[None]:
        """A transaction that has written a session and is not over."""
        connection = await self.patient()
        try:
            async with connection.transaction(isolation="read_committed"):
                await connection.execute(f"UPDATE {self.name}.sessions SET kind = kind")
                yield
        finally:
            await connection.close()


@pytest.fixture
async def place(postgres: Cluster, anyio_backend: str) -> AsyncIterator[Place]:
    """The role's transactions keep their first snapshot unless they say otherwise, as some operators want it."""
    name = f"upgrade_{next(_names)}"
    postgres.sql(
        f"CREATE ROLE {name} LOGIN",
        f"ALTER ROLE {name} SET default_transaction_isolation TO 'repeatable read'",
        f"CREATE SCHEMA {name} AUTHORIZATION {name}",
    )
    url = postgres.url(user=name, schema=name, pool_size=3)
    node = await PostgresStore.open(url)
    assert await node.write(Add(builders.session()), Add(builders.account()))
    made = Place(postgres, name, node)
    postgres.sql(
        f"SET ROLE {name}",
        f"SET search_path TO {name}",
        *(f"DROP INDEX {index.name}" for index in _AHEAD),
        "CREATE INDEX accounts_search_username ON accounts (username_key, id)",
        "CREATE INDEX accounts_enabled_admin ON accounts (id) WHERE enabled_admin",
        "CREATE INDEX accounts_disabled ON accounts (id) WHERE disabled",
        f"UPDATE alembic_version SET version_num = '{_BEFORE}'",
    )
    yield made
    await node.close()


async def until(happened: Callable[[], Any], doing: "asyncio.Task[Any] | None" = None) -> None:
    """Wait for something in the database, unless the work that leads to it is over."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(happened):
            assert doing is None or not doing.done(), doing
            await asyncio.sleep(0.02)


def upgrading(url: str) -> "asyncio.Task[PostgresStore]":
    return asyncio.create_task(PostgresStore.open(url))


async def finished(work: Awaitable[PostgresStore]) -> None:
    async with asyncio.timeout(60):
        await (await work).close()


def is_up_to_date(place: Place) -> None:
    assert place.version() == HEAD
    assert place.unfinished() == []
    assert place.indexes() == place.fresh


async def test_everybody_writes_while_indexes_are_built(place: Place) -> None:
    """A node of the version before logs people in while a newer one brings the schema up to date; the result is what a
    new database has."""
    async with place.somebody_writing():
        upgrade = upgrading(place.url)
        await until(place.held_up, upgrade)  # for as long as somebody's transaction lasts
        for number in range(3):
            async with asyncio.timeout(30):
                assert await place.node.write(Add(builders.session(f"meanwhile-{number}")))
        assert place.unfinished()
        assert not upgrade.done()
        assert place.version() == _BEFORE
    await finished(upgrade)
    is_up_to_date(place)


async def test_a_build_that_was_broken_off_is_mended(place: Place, postgres: Cluster) -> None:
    """The server's process dies in the middle of it: the half-made index is in the way of nothing, and the next start
    makes it anew."""
    async with place.somebody_writing():
        upgrade = upgrading(place.url)
        await until(place.held_up, upgrade)
        postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE usename = '{place.name}' AND query LIKE 'CREATE INDEX%'"
        )
        with pytest.raises(Unavailable):
            await upgrade
        assert place.unfinished()
    assert place.version() == _BEFORE
    assert place.unfinished()
    assert await place.node.write(Add(builders.session("between")))

    await finished(upgrading(place.url))

    is_up_to_date(place)


async def test_a_build_whose_client_has_gone_is_waited_for(place: Place, postgres: Cluster) -> None:
    """Who upgraded was killed, and the server goes on building: the next start neither fights it nor does it twice."""
    text = f"CREATE INDEX CONCURRENTLY {_SEEN.ahead} ON {place.name}.{_SEEN.definition}"
    looking = f"SELECT 1 FROM pg_stat_activity WHERE usename = '{place.name}' AND query LIKE '%progress_create%'"
    orphan = await place.patient()
    async with place.somebody_writing():
        building = asyncio.create_task(orphan.execute(text))
        await until(place.held_up, building)
        made = postgres.sql(f"SELECT '{place.name}.{_SEEN.ahead}'::regclass::oid")
        upgrade = upgrading(place.url)
        await until(lambda: postgres.sql(looking), upgrade)
        assert not upgrade.done()
        assert not building.done()
    await building
    await finished(upgrade)
    assert postgres.sql(f"SELECT '{place.name}.{_SEEN.name}'::regclass::oid") == made
    is_up_to_date(place)
    await orphan.close()


async def test_nodes_upgrade_at_once(place: Place) -> None:
    """Of several that start together one does the work, and the others wait without being waited for."""
    async with place.somebody_writing():
        upgrades = [upgrading(place.url) for _ in range(4)]
        await until(place.held_up)
        assert not any(upgrade.done() for upgrade in upgrades)
    await asyncio.gather(*map(finished, upgrades))
    is_up_to_date(place)


def partition_sessions(place: Place) -> None:
    """As an operator may: by id, one part in halves again, and another of a name that has to be quoted."""
    place.postgres.sql(
        f"SET ROLE {place.name}",
        f"SET search_path TO {place.name}",
        "ALTER TABLE sessions RENAME TO whole",
        "CREATE TABLE sessions (LIKE whole INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY HASH (id)",
        'CREATE TABLE "Even, of sessions" PARTITION OF sessions FOR VALUES WITH (MODULUS 2, REMAINDER 0)',
        "CREATE TABLE odd PARTITION OF sessions FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY HASH (id)",
        "CREATE TABLE odd_1 PARTITION OF odd FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE odd_2 PARTITION OF odd FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "INSERT INTO sessions SELECT * FROM whole",
        "DROP TABLE whole",
    )


def parts_of(place: Place, index: str) -> dict[str, str]:
    """Of each table that holds rows: the number of the index that is joined to this one."""
    text = (
        f"SELECT indrelid::regclass, relid::oid FROM pg_partition_tree('{place.name}.{index}') "
        "JOIN pg_index ON indexrelid = relid WHERE isleaf AND indisvalid"
    )
    return dict(line.split("|") for line in place.postgres.sql(f"SET search_path TO {place.name}", text).splitlines())


async def test_everybody_writes_while_indexes_of_partitions_are_built(place: Place) -> None:
    """Where the operator has partitioned the sessions, the index of each part is built while others write, one that was
    left unfinished anew, and the upgrade joins those that were built: it builds none under its lock."""
    partition_sessions(place)
    async with place.somebody_writing():
        upgrade = upgrading(place.url)
        await until(place.held_up, upgrade)
        for number in range(3):
            async with asyncio.timeout(30):
                assert await place.node.write(Add(builders.session(f"meanwhile-{number}")))
        place.postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE usename = '{place.name}' AND query LIKE 'CREATE INDEX%'"
        )
        with pytest.raises(Unavailable):
            await upgrade
        assert place.unfinished()
    assert place.version() == _BEFORE
    async with place.somebody_writing():
        upgrade = upgrading(place.url)
        await until(place.held_up, upgrade)
        assert not upgrade.done()
    await finished(upgrade)

    assert place.version() == HEAD
    assert place.unfinished() == []
    for index in _AHEAD:
        if index.table == "sessions":
            parts = parts_of(place, index.name)
            assert set(parts) == {'"Even, of sessions"', "odd_1", "odd_2"}
            ahead = (
                f"SELECT oid FROM pg_class WHERE relname LIKE '{index.ahead}%' AND relkind = 'i' "
                f"AND relnamespace = '{place.name}'::regnamespace"
            )
            assert sorted(parts.values()) == sorted(place.postgres.sql(ahead).split())
    (found, *_) = await place.node.sessions.page(limit=1)
    assert found is not None


async def test_upgrades_pass_through_a_pooler(place: Place, postgres: Cluster) -> None:
    """PgBouncer gives every transaction another connection: nothing rests on more than one transaction."""
    with folder() as path, bouncer(postgres, path) as port:
        await finished(upgrading(f"postgresql://{place.name}@127.0.0.1:{port}/postgres?schema={place.name}"))
    is_up_to_date(place)


def test_starts_do_not_import_alembic(postgres: Cluster) -> None:
    """M-70: a start that finds the schema up to date costs no import of Alembic or SQLAlchemy."""
    url = postgres.url(schema="up_to_date")
    program = (
        "import sys, asyncio; from ostiary.stores.postgres import PostgresStore\n"
        "async def main() -> None:\n"
        f"    await (await PostgresStore.open({url!r})).close()\n"
        "asyncio.run(main()); sys.exit(9 if {'alembic', 'sqlalchemy'} & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9  # it made the schema
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_revision_builds_an_index_under_its_lock() -> None:
    """Whoever writes the next revision finds out here: an index on a table that is there already is an `Index`."""
    for before, after in itertools.pairwise(f"{number:04}" for number in range(1, int(HEAD) + 1)):
        text = revisions.postgres_statements(before, to=after)
        made_here = re.findall(r"CREATE TABLE (\w+)", text)
        ahead = {index.name for index in revisions.postgres_indexes(before) if index.revision == after}
        for guard, name, table in re.findall(r"CREATE (?:UNIQUE )?INDEX (IF NOT EXISTS )?(\w+) ON (\w+)", text):
            assert table in made_here or (guard and name in ahead), (after, name)
