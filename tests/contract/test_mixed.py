"""A database and Valkey together keep the contract, also when the process dies between the two."""

import secrets
from pathlib import Path

import pytest
from tests.servers import valkey
from tests.servers.postgres import Cluster

from ostiary.stores.mixed import MixedStore
from ostiary.stores.port import Store
from ostiary.stores.postgres import PostgresStore
from ostiary.stores.sqlite import SqliteStore
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing.store_contract import StoreContract
from ostiary.testing.store_contract.batches import Batches
from ostiary.testing.store_contract.purges import Purges
from ostiary.testing.store_contract.races import Races


class TestMixed(StoreContract):
    """SQLite and Valkey."""

    @pytest.fixture(autouse=True)
    def _places(self, valkey_server: valkey.Server, valkey_url: str, tmp_path: Path) -> None:
        self.server = valkey_server
        self.url = valkey_url
        self.path = tmp_path / "ostiary.db"

    async def open_store(self) -> Store:
        return await MixedStore.open(await SqliteStore.open(self.path), await ValkeyStore.open(self.url))

    async def age(self, store: Store, seconds: float) -> None:
        assert isinstance(store, MixedStore)
        valkey.age(self.server, store._valkey.address.key_prefix, seconds)


class TestMixedPostgres(Batches, Races, Purges):
    """PostgreSQL and Valkey: what could depend on which database it is."""

    @pytest.fixture(autouse=True)
    def _places(self, valkey_server: valkey.Server, valkey_url: str, postgres: Cluster) -> None:
        self.server = valkey_server
        self.url = valkey_url
        self.database = postgres.url(schema=f"m_{secrets.token_hex(8)}", pool_size=5)

    async def open_store(self) -> Store:
        return await MixedStore.open(await PostgresStore.open(self.database), await ValkeyStore.open(self.url))
