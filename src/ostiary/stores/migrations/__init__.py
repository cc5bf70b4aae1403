"""The schema and its versions. One source of truth: the revisions in `versions/`, which Alembic runs.

A new SQLite file is not made by running them all, because importing Alembic takes longer than everything else that a
first start does. It is made from `sqlite.sql`: what `sqlite_master` holds after all revisions. A test makes a file
each way and compares; `python -m ostiary.stores.migrations.snapshot` writes the text anew after a new revision.

Everything here is synchronous, works on a path, raises `Misconfigured` for a file that is not ours or was made by a
newer version and `Unavailable` for one that cannot be used right now, and may be run by several processes at once.
"""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from ostiary.errors import Misconfigured
from ostiary.stores.sqlite_file import connect, translated, use_wal

HEAD = "0008"
"""The newest revision: what this code expects to find. `head()` is what Alembic says; a test proves them equal."""

_SEPARATOR = ";\n\n"


def head() -> str:
    """The newest revision, by Alembic's account."""
    from ostiary.stores.migrations import revisions

    return revisions.head()


def current(path: str | Path) -> str | None:
    """The revision that the file has; None if it is empty or does not exist."""
    if not Path(path).exists():
        return None
    with _opened(path) as connection:
        return read_version(connection)


def is_current(path: str | Path) -> bool:
    """True if this code can work with the file as it is."""
    return current(path) == HEAD


def is_older(version: str | None) -> bool:
    """True if a schema of this version can be brought to `HEAD`: revisions are numbered."""
    return version is None or version < HEAD


def upgrade(path: str | Path, *, busy_timeout: float = 5.0, by_revisions: bool = False) -> None:
    """Bring the file to `HEAD`, making it if need be; all or nothing, and nothing if it is there already.

    `by_revisions` runs every revision on a new file too, instead of the snapshot of their result.
    """
    with _opened(path, busy_timeout) as connection:
        found = read_version(connection)
        use_wal(connection, busy_timeout)  # not before: the file may turn out to be somebody else's
        if found == HEAD:
            return
        connection.execute("BEGIN IMMEDIATE")  # whoever comes second waits here, and then finds it done
        try:
            version = read_version(connection)
            if version is None and not by_revisions:
                for statement in snapshot().split(_SEPARATOR):
                    connection.execute(statement)
                connection.execute("INSERT INTO alembic_version (version_num) VALUES (?)", (HEAD,))
            elif version != HEAD:
                from ostiary.stores.migrations import revisions

                revisions.run(connection, version)
            _seed(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def snapshot() -> str:
    """The statements that make an empty SQLite file equal to one at `HEAD`."""
    return resources.files(__name__).joinpath("sqlite.sql").read_text(encoding="utf-8").strip().removesuffix(";")


def snapshot_of(connection: sqlite3.Connection) -> str:
    """The same text, read from a file that the revisions made."""
    rows = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
    )
    return _SEPARATOR.join("\n".join(line.strip() for line in sql.splitlines() if line.strip()) for (sql,) in rows)


def read_version(connection: sqlite3.Connection) -> str | None:
    """The revision that Alembic's table names; None for an empty file. Raises Misconfigured if the file is not ours."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" in names:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if row is not None:
            return str(row[0])
    if names - {"alembic_version"}:
        raise Misconfigured("The database file belongs to another program.")
    return None


def _seed(connection: sqlite3.Connection) -> None:
    """What exists from the moment a store was made: the issuer's record, and the generation of the log."""
    connection.execute(
        "INSERT INTO issuers (id, everything, lease, created_at, revision) VALUES ('issuer', 0, 0.0, 0.0, 1) "
        "ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO revocation_logs (id, generation) VALUES (1, ?) ON CONFLICT DO NOTHING",
        (1 + secrets.randbelow(2**53 - 1),),
    )


@contextmanager
def _opened(path: str | Path, busy_timeout: float = 5.0) -> Iterator[sqlite3.Connection]:
    with translated():
        connection = connect(path, busy_timeout=busy_timeout)
        try:
            yield connection
        finally:
            connection.close()
