"""Logging in: one password, one session, one set of credentials."""

from dataclasses import dataclass, field, replace

from ostiary import limits
from ostiary.credentials import opaque
from ostiary.domain.account import Account
from ostiary.domain.audit import Event
from ostiary.domain.session import EndReason, Kind, Session, Transport, default_transport, oldest_beyond_cap
from ostiary.domain.username import username_key_or_none
from ostiary.errors import InvalidCredentials, InvalidRequest, InvalidTarget, Overloaded, Unavailable
from ostiary.services.context import Client, Context, judged_again
from ostiary.services.ending import end_session, session_ended
from ostiary.services.issuing import Issued, Issuing
from ostiary.services.login_attempt import Attempt
from ostiary.services.passwords import Passwords
from ostiary.services.throttling import Throttling
from ostiary.stores.port import Add, Change, Swap


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """What may be asked for at login (contract section 5). `scope` None means all that the roles grant."""

    username: str
    password: str = field(repr=False)
    kind: Kind = Kind.SESSION
    transport: Transport | None = None
    remember: bool = False
    audience: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = None
    replaces: str | None = None
    """Id of the session whose cookie came along: a login with transport `cookie` overwrites that, so it ends it."""
    key_thumbprint: str | None = None
    """The key to bind the credentials to, if the client has proven to hold one (RFC 9449 section 5)."""


@dataclass(frozen=True, slots=True)
class _Proven:
    """An account as it was read, whose password was right. `hashed_anew`: how the password is to be kept from now on,
    None for as it is."""

    account: Account
    hashed_anew: str | None = field(default=None, repr=False)


class SignIn:
    """The use case of logging in."""

    def __init__(self, context: Context, throttling: Throttling, passwords: Passwords, issuing: Issuing) -> None:
        self._context = context
        self._throttling = throttling
        self._passwords = passwords
        self._issuing = issuing

    async def login(self, request: LoginRequest, client: Client) -> Issued:
        """Raises InvalidCredentials, TooManyAttempts, InvalidRequest, InvalidTarget, Overloaded."""
        transport = request.transport or default_transport(request.kind)
        if request.kind is Kind.SESSION and transport is Transport.SPLIT:
            raise InvalidRequest("Transport 'split' needs a kind with a refresh token: 'stateful' or 'stateless'.")
        audience = self._audience(request.audience)
        key = username_key_or_none(request.username)
        account = await self._context.store.accounts.by_username(key) if key is not None else None
        device = await self._known_device(account, request, client)
        name = key if key is not None else request.username[: limits.USERNAME_CHARS]
        # whether it fails or not, its answer waits for another write: the count need not be on the disk before that
        async with self._throttling.attempt(
            name, network=client.ip, device=device, ready=self._passwords.check_room, durable=False
        ) as attempt:
            proven = await self._prove(account, request, client, attempt)
            return await self._begin(proven, request, transport, audience, client, attempt, new_device=device is None)

    def _audience(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        policy = self._context.policy
        if len(asked) > limits.AUDIENCES_PER_TOKEN or not {policy.issuer, *policy.audiences}.issuperset(asked):
            raise InvalidTarget
        return tuple(dict.fromkeys(asked)) or (policy.issuer,)

    async def _prove(self, account: Account | None, request: LoginRequest, client: Client, attempt: Attempt) -> _Proven:
        """The account, if there is one that may log in and this is its password. Raises InvalidCredentials."""
        usable = account is not None and not account.disabled
        stored = account.password_hash if account is not None and usable else None
        verdict = await self._passwords.look(stored, request.password, attempt)
        if account is None or not usable or not verdict.matches:
            await self._note_failure(account, client, attempt)
            raise InvalidCredentials
        attempt.succeeded()
        return _Proven(account, await self._hashed_anew(request.password) if verdict.needs_rehash else None)

    async def _hashed_anew(self, password: str) -> str | None:
        """The password's hash as hashes are made today, None if there is no room now: the next login tries again."""
        try:
            return await self._passwords.hash(password)
        except (Overloaded, Unavailable):
            return None

    async def _known_device(self, account: Account | None, request: LoginRequest, client: Client) -> str | None:
        """The device's id, if this account has logged in on it: it shows the mark, or a live session of the account.
        Whether there is such an account makes no difference to what is looked up."""
        account_id = account.id if account is not None else ""
        marked = opaque.known_device(self._context.derived, account_id, client.device_mark)
        if marked is None and request.replaces is not None:
            session = await self._context.store.sessions.get(request.replaces)
            return session.id if session is not None and session.account_id == account_id else None
        return marked

    async def _note_failure(self, account: Account | None, client: Client, attempt: Attempt) -> None:
        """The same write whether or not the account exists."""
        now = self._context.now()
        subject = account.id if account else None
        await attempt.failed(
            self._context.audit(Event.LOGIN_FAILED, now, account_id=subject, actor="unknown", client=client)
        )

    async def _begin(
        self,
        proven: _Proven,
        request: LoginRequest,
        transport: Transport,
        audience: tuple[str, ...],
        client: Client,
        attempt: Attempt,
        *,
        new_device: bool,
    ) -> Issued:
        """One write, which forgives the attempt."""
        context = self._context
        device_mark = opaque.device_mark(context.derived, proven.account.id, context.random(16))

        judged = False

        async def begun() -> Issued | None:
            nonlocal proven, judged
            now = context.now()
            if judged:  # the first write finds out by itself whether the account is as it was
                proven = await self._proven_anew(proven, request, attempt)
            account, judged = proven.account, True
            kept_anew = account if proven.hashed_anew is None else replace(account, password_hash=proven.hashed_anew)
            everything, among = await context.store.standing(account.id)
            replaces = request.replaces if transport is Transport.COOKIE else None
            sessions: list[Session] = []
            if replaces is not None or among >= context.policy.max_sessions:  # else none of them has to end
                sessions = await context.store.sessions.of_account(account.id)
            live = [session for session in sessions if session.is_live(now, everything)]
            replaced = [session for session in live if session.id == replaces]
            kept = [session for session in live if session.id != replaces]
            left = None if replaces is None or replaced else await self._left(replaces, everything, now)
            over = oldest_beyond_cap(kept, context.policy.max_sessions)
            session, secret = self._issuing.fresh(
                self._session(account, request, transport, audience, client, everything, now), now
            )
            session, placed = await self._issuing.placed(session, account, everything, now)
            changes: list[Change] = [
                # swapped also if unchanged: parallel logins are judged one after the other, so the cap is exact
                Swap(kept_anew, was=account),
                Add(session),
                *placed,
                context.audit(
                    Event.LOGIN_SUCCEEDED,
                    now,
                    account_id=account.id,
                    session_id=session.id,
                    client=client,
                    kind=session.kind.value,
                    new_device=new_device,
                ),
            ]
            for old in replaced:
                changes += end_session(context, old, now, EndReason.REPLACED_BY_LOGIN)
            if left is not None:
                changes += end_session(context, left, now, EndReason.REPLACED_BY_LOGIN)
                changes.append(
                    context.audit(
                        Event.SESSION_ENDED,
                        now,
                        account_id=left.account_id,
                        session_id=left.id,
                        actor="holder",
                        client=client,
                        reason=EndReason.REPLACED_BY_LOGIN.value,
                    )
                )
            for old in over:
                reason = EndReason.TOO_MANY_SESSIONS
                changes += session_ended(context, old, now, reason, actor="system", client=client)
            # signed before it is written: a token that cannot be issued must leave no session behind
            ended = len(over) + len(replaced) + (left is not None)
            issued = self._issuing.issued(
                account, session, everything, secret, now, ended=ended, device_mark=device_mark
            )
            return issued if await attempt.write(*changes) else None

        return await judged_again(begun)

    async def _left(self, session_id: str, everything: int, now: float) -> Session | None:
        """The live session of another account that this browser loses: nobody would hold it any more."""
        session = await self._context.store.sessions.get(session_id)
        return session if session is not None and session.is_live(now, everything) else None

    async def _proven_anew(self, proven: _Proven, request: LoginRequest, attempt: Attempt) -> _Proven:
        """The account as it stands now, if the password is right for it, too. Another hash may be the same password,
        hashed anew by a login beside this one; no clock says which. Raises InvalidCredentials."""
        account = await self._context.store.accounts.get(proven.account.id)
        if account is not None and not account.disabled:
            if account.password_hash == proven.account.password_hash:
                return _Proven(account, proven.hashed_anew)
            if (await self._passwords.look(account.password_hash, request.password, attempt)).matches:
                return _Proven(account)
        raise InvalidCredentials(private="the account changed while its password was looked at")

    def _session(
        self,
        account: Account,
        request: LoginRequest,
        transport: Transport,
        audience: tuple[str, ...],
        client: Client,
        everything: int,
        now: float,
    ) -> Session:
        idle, absolute = self._context.policy.lifetimes.of_session(request.kind, remembered=request.remember)
        return Session(
            id=opaque.session_id(self._context.random(16)),
            account_id=account.id,
            kind=request.kind,
            transport=transport,
            created_at=now,
            auth_time=now,
            last_seen_at=now,
            idle_lifetime=idle,
            expires_at=now + absolute,
            everything=everything,
            remembered=request.remember,
            audience=audience,
            scope=request.scope,
            client_label=client.label,
            client_ip=client.ip,
            binding=self._context.policy.binding,
            key_thumbprint=request.key_thumbprint,
        )
