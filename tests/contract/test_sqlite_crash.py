"""SQLite under trouble: killed processes, several processes, locks, full and damaged files."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ostiary.errors import Misconfigured, Unavailable
from ostiary.revocation.entry import Cursor
from ostiary.stores.port import Add, Append
from ostiary.stores.sqlite import SqliteStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio
CHILD = Path(__file__).with_name("sqlite_child.py")


@pytest.fixture
def tmp_path(on_disk: Path) -> Path:
    """What is proven here is about a disk."""
    return on_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ostiary.db"


@pytest.fixture
async def store(path: Path, anyio_backend: str) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, busy_timeout=0.05)
    yield store
    await store.close()


@contextlib.contextmanager
def child(what: str, path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(CHILD), what, str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def lines_until_killed(path: Path, name: str, lines: int) -> list[str]:
    """What a writing process had acknowledged when it was killed, after at least so many lines."""
    with child("write_for_ever", path, name) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(lines)]
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split("\n")[:-1]  # a line that was cut off was perhaps not acknowledged
        return acknowledged + rest


def on_disk(path: Path) -> tuple[str, set[str], set[str], set[str]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        check = connection.execute("PRAGMA integrity_check").fetchone()[0]
        sessions, entries, events = (
            {row[0] for row in connection.execute(f"SELECT {column} FROM {table}")}  # noqa: S608
            for column, table in (("id", "sessions"), ("entry_id", "revocations"), ("id", "audit_events"))
        )
        return check, sessions, entries, events


def overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(at)
        file.write(content)


def move(path: Path, to: Path) -> None:
    path.replace(to)


def read(path: Path) -> bytes:
    return path.read_bytes()


async def open_and_read(path: Path) -> None:
    store = await SqliteStore.open(path)
    try:
        await store.accounts.page(limit=1000)
    finally:
        await store.close()


async def run_on_writer(store: SqliteStore, statement: str) -> Any:
    return await store._lanes.writer.submit(lambda connection: connection.execute(statement).fetchone())


async def test_acknowledged_writes_survive_a_kill(path: Path) -> None:
    """M-05: killed again and again while writing, the file holds every acknowledged write, and no half of any."""
    acknowledged: set[str] = set()
    for life, lines in enumerate((1, 40, 7, 150, 300)):
        acknowledged.update(lines_until_killed(path, f"life{life}", lines))
        check, sessions, entries, events = on_disk(path)
        assert check == "ok"
        assert acknowledged <= sessions
        assert sessions == entries == events
    store = await SqliteStore.open(path)
    assert await store.write(Add(builders.account()))
    await store.close()


async def test_two_processes_lose_nothing(path: Path, store: SqliteStore) -> None:
    """M-05: two processes that raise one counter and add records at the same time lose neither."""
    assert await store.write(Add(builders.throttle("shared", failures=0)))
    with child("count_up", path, "60") as one, child("count_up", path, "60") as two:
        assert [one.wait(), two.wait()] == [0, 0]
    shared = await store.throttles.get("shared")
    assert shared is not None
    assert (shared.failures, shared.revision) == (120, 121)
    assert [event.id for event in await store.audit.page(limit=1000)] == [f"{i:06}" for i in range(120, 0, -1)]


async def test_first_starts_at_once(path: Path) -> None:
    """Several processes may make the same new file at the same time: all come up, and there is one log."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(child("just_open", path)) for _ in range(4)]
        assert [process.wait() for process in children] == [0] * 4
    with contextlib.closing(sqlite3.connect(path)) as connection:
        counts = "SELECT (SELECT count(*) FROM issuers), (SELECT count(*) FROM revocation_logs)"
        assert connection.execute(counts).fetchone() == (1, 1)


async def test_locked_file_is_unavailable_and_recovers(path: Path, store: SqliteStore) -> None:
    """While another process holds the lock for too long, writes are `unavailable` and reads go on; then all is well."""
    assert await store.write(Add(builders.account("before")))
    with child("lock", path) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "locked\n"
        for attempt in (store.write(Add(builders.account("during"))), store.check(), store.sessions.purge(before=1.0)):
            with pytest.raises(Unavailable) as caught:
                await attempt
            assert "SQLITE_BUSY" in caught.value.private
            assert "locked" not in str(caught.value)
        assert await store.accounts.get("before") is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait() == 0
    await store.check()
    assert await store.accounts.get("during") is None
    assert await store.write(Add(builders.account("during")))


async def test_full_disk_is_unavailable_and_recovers(store: SqliteStore) -> None:
    """What does not fit is refused as a whole, with all that was committed together with it, and the store goes on."""
    (pages,) = await run_on_writer(store, "PRAGMA page_count")
    await run_on_writer(store, f"PRAGMA max_page_count = {pages + 2}")
    large = builders.account("large", display_name="x" * 100_000)
    with pytest.raises(Unavailable) as caught:
        await store.write(Append(builders.entry()), Add(large))
    assert "SQLITE_FULL" in caught.value.private
    assert await store.accounts.get("large") is None
    assert (await store.revocations.probe(Cursor(), 9)).items == ()
    outcomes = await asyncio.gather(
        *(store.write(Add(builders.throttle(f"t{i}")), Add(large)) for i in range(5)), return_exceptions=True
    )
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    await run_on_writer(store, "PRAGMA max_page_count = 1000000")
    assert await store.write(Add(large))
    assert await store.throttles.get("t0") is None


async def test_read_only_file_is_unavailable(store: SqliteStore) -> None:
    """A file that cannot be written says so at `check`, before a log-in finds out."""
    store_writer = store._lanes.writer
    await store_writer.submit(lambda connection: connection.execute("PRAGMA query_only = ON").fetchone())
    for attempt in (store.write(Add(builders.account())), store.check()):
        with pytest.raises(Unavailable) as caught:
            await attempt
        assert "SQLITE_READONLY" in caught.value.private


@pytest.mark.parametrize("content", [b"this is not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_file_that_is_no_database_is_named(path: Path, content: bytes) -> None:
    """A damaged file stops the start with a sentence for the operator, and is left as it is."""
    overwrite(path, 0, content)
    with pytest.raises(Misconfigured, match="damaged or not an SQLite database"):
        await SqliteStore.open(path)
    assert read(path) == content


async def test_damage_found_later_is_unavailable(path: Path) -> None:
    """Pages that turn out to be damaged while serving are `unavailable`, not an exception of the driver's."""
    store = await SqliteStore.open(path)
    assert await store.write(*(Add(builders.account(f"a{i}", display_name="x" * 500)) for i in range(400)))
    await store.close()
    overwrite(path, 4096, b"\xa5" * (len(read(path)) - 4096))
    with pytest.raises((Unavailable, Misconfigured)) as caught:
        await open_and_read(path)
    assert "sqlite: SQLITE_CORRUPT" in caught.value.private


async def test_replaced_file_is_noticed(path: Path, store: SqliteStore) -> None:
    """A backup that was moved into the place of the open file is noticed by `check`: writes would go to the old one."""
    replacement = path.with_name("backup.db")
    await (await SqliteStore.open(replacement)).close()
    move(replacement, path)
    with pytest.raises(Unavailable) as caught:
        await store.check()
    assert "replaced" in caught.value.private
    move(path, path.with_name("away.db"))
    with pytest.raises(Unavailable) as caught:
        await store.check()
    assert "gone" in caught.value.private
