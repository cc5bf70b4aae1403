"""What PostgreSQL needs beyond the contract: order of the log, round trips, locks, durability, roles, versions."""

# ruff: noqa: S608 - names of the test itself

import asyncio
import contextlib
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.servers.postgres import Cluster

from ostiary.domain.account import Issuer
from ostiary.domain.session import EndReason
from ostiary.errors import InvalidRequest, Misconfigured, Unavailable
from ostiary.revocation.entry import LOOK, Cursor
from ostiary.stores import postgres_url
from ostiary.stores.migrations import HEAD
from ostiary.stores.port import Add, Append, Change, Expect, Remove, Swap
from ostiary.stores.postgres import PostgresStore, schema_version
from ostiary.stores.postgres import store as store_module
from ostiary.stores.postgres.connecting import first_connection
from ostiary.stores.postgres.pool import Pool
from ostiary.testing import builders

pytestmark = pytest.mark.anyio
_names = itertools.count()


@pytest.fixture
def schema() -> str:
    return f"detail_{next(_names)}"


@pytest.fixture
def url(postgres: Cluster, schema: str) -> str:
    return postgres.url(schema=schema, pool_size=4)


async def patient(store: PostgresStore) -> Any:
    """Somebody else's connection, whose transaction lasts as long as a busy machine needs."""
    session = await store._pools.slow._connect()
    for timeout in ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout"):
        await session.execute(f"SET {timeout} TO 0")
    return session


def logged(server: Cluster, words: str) -> int:
    """How often they stand in the server's log: what has gone wrong there is told to it before it is to a caller. (Its
    statistics come later, those of an earlier test, too.)"""
    return (server.folder / "log").read_text().count(words)


def failed_statements(server: Cluster, schema: str) -> int:
    """How many have failed that name a table of this schema. Those of other tests may still fail meanwhile."""
    lines = (server.folder / "log").read_text().splitlines()
    return sum("STATEMENT:" in line and f'"{schema}".' in line for line in lines)


@pytest.fixture
async def store(url: str, anyio_backend: str) -> AsyncIterator[PostgresStore]:
    made = await PostgresStore.open(url)
    yield made
    await made.close()


# --- The log ----------------------------------------------------------------------------------------------------------


async def test_no_item_is_skipped_however_many_write(store: PostgresStore, url: str) -> None:
    """Flaw class: a sequence gives numbers in another order than transactions commit, and a follower that was faster
    never sees those that came late. Eight writers through two nodes, some of whose writes fail; positions are dense."""
    other = await PostgresStore.open(url)
    assert await store.write(Add(builders.account()))
    done = 0
    stale = Expect(builders.account(revision=9))

    async def write(which: PostgresStore, name: str) -> None:
        nonlocal done
        for at in range(25):
            if at % 5 == 4:
                assert not await which.write(Append(builders.entry("never")), stale)
            entries = [Append(builders.entry(f"{name}-{at}-{i}")) for i in range(1 + at % 2)]
            assert await which.write(Add(builders.session(f"{name}-{at}")), *entries)
            done += len(entries)

    async def follow() -> list[tuple[int, str]]:
        cursor, seen = Cursor(), list[tuple[int, str]]()
        while True:
            finished = writing.done()
            probe = await other.revocations.probe(cursor, 50, node="follower")
            assert probe.matches
            seen += [(item.position, item.entry.id) for item in probe.items]
            if probe.items:
                cursor = Cursor(position=probe.items[-1].position, nonce=probe.items[-1].nonce)
            if finished and probe.complete:
                return seen

    writers = [write(which, f"{name}{at}") for at in range(4) for which, name in ((store, "a"), (other, "b"))]
    writing = asyncio.gather(*writers)
    seen = await follow()
    await writing
    assert [position for position, _ in seen] == list(range(1, done + 1))
    assert len({entry for _, entry in seen}) == done
    await other.close()


async def test_a_notification_that_would_be_too_long_says_look(store: PostgresStore) -> None:
    """PostgreSQL takes less than 8000 bytes; a write of many entries must not fail for that."""
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    assert await store.write(*(Append(builders.entry(f"session-{i:040}")) for i in range(200)))
    assert await anext(hints) == LOOK
    assert await store.write(Append(builders.entry("short")))
    stands = await store.revocations.head()
    hint = await anext(hints)
    assert (hint.entries, hint.reached) == ((builders.entry("short"),), stands)
    assert hint.after is not None
    assert hint.after.position == stands.position - 1
    assert len((await store.revocations.probe(Cursor(), 1000)).items) == 201


async def test_a_log_made_anew_is_another_one(store: PostgresStore, url: str, postgres: Cluster, schema: str) -> None:
    """M-32: a node that is still connected finds another generation, not an empty log that agrees with it."""
    assert await store.write(Append(builders.entry()))
    before = await store.revocations.probe(Cursor(), 10, node="n")
    postgres.sql(f"DROP SCHEMA {schema} CASCADE")
    await (await PostgresStore.open(url)).close()
    after = await store.revocations.probe(Cursor(position=1, nonce=before.items[0].nonce), 10, node="n")
    assert not after.matches
    assert after.generation != before.generation
    assert await store.write(Add(builders.account()))


# --- Writes -----------------------------------------------------------------------------------------------------------

_account = builders.account(revision=1)
_old = [builders.session(f"old-{i}", revision=1) for i in range(3)]
USUAL: dict[str, list[Change]] = {
    "sign-up": [Add(builders.account("new")), Add(builders.audit_event("1"))],
    "login": [Swap(_account), Add(builders.session("s")), Add(builders.audit_event("1"))],
    "login over the cap": [
        Swap(_account),
        Add(builders.session("s")),
        Swap(replace(_old[0], ended_at=1.0)),
        Append(builders.entry("old-0")),
        Add(builders.audit_event("1")),
        Add(builders.audit_event("2")),
    ],
    "refresh": [Swap(replace(_old[0], last_seen_at=2.0), _old[0]), Expect(_account), Expect(Issuer(revision=1))],
    "logout": [
        Swap(replace(_old[0], ended_at=1.0, end_reason=EndReason.LOGOUT)),
        Append(builders.entry("old-0")),
        Add(builders.audit_event("1")),
    ],
    "password": [
        Swap(replace(_account, epoch=1)),
        *(Swap(replace(old, ended_at=1.0)) for old in _old),
        Append(builders.entry("old-0")),
        Append(builders.entry("old-1")),
        Add(builders.audit_event("1")),
    ],
    "removal": [Remove(_account), *(Remove(old) for old in _old)],
    "attempt": [Add(builders.throttle("a")), Add(builders.throttle("b"))],
    "import": [Add(builders.account(f"a{i}")) for i in range(100)],
}


@pytest.mark.parametrize("name", USUAL)
async def test_a_write_is_one_round_trip(store: PostgresStore, name: str) -> None:
    """Whatever it changes: one statement, which is its own transaction; latency is that of one commit."""
    await store.write(Add(_account), *(Add(old) for old in _old))
    sent: list[str] = []
    for connection in store._pools.quick._idle:
        connection.add_query_logger(lambda record: sent.append(record.query))
    opened = store._pools.quick._open
    assert await store.write(*USUAL[name])
    await asyncio.sleep(0)
    assert store._pools.quick._open == opened
    assert len(sent) == 1


async def test_writes_wait_for_each_other_in_one_order(store: PostgresStore, url: str, postgres: Cluster) -> None:
    """Flaw class: two writes lock the same rows the other way round, and PostgreSQL ends one of them after a second."""
    other = await PostgresStore.open(url)
    names = [f"t{i}" for i in range(6)]
    await store.write(*(Add(builders.throttle(name)) for name in names), Add(builders.account()))
    before = logged(postgres, "deadlock detected")

    async def swap(which: PostgresStore, order: list[str]) -> None:
        for _ in range(15):
            found = [await which.throttles.get(name) for name in order]
            account = await which.accounts.get("account-1")
            assert account is not None
            changes: list[Change] = [Swap(throttle) for throttle in found if throttle is not None]
            await which.write(*changes, Swap(account) if order[0] == "t0" else Expect(account))

    orders = [names, names[::-1], names[3:] + names[:3], names[::2] + names[1::2]]
    await asyncio.gather(*(swap(which, order) for which in (store, other) for order in orders))
    assert logged(postgres, "deadlock detected") == before
    await other.close()


async def test_a_deadlock_with_somebody_else_is_tried_again(
    url: str, postgres: Cluster, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that the server undid for the sake of another one is done again, not reported."""
    monkeypatch.setattr(store_module, "_QUICK_SECONDS", 60.0)
    postgres.sql(f"CREATE ROLE {schema} LOGIN SUPERUSER", f"ALTER ROLE {schema} SET deadlock_timeout = '3s'")
    store = await PostgresStore.open(url.replace("postgres@", f"{schema}@"))
    await store.write(Add(builders.throttle("a")), Add(builders.throttle("b")))
    session = await patient(store)
    try:
        # so that it is ours that is ended: the server looks once, when ours has waited for so long
        await session.execute("SET deadlock_timeout = '1min'")
        before = logged(postgres, "deadlock detected")
        transaction = session.transaction()
        await transaction.start()
        await session.execute(f"UPDATE {schema}.throttles SET failures = 5 WHERE id = 'b'")
        swaps = [Swap(builders.throttle(name, failures=9, revision=1)) for name in "ab"]
        writing = asyncio.create_task(store.write(*swaps))
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid"
        while not await session.fetchval(waits):
            assert not writing.done()
            await asyncio.sleep(0.002)
        await session.execute(f"UPDATE {schema}.throttles SET failures = 5 WHERE id = 'a'")
        await transaction.commit()
        assert await writing is True
        # more than once, if ours is back before the session has gone on
        assert logged(postgres, "deadlock detected") > before
        assert [(await store.throttles.get(name)) for name in "ab"] == [
            builders.throttle(name, failures=9, revision=2) for name in "ab"
        ]
    finally:
        await session.close()
        await store.close()


@pytest.mark.parametrize(
    "others", [(), (Swap(_old[2]), Swap(replace(_old[2], revision=2)))], ids=["one statement", "one after the other"]
)
async def test_a_refresh_locks_no_row_that_all_refreshes_expect(
    store: PostgresStore, schema: str, others: tuple[Change, ...]
) -> None:
    """The issuer's row is seen, not locked: a refresh goes on while somebody is about to change it, and is refused once
    that is committed. (One that names a record twice is a transaction of several statements.)"""
    await store.write(Add(_account), *(Add(old) for old in _old))
    expected = [Expect(_account), Expect(Issuer(revision=1))]
    session = await patient(store)
    try:
        transaction = session.transaction()
        await transaction.start()
        await session.execute(f"UPDATE {schema}.issuers SET revision = 2, everything = 1")
        assert await store.write(Swap(_old[0], _old[0]), *expected, *others)
        await transaction.commit()
        assert not await store.write(Swap(replace(_old[0], revision=2)), *expected)
    finally:
        await session.close()


async def test_a_lost_race_is_no_error_of_the_server(store: PostgresStore, postgres: Cluster, schema: str) -> None:
    """Nothing is undone and nothing is logged for what happens all the time."""
    await store.write(Add(builders.session()), Add(builders.account()))
    before = failed_statements(postgres, schema)
    stale = builders.session(revision=7)
    for changes in ([Swap(stale)], [Swap(stale), Expect(_account)], [Swap(stale), Append(builders.entry())]):
        assert not await store.write(*changes)
    assert failed_statements(postgres, schema) == before


async def test_a_role_that_serialises_everything_changes_nothing(postgres: Cluster, schema: str) -> None:
    """Flaw class: under another isolation than the one that statements were written for, writers of the log fail each
    other."""
    postgres.sql(
        f"CREATE ROLE {schema} LOGIN SUPERUSER", f"ALTER ROLE {schema} SET default_transaction_isolation = serializable"
    )
    store = await PostgresStore.open(postgres.url(user=schema, schema=schema))
    assert await store.write(Add(builders.account()))
    before = failed_statements(postgres, schema)
    done = await asyncio.gather(
        *(
            store.write(Append(builders.entry(f"e{i}")), Expect(_account), Add(builders.session(f"s{i}")))
            for i in range(60)
        )
    )
    assert done == [True] * 60
    assert failed_statements(postgres, schema) == before
    await store.close()


async def test_who_expects_what_they_change_waits_for_nobody(postgres: Cluster, url: str) -> None:
    """Everything of an account ended by each of its sessions at once, on condition that this one is live: they are one
    after the other, and the server never has to end one of two that wait for each other."""
    store = await PostgresStore.open(url)
    account, sessions = builders.account(revision=1), [builders.session(f"s{i}", revision=1) for i in range(4)]
    await store.write(Add(builders.account()), *(Add(builders.session(session.id)) for session in sessions))
    before = logged(postgres, "deadlock detected")
    issuer = await store.issuer()
    changes = (Swap(issuer), Swap(account), *(Swap(replace(session, ended_at=1.0)) for session in sessions))
    done = await asyncio.gather(
        *(store.write(Expect(issuer), Expect(session), Expect(account), *changes) for session in sessions)
    )
    assert sorted(done) == [False] * 3 + [True]
    assert logged(postgres, "deadlock detected") == before

    now = replace(account, revision=2)
    assert await store.write(Expect(account), Swap(now)) is False
    assert await store.write(Expect(replace(account, revision=3)), Swap(now), Swap(replace(now, revision=3))) is False
    assert await store.write(Swap(now), Expect(now)) is False
    assert await store.write(Expect(now), Swap(now), Expect(replace(now, revision=3)), Remove(replace(now, revision=3)))
    assert await store.accounts.get(account.id) is None
    await store.close()


@pytest.mark.parametrize("level", ["off", "local", "remote_write"])
async def test_commits_are_durable_whatever_the_role_was_told(
    postgres: Cluster, store: PostgresStore, schema: str, level: str
) -> None:
    """M-05: `synchronous_commit = off` would let an acknowledged logout be forgotten. What asks for more is left."""
    postgres.sql(
        f"SET search_path TO {schema}",
        "CREATE TABLE seen (at text, level text)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN INSERT INTO {schema}.seen VALUES (TG_TABLE_NAME, current_setting('synchronous_commit')); "
        "RETURN NULL; END$$",
        *(
            f"CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION note()"
            for table in ("throttles", "revocations", "nodes")
        ),
        f"CREATE ROLE {schema}_{level} LOGIN SUPERUSER",
        f"ALTER ROLE {schema}_{level} SET synchronous_commit = {level}",
    )
    careless = await PostgresStore.open(postgres.url(user=f"{schema}_{level}", schema=schema))
    assert await careless.write(Add(builders.throttle("at once")), Append(builders.entry()))
    again = builders.throttle("at once", revision=1)
    assert await careless.write(Swap(again), Swap(replace(again, revision=2)))
    await careless.revocations.probe(Cursor(), 10, node="n")
    seen = postgres.sql(f"SELECT DISTINCT at, level FROM {schema}.seen ORDER BY at").splitlines()
    expected = level if level == "remote_write" else "on"
    assert seen == [f"nodes|{expected}", f"revocations|{expected}", f"throttles|{expected}"]
    await careless.close()


@pytest.mark.parametrize(
    "text", ["a\0b", "\0", "\ud800", "x\udfff"], ids=["zero", "only zero", "high half", "low half"]
)
async def test_what_cannot_be_stored_is_refused_and_not_found(store: PostgresStore, text: str) -> None:
    """A value that the server would refuse is the caller's mistake; under such an id there is nothing."""
    for record in (
        builders.account(text),
        builders.account("a", display_name=text),
        builders.account("a", roles=(text,)),
        builders.session("s", client_label=text),
        builders.throttle(text),
        builders.audit_event("e", detail=text),
    ):
        if isinstance(record, type(_account)) and record.roles == (text,) and text.startswith(("a\0", "\0")):
            continue  # a list is kept as JSON, in which U+0000 is written out
        with pytest.raises(InvalidRequest) as caught:
            await store.write(Add(record))
        assert text not in str(caught.value) + caught.value.private
    with pytest.raises(InvalidRequest):
        await store.write(Add(builders.throttle("t", failures=2**63)))
    assert await store.accounts.get(text) is None
    assert await store.accounts.by_username(text) is None
    assert await store.accounts.page(start=text, limit=3) == []
    assert await store.sessions.page(account_id=text, limit=3) == []
    assert await store.audit.page(event=text, limit=3) == []
    await store.sessions.touch({text: 1.0})
    assert await store.write(Add(builders.account("a")))


async def test_one_connection_serves_everybody(postgres: Cluster, schema: str) -> None:
    """A small pool makes callers wait, not fail."""
    store = await PostgresStore.open(postgres.url(schema=schema, pool_size=1))
    writes = [store.write(Add(builders.account(f"a{i}"))) for i in range(60)]
    looks = [store.accounts.by_username(f"a{i}") for i in range(60)]
    done = await asyncio.gather(*writes, *looks)
    assert done[:60] == [True] * 60
    assert store._pools.quick._open == 1
    await store.close()


# --- Versions, roles, the way there -----------------------------------------------------------------------------------


def test_first_starts_at_once(url: str, postgres: Cluster, schema: str) -> None:
    """Four processes on an empty database: all come up, and there is one log."""
    child = [sys.executable, str(Path(__file__).with_name("postgres_child.py")), url]
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(child, stdout=subprocess.DEVNULL)) for _ in range(4)]
        assert [process.wait() for process in processes] == [0] * 4
    counts = f"SELECT (SELECT count(*) FROM {schema}.issuers), (SELECT count(*) FROM {schema}.revocation_logs)"
    assert postgres.sql(counts) == "1|1"


async def test_who_was_slower_finds_what_was_made_in_its_own_transaction(url: str, schema: str) -> None:
    """Of nodes that start at once, whoever gets the turn second has begun its transaction, and has looked, before the
    first was done: it finds the finished schema, not tables of a stranger."""
    async with first_connection(postgres_url.parse(url), within=10) as (_, connection):
        assert await schema_version.read(connection, schema) == schema_version.Found(None)
        async with connection.transaction():
            await (await PostgresStore.open(url)).close()
            assert (await schema_version.read(connection, schema)).version == HEAD


async def test_tables_have_the_columns_of_the_records(store: PostgresStore, postgres: Cluster, schema: str) -> None:
    """A field that a record gains needs a revision, and each column has the type that statements name."""
    for statements in store._schema.of.values():
        text = (
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = '{schema}' AND table_name = '{statements.table.name}'"
        )
        found = dict(line.split("|") for line in postgres.sql(text).splitlines())
        assert found == dict(zip(statements.table.columns, statements.types, strict=True))


async def test_code_works_with_a_schema_that_only_grew(
    store: PostgresStore, url: str, postgres: Cluster, schema: str
) -> None:
    """Nodes are upgraded one after the other: what a newer one added must not stop an older one; what it took away
    must."""
    postgres.sql(
        f"SET search_path TO {schema}",
        "ALTER TABLE sessions ADD COLUMN novelty text",
        "UPDATE alembic_version SET version_num = '9999'",
    )
    await store.check()
    assert await store.write(Add(builders.session()))
    older = await PostgresStore.open(url)
    assert await older.sessions.get("session-1") == builders.session(revision=1)
    await older.close()
    postgres.sql(f"UPDATE {schema}.schema_floors SET oldest = '9999'")
    with pytest.raises(Unavailable):
        await store.check()
    with pytest.raises(Misconfigured, match="newer version"):
        await PostgresStore.open(url)


async def test_an_older_schema_is_brought_up_to_date(postgres: Cluster, schema: str) -> None:
    """What was stored under an earlier revision is there under the newest, in which every column has its type; code
    of the earlier one may go on, since nothing was taken away."""
    from ostiary.stores.migrations import revisions

    statements = revisions.postgres_statements(None, to="0002")
    record = "'old', 'Old', 'old', 'hash', '[]', FALSE, 0, 0, 0, 1, FALSE"
    names = (
        "id, username, username_key, password_hash, roles, disabled, epoch, created_at, password_changed_at, revision"
    )
    with postgres.script() as file:
        file.write(f"CREATE SCHEMA {schema}; SET search_path TO {schema};\n{statements}\n")
        file.write(f"INSERT INTO accounts ({names}, enabled_admin) VALUES ({record});\n")
        file.write("INSERT INTO issuers VALUES ('issuer', 3, 0, 0, 7);\n")
        file.write("INSERT INTO revocation_logs VALUES (1, 5, 0, now());\n")
        file.write("INSERT INTO schema_floors VALUES (1, '0002');\n")
    store = await PostgresStore.open(postgres.url(schema=schema))
    found = await store.accounts.get("old")
    assert found is not None
    assert (found.username, (await store.issuer()).everything) == ("Old", 3)
    assert await store.write(Add(builders.session()), Append(builders.entry()))
    assert postgres.sql(f"SELECT version_num FROM {schema}.alembic_version") == HEAD
    assert postgres.sql(f"SELECT oldest FROM {schema}.schema_floors") == "0002"
    await test_tables_have_the_columns_of_the_records(store, postgres, schema)
    await store.close()


async def test_an_upgrade_gives_up_rather_than_stop_everybody(
    store: PostgresStore, url: str, postgres: Cluster, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that waits for a table has everybody else wait behind it: after a while it is given up, whole."""
    monkeypatch.setattr(schema_version, "_LOCK_MILLISECONDS", 50)
    postgres.sql(f"UPDATE {schema}.alembic_version SET version_num = '0003'")
    session = await patient(store)
    try:
        async with session.transaction():
            await session.execute(f"SELECT FROM {schema}.issuers")
            with pytest.raises(Unavailable, match="less is going on"):
                await PostgresStore.open(url)
        assert postgres.sql(f"SELECT version_num FROM {schema}.alembic_version") == "0003"
    finally:
        await session.close()


async def test_an_upgrade_has_to_be_allowed(postgres: Cluster, schema: str) -> None:
    """Who may not migrate says what to do, and changes nothing; somebody else's tables are left alone."""
    with pytest.raises(Misconfigured, match="ostiary db upgrade"):
        await PostgresStore.open(postgres.url(schema=schema), migrate=False)
    assert postgres.sql(f"SELECT to_regnamespace('{schema}') IS NULL") == "t"
    postgres.sql(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.accounts (id int)")
    with pytest.raises(Misconfigured, match="another program"):
        await PostgresStore.open(postgres.url(schema=schema))
    assert postgres.sql(f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'") == "1"


async def test_no_superuser_is_needed(postgres: Cluster, schema: str) -> None:
    """A role that owns a schema and nothing else; one that owns none is told what it lacks."""
    postgres.sql(f"CREATE ROLE {schema} LOGIN")
    with pytest.raises(Misconfigured, match="must own the schema"):
        await PostgresStore.open(postgres.url(user=schema, schema=schema))
    postgres.sql(f"CREATE SCHEMA {schema} AUTHORIZATION {schema}")
    store = await PostgresStore.open(postgres.url(user=schema, schema=schema))
    assert await store.write(Add(builders.account()), Append(builders.entry()))
    await store.close()


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({"user": "nobody-knows"}, "refuses this user"),
        ({"database": "nothing"}, "does not exist"),
        ({"encoding": "SQL_ASCII"}, "UTF-8"),
    ],
    ids=["user", "database", "encoding"],
)
async def test_what_the_operator_must_mend_is_said(postgres: Cluster, changed: dict[str, Any], hint: str) -> None:
    """In a sentence, with nothing of the driver's in it."""
    database = changed.get("database", "postgres")
    if "encoding" in changed:
        database = f"ascii_{next(_names)}"
        postgres.sql(f"CREATE DATABASE {database} ENCODING SQL_ASCII TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(Misconfigured, match=hint):
        await PostgresStore.open(postgres.url(database, user=changed.get("user", "postgres")))


async def test_the_socket_of_this_machine(postgres: Cluster, schema: str) -> None:
    """A folder in place of a host, in both ways of writing it."""
    quoted = str(postgres.folder).replace("/", "%2F")
    for url in (
        f"postgresql://postgres@/postgres?host={postgres.folder}&port={postgres.port}&schema={schema}",
        f"postgresql://postgres@{quoted}:{postgres.port}/postgres?schema={schema}",
    ):
        store = await PostgresStore.open(url)
        assert (await store.issuer()).revision == 1
        await store.close()


async def test_a_connection_that_ends_inside_the_driver_is_unavailable() -> None:
    """Flaw class: the driver's own stumbling becomes the caller's error. A pool that gives a connection up while the
    driver is between two steps of one call makes it reach for what is gone; any other mistake stays what it is."""

    class Connection:
        ended = False

        def is_closed(self) -> bool:
            return self.ended

        def terminate(self) -> None:
            self.ended = True

    async def connect() -> Connection:
        return Connection()

    async def stumble(connection: Connection) -> None:
        raise AttributeError("'NoneType' object has no attribute 'bind_execute'")

    async def stumble_over_what_is_gone(connection: Connection) -> None:
        pool.give_up()
        await stumble(connection)

    pool = Pool("test", connect, size=1, longest=5.0)
    with pytest.raises(Unavailable):
        await pool.run(stumble_over_what_is_gone)
    with pytest.raises(AttributeError):
        await pool.run(stumble)
