"""The promises of `ostiary.stores.port` as tests. A store's own test file is a few lines:

    class TestMine(StoreContract):
        async def open_store(self) -> Store:
            return await MyStore.open(self.where)

`open_store` is called several times in one test and must open the same, at first empty, backend each time: with it the
suite reopens a store, and races two against each other. Set `durable = False` if closing the store forgets everything.
`age` makes what the log knows of its followers older: hand `self.uptime` to the store as its clock, or override it.
"""

from ostiary.testing.store_contract.base import StoreCase
from ostiary.testing.store_contract.batches import Batches
from ostiary.testing.store_contract.catching_up import CatchingUp
from ostiary.testing.store_contract.listings import Listings
from ostiary.testing.store_contract.log import Log
from ostiary.testing.store_contract.nodes import Nodes
from ostiary.testing.store_contract.purges import Purges
from ostiary.testing.store_contract.races import Races
from ostiary.testing.store_contract.records import Records
from ostiary.testing.store_contract.round_trips import RoundTrips


class StoreContract(RoundTrips, Records, Batches, Listings, Purges, Log, CatchingUp, Nodes, Races):
    """All of it. Subclass it under a name that starts with `Test`."""


__all__ = ["StoreCase", "StoreContract"]
