"""What many nodes cost: the local check, the fresh check, catching up, memory, chaos in one process; and what a
revocation takes on sixteen of them."""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import redis.asyncio
import uvloop
from tests.servers.postgres import cluster
from tests.servers.valkey import server
from tests.unit.revocation.test_faults import _chaos

from benchmarks import everywhere
from benchmarks.following import Nobody, ended, new_id
from benchmarks.report import Row
from benchmarks.stats import number
from ostiary import jose
from ostiary.clock import SYSTEM_CLOCK
from ostiary.revocation.entry import Entry, Scope
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Replica
from ostiary.stores.port import Append, Store
from ostiary.stores.postgres import PostgresStore
from ostiary.stores.sqlite import SqliteStore
from ostiary.stores.valkey import ValkeyStore

MANY = 1_000_000
TOGETHER = 512
ROUNDS = 20
SEEDS = 25


def _least(step: Callable[[], object], times: int, *, rounds: int = 10 * ROUNDS) -> float:
    """Seconds of one: of processor time, so that what else runs on the machine counts less."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            step()
        found.append((time.process_time() - began) / times)
    return min(found)


def run(say: Callable[[str], None]) -> list[Row]:
    """About four minutes."""
    say("the local check ...")
    rows = _local()
    say("the fresh check ...")
    rows += uvloop.run(_fresh())
    say("catching up ...")
    rows += asyncio.run(_catching_up())
    say("six nodes in trouble ...")
    rows.append(_trouble())
    return rows + everywhere.run(say)


def _local() -> list[Row]:
    replica, whole = Replica(lease=2.0), Replica(lease=2.0, young=MANY)
    for each in (replica, whole):
        each.adopt(1, 0)
        each.apply(ended(MANY))
        each.apply(Entry(scope=Scope.ACCOUNT, id=new_id("acc_"), value=1, until=2e9) for _ in range(1000))
        each.apply([Entry(scope=Scope.KEY, id="retired", value=1, until=2e9)])
    callers = [(new_id("ses_"), 1, new_id("acc_"), 5, "kid") for _ in range(100_000)]
    several = callers[:1000]

    def check(replica: Replica, callers: list[tuple[str, int, str, int, str]]) -> None:
        for session_id, version, account_id, epoch, kid in callers:
            replica.judge(session_id, version, account_id, epoch, kid, 1.0)

    judging, judging_whole = (
        _least(lambda each=each: check(each, several), 1) / len(several) for each in (replica, whole)
    )
    judging_many = _least(lambda: check(replica, callers), 1, rounds=ROUNDS) / len(callers)
    key = jose.Key.generate("ES256")
    token = jose.sign({"iss": "https://a.example", "aud": "b", "exp": int(time.time()) + 3600}, key, typ="JWT")
    policy = jose.Policy(issuer="https://a.example", audience="b", type="JWT")
    keys = key.public()
    verifying = _least(lambda: jose.verify(token, keys, policy, now=time.time()), 20)
    note = f"{number(judging * 1e9)} ns with a million ended sessions, against {number(verifying * 1e6)} µs; "
    note += f"{number(judging_whole * 1e9)} ns where none is packed, {number(judging_many * 1e9)} ns where each of "
    note += "100,000 callers comes in turn and is no longer in the processor's memory"
    return [
        Row(
            what="local check, of an ES256 verification",
            reached=100 * judging / verifying,
            unit="%",
            at_most=1,
            note=note,
        ),
        Row(what="memory of an entry that is not packed", reached=whole.size() / len(whole), unit="B", at_most=110),
        Row(what="memory of an entry of a million", reached=replica.size() / len(replica), unit="B", at_most=14),
    ]


async def _fresh() -> list[Row]:
    with server() as valkey:
        store = await ValkeyStore.open(valkey.url(timeout=10))
        replica = Replica(lease=2.0)
        feed = Feed(replica, store.revocations, SYSTEM_CLOCK, Nobody())
        await feed.start(follow=False)
        client = redis.asyncio.Redis(port=valkey.port, max_connections=TOGETHER)

        async def nothing() -> None:
            await asyncio.sleep(0)

        async def by_tasks(one: Callable[[], Awaitable[object]] | None) -> float:
            """Seconds of each, by tasks that were there before, from when the first goes on until the last is done."""
            began, go = list[float](), asyncio.Event()

            async def task() -> None:
                await go.wait()
                began.append(time.perf_counter())
                if one is not None:
                    await one()

            tasks = [asyncio.create_task(task()) for _ in range(TOGETHER)]
            await asyncio.sleep(0)
            go.set()
            await asyncio.gather(*tasks)
            return (time.perf_counter() - began[0]) / TOGETHER

        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "asking": feed.ask,
            "getting": lambda: client.get("a session of somebody's"),
            "nothing": nothing,
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, one in ways.items():
                began = time.perf_counter()
                await asyncio.gather(*(one() for _ in range(TOGETHER)))
                found[way].append((time.perf_counter() - began) / TOGETHER)
        asking, getting, idle = (min(found[way]) for way in ways)
        there: dict[str, list[float]] = {"asking": [], "getting": [], "idle": []}
        for _ in range(ROUNDS):
            there["asking"].append(await by_tasks(feed.ask))
            there["getting"].append(await by_tasks(ways["getting"]))
            there["idle"].append(await by_tasks(None))
        woken, got, ended_at_once = (min(seconds) for seconds in there.values())
        await client.aclose()
        await feed.stop()
        await store.close()
    return [
        Row(
            what=f"fresh check, {TOGETHER} at once, of a GET each",
            reached=(asking - idle) / (getting - idle),
            at_most=1 / 20,
            note=f"{number((asking - idle) * 1e6)} µs each, and {number((getting - idle) * 1e6)} µs with redis-py and "
            f"hiredis, both without the {number(idle * 1e6)} µs that a task of asyncio takes which waits for nothing; "
            f"with them {number(asking / getting)}",
        ),
        Row(
            what=f"fresh check, {TOGETHER} tasks that were there before, of a GET each",
            reached=(woken - ended_at_once) / (got - ended_at_once),
            at_most=1 / 20,
            note=f"What it adds to a request, which is a task already: {number((woken - ended_at_once) * 1e6)} µs, "
            f"being woken included, and {number((got - ended_at_once) * 1e6)} µs; not what the task itself takes",
        ),
    ]


async def _catching_up() -> list[Row]:
    entries = list(ended(MANY))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ostiary.db"
        store: Store = await SqliteStore.open(path)
        with sqlite3.connect(path) as connection:
            connection.executemany(
                "INSERT INTO revocations (nonce, scope, entry_id, value, until) VALUES (?, 's', ?, ?, ?)",
                ((i + 1, entry.id, entry.value, entry.until) for i, entry in enumerate(entries)),
            )
        rows.append(await _caught_up("SQLite", store))
    with cluster() as database:
        store = await PostgresStore.open(database.url())
        connected = await asyncpg.connect(database.url())
        await connected.copy_records_to_table(
            "revocations",
            schema_name="ostiary",
            records=((i + 1, i + 1, "s", entry.id, entry.value, entry.until) for i, entry in enumerate(entries)),
            columns=["position", "nonce", "scope", "entry_id", "value", "until"],
        )
        await connected.close()
        rows.append(await _caught_up("PostgreSQL", store))
    with server() as valkey:
        store = await ValkeyStore.open(valkey.url(timeout=10))
        for at in range(0, MANY, 20_000):
            portions = [entries[start : start + 200] for start in range(at, at + 20_000, 200)]
            await asyncio.gather(*(store.write(*map(Append, portion)) for portion in portions))
        rows.append(await _caught_up("Valkey", store))
    return rows


async def _caught_up(name: str, store: Store) -> Row:
    found, busy = list[float](), list[float]()
    for _ in range(5):
        feed = Feed(Replica(lease=2.0), store.revocations, SYSTEM_CLOCK, Nobody())
        began, used = time.perf_counter(), time.process_time()
        await feed.start(follow=False)
        found.append(time.perf_counter() - began)
        busy.append(time.process_time() - used)
        assert feed.status().entries == MANY
        await feed.stop()
    await store.close()
    return Row(
        what=f"catching up with a million entries on {name}",
        reached=min(found),
        unit="s",
        at_most=1,
        note=f"processor time of the node {number(min(busy))} s",
    )


def _trouble() -> Row:
    found = [_chaos(seed, revocations=400) for seed in range(SEEDS)]
    return Row(
        what="latest acceptance in 10,000 revocations over six nodes, of the lease",
        reached=max(latest for latest, _ in found) / 2.0,
        at_most=1.002,
        note=f"virtual time; none of {sum(waited for _, waited in found)} that waited for all was accepted after it",
    )
