"""The Valkey store keeps the contract."""

import itertools
from collections.abc import Iterator

import pytest
from tests.servers import valkey

from ostiary.stores.port import Store
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing.store_contract import StoreContract

_numbers = itertools.count()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[valkey.Server]:
    """One for all tests of this process: each has keys of its own."""
    with valkey.server() as server:
        yield server


class TestValkey(StoreContract):
    """One server."""

    @pytest.fixture(autouse=True)
    def _keys(self, valkey_server: valkey.Server) -> None:
        self.server = valkey_server
        self.url = valkey_server.url(prefix=f"test-{next(_numbers)}", timeout=30)

    async def open_store(self) -> Store:
        return await ValkeyStore.open(self.url)

    async def age(self, store: Store, seconds: float) -> None:
        assert isinstance(store, ValkeyStore)
        server, prefix = self.server, store.address.key_prefix
        server.ask("SET", f"{prefix}born", float(server.ask("GET", f"{prefix}born")) - seconds)
        for node in server.ask("ZRANGE", f"{prefix}nodes", 0, -1):
            server.ask("ZINCRBY", f"{prefix}nodes", -seconds, node)
