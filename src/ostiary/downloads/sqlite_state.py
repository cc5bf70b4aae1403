"""What a download server remembers, in one SQLite file: for any number of processes on one machine."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ostiary import limits
from ostiary.domain.transfer import Piece, Transfer
from ostiary.downloads.state import Spending
from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sqlite.lanes import Lane, Writes, run_reads
from ostiary.stores.sqlite_file import connect, translated, use_wal

T = TypeVar("T")

_APPLICATION_ID = 0x4F73_446C  # "OsDl"
_BUSY_TIMEOUT = 5.0  # seconds that a write waits for another process's transaction
_SCHEMA = (
    "CREATE TABLE spent (key BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX spent_until ON spent (until)",
    # `forgotten`: every mark whose `until` is not above it may be gone. Only grows.
    "CREATE TABLE horizon (id INTEGER PRIMARY KEY CHECK (id = 1), forgotten REAL NOT NULL)",
    "INSERT INTO horizon VALUES (1, 0)",
    """CREATE TABLE transfer (
        handle BLOB PRIMARY KEY, resource TEXT NOT NULL, expires_at REAL NOT NULL, version TEXT NOT NULL DEFAULT '',
        sent INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID""",
    "CREATE INDEX transfer_expires_at ON transfer (expires_at)",
    """CREATE TABLE piece (
        handle BLOB NOT NULL REFERENCES transfer (handle) ON DELETE CASCADE,
        start INTEGER NOT NULL, stop INTEGER NOT NULL, whole INTEGER NOT NULL
    )""",
    "CREATE INDEX piece_handle ON piece (handle)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    "PRAGMA user_version = 1",
)


class SqliteState:
    """Two threads with a connection each: one writes, with one commit for all that wait, and one reads."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lanes: tuple[Lane, Lane] | None = None

    async def open(self) -> None:
        """Make the file if it is not there. Raises Misconfigured if it is somebody else's."""
        if self._lanes is None:
            self._lanes = await asyncio.to_thread(self._open)

    def _open(self) -> tuple[Lane, Lane]:
        with translated():
            writing = connect(self._path, busy_timeout=_BUSY_TIMEOUT)
            try:
                use_wal(writing, _BUSY_TIMEOUT)
                _make_tables(writing)
                reading = connect(self._path, busy_timeout=_BUSY_TIMEOUT, read_only=True)
            except BaseException:
                writing.close()
                raise
        return (
            Lane("downloads-write", writing, Writes(), batch=limits.STORE_BATCH),
            Lane("downloads-read", reading, run_reads, batch=limits.STORE_BATCH),
        )

    async def close(self) -> None:
        """Finish what is under way. May be repeated."""
        lanes, self._lanes = self._lanes, None
        for lane in lanes or ():
            lane.stop()
            await asyncio.to_thread(lane.join)

    async def check(self) -> None:
        """See the port."""
        await self._write(lambda connection: connection.execute("UPDATE horizon SET forgotten = forgotten").rowcount)

    async def spend(self, key: bytes, *, until: float, now: float, handle: bytes, transfer: Transfer) -> Spending:  # noqa: ARG002 - the port's
        """See the port. One transaction: mark, then transfer."""

        def job(connection: sqlite3.Connection) -> Spending:
            if until <= _forgotten(connection):
                return Spending.FORGOTTEN
            marked = connection.execute("INSERT OR IGNORE INTO spent VALUES (?, ?)", (key, until))
            if marked.rowcount != 1:
                return Spending.USED
            connection.execute(
                "INSERT INTO transfer (handle, resource, expires_at) VALUES (?, ?, ?)",
                (handle, transfer.resource, transfer.expires_at),
            )
            return Spending.SPENT

        return await self._write(job)

    async def was_spent(self, key: bytes, *, until: float) -> bool:
        """See the port."""

        def job(connection: sqlite3.Connection) -> bool:
            return (
                until <= _forgotten(connection)
                or connection.execute("SELECT 1 FROM spent WHERE key = ?", (key,)).fetchone() is not None
            )

        return await self._read(job)

    async def transfer(self, handle: bytes) -> Transfer | None:
        """See the port."""
        return await self._read(lambda connection: _transfer(connection, handle))

    async def note(self, handle: bytes, *, version: str, pieces: Sequence[Piece], sent: int) -> Transfer | None:
        """See the port."""

        def job(connection: sqlite3.Connection) -> Transfer | None:
            known = _transfer(connection, handle)
            if known is None:
                return None
            if known.version != version or len(known.pieces) + len(pieces) > limits.TRANSFER_PIECES:
                connection.execute("DELETE FROM piece WHERE handle = ?", (handle,))
            connection.execute(
                "UPDATE transfer SET version = ?, sent = sent + ? WHERE handle = ?", (version, sent, handle)
            )
            connection.executemany(
                "INSERT INTO piece VALUES (?, ?, ?, ?)",
                [(handle, piece.start, piece.stop, piece.whole) for piece in pieces],
            )
            return _transfer(connection, handle)

        return await self._write(job)

    async def finish(self, handle: bytes) -> bool:
        """See the port."""
        return await self._set_finished(handle, True)

    async def reopen(self, handle: bytes) -> None:
        """See the port."""
        await self._set_finished(handle, False)

    async def _set_finished(self, handle: bytes, finished: bool) -> bool:
        def job(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "UPDATE transfer SET finished = ? WHERE handle = ? AND finished = ?", (finished, handle, not finished)
            )
            return changed.rowcount == 1

        return await self._write(job)

    async def purge(self, *, now: float) -> int:
        """See the port."""

        def job(connection: sqlite3.Connection) -> int:
            # no later than the latest mark that goes: a clock that was ahead for a moment costs no token of afterwards
            connection.execute(
                "UPDATE horizon SET forgotten = max(forgotten,"
                " coalesce((SELECT max(until) FROM spent WHERE until <= ?), 0))",
                (now,),
            )
            connection.execute("DELETE FROM transfer WHERE expires_at <= ?", (now - limits.SPENT_MARGIN_SECONDS,))
            return connection.execute("DELETE FROM spent WHERE until <= ?", (now,)).rowcount

        return await self._write(job)

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._lane(0).submit(job)

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        return await self._lane(1).submit(job)

    def _lane(self, number: int) -> Lane:
        if self._lanes is None:
            raise Unavailable(private="the state is not open")
        return self._lanes[number]


def _forgotten(connection: sqlite3.Connection) -> float:
    forgotten: float = connection.execute("SELECT forgotten FROM horizon").fetchone()[0]
    return forgotten


def _transfer(connection: sqlite3.Connection, handle: bytes) -> Transfer | None:
    row = connection.execute(
        "SELECT resource, expires_at, version, sent, finished FROM transfer WHERE handle = ?", (handle,)
    ).fetchone()
    if row is None:
        return None
    pieces = connection.execute("SELECT start, stop, whole FROM piece WHERE handle = ?", (handle,)).fetchall()
    return Transfer(
        resource=row[0],
        expires_at=row[1],
        version=row[2],
        sent=row[3],
        finished=bool(row[4]),
        pieces=tuple(Piece(start, stop, bool(whole)) for start, stop, whole in pieces),
    )


def _make_tables(connection: sqlite3.Connection) -> None:
    """Raises Misconfigured if the file is not ours. Two first starts at once make them once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        if application != _APPLICATION_ID:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise Misconfigured("The state file is another program's database; name a file of its own.")
            for statement in _SCHEMA:
                connection.execute(statement)
        elif connection.execute("PRAGMA user_version").fetchone()[0] != 1:
            raise Misconfigured("The state file was made by a newer version.")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
