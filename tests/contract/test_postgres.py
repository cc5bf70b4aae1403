"""The PostgreSQL store keeps the contract."""

# ruff: noqa: S608 - names and numbers of the test itself

import secrets

import pytest
from tests.servers.postgres import Cluster

from ostiary.stores.port import Store
from ostiary.stores.postgres import PostgresStore
from ostiary.testing.store_contract import StoreContract


class TestPostgres(StoreContract):
    """One schema a test, on one server."""

    @pytest.fixture(autouse=True)
    def _schema(self, postgres: Cluster) -> None:
        self.server = postgres
        self.schema = f"t_{secrets.token_hex(8)}"
        self.url = postgres.url(schema=self.schema, pool_size=5)

    async def open_store(self) -> Store:
        return await PostgresStore.open(self.url)

    async def age(self, store: Store, seconds: float) -> None:
        earlier = f"- interval '{seconds} seconds'"
        self.server.sql(
            f"SET search_path TO {self.schema}",
            "UPDATE nodes SET seen_at = seen_at " + earlier,
            "UPDATE revocation_logs SET made_at = made_at " + earlier,
        )
