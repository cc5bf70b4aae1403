"""Servers that share one SQLite file know of each other: what they promise depends on it."""

import asyncio
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ostiary.errors import Unavailable
from ostiary.revocation.entry import Cursor
from ostiary.stores.port import Append
from ostiary.stores.sqlite import SqliteStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio

_SERVER = """
import asyncio, sys
from pathlib import Path
from ostiary.stores.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    store.announce()
    print("serving", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def tmp_path(on_disk: Path) -> Path:
    """What is proven here is about a disk."""
    return on_disk


async def test_a_server_alone_knows_that_it_is_alone(tmp_path: Path) -> None:
    """Opening the file, as a command does, is not serving; neither is one's own announcement (M-33)."""
    path = tmp_path / "ostiary.db"
    server, command = await SqliteStore.open(path), await SqliteStore.open(path)
    server.announce()
    server.announce()

    assert not server.others_serve()
    assert command.others_serve()

    await server.close()
    assert not command.others_serve()
    await command.close()


async def test_what_cannot_be_announced_is_not_taken_for_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that nobody can see says so, each time, and is seen once its folder can be written to again (M-33)."""
    path = tmp_path / "ostiary.db"
    server, other = await SqliteStore.open(path), await SqliteStore.open(path)

    def refused(*_: object) -> None:
        raise OSError(errno.EIO, "not now")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", refused)
        for _ in range(2):
            with pytest.raises(Unavailable):
                server.announce()
            with pytest.raises(Unavailable):
                await server.revocations.probe(Cursor(), 10, node="here")
    assert not other.others_serve()

    await server.revocations.probe(Cursor(), 10, node="here")
    assert other.others_serve()
    assert await other.revocations.behind(Cursor(), within=60.0) == 0

    await server.close()
    assert not other.others_serve()
    await other.close()


async def test_a_question_under_way_leaves_nobody_behind(tmp_path: Path) -> None:
    """A store that is closed while it is asked in a lane does not announce itself again: nobody waits for it (M-33)."""
    path = tmp_path / "ostiary.db"
    server, other = await SqliteStore.open(path), await SqliteStore.open(path)
    server.announce()
    for number in range(20):  # nodes of one process: of so many, each question goes through the lane
        await server.revocations.probe(Cursor(), 100, node=f"n{number}")
    goes_on = threading.Event()
    held = server._lanes.log.submit(lambda _: goes_on.wait(60))
    asked = asyncio.create_task(server.revocations.probe(Cursor(), 100, node="n0"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(server.close())
    await asyncio.sleep(0)
    goes_on.set()
    assert await held
    assert (await asked).complete
    await closing
    assert not other.others_serve()
    assert await other.revocations.behind(Cursor(), within=60.0) == 0
    await other.close()


@pytest.mark.parametrize("ending", ["closed", "killed"])
async def test_a_second_server_is_seen_until_it_ends_however_it_ends(tmp_path: Path, ending: str) -> None:
    """The other process's lock lasts exactly as long as the process (M-33)."""
    path = tmp_path / "ostiary.db"
    store = await SqliteStore.open(path)
    store.announce()
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
        [sys.executable, "-c", _SERVER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "serving\n"
        assert store.others_serve()
        if ending == "killed":
            os.kill(other.pid, signal.SIGKILL)
        else:
            other.stdin.close()
        other.wait(timeout=30)
        assert not store.others_serve()
    assert len(list((tmp_path / "ostiary.db.servers").iterdir())) == 1  # a dead server's file is cleared away
    await store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="nobody announces there")
@pytest.mark.parametrize("then", ["removed", "put back"])
async def test_a_server_whose_file_was_cleared_away_is_waited_for_again(tmp_path: Path, then: str) -> None:
    """M-33: somebody removes the folder beside the database, or puts a copy of it there, while servers run. With its
    next question each is there again, so `?wait=all` does not answer before it has applied what was ended."""
    path, folder = tmp_path / "ostiary.db", tmp_path / "ostiary.db.servers"
    server, other = await SqliteStore.open(path), await SqliteStore.open(path)
    server.announce()
    await server.revocations.probe(Cursor(), 10, node="a")
    if then == "put back":
        shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    if then == "put back":
        shutil.copytree(tmp_path / "copy", folder)

    await server.revocations.probe(Cursor(), 10, node="a")
    assert await other.write(Append(builders.entry("a")))

    head = await other.revocations.head()
    assert await other.revocations.behind(head, within=600.0) == 1
    assert other.others_serve()
    await server.revocations.probe(head, 10, node="a")
    assert await other.revocations.behind(head, within=600.0) == 0
    await server.close()
    assert not other.others_serve()
    await other.close()


@pytest.mark.skipif(sys.platform == "win32", reason="nobody announces there")
async def test_what_a_server_acknowledged_of_a_file_that_was_replaced_counts_for_nothing(tmp_path: Path) -> None:
    """M-33: the file was put back from a backup while a server ran. What that server has applied is another log's, and
    it may still have a lease, so whoever ends something in the new file waits until that is over."""
    path, backup = tmp_path / "ostiary.db", tmp_path / "backup.db"
    await (await SqliteStore.open(path)).close()
    shutil.copy(path, backup)
    server = await SqliteStore.open(path)
    server.announce()
    for name in ("a", "b"):
        assert await server.write(Append(builders.entry(name)))
    await server.revocations.probe(await server.revocations.head(), 10, node="a")
    for name in ("ostiary.db", "ostiary.db-wal", "ostiary.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(backup, path)

    other = await SqliteStore.open(path)
    assert await other.write(Append(builders.entry("c")))
    assert await other.revocations.behind(await other.revocations.head(), within=600.0) == 1
    await server.close()
    assert await other.revocations.behind(await other.revocations.head(), within=600.0) == 0
    await other.close()


async def test_servers_that_reach_the_file_by_a_link_see_each_other(tmp_path: Path) -> None:
    """SQLite follows links, so it is one store, whatever each calls it (M-33)."""
    (tmp_path / "data").mkdir()
    link = tmp_path / "ostiary.db"
    link.symlink_to(tmp_path / "data" / "real.db")
    one = await SqliteStore.open(tmp_path / "data" / "real.db")
    two = await SqliteStore.open(link)
    one.announce()
    two.announce()

    assert one.others_serve()
    assert two.others_serve()

    await one.close()
    assert not two.others_serve()
    await two.close()
