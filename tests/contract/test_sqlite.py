"""The SQLite store keeps the contract."""

from pathlib import Path

import pytest

from ostiary.stores.port import Store
from ostiary.stores.sqlite import SqliteStore
from ostiary.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    """One file a test."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "ostiary.db"

    async def open_store(self) -> Store:
        return await SqliteStore.open(self.path, uptime=self.uptime)
