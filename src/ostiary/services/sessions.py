"""Sessions after login: looking at them, ending them, proving the password again."""

from dataclasses import replace

from ostiary.credentials.access_token import AccessToken
from ostiary.domain.account import Account
from ostiary.domain.audit import Event
from ostiary.domain.caller import Caller
from ostiary.domain.session import EndReason, Session
from ostiary.errors import InvalidToken, NotFound
from ostiary.services.asking import Actor, Asking, name_of, still_may
from ostiary.services.context import Client, Context, Ended, judged_again
from ostiary.services.ending import (
    end_everything,
    end_sessions,
    live_sessions,
    refuse_older_credentials,
    session_ended,
    void_account_tokens,
)
from ostiary.services.issuing import Issued, Issuing
from ostiary.services.passwords import Passwords
from ostiary.services.session_listing import by_activity, by_id
from ostiary.stores.port import Expect, Swap


class Sessions:
    """Use cases of sessions. Those that end something raise what `still_may` raises, too."""

    def __init__(self, context: Context, passwords: Passwords, issuing: Issuing) -> None:
        self._context = context
        self._passwords = passwords
        self._issuing = issuing

    async def current(self, caller: Caller) -> tuple[Account, Session]:
        """The caller's account and session as they stand. Raises InvalidToken if they ended meanwhile."""
        account = await self._context.store.accounts.get(caller.account_id)
        session = await self._context.store.sessions.get(caller.session_id)
        if account is None or session is None or session.ended_at is not None or session.version != caller.version:
            raise InvalidToken(private="session over")
        return account, session

    async def behind(self, token: AccessToken) -> Session | None:
        """The session that an access token of ours speaks of, which may have expired; None if it has moved on since, or
        is known no more."""
        session = await self._context.store.sessions.get(token.session_id)
        return session if session is not None and session.version == token.version else None

    async def of_account(self, account_id: str) -> list[Session]:
        """The live sessions of an account, the most recently seen first."""
        issuer = await self._context.store.issuer()
        return await live_sessions(self._context, account_id, issuer.everything, self._context.now())

    async def page(self, *, account_id: str, kind: str, after: str, limit: int) -> tuple[list[Session], str | None]:
        """Live sessions of everybody, by id: see `session_listing`."""
        return await by_id(self._context, account_id=account_id, kind=kind, after=after, limit=limit)

    async def latest(self, *, account_id: str, kind: str, before: str, limit: int) -> tuple[list[Session], str | None]:
        """Live sessions of everybody, the most recently seen first: see `session_listing`."""
        return await by_activity(self._context, account_id=account_id, kind=kind, before=before, limit=limit)

    async def log_out(self, session_id: str, client: Client) -> Ended:
        """End the session of whoever has shown a credential of it. Raises InvalidToken if it is over."""
        try:
            return await self._end(session_id, EndReason.LOGOUT, None, client)
        except NotFound:
            raise InvalidToken(private="session over") from None

    async def end(self, session_id: str, *, reason: EndReason, actor: Actor, client: Client | None = None) -> Ended:
        """End one session. Raises NotFound if it is not live, or is not the caller's who asks without a role."""
        return await self._end(session_id, reason, actor, client)

    async def _end(self, session_id: str, reason: EndReason, actor: Actor | None, client: Client | None) -> Ended:
        """`actor` None: whoever owns it."""
        owner = actor.caller.account_id if isinstance(actor, Asking) and not actor.role else None

        async def attempt() -> Ended | None:
            now = self._context.now()
            conditions = [] if actor is None else await still_may(self._context, actor)
            session = await self._context.store.sessions.get(session_id)
            issuer = await self._context.store.issuer()
            if (
                session is None
                or (owner is not None and session.account_id != owner)
                or not session.is_live(now, issuer.everything)
            ):
                raise NotFound("No such session.")
            name = session.account_id if actor is None else name_of(actor)
            written = await self._context.write(
                *conditions, *session_ended(self._context, session, now, reason, actor=name, client=client)
            )
            return self._context.ended(1) if written else None

        return await judged_again(attempt)

    async def end_others(self, caller: Caller, client: Client) -> Ended:
        """End every session of the caller but the one that asks."""
        return await self._end_many(caller.account_id, actor=Asking(caller), keep=caller.session_id, client=client)

    async def end_all_own(self, caller: Caller, client: Client) -> Ended:
        """End every session of the caller, the one that asks too."""
        return await self._end_many(caller.account_id, actor=Asking(caller), client=client)

    async def end_all(self, account_id: str, *, actor: Actor, client: Client | None = None) -> Ended:
        """End every session of an account, and void what its tokens say. Raises NotFound if there is no account."""
        return await self._end_many(account_id, actor=actor, client=client)

    async def end_everything(self, *, actor: Actor, client: Client | None = None) -> Ended:
        """Everybody has to log in again. One write, however many sessions there are."""

        async def attempt() -> Ended | None:
            now = self._context.now()
            conditions = await still_may(self._context, actor)
            issuer = await self._context.store.issuer()
            live = await self._context.store.sessions.count_not_ended(everything=issuer.everything, now=now)
            raised = replace(issuer, everything=issuer.everything + 1)
            written = await self._context.write(
                *conditions,
                *end_everything(self._context, raised, now),
                self._context.audit(Event.EVERYTHING_ENDED, now, actor=name_of(actor), client=client, ended=live),
            )
            return self._context.ended(live) if written else None

        return await judged_again(attempt)

    async def _end_many(
        self, account_id: str, *, actor: Actor, keep: str | None = None, client: Client | None
    ) -> Ended:
        reason = EndReason.ENDED_BY_OWNER if name_of(actor) == account_id else EndReason.ENDED_BY_ADMIN

        async def attempt() -> Ended | None:
            now = self._context.now()
            changes = await still_may(self._context, actor)
            account = await self._context.store.accounts.get(account_id)
            if account is None:
                raise NotFound("No such account.")
            issuer = await self._context.store.issuer()
            live = await live_sessions(self._context, account_id, issuer.everything, now)
            over = [session for session in live if session.id != keep]
            if keep is None:
                raised, entry = void_account_tokens(self._context, account, issuer.everything, now)
                changes += [Swap(raised), entry]
            else:
                # a login that is under way is judged again, so that none slips in unseen
                changes.append(Swap(account))
            changes += end_sessions(self._context, over, now, reason)
            changes.append(
                self._context.audit(
                    Event.SESSIONS_ENDED,
                    now,
                    account_id=account_id,
                    session_id=keep,
                    actor=name_of(actor),
                    client=client,
                    ended=len(over),
                )
            )
            return self._context.ended(len(over)) if await self._context.write(*changes) else None

        return await judged_again(attempt)

    async def reauthenticate(self, caller: Caller, password: str, client: Client) -> Issued:
        """The password, proven again: the session goes on under new credentials, and all its former ones are dead.
        Raises WrongPassword, TooManyAttempts, InvalidToken."""
        account, _ = await self.current(caller)
        await self._passwords.prove(account, password, client, session_id=caller.session_id)

        async def attempt() -> Issued | None:
            now = self._context.now()
            account, session = await self.current(caller)
            issuer = await self._context.store.issuer()
            if session.everything != issuer.everything:
                raise InvalidToken(private="everything ended meanwhile")
            renewed, secret = self._issuing.fresh(
                replace(
                    session,
                    version=session.version + 1,
                    auth_time=now,
                    last_seen_at=now,
                    # whoever has proven the password lives where they are now
                    client_ip=client.ip,
                    client_label=client.label,
                ),
                now,
            )
            renewed, placed = await self._issuing.placed(renewed, account, issuer.everything, now)
            issued = self._issuing.issued(account, renewed, issuer.everything, secret, now)
            written = await self._context.write(
                Swap(renewed),
                *placed,
                Expect(account),
                refuse_older_credentials(self._context, renewed, now),
                self._context.audit(
                    Event.REAUTHENTICATED, now, account_id=account.id, session_id=session.id, client=client
                ),
            )
            return issued if written else None

        return await judged_again(attempt)
