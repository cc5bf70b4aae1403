"""Where SQLite's point look-ups are made, and which commits wait for the disk."""

import asyncio
import threading
from pathlib import Path

import pytest
from tests.unit.test_stores_sqlite import hold_writer, queued

from ostiary.errors import InvalidRequest, Unavailable
from ostiary.stores.port import Add, Expect, Swap
from ostiary.stores.sqlite import SqliteStore
from ostiary.stores.sqlite.lanes import Lane, run_reads
from ostiary.stores.sqlite.look_ups import LookUps
from ostiary.stores.sqlite_file import connect
from ostiary.testing import builders

pytestmark = pytest.mark.anyio


class Disk:
    """A clock that moves on by what each job says that it takes."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits = 0
        self.threads: list[int] = []

    def job(self, takes: float, *, waits: int = 1) -> str:
        self.now += takes
        self.waits += waits
        self.threads.append(threading.get_ident())
        return "found"


async def test_slow_look_up_sends_the_next_ones_to_a_thread(tmp_path: Path) -> None:
    """Flaw class: a disk holds up the event loop. Slow look-ups get at most a fiftieth of its time."""
    connections = [connect(tmp_path / "some.db", busy_timeout=1.0) for _ in range(2)]
    disk = Disk()
    looking = LookUps(
        Lane("test", connections[0], run_reads, batch=8), connections[1], lambda: disk.now, lambda: disk.waits
    )
    here = threading.get_ident()
    try:
        assert await looking.submit(lambda _: disk.job(0.0001)) == "found"
        assert await looking.submit(lambda _: disk.job(0.1, waits=0)) == "found"  # another program had the core
        assert await looking.submit(lambda _: disk.job(0.1)) == "found"
        assert disk.threads == [here, here, here]
        assert await looking.submit(lambda _: disk.job(0.1)) == "found"
        disk.now += 4.85
        await looking.submit(lambda _: disk.job(0.0))
        assert here not in disk.threads[3:]
        disk.now += 0.1
        await looking.submit(lambda _: disk.job(0.0))
        assert disk.threads[5:] == [here]
    finally:
        looking.stop()
        await asyncio.to_thread(looking.join)


async def test_look_up_waits_for_no_thread(store: SqliteStore) -> None:
    """M-05: a look-up is answered although every thread of the store has something else to do."""
    event = threading.Event()
    lanes = store._lanes
    held = [lane.submit(lambda _: event.wait(30)) for lane in (lanes.quick._lane, lanes.slow, lanes.log, lanes.writer)]
    try:
        assert await store.accounts.get("nobody") is None
        assert (await store.issuer()).revision >= 1
    finally:
        event.set()
        await asyncio.gather(*held)


async def test_other_threads_look_up_too(store: SqliteStore) -> None:
    """An application may run another loop in another thread beside the one that opened the store."""
    assert await store.write(Add(builders.throttle("t")))
    found = await asyncio.to_thread(lambda: asyncio.run(store.throttles.get("t")))
    assert found == builders.throttle("t", revision=1)


async def test_what_cannot_be_looked_up_is_told_as_before(store: SqliteStore) -> None:
    """A text that SQLite cannot take is the caller's mistake, a closed store is unavailable."""
    with pytest.raises(InvalidRequest):
        await store.accounts.by_username("\ud800")
    await store.close()
    with pytest.raises(Unavailable):
        await store.accounts.get("x")


async def test_only_what_is_durable_waits_for_the_disk(store: SqliteStore) -> None:
    """A group of writes of which none has to be on the disk is committed without it; the next that has to is not."""
    seen: list[str] = []
    await store._lanes.writer.submit(lambda connection: connection.set_trace_callback(seen.append))
    assert await store.write(Add(builders.throttle("counted")), durable=False)
    assert await store.write(Add(builders.throttle("kept")))
    assert [text for text in seen if "synchronous" in text] == [
        "PRAGMA synchronous = NORMAL",
        "PRAGMA synchronous = FULL",
    ]
    assert await store.throttles.get("counted") is not None


async def test_durable_write_takes_its_group_along(store: SqliteStore) -> None:
    """Whoever shares a commit with a durable write shares its disk."""
    seen: list[str] = []
    await store._lanes.writer.submit(lambda connection: connection.set_trace_callback(seen.append))
    event, held = await hold_writer(store)
    writes = [
        asyncio.ensure_future(store.write(Add(builders.throttle("one")), durable=False)),
        asyncio.ensure_future(store.write(Add(builders.throttle("two")))),
    ]
    await queued(store, 2)
    event.set()
    await held
    assert await asyncio.gather(*writes) == [True, True]
    assert "PRAGMA synchronous = NORMAL" not in seen


async def test_one_change_that_is_refused_leaves_its_group_alone(store: SqliteStore) -> None:
    """M-42: a write without a savepoint of its own changes nothing if its condition does not hold."""
    await store.write(Add(builders.throttle("a")), Add(builders.throttle("b")))
    a, b = await store.throttles.get("a"), await store.throttles.get("b")
    assert a is not None
    assert b is not None
    event, held = await hold_writer(store)
    writes = [
        asyncio.ensure_future(store.write(Swap(a), Expect(b))),
        asyncio.ensure_future(store.write(Swap(a), Expect(b))),  # too late
        asyncio.ensure_future(store.write(Swap(b))),
        asyncio.ensure_future(store.write(Add(builders.throttle("c")), Expect(b))),  # too late
    ]
    await queued(store, 4)
    event.set()
    await held
    assert await asyncio.gather(*writes) == [True, False, True, False]
    assert await store.throttles.get("c") is None
    assert await store.throttles.get("a") == builders.throttle("a", revision=2)


async def test_a_write_that_is_alone_needs_no_savepoint(store: SqliteStore) -> None:
    """M-42: one that is refused half-way changes nothing, and what it would have undone is copied nowhere before."""
    seen: list[str] = []
    await store._lanes.writer.submit(lambda connection: connection.set_trace_callback(seen.append))
    assert await store.write(Add(builders.throttle("a")), Add(builders.throttle("b")))
    assert not await store.write(Add(builders.throttle("c")), Add(builders.throttle("b")), Add(builders.throttle("d")))
    assert [await store.throttles.get(name) is None for name in "abcd"] == [False, False, True, True]
    assert await store.write(Add(builders.throttle("c")))
    assert "SAVEPOINT one" not in seen
