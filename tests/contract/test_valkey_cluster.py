"""Valkey in a cluster of three: the contract, and slots that move."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from tests.servers import valkey
from tests.servers.ports import free_port
from tests.servers.valkey_groups import Group, add_replica, cluster, reached

from ostiary.errors import Unavailable
from ostiary.revocation.entry import LOOK, Cursor
from ostiary.stores.port import Add, Append, Store
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing import builders
from ostiary.testing.store_contract.batches import Batches
from ostiary.testing.store_contract.log import Log
from ostiary.testing.store_contract.nodes import Nodes
from ostiary.testing.store_contract.races import Races


@pytest.fixture(scope="module")
def group() -> Iterator[Group]:
    with cluster() as group:
        yield group


class TestValkeyCluster(Batches, Log, Nodes, Races):
    """What could depend on where keys are: writes of many records, the log and its hints, races."""

    pytestmark: ClassVar = [pytest.mark.anyio]

    @pytest.fixture(autouse=True)
    def _keys(self, group: Group) -> None:
        self.group = group
        self.url = group.url(prefix=valkey.fresh_prefix(), timeout=30)

    async def open_store(self) -> Store:
        return await ValkeyStore.open(self.url)

    async def age(self, store: Store, seconds: float) -> None:
        assert isinstance(store, ValkeyStore)
        prefix = store.address.key_prefix
        valkey.age(self.group.owner(prefix), prefix, seconds)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_installations_are_spread_over_the_cluster(group: Group) -> None:
    """Each name of keys is one slot: a write never spans two, and many installations use every member."""
    owners = set()
    for number in range(12):
        store = await ValkeyStore.open(group.url(prefix=f"spread-{number}", timeout=30))
        assert await store.write(Add(builders.session()), Append(builders.entry()))
        owners.add(group.owner(store.address.key_prefix).port)
        await store.close()
    assert owners == {server.port for server in group.servers}


@pytest.mark.anyio
async def test_slot_that_moves_loses_nothing(group: Group) -> None:
    """M-05: the slot moves to another member and on while four write and one listens: what was acknowledged is there,
    in order, nothing was done twice, and hints go on."""
    name = valkey.fresh_prefix()
    reader = await ValkeyStore.open(group.url(prefix=name, timeout=30))
    store = await ValkeyStore.open(group.url(prefix=name, timeout=5))
    prefix = store.address.key_prefix
    acknowledged: list[str] = []
    done = asyncio.Event()

    async def write(number: int) -> None:
        i = 0
        while not done.is_set():
            name = f"{number}-{i}"
            i += 1
            try:
                assert await store.write(Add(builders.session(name)), Append(builders.entry(name)))
                acknowledged.append(name)
            except Unavailable:
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(write(number)) for number in range(4)]
    others = [server for server in group.servers if server is not group.owner(prefix)]
    for server in others:
        before = len(acknowledged)
        await reached(acknowledged, before + 50)
        await asyncio.to_thread(group.move, prefix, server)
        assert group.owner(prefix) is server
    before = len(acknowledged)
    await reached(acknowledged, before + 50)
    done.set()
    await asyncio.gather(*writers)

    told = [item.entry.id for item in (await reader.revocations.probe(Cursor(), 100_000)).items]
    assert len(told) == len(set(told))
    assert set(acknowledged) <= set(told) == {session.id for session in await reader.sessions.page(limit=100_000)}
    answered = set(acknowledged)
    order = [name for name in told if name in answered]
    assert sorted(order, key=lambda name: int(name.split("-")[1])) != []
    for number in range(4):
        mine = [int(name.split("-")[1]) for name in order if name.startswith(f"{number}-")]
        assert mine == sorted(mine)
    await store.close()
    await reader.close()


@pytest.mark.anyio
async def test_who_listens_learns_that_the_slot_moved(group: Group) -> None:
    """M-30: messages stay on the member that has the slot; whoever listened elsewhere is told, and listens there."""
    store = await ValkeyStore.open(group.url(prefix=valkey.fresh_prefix(), timeout=30))
    prefix = store.address.key_prefix
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    owner = group.owner(prefix)
    await asyncio.to_thread(group.move, prefix, next(server for server in group.servers if server is not owner))
    with pytest.raises(Unavailable):
        async with asyncio.timeout(30):
            await anext(hints)
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    assert await store.write(Append(builders.entry("x")))
    async with asyncio.timeout(30):
        assert (await anext(hints)).entries == (builders.entry("x"),)
    await hints.aclose()  # type: ignore[attr-defined]
    await store.close()


@pytest.mark.anyio
async def test_seed_that_is_down_is_passed_over(group: Group) -> None:
    """Any member that lives is enough to find the others."""
    dead = f"valkey+cluster://127.0.0.1:{free_port()},127.0.0.1:{group.servers[0].port}"
    for number in range(3):
        store = await ValkeyStore.open(f"{dead}?prefix=seed-{number}&timeout=30")
        assert await store.write(Add(builders.session()))
        await store.close()
    with pytest.raises(Unavailable):
        await ValkeyStore.open(f"valkey+cluster://127.0.0.1:{free_port()}")


@pytest.mark.anyio
async def test_member_that_dies_is_replaced_by_its_replica(tmp_path: Path) -> None:
    """M-05: the member with our keys is killed; once the cluster has made its replica the primary, everything goes on
    with what was acknowledged, found from a seed that is dead and without a restart."""
    entered = cluster(silence=2000)
    group = await asyncio.to_thread(entered.__enter__)
    try:
        owner = group.owner("{ostiary}:")
        replica = await asyncio.to_thread(add_replica, group, owner, tmp_path / "replica")
        store = await ValkeyStore.open(f"valkey+cluster://127.0.0.1:{owner.port}?timeout=5&replicas=1")
        assert await store.write(Add(builders.session()), Append(builders.entry("before")))
        await asyncio.to_thread(owner.kill)
        plain = None
        async with asyncio.timeout(60):
            while plain is None:
                try:
                    assert await store.sessions.get("session-1") == builders.session(revision=1)
                    plain = await ValkeyStore.open(f"valkey+cluster://127.0.0.1:{replica.port}?timeout=5")
                except Unavailable:
                    await asyncio.sleep(0.05)
        assert await plain.write(Append(builders.entry("after")))
        told = [item.entry.id for item in (await plain.revocations.probe(Cursor(), 10)).items]
        assert told == ["before", "after"]
        await plain.close()
        await store.close()
        replica.stop()
    finally:
        await asyncio.to_thread(entered.__exit__, None, None, None)
