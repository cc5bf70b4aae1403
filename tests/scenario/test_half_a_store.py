"""A database and Valkey that are one store are not taken for two."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.world import ISSUER, ONE_OF_EACH_KIND, running
from tests.servers.postgres import Cluster

from ostiary.compose import open_store, open_system
from ostiary.errors import Misconfigured
from ostiary.settings import Settings
from ostiary.stores import halves
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


class Places:
    """Settings that name both, and either alone."""

    def __init__(self, database: str, valkey_url: str) -> None:
        always: dict[str, Any] = {"issuer": ISSUER, "secret_key": b"0123456789abcdef" * 2}
        self.both = Settings(database=database, valkey=valkey_url, **always)
        self.database = Settings(database=database, **always)
        self.valkey = Settings(valkey=valkey_url, **always)


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path, valkey_url: str) -> Places:
    """Empty ones."""
    if request.param == "sqlite":
        return Places(f"sqlite:///{tmp_path / 'accounts.db'}", valkey_url)
    postgres: Cluster = request.getfixturevalue("postgres")
    return Places(postgres.url(schema=f"h_{secrets.token_hex(8)}", pool_size=5), valkey_url)


async def _refused(settings: Settings, *, serving: bool = False) -> str:
    with pytest.raises(Misconfigured) as refusal:
        async with open_system(settings, serving=serving):
            pass
    return str(refusal.value)


async def test_who_names_one_half_is_told_the_other(places: Places) -> None:
    """M-07: once a server has served with both, no command and no server goes on with one of them: what it ended, no
    node would hear of. Both together work as before, and a purge leaves it so."""
    async with running(places.both, FakeClock()) as server:
        await server.account("alice")
        for serving in (False, True):
            assert "--valkey" in await _refused(places.database, serving=serving)
            assert "--database" in await _refused(places.valkey, serving=serving)
        for half in (places.database, places.valkey):
            store = await open_store(half, even_half=True)
            await store.throttles.purge(before=2 * server.clock.wall)
            await store.close()
    assert "--valkey" in await _refused(places.database)
    assert "--database" in await _refused(places.valkey)
    async with open_system(places.both) as system:
        assert await system.accounts.find("alice")


async def test_a_command_makes_no_half_of_anything(places: Places) -> None:
    """A command that names a Valkey too many, or is run before the first start, keeps no server from its start."""
    async with open_system(places.both):
        pass
    for alone in (places.database, places.valkey):
        async with open_system(alone, serving=True):
            pass


async def test_servers_that_start_at_once_agree(places: Places) -> None:
    """Several first starts at once, each of which marks both halves: all serve. So does whoever comes to a store that
    worked before there were marks."""
    store = await open_store(places.both)
    await asyncio.gather(*(halves.mark(store) for _ in range(20)))
    assert await halves.unmark(store)
    await store.close()

    async def serve() -> None:
        async with open_system(places.both, serving=True):
            pass

    await asyncio.gather(*(serve() for _ in range(4)))
    assert await _refused(places.database)
    assert await _refused(places.valkey)


async def test_a_database_that_has_left_valkey_revives_nobody(places: Places) -> None:
    """M-06: the way back to one store. Accounts are there; no credential that was given before counts, of any kind, and
    none that was given before there was a Valkey."""
    clock = FakeClock()
    async with running(places.database, clock) as server:
        await server.account("alice")
        before = [await server.log_in("alice", carrier) for carrier in ONE_OF_EACH_KIND]
    async with running(places.both, clock) as server:
        beside = [await server.log_in("alice", carrier) for carrier in ONE_OF_EACH_KIND]
    database = await open_store(places.database, even_half=True)
    assert [await halves.unmark(database), await halves.unmark(database)] == [True, False]
    await database.close()
    async with running(places.database, clock) as server:
        assert [(await device.copy(server).me()).status for device in before + beside] == [401] * 6
        assert (await (await server.log_in("alice")).me()).status == 200
    assert await _refused(places.valkey)
