"""First run: while there is no account at all, whoever holds the link that the server printed makes the administrator.

Rules, in words: a link is random and only its digest is kept, in the audit trail, where every process of the store
finds it. It is good for `limits.SETUP_LINK_SECONDS` and until the first account exists, however that came to be. Two
who use links at once are judged one after the other, so that one of them finds that it exists.
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
from ostiary.services.context import Client, Context
from ostiary.stores.port import Swap

SETUP_CODE_PREFIX = "ost_su_"
_OFFERS = 32  # processes that may have printed a link of their own


class FirstRun:
    """The use case of making the first administrator."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._context = context
        self._accounts = accounts

    async def is_over(self) -> bool:
        """Whether there is an account."""
        return bool(await self._context.store.accounts.page(limit=1))

    async def offer(self) -> str | None:
        """A new code for the link; None if there is an account already."""
        if await self.is_over():
            return None
        code = SETUP_CODE_PREFIX + encode(self._context.random(32))
        now = self._context.now()
        offered = self._context.audit(Event.SETUP_OFFERED, now, actor="system", digest=self._digest(code))
        await self._context.write(offered)
        return code

    async def claim(
        self, code: str, *, username: str, password: str, display_name: str | None, client: Client
    ) -> Account:
        """The administrator's account, made. Raises NotFound once there is an account, InvalidSetupCode, and what
        making an account raises."""
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
            raise NotFound(private="somebody else was first") from None

    async def _was_offered(self, code: str) -> bool:
        since = self._context.now() - limits.SETUP_LINK_SECONDS
        wanted = self._digest(code).encode()
        offers = await self._context.store.audit.page(event=Event.SETUP_OFFERED.value, limit=_OFFERS)
        found = False
        for offer in offers:
            kept = str(msgspec.json.decode(offer.detail, type=dict[str, str]).get("digest", "")).encode()
            found |= offer.at > since and hmac.compare_digest(kept, wanted)
        return found

    def _digest(self, code: str) -> str:
        return digest(self._context.derived.token_digest, code).hex()
