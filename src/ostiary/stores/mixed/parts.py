"""Where looking into Valkey alone would not be enough."""

from ostiary.domain.session import Session
from ostiary.stores.mixed.settling import Settling
from ostiary.stores.valkey import parts
from ostiary.stores.valkey.store import ValkeyStore


class Sessions(parts.Sessions):
    """Whoever read an account, and then all of its sessions, and changes both only if the account is unchanged, must
    not miss a session that was decided before the account was read."""

    def __init__(self, valkey: ValkeyStore, settling: Settling) -> None:
        super().__init__(valkey.lanes)
        self._settling = settling

    async def of_account(self, account_id: str) -> list[Session]:
        await self._settling.account_is_settled(account_id)
        return await super().of_account(account_id)

    async def count_of_account(self, account_id: str) -> int:
        await self._settling.account_is_settled(account_id)
        return await super().count_of_account(account_id)


class Throttles(parts.Throttles):
    """With the counters go the decisions that stand among the database's."""

    def __init__(self, valkey: ValkeyStore, settling: Settling) -> None:
        super().__init__(valkey.lanes)
        self._settling = settling

    async def purge(self, *, before: float) -> int:
        gone = await super().purge(before=before)
        await self._settling.forget_decisions()
        return gone
