"""Processes that share one SQLite file call each other, and lose nothing but milliseconds where they cannot."""

import asyncio
import errno
import json
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ostiary.revocation.entry import LOOK, Cursor, Hint
from ostiary.revocation.everywhere import refused_everywhere
from ostiary.stores.port import Append
from ostiary.stores.sqlite import SqliteStore, calls, log
from ostiary.testing import builders

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform == "win32", reason="no such sockets")]

_NODE = """
import asyncio, json, sys
from pathlib import Path
from ostiary.clock import SYSTEM_CLOCK
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Replica
from ostiary.stores.sqlite import SqliteStore

class Keeper:
    async def keys_changed(self): pass
    async def adopt(self, generation, known): return 0
    async def restore(self, entries): pass
    async def make_room(self): pass

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    store.announce()
    replica = Replica(lease=float(sys.argv[2]))
    feed = Feed(replica, store.revocations, SYSTEM_CLOCK, Keeper())
    await feed.start(follow=True)
    store._calls.listen()  # whoever hears of this process can call it
    while True:
        print(json.dumps(len(replica)), flush=True)
        if not await asyncio.to_thread(sys.stdin.readline):
            break
    await feed.stop()
    await store.close()

asyncio.run(main())
"""


class Node:
    """A process that follows the log of this file; asked, it says how many entries it has applied."""

    def __init__(self, path: Path, lease: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _NODE, str(path), str(lease)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == 0

    def _line(self) -> int:
        assert self.process.stdout is not None
        return int(json.loads(self.process.stdout.readline()))

    def applied(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._line()

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[SqliteStore, SqliteStore]]:
    path = tmp_path / "ostiary.db"
    two = await SqliteStore.open(path), await SqliteStore.open(path)
    yield two
    for store in two:
        await store.close()


@pytest.fixture
def only_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks who is not called: what is heard came as a call."""
    for name in ("_LOOK_INTERVAL", "_LOOK_INTERVAL_CALLED", "_LOOK_INTERVAL_MAX", "_ANSWER_INTERVAL"):
        monkeypatch.setattr(log, name, 3600.0)


async def _next(hints: AsyncIterator[Hint]) -> Hint:
    return await asyncio.wait_for(anext(hints), 30)


def _sockets(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if stat.S_ISSOCK(path.stat().st_mode)]


@pytest.mark.usefixtures("only_calls")
async def test_a_write_calls_everybody(stores: tuple[SqliteStore, SqliteStore]) -> None:
    """M-30: another process, which only opened the file as a command does, is heard without looking; so is one's own
    write; what is said carries entries and their place."""
    here, command = stores
    hints = here.revocations.hints()
    assert await _next(hints) == LOOK
    stands = Cursor()
    for number, store in enumerate((command, here, command)):
        entry = builders.entry(f"ses_{number}")
        assert await store.write(Append(entry))
        hint = await _next(hints)
        assert (hint.entries, hint.after) == ((entry,), stands)
        assert hint.reached == (stands := await here.revocations.head())


@pytest.mark.usefixtures("only_calls")
async def test_many_entries_are_looked_for(stores: tuple[SqliteStore, SqliteStore]) -> None:
    """More than a hint carries: `LOOK`, and the next hint has its place again."""
    here, other = stores
    hints = here.revocations.hints()
    assert await _next(hints) == LOOK
    assert await other.write(*(Append(builders.entry(f"ses_{number}")) for number in range(log._MOST_HINTED + 1)))
    assert await _next(hints) == LOOK
    stands = await other.revocations.head()
    assert await other.write(Append(builders.entry("last")))
    assert (await _next(hints)).after == stands


@pytest.mark.usefixtures("only_calls")
async def test_who_waits_is_told_of_each_acknowledgement(stores: tuple[SqliteStore, SqliteStore]) -> None:
    """M-33: a nudge reaches those who listen, and their next probe wakes whoever nudged."""
    waiting, other = stores
    hints = other.revocations.hints()
    assert await _next(hints) == LOOK
    for _ in range(3):
        await waiting.revocations.nudge()
        await waiting.revocations.nudge()  # the folder's clock may have stood still: it is the call that counts
        assert await _next(hints) == LOOK
        pausing = asyncio.create_task(waiting.revocations.pause(0.0, nodes=1))
        await asyncio.sleep(0)
        assert not pausing.done()
        await other.revocations.probe(Cursor(), 10, node="a")
        await asyncio.wait_for(pausing, 30)


async def test_lost_calls_cost_a_look(stores: tuple[SqliteStore, SqliteStore], monkeypatch: pytest.MonkeyPatch) -> None:
    """M-30: nobody is called, and everybody hears of it all the same."""
    here, other = stores
    monkeypatch.setattr(calls.Calls, "_names", lambda _: [])
    monkeypatch.setattr(calls.Calls, "is_applied", lambda _: None)
    hints = here.revocations.hints()
    assert await _next(hints) == LOOK
    assert await other.write(Append(builders.entry("a")))
    assert (await _next(hints)).entries == (builders.entry("a"),)
    await other.revocations.nudge()
    assert await _next(hints) == LOOK
    await asyncio.wait_for(other.revocations.pause(0.0, nodes=1), 30)


@pytest.mark.parametrize("lacking", ["sockets", "loop", "folder"])
async def test_without_sockets_everybody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    """Another operating system, an event loop that knows no sockets, something else where the folder should be: the
    log is followed, by looking."""

    def refuse(*_: object) -> None:
        raise NotImplementedError if lacking == "loop" else PermissionError

    path = tmp_path / "ostiary.db"
    here, other = await SqliteStore.open(path), await SqliteStore.open(path)
    if lacking == "folder":
        path.with_name("ostiary.db.servers").write_text("")
    elif lacking == "sockets":
        monkeypatch.setattr(calls.Calls, "_made", refuse)
    else:
        monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
    hints = here.revocations.hints()
    assert await _next(hints) == LOOK
    assert await other.write(Append(builders.entry("a")))
    found = await _next(hints)
    while found == LOOK:  # where the folder cannot be asked either, all that is said is "look"
        assert lacking == "folder"
        if (await here.revocations.probe(Cursor(), 1)).items:
            break
        found = await _next(hints)
    await asyncio.wait_for(other.revocations.pause(0.0, nodes=1), 30)
    for store in (here, other):
        await store.close()


@pytest.mark.parametrize("trouble", ["sockets", "folder", "cleared away"])
async def test_who_could_not_be_called_is_called_again(
    stores: tuple[SqliteStore, SqliteStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """M-30: no descriptor left, something else where the folder should be, a folder that somebody cleared away: once
    that is over, calls are heard again, within a second, and an end takes nobody 50 ms to see."""
    here, other = stores
    folder = tmp_path / "ostiary.db.servers"
    monkeypatch.setattr(calls, "_AGAIN", 0.0)
    with monkeypatch.context() as patch:
        if trouble == "sockets":
            patch.setattr(calls.Calls, "_made", _no_descriptor)
        elif trouble == "folder":
            folder.write_text("")
        hints = here.revocations.hints()
        assert await _next(hints) == LOOK
        assert here._calls.listen() is (trouble == "cleared away")
    if trouble == "folder":
        folder.unlink()
    elif trouble == "cleared away":
        shutil.rmtree(folder)

    for number in range(100):  # each is heard of by looking, at the latest
        assert await other.write(Append(builders.entry(f"ses_{number}")))
        await _next(hints)
        if folder.exists() and _sockets(folder):
            break
    assert len(_sockets(folder)) == 1

    for name in ("_LOOK_INTERVAL", "_LOOK_INTERVAL_MAX"):
        monkeypatch.setattr(log, name, 3600.0)
    while True:  # one look may be on its way by the shorter interval
        assert await other.write(Append(builders.entry("called")))
        if (await _next(hints)).entries == (builders.entry("called"),):
            break
    assert await other.write(Append(builders.entry("last")))
    assert (await _next(hints)).entries == (builders.entry("last"),)


def _no_descriptor(_: object) -> socket.socket:
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.usefixtures("only_calls")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs it")
async def test_a_path_longer_than_an_address(tmp_path: Path) -> None:
    """The address of a socket has a hundred bytes; a database may lie deeper."""
    folder = tmp_path / ("a" * 90) / ("b" * 90)
    folder.mkdir(parents=True)
    path = folder / "ostiary.db"
    here, other = await SqliteStore.open(path), await SqliteStore.open(path)
    hints = here.revocations.hints()
    assert await _next(hints) == LOOK
    assert await other.write(Append(builders.entry("a")))
    assert (await _next(hints)).entries == (builders.entry("a"),)
    await other.revocations.nudge()
    assert await _next(hints) == LOOK
    pausing = asyncio.create_task(other.revocations.pause(0.0, nodes=1))
    await here.revocations.probe(Cursor(), 10, node="a")
    await asyncio.wait_for(pausing, 30)
    for store in (here, other):
        await store.close()
    assert _sockets(path.with_name("ostiary.db.servers")) == []


async def test_only_their_owner_can_reach_them_and_none_is_left(tmp_path: Path) -> None:
    """Folder 0700, sockets 0600; a clean end removes them, and one that a dead process left goes with the next call."""
    path, folder = tmp_path / "ostiary.db", tmp_path / "ostiary.db.servers"
    here, other = await SqliteStore.open(path), await SqliteStore.open(path)
    hints = here.revocations.hints()
    assert await _next(hints) == LOOK
    (mine,) = _sockets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(mine.stat().st_mode) == 0o600
    left = folder / f".{'0' * 16}.calls"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(other._calls._address(left.name))
    assert await other.write(Append(builders.entry("a")))
    assert (await _next(hints)).entries == (builders.entry("a"),)
    assert not left.exists()
    for store in (here, other):
        await store.close()
    assert _sockets(folder) == []


async def test_nothing_that_is_called_is_believed(stores: tuple[SqliteStore, SqliteStore], tmp_path: Path) -> None:
    """Flaw class: who can write to the socket makes a process answer elsewhere, or remember without end. Whatever is
    sent is a look, at most."""
    here, other = stores
    assert here._calls.listen()
    (mine,) = _sockets(tmp_path / "ostiary.db.servers")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.bind(here._calls._address(".0000000000000000.other"))
        for what in (b"", b"tell", b"look" * 100, b"\xff\0", b"done"):
            looked = here._calls.looked
            sender.sendto(what, here._calls._address(mine.name))
            if what != b"done":
                await asyncio.wait_for(looked.wait(), 30)
        await here.revocations.probe(Cursor(), 10, node="a")
        with pytest.raises(BlockingIOError):
            sender.recv(16)
    assert here._calls._waiting == {}
    assert await other.write(Append(builders.entry("a")))
    assert len((await here.revocations.probe(Cursor(), 10)).items) == 1


async def test_a_process_that_stands_still_holds_nobody_up(tmp_path: Path) -> None:
    """M-33: stopped (SIGSTOP), its calls pile up, and writers do not wait for it; `?wait=all` answers when its lease is
    over, and when it goes on it hears of everything."""
    lease, count = 1.0, 200
    path = tmp_path / "ostiary.db"
    store = await SqliteStore.open(path)
    store.announce()
    node = await asyncio.to_thread(Node, path, lease)
    try:
        node.process.send_signal(signal.SIGSTOP)
        for number in range(count):
            assert await store.write(Append(builders.entry(f"ses_{number}")))
            if number % 20 == 0:
                await store.revocations.nudge()
        head = await store.revocations.head()

        await asyncio.wait_for(refused_everywhere(store.revocations, time.monotonic, lease, nudged=False), 30)

        assert await store.revocations.behind(head, within=lease) == 0
        node.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(30):
            while await asyncio.to_thread(node.applied) < count:
                pass
    finally:
        await asyncio.to_thread(node.end)
        await store.close()


@pytest.mark.usefixtures("only_calls")
async def test_wait_for_all_is_answered_by_calls_alone(tmp_path: Path) -> None:
    """M-33: two processes that are told, and tell; nobody here looks without having been called, and no lease ends."""
    lease = 3600.0
    path = tmp_path / "ostiary.db"
    store = await SqliteStore.open(path)
    nodes = [await asyncio.to_thread(Node, path, lease) for _ in range(2)]
    try:
        for number in range(3):
            assert await store.write(Append(builders.entry(f"ses_{number}")))
            await asyncio.wait_for(refused_everywhere(store.revocations, time.monotonic, lease, nudged=False), 30)
            assert [await asyncio.to_thread(node.applied) for node in nodes] == [number + 1] * 2
    finally:
        for node in nodes:
            await asyncio.to_thread(node.end)
        await store.close()
