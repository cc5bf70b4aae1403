"""What many nodes cost, measured in one process: the local check, the fresh check, catching up, memory, chaos.

What needs several processes and a network (a revocation on all of 16 nodes, `wait=all`) is not here.
"""

import asyncio
import base64
import secrets
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import redis.asyncio
import uvloop
from tests.servers.valkey import server
from tests.unit.revocation.test_faults import _chaos

from benchmarks.report import Row
from benchmarks.stats import number
from ostiary import jose
from ostiary.clock import SYSTEM_CLOCK
from ostiary.domain.session import ENDED_VERSION
from ostiary.revocation.entry import Entry, Scope
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Replica
from ostiary.stores.sqlite import SqliteStore
from ostiary.stores.valkey import ValkeyStore

MANY = 1_000_000
TOGETHER = 512
ROUNDS = 20
SEEDS = 25


class _Nobody:
    """A keeper of a log that is never lost."""

    async def keys_changed(self) -> None: ...

    async def adopt(self, generation: int, known: int | None) -> int:  # noqa: ARG002
        return known or 0

    async def restore(self, entries: Iterable[Entry]) -> None: ...

    async def make_room(self) -> None: ...


def _new_id(prefix: str) -> str:
    return prefix + base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()


def _entries(count: int) -> Iterable[Entry]:
    for i in range(count):
        yield Entry(scope=Scope.SESSION, id=_new_id("ses_"), value=ENDED_VERSION, until=2e9 + i % 300)


def _least(step: Callable[[], object], times: int) -> float:
    """Seconds of one."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            step()
        found.append((time.perf_counter() - began) / times)
    return min(found)


def run(say: Callable[[str], None]) -> list[Row]:
    """About two minutes."""
    say("the local check ...")
    rows = _local()
    say("the fresh check ...")
    rows += uvloop.run(_fresh())
    say("catching up ...")
    rows += asyncio.run(_catching_up())
    say("six nodes in trouble ...")
    rows.append(_trouble())
    return rows


def _local() -> list[Row]:
    replica = Replica(lease=2.0)
    replica.adopt(1, 0)
    replica.apply(_entries(MANY))
    replica.apply(Entry(scope=Scope.ACCOUNT, id=_new_id("acc_"), value=1, until=2e9) for _ in range(1000))
    replica.apply([Entry(scope=Scope.KEY, id="retired", value=1, until=2e9)])
    callers = [(_new_id("ses_"), 1, _new_id("acc_"), 5, "kid") for _ in range(1000)]

    def check() -> None:
        for caller in callers:
            replica.judge(*caller, now=1.0)

    judging = _least(check, 3) / len(callers)
    key = jose.Key.generate("ES256")
    token = jose.sign({"iss": "https://a.example", "aud": "b", "exp": int(time.time()) + 3600}, key, typ="JWT")
    policy = jose.Policy(issuer="https://a.example", audience="b", type="JWT")
    keys = key.public()
    verifying = _least(lambda: jose.verify(token, keys, policy, now=time.time()), 200)
    note = f"{number(judging * 1e9)} ns with a million ended sessions, against {number(verifying * 1e6)} µs"
    return [
        Row(
            what="local check, of an ES256 verification",
            reached=100 * judging / verifying,
            unit="%",
            at_most=1,
            note=note,
        ),
        Row(what="memory of one ended session", reached=replica.size() / len(replica), unit="B", at_most=110),
    ]


async def _fresh() -> list[Row]:
    with server() as valkey:
        store = await ValkeyStore.open(valkey.url(timeout=10))
        replica = Replica(lease=2.0)
        feed = Feed(replica, store.revocations, SYSTEM_CLOCK, _Nobody())
        await feed.start(follow=False)
        client = redis.asyncio.Redis(port=valkey.port, max_connections=TOGETHER)

        async def seconds(one: Callable[[], Awaitable[object]]) -> float:
            found = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                await asyncio.gather(*(one() for _ in range(TOGETHER)))
                found.append((time.perf_counter() - began) / TOGETHER)
            return min(found)

        asking, getting = await seconds(feed.ask), await seconds(lambda: client.get("a session of somebody's"))
        await client.aclose()
        await feed.stop()
        await store.close()
    return [
        Row(
            what=f"fresh check, {TOGETHER} at once, of a GET each",
            reached=asking / getting,
            at_most=1 / 20,
            note=f"{number(asking * 1e6)} µs each, and {number(getting * 1e6)} µs with redis-py and hiredis",
        )
    ]


async def _catching_up() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ostiary.db"
        store = await SqliteStore.open(path)
        with sqlite3.connect(path) as connection:
            connection.executemany(
                "INSERT INTO revocations (nonce, scope, entry_id, value, until) VALUES (?, 's', ?, ?, ?)",
                ((i + 1, entry.id, entry.value, entry.until) for i, entry in enumerate(_entries(MANY))),
            )
        found = []
        for _ in range(5):
            feed = Feed(Replica(lease=2.0), store.revocations, SYSTEM_CLOCK, _Nobody())
            began = time.perf_counter()
            await feed.start(follow=False)
            found.append(time.perf_counter() - began)
            await feed.stop()
        await store.close()
    return [Row(what="catching up with a million entries on SQLite", reached=min(found), unit="s", at_most=1)]


def _trouble() -> Row:
    found = [_chaos(seed, revocations=400) for seed in range(SEEDS)]
    return Row(
        what="latest acceptance in 10,000 revocations over six nodes, of the lease",
        reached=max(latest for latest, _ in found) / 2.0,
        at_most=1.002,
        note=f"virtual time; none of {sum(waited for _, waited in found)} that waited for all was accepted after it",
    )
