"""From a credential to its caller: the request path.

One that this process remembers is told at once (`recognised_credentials.py`). One seen for the first time is verified
(JWT) or looked up (session token), and remembered; so is one of which the replica says that something about its session
or account has changed, and one that was remembered for `limits.RECOGNISED_SECONDS`.
"""

from ostiary import jose, limits
from ostiary.credentials import opaque
from ostiary.credentials.access_token import AccessToken
from ostiary.domain.account import Account, authorization_epoch
from ostiary.domain.binding import Binding, Bound
from ostiary.domain.caller import Caller
from ostiary.domain.session import Kind, Session
from ostiary.errors import InvalidToken, Unavailable
from ostiary.revocation.feed import Feed, FeedStatus
from ostiary.revocation.freshness import Freshness, Stale
from ostiary.services.context import Context
from ostiary.services.issuing import granted_scope
from ostiary.services.moving import bound_of
from ostiary.services.recognised_credentials import Entry, RecognisedCredentials, Seen
from ostiary.services.signing_keys import SigningKeys
from ostiary.services.token_verification import UnknownSigningKey, Verification, claimed_audience


class Recognition:
    """Use cases of recognising. One for each process."""

    def __init__(self, context: Context, keys: SigningKeys, feed: Feed) -> None:
        self._context = context
        self._feed = feed
        self._replica = context.replica
        self._monotonic = context.clock.monotonic
        self.verification = Verification(context.policy, keys)
        self.known = RecognisedCredentials(context.replica, self._monotonic, context.policy.issuer)

    async def recognise(
        self, credential: str, now: float, freshness: Freshness = "ask", *, audience: tuple[str, ...] = ()
    ) -> Caller:
        """The caller. Raises InvalidToken (Expired if only that), or Unavailable if this process cannot know, or not as
        freshly as the route wants it.

        Tokens for the issuer and for the services of the settings are recognised; `audience` names further services.
        Whom the caller's credential is meant for is for whoever asks to compare.
        """
        if freshness == "fresh":
            await self._feed.ask(limits.ASK_SECONDS)
        else:
            await self.check_lease(freshness)
        caller = self.known.find(credential, now)
        if caller is not None:
            return caller
        try:
            caller = await self._first_sight(credential, now, audience)
        except InvalidToken:
            self._context.measures.recognised["unknown"] += 1
            raise
        self._context.measures.recognised[caller.kind.value] += 1
        if self._monotonic() >= self._replica.lease_until:  # the store took its time
            await self.check_lease(freshness)
            if not self.still_holds(caller):
                raise InvalidToken(private="revoked while it was looked up")
        return caller

    async def _first_sight(self, credential: str, now: float, audience: tuple[str, ...]) -> Caller:
        self.known.discard(credential)
        if len(credential) > limits.CREDENTIAL_CHARS and not (
            len(credential) <= limits.ENCRYPTED_CREDENTIAL_CHARS and jose.is_encrypted(credential)
        ):
            raise InvalidToken(private="too long")
        if opaque.is_session_token(credential):
            return await self._recognise_session(credential, now)
        try:
            token, kid = self.verification.verify(credential, now, audience)
        except UnknownSigningKey:
            # another process may have rotated a moment ago; all who ask at once share one question
            await self._feed.ask()
            token, kid = self.verification.verify(credential, now, audience)
        if token.kind is Kind.STATEFUL:
            return await self._recognise_reference(credential, token, kid, now)
        return await self._recognise_stateless(credential, token, kid, now)

    async def recognise_for_anybody(self, credential: str, now: float) -> Caller:
        """The same, whomever the credential is meant for: for what its mere holder may do with it."""
        return await self.recognise(credential, now, audience=claimed_audience(credential))

    def still_holds(self, caller: Caller) -> bool:
        """Whether nothing has been revoked, since this caller was recognised, that it rests on; its key aside."""
        if caller.client_epoch is not None and self._replica.client_refused(caller.client_id, caller.client_epoch):
            return False
        return not self._replica.refuses(caller.session_id, caller.version, caller.account_id, caller.epoch, "")

    def feed_status(self) -> FeedStatus:
        """What this process knows of revocations, now."""
        return self._feed.status()

    async def check_lease(self, freshness: Freshness = "ask") -> None:
        """Raises Unavailable if this process cannot know what has been revoked, as well as the route wants it."""
        now = self._monotonic()
        if now < self._replica.lease_until:
            return
        if freshness == "deny":
            raise Unavailable(private="the lease is gone")
        if isinstance(freshness, Stale) and self._replica.age(now) < freshness.most:
            return
        await self._feed.ask(limits.ASK_SECONDS)

    async def _recognise_session(self, credential: str, now: float) -> Caller:
        digest = opaque.token_digest(self._context.derived, credential)
        session = await self._context.store.sessions.by_token_digest(digest)
        if session is None:
            raise InvalidToken(private="no such session token")
        return await self._recognise_live(credential, session, "", session.expires_at, session.audience, now)

    async def _recognise_reference(self, credential: str, token: AccessToken, kid: str, now: float) -> Caller:
        if token.version < self._replica.session_version(token.session_id):
            raise InvalidToken(private="session ended or moved on")
        session = await self._context.store.sessions.get(token.session_id)
        if session is None or session.version != token.version:
            raise InvalidToken(private="session ended or moved on")
        if token.key_thumbprint not in (None, session.key_thumbprint):
            raise InvalidToken(private="bound to another key than its session")
        return await self._recognise_live(credential, session, kid, token.expires_at, token.audience, now)

    async def _recognise_live(
        self, credential: str, session: Session, kid: str, expires_at: float, audience: tuple[str, ...], now: float
    ) -> Caller:
        """Kinds whose rights are on the server: the session's row and the account's decide."""
        seen = self.known.seen_of(session)
        for _ in range(limits.SWAP_ATTEMPTS):
            issuer, account = await self._context.together(
                self._context.store.issuer(), self._context.store.accounts.get(session.account_id)
            )
            if account is None or account.disabled or not self._is_live(session, seen, issuer.everything, now):
                raise InvalidToken(private="session over")
            epoch = authorization_epoch(account.epoch, issuer.everything)
            if not self._replica.refuses(session.id, session.version, account.id, epoch, kid):
                break
            if session.version < self._replica.session_version(session.id) or self._replica.key_is_revoked(kid):
                raise InvalidToken(private="revoked while it was looked up")
            # only the account's rights changed meanwhile: the session goes on under those that it has now
        else:
            raise InvalidToken(private="the store is behind what it revoked")
        caller = self._caller(session, account, epoch, expires_at, audience)
        until = min(expires_at, session.expires_at, now + limits.RECOGNISED_SECONDS)
        self.known.put(credential, Entry(caller, seen, kid=kid, expires_at=until), now)
        return caller

    async def _recognise_stateless(self, credential: str, token: AccessToken, kid: str, now: float) -> Caller:
        """The token says everything; the replica says whether it is still true."""
        if self._replica.refuses(token.session_id, token.version, token.account_id, token.epoch, kid):
            raise InvalidToken(private="revoked")
        if token.client_epoch is not None and self._replica.client_refused(token.client_id, token.client_epoch):
            raise InvalidToken(private="the client that it was issued to is gone or has changed")
        caller = Caller(
            account_id=token.account_id,
            session_id=token.session_id,
            kind=Kind.STATELESS,
            roles=frozenset(token.roles),
            scope=frozenset(token.scope),
            audience=token.audience,
            auth_time=float(token.auth_time),
            expires_at=token.expires_at,
            version=token.version,
            epoch=token.epoch,
            client_id=token.client_id,
            act=token.actors,
            key_thumbprint=token.key_thumbprint,
            bound=await self._bound_of(token.session_id),
            client_epoch=token.client_epoch,
            may_act=token.may_act,
            status=token.status,
        )
        # the store knows of the login or refresh that issued the token, and nothing later
        issued_at = token.expires_at - self._context.policy.lifetimes.access_token
        seen = self.known.seen_since(token.session_id, issued_at)
        # whoever stole a signing key can sign any `exp`: what it signed must not be remembered for longer than the
        # revocation of that key
        until = min(token.expires_at, now + limits.RECOGNISED_SECONDS)
        self.known.put(credential, Entry(caller, seen, kid=kid, expires_at=until), now)
        return caller

    async def _bound_of(self, session_id: str) -> Bound | None:
        """The one look into the store that a stateless token can cost, and only where sessions are bound to a place:
        that must not stand in a token which others read."""
        if self._context.policy.binding == Binding.OFF:
            return None
        session = await self._context.store.sessions.get(session_id)
        if session is None or session.ended_at is not None:
            raise InvalidToken(private="session over")
        return bound_of(self._context, session)

    def _caller(
        self, session: Session, account: Account, epoch: int, expires_at: float, audience: tuple[str, ...]
    ) -> Caller:
        return Caller(
            account_id=account.id,
            session_id=session.id,
            kind=session.kind,
            roles=frozenset(account.roles),
            scope=frozenset(granted_scope(self._context, account.roles, session.scope)),
            audience=audience,
            auth_time=session.auth_time,
            expires_at=expires_at,
            version=session.version,
            epoch=epoch,
            client_id=session.client_id,
            key_thumbprint=session.key_thumbprint,
            bound=bound_of(self._context, session),
        )

    def _is_live(self, session: Session, seen: Seen, everything: int, now: float) -> bool:
        return session.is_live(now, everything) or (
            # this process saw it later than the store was told
            session.ended_at is None
            and session.everything == everything
            and now < min(seen.at + session.idle_lifetime, session.expires_at)
        )
