"""A new password for an account, and what it ends."""

from dataclasses import replace

from ostiary.domain.audit import Event
from ostiary.domain.caller import Caller
from ostiary.domain.session import EndReason
from ostiary.errors import InvalidToken
from ostiary.services.accounts import Accounts
from ostiary.services.asking import Actor, name_of, still_may
from ostiary.services.context import Client, Context, Ended, judged_again
from ostiary.services.ending import end_sessions, live_sessions, refuse_older_credentials, void_account_tokens
from ostiary.services.issuing import Issued, Issuing
from ostiary.services.passwords import Passwords
from ostiary.services.throttling import Throttling
from ostiary.stores.port import Change, Swap


class PasswordChanges:
    """Use cases of changing passwords."""

    def __init__(
        self, context: Context, accounts: Accounts, passwords: Passwords, throttling: Throttling, issuing: Issuing
    ) -> None:
        self._context = context
        self._accounts = accounts
        self._passwords = passwords
        self._throttling = throttling
        self._issuing = issuing

    async def change(self, caller: Caller, current: str, new: str, client: Client) -> Issued:
        """The caller's own. Every other session ends, the caller's goes on under new credentials. Raises WrongPassword,
        TooManyAttempts, PasswordRejected."""

        async def attempt() -> Issued | None:
            account = await self._accounts.get(caller.account_id)
            await self._passwords.prove(account, current, client, session_id=caller.session_id)
            self._passwords.check_rules(new, username=account.username, email=account.email)
            password_hash = await self._passwords.hash(new)
            now = self._context.now()
            session = await self._context.store.sessions.get(caller.session_id)
            issuer = await self._context.store.issuer()
            if session is None or session.version != caller.version or not session.is_live(now, issuer.everything):
                raise InvalidToken(private="the session ended meanwhile")
            raised, entry = void_account_tokens(self._context, account, issuer.everything, now)
            changed = replace(raised, password_hash=password_hash, password_changed_at=now)
            renewed, secret = self._issuing.fresh(
                replace(session, version=session.version + 1, auth_time=now, last_seen_at=now), now
            )
            renewed, placed = await self._issuing.placed(renewed, changed, issuer.everything, now)
            live = await live_sessions(self._context, account.id, issuer.everything, now)
            others = [other for other in live if other.id != session.id]
            changes: list[Change] = [
                Swap(changed),
                entry,
                Swap(renewed),
                *placed,
                refuse_older_credentials(self._context, renewed, now),
                self._context.audit(
                    Event.PASSWORD_CHANGED,
                    now,
                    account_id=account.id,
                    session_id=session.id,
                    client=client,
                    ended=len(others),
                ),
            ]
            changes += end_sessions(self._context, others, now, EndReason.PASSWORD_CHANGED)
            issued = self._issuing.issued(changed, renewed, issuer.everything, secret, now, ended=len(others))
            return issued if await self._context.write(*changes) else None

        return await judged_again(attempt)

    async def reset(self, account_id: str, new: str, *, actor: Actor) -> Ended:
        """By somebody in charge: every session ends, failed logins are forgiven. Raises NotFound, PasswordRejected, and
        what `still_may` raises."""
        account = await self._accounts.get(account_id)
        self._passwords.check_rules(new, username=account.username, email=account.email)
        password_hash = await self._passwords.hash(new)

        async def attempt() -> Ended | None:
            conditions = await still_may(self._context, actor)
            account = await self._accounts.get(account_id)
            now = self._context.now()
            issuer = await self._context.store.issuer()
            raised, entry = void_account_tokens(self._context, account, issuer.everything, now)
            live = await live_sessions(self._context, account.id, issuer.everything, now)
            written = await self._context.write(
                *conditions,
                *await self._throttling.forgiveness(account.username_key),
                Swap(replace(raised, password_hash=password_hash, password_changed_at=now)),
                entry,
                *end_sessions(self._context, live, now, EndReason.PASSWORD_CHANGED),
                self._context.audit(
                    Event.PASSWORD_RESET, now, account_id=account.id, actor=name_of(actor), ended=len(live)
                ),
            )
            return self._context.ended(len(live)) if written else None

        return await judged_again(attempt)
