"""Tokens for services: one that acts for a user (RFC 8693), and one of its own (RFC 6749 section 4.4).

What is issued here is an access token like any other (RFC 9068), for one service, and never for this server itself. It
costs no look-up where the client and the user's credential have been seen before.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from ostiary.credentials import opaque
from ostiary.credentials.access_token import Grant
from ostiary.domain import delegation
from ostiary.domain.caller import Caller
from ostiary.domain.client import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import InvalidGrant, InvalidToken, UnauthorizedClient
from ostiary.revocation.entry import Entry, Scope
from ostiary.services.context import Context
from ostiary.services.internal_tokens import InternalTokens
from ostiary.services.issuing import Issuing
from ostiary.services.known_clients import KnownClient
from ostiary.services.recognition import Recognition
from ostiary.stores.port import Append

OWN_SESSION = "tok_"
"""What the `sid` of a service's own token begins with: there is no such session in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceToken:
    """What a service gets. `expires_in` in whole seconds. `bound`: it counts only with a proof of a key (RFC 9449)."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: tuple[str, ...]
    bound: bool


class Exchange:
    """Use cases of tokens for services. Every one raises UnauthorizedClient if the client is not registered for it."""

    def __init__(
        self, context: Context, recognition: Recognition, issuing: Issuing, internal_tokens: InternalTokens
    ) -> None:
        self._context = context
        self._recognition = recognition
        self._issuing = issuing
        self._internal_tokens = internal_tokens

    async def exchange(
        self,
        known: KnownClient,
        subject_token: str,
        *,
        asked: Collection[str],
        scope: str | None,
        now: float,
        thumbprint: str | None = None,
    ) -> ServiceToken:
        """A minute for the service that `asked` names, as the user whose credential `subject_token` is, of any kind.
        Raises InvalidGrant, InvalidTarget, InvalidScope, Unavailable."""
        client = known.client
        if TOKEN_EXCHANGE not in client.grants:
            raise UnauthorizedClient
        target = delegation.chosen_target(client.targets, asked, self._context.policy.issuer)
        caller = await self._subject(known, subject_token, now)
        allowed = caller.scope.intersection(client.scopes) if client.scopes else caller.scope
        granted = delegation.narrowed(allowed, delegation.scope_of_text(scope) if scope else None)
        actors = delegation.with_actor(caller.act, client.id)
        issued_at = int(now)
        expires_at = delegation.derived_expiry(issued_at, caller.expires_at)
        token = self._internal_tokens.make(
            caller,
            audience=target,
            scope=granted,
            issued_at=issued_at,
            expires_at=expires_at,
            client_id=client.id,
            client_epoch=known.epoch,
            actors=actors,
            thumbprint=thumbprint,
        )
        return ServiceToken(
            access_token=token, expires_in=expires_at - issued_at, scope=granted, bound=thumbprint is not None
        )

    async def _subject(self, known: KnownClient, subject_token: str, now: float) -> Caller:
        """Whose credential it is, if it is live and meant for the client. What is wrong with it is not told: it may be
        somebody else's."""
        client = known.client
        refused = InvalidGrant("The subject token is not accepted.", private="not meant for the client")
        try:
            caller = await self._recognition.recognise(subject_token, now, audience=client.audiences)
        except InvalidToken as error:
            refused.private = error.private
            raise refused from None
        if not set(client.audiences).intersection(caller.audience):
            raise refused
        if caller.may_act and caller.may_act != client.id:
            raise UnauthorizedClient("The subject token names another service that may act.")
        return caller

    async def revoke_own(self, caller: Caller, now: float) -> None:
        """A service's own token is accepted no more. It has no session to end: its `sid` is its own."""
        until = self._context.keep_until(caller.expires_at, now)
        entry = Entry(scope=Scope.SESSION, id=caller.session_id, value=ENDED_VERSION, until=until)
        await self._context.write(Append(entry))

    def client_credentials(
        self,
        known: KnownClient,
        *,
        asked: Collection[str],
        scope: str | None,
        now: float,
        thumbprint: str | None = None,
    ) -> ServiceToken:
        """The service itself, for the service that `asked` names. There is no session behind it: its `sid` is the
        token's own, and the client's epoch is its `ep`, so that what ends the client, or everything, ends it. Raises
        InvalidTarget, InvalidScope."""
        client = known.client
        if CLIENT_CREDENTIALS not in client.grants:
            raise UnauthorizedClient
        target = delegation.chosen_target(client.targets, asked, self._context.policy.issuer)
        granted = delegation.narrowed(client.scopes, delegation.scope_of_text(scope) if scope else None)
        issued_at = int(now)
        life = max(1, int(self._context.policy.lifetimes.access_token))
        token_id = opaque.encode(self._context.random(16))
        token = self._issuing.sign_for_service(
            Grant(
                issuer=self._context.policy.issuer,
                audience=(target,),
                account_id=client.id,
                session_id=f"{OWN_SESSION}{token_id}",
                version=1,
                epoch=known.epoch,
                client_id=client.id,
                auth_time=issued_at,
                issued_at=issued_at,
                expires_at=issued_at + life,
                token_id=token_id,
                roles=(),
                scope=granted,
                client_epoch=known.epoch,
                key_thumbprint=thumbprint,
            )
        )
        return ServiceToken(access_token=token, expires_in=life, scope=granted, bound=thumbprint is not None)
