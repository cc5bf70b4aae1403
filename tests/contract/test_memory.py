"""The memory store keeps the contract."""

from ostiary.stores.memory import MemoryStore
from ostiary.stores.port import Store
from ostiary.testing.store_contract import StoreContract


class TestMemory(StoreContract):
    """Nothing survives closing it: it is memory."""

    durable = False

    async def open_store(self) -> Store:
        return MemoryStore(uptime=self.uptime)
