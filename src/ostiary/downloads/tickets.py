"""`/files/{resource}`: the token is checked, the file found, the token spent in one write; then 303 to a transfer."""

import logging
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

from ostiary import limits
from ostiary.credentials.one_time import OneTimeToken
from ostiary.domain.one_time import DOWNLOAD
from ostiary.domain.transfer import Transfer
from ostiary.downloads import pages
from ostiary.downloads.answers import Receive, Scope, Send, answer
from ostiary.downloads.asking import is_prefetch, language_of, method_of
from ostiary.downloads.errors import AlreadyUsed, WrongResource
from ostiary.downloads.library import Library
from ostiary.downloads.naming import described, name_of
from ostiary.downloads.presenting import token_of
from ostiary.downloads.state import Spending, State
from ostiary.downloads.tokens import OneTimeTokens, handle_digest, kept_until, spent_key
from ostiary.errors import Unavailable

log = logging.getLogger("ostiary.downloads")


class Tickets:
    """Takes tokens in, and hands out addresses below `transfers`. `random` makes the handles in them."""

    def __init__(
        self,
        tokens: OneTimeTokens,
        state: State,
        library: Library,
        *,
        files: str,
        transfers: str,
        now: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self._tokens = tokens
        self._state = state
        self._library = library
        self._files = files
        self._transfers = transfers
        self._now = now
        self._random = random

    async def answer(self, resource: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what is refused."""
        method = method_of(scope, "GET", "HEAD", "POST")
        token = await token_of(scope, receive)
        allowed = await self._tokens.verify(token)
        # what is typed may be in another normal form than what was signed
        resource = unicodedata.normalize("NFC", resource) if len(resource) <= limits.RESOURCE_BYTES else resource
        if resource != allowed.resource or allowed.action != DOWNLOAD:
            raise WrongResource
        now = self._now()
        file = await self._library.open(resource)
        await self._library.close(file)
        if method == "POST" or (method == "GET" and not allowed.confirm):
            if is_prefetch(scope):
                raise Unavailable("A page is being fetched in advance; nothing was used up.", private="prefetch")
            location = await self._spend(allowed, now)
            await answer(send, 303, [("Location", scope.get("root_path", "") + location)])
        elif await self._state.was_spent(spent_key(allowed), until=kept_until(allowed)):
            raise AlreadyUsed
        elif allowed.confirm:
            page = pages.confirm_page(
                language_of(scope),
                name=name_of(resource),
                size=file.size,
                action=scope.get("root_path", "") + self._files + quote(resource),
                token=token,
            )
            await answer(
                send,
                200,
                [("Content-Type", "text/html; charset=utf-8"), ("Vary", "Accept-Language")],
                page,
                policy=pages.POLICY,
                head=method == "HEAD",
            )
        else:
            headers = [*described(file, name_of(resource)), ("Content-Length", str(file.size))]
            await answer(send, 200, headers, head=True)

    async def _spend(self, token: OneTimeToken, now: float) -> str:
        """Where the transfer is, for the one who comes first. Raises AlreadyUsed."""
        handle = urlsafe_b64encode(self._random(32)).rstrip(b"=").decode()
        spending = await self._state.spend(
            spent_key(token),
            until=kept_until(token),
            now=now,
            handle=handle_digest(handle),
            transfer=Transfer(resource=token.resource, expires_at=now + limits.TRANSFER_SECONDS),
        )
        if spending is not Spending.SPENT:
            raise AlreadyUsed(private=f"jti {token.token_id!r}: {spending.value}")
        log.info("spent jti %r of %s", token.token_id, token.account_id)
        return f"{self._transfers}{handle}/{quote(name_of(token.resource), safe='')}"
