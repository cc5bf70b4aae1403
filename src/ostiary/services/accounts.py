"""Accounts: making them, changing them, and what a change ends."""

from dataclasses import dataclass, field, replace

from ostiary.domain.account import (
    USER,
    Account,
    Issuer,
    check_display_name,
    check_email,
    check_roles,
)
from ostiary.domain.audit import Event
from ostiary.domain.caller import Caller
from ostiary.domain.session import EndReason, Session
from ostiary.domain.username import normalise_username, username_key_or_none
from ostiary.errors import LastAdmin, NotFound, RegistrationClosed, UsernameTaken
from ostiary.services.account_search import search
from ostiary.services.asking import Actor, Asking, name_of, still_may
from ostiary.services.context import Client, Context, Ended, judged_again
from ostiary.services.ending import end_sessions, live_sessions, void_account_tokens
from ostiary.services.passwords import Passwords
from ostiary.services.sign_ups import SignUps
from ostiary.services.throttling import Throttling
from ostiary.stores.port import Add, Change, Remove, Swap


class Keep:
    """Leave this field as it is."""


KEEP = Keep()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPatch:
    """What to change; `KEEP` leaves a field alone, None empties it."""

    roles: tuple[str, ...] | Keep = KEEP
    disabled: bool | Keep = KEEP
    display_name: str | Keep | None = KEEP
    email: str | Keep | None = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made, with the password or, for imports, its hash in a form that this version verifies."""

    username: str
    email: str | None = None
    display_name: str | None = None
    roles: tuple[str, ...] = (USER,)
    password_hash: str = field(default="", repr=False)


class Accounts:
    """Use cases of accounts."""

    def __init__(self, context: Context, passwords: Passwords, throttling: Throttling) -> None:
        self._context = context
        self._passwords = passwords
        self._throttling = throttling
        self._sign_ups = SignUps(context)

    async def register(
        self, *, username: str, password: str, email: str | None, display_name: str | None, client: Client
    ) -> Account:
        """Sign up. Raises RegistrationClosed, TooManyAttempts, and what `create` raises."""
        if not self._context.policy.registration_open:
            raise RegistrationClosed
        self.check(NewAccount(username=username, email=email, display_name=display_name))
        self._passwords.check_rules(password, username=username, email=email)
        await self._sign_ups.count(client)
        return await self.create(
            username=username, password=password, email=email, display_name=display_name, actor=None, client=client
        )

    async def create(
        self,
        *,
        username: str,
        password: str,
        email: str | None = None,
        display_name: str | None = None,
        roles: tuple[str, ...] = (USER,),
        actor: str | None,
        client: Client | None = None,
        together: tuple[Change, ...] = (),
    ) -> Account:
        """`together` is changed in the same write, or nothing is. Raises InvalidRequest, PasswordRejected, Overloaded,
        UsernameTaken (also if `together` could not be changed)."""
        new = NewAccount(username=username, email=email, display_name=display_name, roles=roles)
        key = normalise_username(username)
        self._check(new)
        self._passwords.check_rules(password, username=username, email=email)
        if await self._context.store.accounts.by_username(key) is not None:
            raise UsernameTaken
        now = self._context.now()
        account = self._account(replace(new, password_hash=await self._passwords.hash(password)), now)
        written = await self._context.write(
            *together,
            Add(account),
            self._context.audit(
                Event.ACCOUNT_CREATED,
                now,
                account_id=account.id,
                actor=actor or account.id,
                client=client,
                roles=list(account.roles),
            ),
        )
        if not written:
            raise UsernameTaken
        return replace(account, revision=1)

    async def add_hashed(self, accounts: list[NewAccount], *, actor: str) -> list[bool]:
        """Import: make many accounts in one write if none is taken, else one by one; which of them were made. Raises
        InvalidRequest for the first one whose fields are not valid: check them with `check` before."""
        now = self._context.now()
        records = [self._account(new, now) for new in accounts]
        events = [
            self._context.audit(Event.ACCOUNT_CREATED, now, account_id=record.id, actor=actor) for record in records
        ]
        adds: list[Change] = [Add(record) for record in records]
        if await self._context.write(*adds, *events):
            return [True] * len(records)
        return [await self._context.write(add, event) for add, event in zip(adds, events, strict=True)]

    def check(self, new: NewAccount) -> str:
        """The normal form of its user name. Raises InvalidRequest."""
        self._check(new)
        return normalise_username(new.username)

    async def get(self, account_id: str) -> Account:
        """Raises NotFound."""
        account = await self._context.store.accounts.get(account_id)
        if account is None:
            raise NotFound("No such account.")
        return account

    async def find(self, name_or_id: str) -> Account:
        """By id or by user name. Raises NotFound."""
        account = await self._context.store.accounts.get(name_or_id)
        key = username_key_or_none(name_or_id)
        if account is None and key is not None:
            account = await self._context.store.accounts.by_username(key)
        if account is None:
            raise NotFound("No such account.")
        return account

    async def page(self, *, query: str, only: str = "", after: str, limit: int) -> tuple[list[Account], str | None]:
        """See `account_search`."""
        return await search(self._context.store.accounts, query=query, only=only, after=after, limit=limit)

    async def change(
        self,
        account_id: str,
        patch: AccountPatch,
        *,
        actor: Actor,
        client: Client | None = None,
    ) -> tuple[Account, Ended]:
        """Raises NotFound, InvalidRequest, LastAdmin, and what `still_may` raises."""

        async def attempt() -> tuple[Account, Ended] | None:
            conditions = await still_may(self._context, actor)
            return await self._change(account_id, patch, name_of(actor), client, conditions)

        return await judged_again(attempt)

    async def _change(
        self, account_id: str, patch: AccountPatch, actor: str, client: Client | None, conditions: list[Change]
    ) -> tuple[Account, Ended] | None:
        account = await self.get(account_id)
        now = self._context.now()
        issuer = await self._context.store.issuer()
        changed = account
        if not isinstance(patch.roles, Keep):
            changed = replace(changed, roles=check_roles(patch.roles))
        if not isinstance(patch.disabled, Keep):
            changed = replace(changed, disabled=patch.disabled)
        if not isinstance(patch.display_name, Keep):
            changed = replace(changed, display_name=check_display_name(patch.display_name))
        if not isinstance(patch.email, Keep):
            changed = replace(changed, email=check_email(patch.email))
        forgiving = await self._throttling.forgiveness(account.username_key) if patch.disabled is False else []
        if changed == account and not forgiving:
            return account, self._context.ended(0)
        over: list[Session] = []
        guard = await self._guard_last_admin(account, changed, issuer)
        changes: list[Change] = [*conditions, *guard, *forgiving]
        roles_changed = changed.roles != account.roles
        newly_disabled = changed.disabled and not account.disabled
        if newly_disabled:
            over = await live_sessions(self._context, account.id, issuer.everything, now)
            changes += end_sessions(self._context, over, now, EndReason.ACCOUNT_DISABLED)
        if roles_changed or newly_disabled:
            changed, entry = void_account_tokens(self._context, changed, issuer.everything, now)
            changes.append(entry)
        event = self._event(account, changed)
        if forgiving and event is Event.ACCOUNT_CHANGED:
            event = Event.ACCOUNT_ENABLED
        changes += [
            Swap(changed),
            self._context.audit(
                event,
                now,
                account_id=account.id,
                actor=actor,
                client=client,
                ended=len(over),
                roles=list(changed.roles),
            ),
        ]
        if not await self._context.write(*changes):
            return None
        return replace(changed, revision=account.revision + 1), self._context.ended(len(over))

    async def delete(self, account_id: str, *, actor: Actor, client: Client | None = None) -> Ended:
        """Raises NotFound, LastAdmin, and what `still_may` raises."""

        async def attempt() -> Ended | None:
            conditions = await still_may(self._context, actor)
            account = await self.get(account_id)
            now = self._context.now()
            issuer = await self._context.store.issuer()
            live = await live_sessions(self._context, account.id, issuer.everything, now)
            raised, entry = void_account_tokens(self._context, account, issuer.everything, now)
            changes: list[Change] = [
                *conditions,
                *await self._guard_last_admin(account, replace(raised, disabled=True), issuer),
                Remove(account),
                entry,
                *end_sessions(self._context, live, now, EndReason.ACCOUNT_DELETED),
                self._context.audit(
                    Event.ACCOUNT_DELETED,
                    now,
                    account_id=account.id,
                    actor=name_of(actor),
                    client=client,
                    ended=len(live),
                ),
            ]
            return self._context.ended(len(live)) if await self._context.write(*changes) else None

        return await judged_again(attempt)

    async def delete_own(self, caller: Caller, password: str, client: Client) -> Ended:
        """Raises WrongPassword, TooManyAttempts, LastAdmin, InvalidToken."""
        account = await self.get(caller.account_id)
        await self._passwords.prove(account, password, client, session_id=caller.session_id)
        return await self.delete(account.id, actor=Asking(caller), client=client)

    async def _guard_last_admin(self, before: Account, after: Account, issuer: Issuer) -> list[Change]:
        """Swapping the issuer's record makes two such changes at once impossible: the second is judged again."""
        if not before.is_enabled_admin or after.is_enabled_admin:
            return []
        if await self._context.store.accounts.count_enabled_admins() <= 1:
            raise LastAdmin
        return [Swap(issuer)]

    def _event(self, before: Account, after: Account) -> Event:
        if after.disabled != before.disabled:
            return Event.ACCOUNT_DISABLED if after.disabled else Event.ACCOUNT_ENABLED
        return Event.ROLES_CHANGED if after.roles != before.roles else Event.ACCOUNT_CHANGED

    def _check(self, new: NewAccount) -> None:
        check_email(new.email)
        check_display_name(new.display_name)
        check_roles(new.roles)

    def _account(self, new: NewAccount, now: float) -> Account:
        return Account(
            id=self._context.new_id("acc"),
            username=new.username,
            username_key=normalise_username(new.username),
            password_hash=new.password_hash,
            display_name=check_display_name(new.display_name),
            email=check_email(new.email),
            roles=check_roles(new.roles),
            created_at=now,
            password_changed_at=now,
        )
