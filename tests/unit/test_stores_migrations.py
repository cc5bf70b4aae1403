"""The schema has one source of truth, and files are made, upgraded and refused as they should be."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores import migrations, rows
from ostiary.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ostiary.db"


def schema(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return migrations.snapshot_of(connection)


def files_beside(path: Path) -> dict[str, int]:
    """Name and mode of each."""
    return {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}


def read(path: Path) -> bytes:
    return path.read_bytes()


def execute(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_snapshot_is_what_the_revisions_make(tmp_path: Path) -> None:
    """The file that makes new databases is the result of the revisions, word for word, and both are at the head."""
    one, other = tmp_path / "revisions.db", tmp_path / "snapshot.db"
    migrations.upgrade(one, by_revisions=True)
    migrations.upgrade(other)
    assert schema(one) == schema(other) == migrations.snapshot()
    assert migrations.current(one) == migrations.current(other) == migrations.head() == migrations.HEAD
    for path in (one, other):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT id, everything, created_at, revision FROM issuers").fetchall() == [
                ("issuer", 0, 0.0, 1)
            ]
            assert connection.execute("SELECT count(*) FROM revocation_logs").fetchone() == (1,)


@pytest.mark.parametrize("table", rows.TABLES, ids=lambda table: table.name)
def test_tables_have_the_columns_of_the_records(path: Path, table: rows.Table[object]) -> None:
    """A field that a record gains needs a revision: no table has a column too many or too few."""
    migrations.upgrade(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")]
    assert sorted(columns) == sorted(table.columns)


def test_two_logs_have_two_generations(tmp_path: Path) -> None:
    """M-32: a replica notices that a file was made anew."""
    generations = set()
    for i in range(3):
        path = tmp_path / f"{i}.db"
        migrations.upgrade(path)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            generations.add(connection.execute("SELECT generation FROM revocation_logs").fetchone())
    assert len(generations) == 3


def test_upgrade_may_be_repeated(path: Path) -> None:
    """A file at the head is left alone, whichever way it got there."""
    migrations.upgrade(path)
    before = path.read_bytes()
    migrations.upgrade(path)
    migrations.upgrade(path, by_revisions=True)
    assert path.read_bytes() == before
    assert migrations.is_current(path)


def test_failed_upgrade_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All or nothing: a start that is interrupted half-way can be repeated."""

    def interrupted(connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    for by_revisions in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "_seed", interrupted)
            with pytest.raises(KeyboardInterrupt):
                migrations.upgrade(path, by_revisions=by_revisions)
        assert schema(path) == ""
        assert migrations.current(path) is None
    migrations.upgrade(path)
    assert migrations.is_current(path)


def test_an_upgrade_that_the_file_refuses_is_ours_to_tell(path: Path) -> None:
    """What SQLite says in the middle of a revision (a full disk, a table of somebody else's) is an error of ours."""
    migrations.upgrade(path)
    execute(path, "UPDATE alembic_version SET version_num = '0007'")
    with pytest.raises(Unavailable) as caught:
        migrations.upgrade(path)
    assert "SQLITE_ERROR" in caught.value.private
    assert migrations.current(path) == "0007"


def test_starts_do_not_import_alembic(path: Path) -> None:
    """M-70: a first and a second start cost no import of Alembic or SQLAlchemy."""
    program = (
        "import sys, asyncio; from ostiary.stores.sqlite import SqliteStore\n"
        f"for _ in range(2): asyncio.run(asyncio.run(SqliteStore.open({str(path)!r})).close())\n"
        "sys.exit(any(name in sys.modules for name in ('alembic', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.anyio
async def test_file_of_a_newer_version_is_refused(path: Path) -> None:
    """An older program does not touch what it does not understand."""
    migrations.upgrade(path)
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Misconfigured, match="newer version"):
        await SqliteStore.open(path)
    with pytest.raises(Misconfigured, match="another schema"):
        await SqliteStore.open(path, migrate=False)
    assert not migrations.is_current(path)
    assert migrations.current(path) == "9999"


@pytest.mark.anyio
async def test_file_of_another_program_is_refused(path: Path) -> None:
    """A wrong path does not add our tables to somebody else's, nor change anything else in the file."""
    execute(path, "CREATE TABLE recipes (id INTEGER PRIMARY KEY)")
    before = read(path)
    with pytest.raises(Misconfigured, match="another program"):
        await SqliteStore.open(path)
    assert read(path) == before


@pytest.mark.anyio
async def test_opening_without_migrating_makes_no_file(path: Path) -> None:
    """`migrate=False` wants a file that is ready."""
    with pytest.raises(Misconfigured):
        await SqliteStore.open(path, migrate=False)
    assert files_beside(path) == {}
    migrations.upgrade(path)
    await (await SqliteStore.open(path, migrate=False)).close()


@pytest.mark.anyio
async def test_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    """A missing folder, or a folder in place of the file, is the operator's to mend."""
    for path in (tmp_path / "nowhere" / "ostiary.db", tmp_path):
        with pytest.raises(Misconfigured) as caught:
            await SqliteStore.open(path)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize("umask", [0o000, 0o777])
async def test_files_are_readable_for_their_owner_only(path: Path, umask: int) -> None:
    """M-09: whatever the umask, nobody else on the machine reads the database or its companions."""
    before = os.umask(umask)
    try:
        store = await SqliteStore.open(path)
        modes = files_beside(path)
        await store.close()
    finally:
        os.umask(before)
    assert modes == {"ostiary.db": 0o600, "ostiary.db-wal": 0o600, "ostiary.db-shm": 0o600}
