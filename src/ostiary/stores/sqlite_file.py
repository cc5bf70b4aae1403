"""Opening one connection to an SQLite file, and turning its errors into ours."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from ostiary.errors import Misconfigured, Unavailable

_FOR_THE_OPERATOR = {
    sqlite3.SQLITE_NOTADB: "The database file is damaged or not an SQLite database.",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged or not an SQLite database.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened.",
    sqlite3.SQLITE_PERM: "The database file cannot be opened.",
    sqlite3.SQLITE_READONLY: "The database file cannot be written.",
}
_PRAGMAS = (
    "PRAGMA synchronous = FULL",  # with WAL: one fsync a commit, and what was acknowledged survives a power cut
    "PRAGMA fullfsync = ON",  # where fsync alone does not reach the disk (macOS); elsewhere without effect
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",  # what a savepoint would have to put back is kept in no file
    "PRAGMA cache_size = -16384",  # KiB
    "PRAGMA journal_size_limit = 67108864",  # bytes of log file that stay after a burst
)


def connect(path: str | Path, *, busy_timeout: float, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time. A new file is made readable for its owner
    only. Raises sqlite3.Error, or Misconfigured if the path cannot be a file of ours."""
    _make(Path(path))
    connection = sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: Path) -> None:
    """SQLite would make the file with whatever the umask leaves; its companions (-wal, -shm) copy the file's mode."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise Misconfigured("The database file cannot be made.", private=f"{path}: {error.strerror}") from error
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch the file to WAL mode for good, as readers beside a writer and one fsync a commit need it.

    Changing the mode does not wait for a lock as other statements do: two first starts at once have to try again.
    """
    deadline = time.monotonic() + timeout  # noqa: TID251 - a wait for a lock, not a time that anything is judged by
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:  # noqa: TID251
                raise
            time.sleep(0.01)
        else:
            if mode != "wal":
                raise Misconfigured("The database must be a file on a file system with shared memory (WAL mode).")
            return


def unavailable(error: sqlite3.Error) -> Unavailable:
    """Ours for theirs. SQLite's messages name tables, columns and conditions, never values."""
    return Unavailable(private=f"sqlite: {getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}")


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """While opening: a file that is damaged or out of reach is the operator's to mend, anything else may pass."""
    try:
        yield
    except sqlite3.Error as error:
        ours = unavailable(error)
        message = _FOR_THE_OPERATOR.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if message is not None:
            raise Misconfigured(message, private=ours.private) from error
        raise ours from error
