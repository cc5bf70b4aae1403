"""Valkey with a replica and sentinels: fail-over, and an old primary that does not know."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest
from tests.servers import valkey
from tests.servers.ports import free_port
from tests.servers.proxy import Proxy, proxy
from tests.servers.valkey_groups import Watched, watched

from ostiary.errors import Unavailable
from ostiary.revocation.entry import LOOK, Cursor
from ostiary.stores.port import Add, Append
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio

T = TypeVar("T")
FENCED = {"min_replicas_to_write": 1, "min_replicas_max_lag": 10}
"""What `ostiary doctor` asks for, but that a replica may be silent for longer: the machine may be busy. A line that is
cut is noticed all the same."""


@contextlib.asynccontextmanager
async def high_availability() -> AsyncIterator[tuple[Watched, Proxy]]:
    """A primary that its replica and the sentinels reach through a line that can be cut."""
    with valkey.server(**FENCED) as primary:
        async with proxy(primary.port) as line:
            entered = watched(primary, seen_at=line.port, min_replicas_max_lag=10)
            group = await asyncio.to_thread(entered.__enter__)
            try:
                yield group, line
            finally:
                await asyncio.to_thread(entered.__exit__, None, None, None)


async def until_it_writes(store: ValkeyStore, entry_id: str) -> None:
    """Ask again until it does; a minute at most."""
    assert await until_it_answers(lambda: store.write(Append(builders.entry(entry_id))))


async def until_it_answers(doing: Callable[[], Awaitable[T]]) -> T:
    """Ask again while it is unavailable; a minute at most."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Unavailable):
                return await doing()
            await asyncio.sleep(0.05)


async def test_isolated_primary_grants_no_lease_and_the_new_one_knows_everything() -> None:
    """M-30: the primary is cut off from its replica and the sentinels, while a node still reaches it. Within the time
    that its settings give it refuses writes and so probes; what was acknowledged before is known to the replica that
    takes over, whom everybody else finds without a restart; and the old one never again renews anybody's lease."""
    async with high_availability() as (group, line):
        near = await ValkeyStore.open(group.primary.url(timeout=5))
        waits = await ValkeyStore.open(group.primary.url(timeout=5, replicas=1))
        assert (await waits.revocations.probe(Cursor(), 10, node="waits")).matches
        far = await ValkeyStore.open(group.sentinels.url(timeout=5, replicas=1))
        assert await far.write(Add(builders.session()), Append(builders.entry("before")))
        cursor = await near.revocations.head()
        assert (await near.revocations.probe(cursor, 10, node="near")).matches
        hints = far.revocations.hints()
        assert await anext(hints) == LOOK

        line.cut()
        with pytest.raises(Unavailable):  # whoever waits for the replicas is refused from that moment on
            await waits.revocations.probe(Cursor(), 10, node="waits")
        cut_at = time.monotonic()
        refused_after = 0.0
        async with asyncio.timeout(60):
            while not refused_after:
                try:
                    await near.revocations.probe(cursor, 10, node="near")
                    await asyncio.sleep(0.02)
                except Unavailable:
                    refused_after = time.monotonic() - cut_at
        with pytest.raises(Unavailable):
            await anext(hints)
        await asyncio.to_thread(group.until_named, group.replica)
        group.primary.ask("CONFIG", "SET", "min-replicas-to-write", 0)  # it has no replica yet
        writer = await ValkeyStore.open(group.sentinels.url(timeout=5))
        await until_it_writes(writer, "after")

        assert await writer.sessions.get("session-1") == builders.session(revision=1)
        assert await until_it_answers(lambda: far.sessions.get("session-1")) == builders.session(revision=1)
        told = (await until_it_answers(lambda: writer.revocations.probe(Cursor(), 10, node="far"))).items
        assert {item.entry.id for item in told} == {"before", "after"}
        hints = far.revocations.hints()
        assert await anext(hints) == LOOK
        await hints.aclose()  # type: ignore[attr-defined]
        for _ in range(5):
            with pytest.raises(Unavailable):
                await near.revocations.probe(cursor, 10, node="near")
        assert await near.revocations.head() == cursor  # reading would have gone on for ever
        assert refused_after < 60
        for store in (near, far, writer, waits):
            await store.close()


async def test_planned_fail_over_is_followed() -> None:
    """The sentinels make the replica the primary: writes go there, none that was acknowledged is lost, and the old
    primary, a replica now, is not written to."""
    async with high_availability() as (group, _):
        store = await ValkeyStore.open(group.sentinels.url(timeout=5, replicas=1))
        for number in range(20):
            assert await store.write(Append(builders.entry(f"{number}")))
        await asyncio.to_thread(group.fail_over)
        group.primary.ask("CONFIG", "SET", "min-replicas-to-write", 0)  # until the other one has become its replica
        writer = await ValkeyStore.open(group.sentinels.url(timeout=5))
        await until_it_writes(writer, "after")
        probe = await until_it_answers(lambda: writer.revocations.probe(Cursor(), 100))
        told = [item.entry.id for item in probe.items]
        assert told[:20] == [f"{number}" for number in range(20)]
        assert set(told[20:]) == {"after"}
        await store.close()
        await writer.close()


async def test_sentinels_that_know_nothing_are_unavailable() -> None:
    """A service that nobody watches, and sentinels that are not there."""
    async with high_availability() as (group, _):
        url = group.sentinels.url().replace("/ostiary", "/other")
        for wrong in (url, f"valkey+sentinel://127.0.0.1:{free_port()}/ostiary"):
            with pytest.raises(Unavailable):
                await ValkeyStore.open(wrong)
