"""First run: while there is no account at all, whoever holds the link that the server printed makes the administrator.

Rules, in words: a link comes from a random seed, which is kept in the audit trail, and from the issuer's secret key,
which is not. So every process of the store that starts prints the same link, and a reader of the store has none. It is
good for `limits.SETUP_LINK_SECONDS` and until the first account exists, however that came to be; in the second half of
that time another one is made. Two who start, or use links, at once are judged one after the other.
"""

import hmac

import msgspec

from ostiary import limits
from ostiary.credentials.derived_keys import digest
from ostiary.credentials.opaque import encode
from ostiary.domain.account import ADMIN, USER, Account
from ostiary.domain.audit import Event
from ostiary.errors import InvalidSetupCode, NotFound, UsernameTaken
from ostiary.services.accounts import Accounts
from ostiary.services.context import Client, Context, judged_again
from ostiary.stores.port import Swap

SETUP_CODE_PREFIX = "ost_su_"
_OFFERS = 8  # more than there can be in a day


class FirstRun:
    """The use case of making the first administrator."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._context = context
        self._accounts = accounts

    async def is_over(self) -> bool:
        """Whether there is an account."""
        return bool(await self._context.store.accounts.page(limit=1))

    async def offer(self) -> str | None:
        """The code for the link; None if there is an account already."""

        async def attempt() -> str | None:
            issuer = await self._context.store.issuer()  # first: whoever uses the link swaps it
            if await self.is_over():
                return ""
            now = self._context.now()
            for seed in await self._seeds(now, limits.SETUP_LINK_SECONDS / 2):
                return self._code(seed)
            seed = encode(self._context.random(32))
            offered = self._context.audit(Event.SETUP_OFFERED, now, actor="system", seed=seed)
            # of those that start at once one makes it, the others find it
            return self._code(seed) if await self._context.write(Swap(issuer), offered) else None

        return await judged_again(attempt) or None

    async def claim(
        self, code: str, *, username: str, password: str, display_name: str | None, client: Client
    ) -> Account:
        """The administrator's account, made. Raises NotFound once there is an account, InvalidSetupCode, and what
        making an account raises."""

        async def attempt() -> Account | None:
            issuer = await self._context.store.issuer()
            if await self.is_over():
                raise NotFound
            if not await self._was_offered(code):
                raise InvalidSetupCode
            try:
                return await self._accounts.create(
                    username=username,
                    password=password,
                    display_name=display_name,
                    roles=(ADMIN, USER),
                    actor=None,
                    client=client,
                    together=(Swap(issuer),),
                )
            except UsernameTaken:
                return None  # somebody else was first, or a server that starts has written the issuer's record

        return await judged_again(attempt)

    async def _was_offered(self, code: str) -> bool:
        wanted, found = code.encode(), False
        for seed in await self._seeds(self._context.now(), limits.SETUP_LINK_SECONDS):
            found |= hmac.compare_digest(self._code(seed).encode(), wanted)
        return found

    async def _seeds(self, now: float, within: float) -> list[str]:
        """Of the links that were made less than so many seconds from now, the youngest first. One that seems to come
        from long after now was made by a clock that has been set back."""
        offers = await self._context.store.audit.page(event=Event.SETUP_OFFERED.value, limit=_OFFERS)
        details = [
            msgspec.json.decode(offer.detail, type=dict[str, str]) for offer in offers if abs(now - offer.at) < within
        ]
        return [detail["seed"] for detail in details if "seed" in detail]

    def _code(self, seed: str) -> str:
        return SETUP_CODE_PREFIX + encode(digest(self._context.derived.token_digest, f"setup link {seed}"))
