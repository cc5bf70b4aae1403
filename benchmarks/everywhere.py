"""A revocation on sixteen processes: when the last of them refuses, and how long whoever waits for all has to wait. And
on six nodes in one event loop: what the protocol takes by itself, without processes that have to be woken."""

import asyncio
import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop
from tests.servers import postgres, valkey

from benchmarks import machine
from benchmarks.following import Nobody, new_id
from benchmarks.node import Noting, open_store
from benchmarks.report import Row
from benchmarks.stats import number, percentile, spread
from ostiary.clock import SYSTEM_CLOCK
from ostiary.domain.session import ENDED_VERSION
from ostiary.revocation.entry import Entry, Scope
from ostiary.revocation.everywhere import refused_everywhere
from ostiary.revocation.feed import Feed
from ostiary.stores.port import Append, Store
from ostiary.stores.sqlite import SqliteStore, log

NODES = 16
TOGETHER = 6
LEASE = 2.0
REVOCATIONS = 300
PAUSE = 0.02  # seconds between them
WAITS = 50


@contextlib.contextmanager
def _stores(name: str) -> Iterator[str]:
    if name == "Valkey":
        with valkey.server(**valkey.DURABLE) as server:
            yield server.url(timeout=5)
    elif name == "PostgreSQL":
        with postgres.cluster() as cluster:
            yield cluster.url(pool_size=2)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "ostiary.db")


def run(say: Callable[[str], None]) -> list[Row]:
    """About a minute."""
    rows: list[Row] = []
    for name in ("SQLite", "PostgreSQL", "Valkey"):
        say(f"{NODES} processes on {name} ...")
        with _stores(name) as url:
            rows += uvloop.run(_measured(name, url))
        with _stores(name) as url:
            rows.append(uvloop.run(_in_one_loop(name, url)))
    return rows


async def _measured(name: str, url: str) -> list[Row]:
    store = await open_store(url)
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        nodes: list[subprocess.Popen[str]] = []
        for count in (1, 2, 4, NODES):
            more = [
                stack.enter_context(machine.child("-m", "benchmarks.node", url, stdin=subprocess.PIPE))
                for _ in range(count - len(nodes))
            ]
            for node in more:
                await asyncio.to_thread(_line, node)
            nodes += more
            processes = "1 process" if count == 1 else f"{count} processes"
            rows.append(await _waiting(name, store, processes))
        rows.insert(0, await _lags(name, store, nodes))
        for node in nodes:
            assert node.stdin is not None
            node.stdin.close()
        for node in nodes:
            await asyncio.to_thread(node.wait, 10)
    await store.close()
    return rows


def _line(node: subprocess.Popen[str]) -> object:
    assert node.stdout is not None
    line = node.stdout.readline()
    if not line:
        raise SystemExit(f"a child ended: {node.args}")
    return json.loads(line)


def _told(node: subprocess.Popen[str]) -> dict[str, float]:
    assert node.stdin is not None
    node.stdin.write("\n")
    node.stdin.flush()
    found = _line(node)
    assert isinstance(found, dict)
    return found


async def _end(store: Store, *, awaited: bool = False) -> str:
    ended = new_id("ses_")
    entry = Entry(scope=Scope.SESSION, id=ended, value=ENDED_VERSION, until=4e9)
    assert await store.write(Append(entry, awaited=awaited))
    return ended


async def _lags(name: str, store: Store, nodes: list[subprocess.Popen[str]]) -> Row:
    answered: dict[str, float] = {}
    for node in nodes:
        await asyncio.to_thread(_told, node)
    for _ in range(REVOCATIONS):
        ended = await _end(store)
        answered[ended] = time.monotonic()
        await asyncio.sleep(PAUSE)
    await asyncio.sleep(LEASE)
    told = [await asyncio.to_thread(_told, node) for node in nodes]
    lags = [max(each[ended] for each in told) - at for ended, at in answered.items()]
    p50, p99, most = percentile(lags, 0.5), percentile(lags, 0.99), max(lags)
    return Row(
        what=f"revoke answered -> refused on all of {len(nodes)} nodes, {name}, p99",
        reached=p99 * 1000,
        unit="ms",
        at_most=LEASE / 100 * 1000,
        spread=f"p50 {number(p50 * 1000)} ms, longest {number(most * 1000)} ms, n={REVOCATIONS}",
        note=f"Each node is a process of its own; all of them, and the store, on {len(machine._ALLOWED)} cores.",
    )


async def _in_one_loop(name: str, url: str) -> Row:
    """As many nodes as the reference had, each with a store, a feed and a replica of its own."""
    stores = [await open_store(url) for _ in range(1 + TOGETHER)]
    feeds = []
    for store in stores[1:]:
        store.announce()
        feeds.append(Feed(Noting(lease=LEASE), store.revocations, SYSTEM_CLOCK, Nobody()))
        await feeds[-1].start(follow=True)
    row = await _waiting(name, stores[0], f"{TOGETHER} nodes in one event loop")
    for feed in feeds:
        await feed.stop()
    for store in stores:
        await store.close()
    return row


async def _trip(store: Store) -> None:
    """One question to the store, and its answer; on SQLite to the thread that reads the log."""
    if isinstance(store, SqliteStore):
        await store._lanes.log.submit(log._head)
    else:
        await store.revocations.head()


async def _waiting(name: str, store: Store, nodes: str) -> Row:
    """What a call that waits takes, less what the same call takes that does not: the write nudges, where it waits."""
    trips, writes, calls, waits = [], [], [], []
    for _ in range(WAITS):
        began = time.perf_counter()
        await _trip(store)
        trips.append(time.perf_counter() - began)
        began = time.perf_counter()
        await _end(store)
        writes.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE)
        began = time.perf_counter()
        await _end(store, awaited=True)
        written = time.perf_counter()
        await refused_everywhere(store.revocations, time.monotonic, LEASE, nudged=True)
        calls.append(time.perf_counter() - began)
        waits.append(time.perf_counter() - written)
        await asyncio.sleep(PAUSE)
    trip, write = percentile(trips, 0.5), percentile(writes, 0.5)
    ratios = spread([(call - write) / trip for call in calls])
    added = percentile(calls, 0.5) - write
    return Row(
        what=f"wait=all, {nodes}, {name}, of a round trip to the store",
        reached=ratios.median,
        at_most=10,
        spread=f"{ratios}; {number(added * 1000)} ms, a round trip {number(trip * 1000)} ms; from the write's answer "
        f"on, {number(percentile(waits, 0.5) * 1000)} ms",
        note=f"What it adds to the write of an end, which took {number(write * 1000)} ms. A round trip: one question "
        "of the process that waits for the newest item, and its answer, after the same pause; on SQLite to the thread "
        "that reads the log, though most is answered on the event loop. Processes are woken one after the other on "
        f"{len(machine._ALLOWED)} cores; nodes in one event loop show what the protocol takes by itself.",
    )
