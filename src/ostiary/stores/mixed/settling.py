"""Pledges that somebody has left, or not finished yet: who meets one waits a moment, then settles it."""

import asyncio

from ostiary.domain.throttle import Throttle
from ostiary.errors import Unavailable
from ostiary.stores.port import Add, Store
from ostiary.stores.valkey.store import Pledge, ValkeyStore

_PATIENCE = 0.5  # seconds after which whoever made a pledge is taken for dead; if it is not, its write is not done
_LOOK_INTERVAL = 0.003
_DECISION_SECONDS = 3600.0  # decisions are kept for so long: nobody sleeps between two steps for longer and goes on


def decision(pledge: Pledge, *, at: float, done: bool) -> Throttle:
    """The row that decides about a pledge. Its id is unique, so that there is one. It stands among the database's
    counters, which have no other use where Valkey counts."""
    return Throttle(id=f"decided:{pledge.name}", failures=int(done), last_failure_at=at)


class Settling:
    """See the module."""

    def __init__(self, database: Store, valkey: ValkeyStore) -> None:
        self._database = database
        self._valkey = valkey

    async def settle(self, pledge: Pledge) -> None:
        """Return when it is no longer there."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while await self._valkey.has(pledge):  # noqa: ASYNC110 - its end happens in another process
                    await asyncio.sleep(_LOOK_INTERVAL)
        except TimeoutError:
            await self._decide(pledge)

    async def settle_old(self) -> None:
        """All that were left half done."""
        for pledge in await self._valkey.pledges(older=2 * _PATIENCE):
            await self._decide(pledge)

    async def account_is_settled(self, account_id: str) -> None:
        """Return when every session of this account is there that its account knows of."""
        while (pledge := await self._valkey.pledge_on(account_id)) is not None:
            await self.settle(pledge)

    async def forget_decisions(self) -> None:
        """Those that nobody can ask for any more."""
        await self.settle_old()
        await self._database.throttles.purge(before=await self._valkey.time() - _DECISION_SECONDS)

    async def _decide(self, pledge: Pledge) -> None:
        dropped = decision(pledge, at=await self._valkey.time(), done=False)
        found = await self._database.throttles.get(dropped.id)
        if found is None and not await self._database.write(Add(dropped)):
            found = await self._database.throttles.get(dropped.id)
            if found is None:
                raise Unavailable(private="mixed: a decision cannot be read")
        if found is not None and found.failures:
            await self._valkey.fulfil(pledge, of_another=True)
        else:
            await self._valkey.drop(pledge)
