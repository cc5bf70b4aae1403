"""The Valkey store keeps the contract."""

import pytest
from tests.servers import valkey

from ostiary.stores.port import Store
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing.store_contract import StoreContract


class TestValkey(StoreContract):
    """One server."""

    @pytest.fixture(autouse=True)
    def _keys(self, valkey_server: valkey.Server, valkey_url: str) -> None:
        self.server = valkey_server
        self.url = valkey_url

    async def open_store(self) -> Store:
        return await ValkeyStore.open(self.url)

    async def age(self, store: Store, seconds: float) -> None:
        assert isinstance(store, ValkeyStore)
        valkey.age(self.server, store.address.key_prefix, seconds)
