"""What a login, a refresh and a re-authentication hand out."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ostiary import jose
from ostiary.credentials import access_token, opaque
from ostiary.credentials.access_token import Grant
from ostiary.credentials.kinds import TOKEN_KINDS
from ostiary.credentials.opaque import RefreshToken
from ostiary.domain.account import Account, authorization_epoch
from ostiary.domain.refresh import RefreshState, replace_all, rotate
from ostiary.domain.session import Kind, Session, changed
from ostiary.domain.status_list import no_place, place_for, read_places, status_list_uri
from ostiary.services.context import Context
from ostiary.services.signing_keys import SigningKeys
from ostiary.services.status_places import StatusPlaces
from ostiary.stores.port import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A session and its fresh credentials. Lifetimes in whole seconds; the cookies last as long as the session.

    `ended` tells how many sessions had to end to make room for this one, or because of the change that led to it.
    """

    account: Account
    session: Session
    scope: tuple[str, ...]
    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_in: int | None = None
    device_mark: str | None = field(default=None, repr=False)
    ended: int = 0


def granted_scope(context: Context, roles: Iterable[str], narrowed_to: tuple[str, ...] | None) -> tuple[str, ...]:
    """What the roles grant, narrowed to what the login asked for."""
    granted = {scope for role in roles for scope in context.policy.role_scopes.get(role, ())}
    return tuple(sorted(granted if narrowed_to is None else granted.intersection(narrowed_to)))


class Issuing:
    """Gives a session credentials. It writes nothing: the caller writes the session that comes back, and hands out the
    credentials only if that write succeeds."""

    def __init__(self, context: Context, keys: SigningKeys) -> None:
        self._context = context
        self._keys = keys
        self._places = StatusPlaces(context)

    def fresh(self, session: Session, now: float) -> tuple[Session, str]:
        """New credentials for a new session, or for one that goes on under a raised version: what it had is dead.
        Returns the session to write and the secret that only the client will hold."""
        context = self._context
        secret = context.random(opaque.SESSION_TOKEN_BYTES)
        if session.kind is Kind.SESSION:
            token = opaque.session_token(secret)
            digest = opaque.token_digest(context.derived, token)
            return changed(session, token_digest=digest), token
        generation = session.refresh.generation + 1 if session.refresh else 0
        refresh = opaque.make_refresh_token(
            context.derived, session_id=session.id, generation=generation, secret=secret
        )
        state = (
            replace_all(session.refresh, digest=refresh.digest, now=now)
            if session.refresh
            else RefreshState(generation=generation, digest=refresh.digest, rotated_at=now)
        )
        return changed(session, refresh=state, credential_expires_at=self._last_expiry(session, now)), refresh.text

    def rotated(self, session: Session, presented: RefreshToken, now: float) -> tuple[Session, str]:
        """The session with its next refresh token current, and that token."""
        assert session.refresh is not None  # noqa: S101 - the domain judged its state
        nonce = self._context.random(16)
        successor = self.successor(presented, nonce)
        state = rotate(session.refresh, digest=successor.digest, nonce=nonce, now=now)
        last = self._last_expiry(session, now)
        return changed(session, refresh=state, last_seen_at=now, credential_expires_at=last), successor.text

    async def placed(
        self, session: Session, account: Account, everything: int, now: float
    ) -> tuple[Session, tuple[Change, ...]]:
        """The session with a place in a status list for what it is given now, if its tokens name any, and what has to
        be written with it."""
        if not self._context.policy.status_lists or session.kind is not Kind.STATELESS:
            return session, ()
        return await self._places.place(session, authorization_epoch(account.epoch, everything), now)

    def successor(self, presented: RefreshToken, nonce: bytes) -> RefreshToken:
        """What `presented` rotates to: the same each time."""
        derived = self._context.derived
        return opaque.make_refresh_token(
            derived,
            session_id=presented.session_id,
            generation=presented.generation + 1,
            secret=opaque.successor_secret(derived, presented, nonce),
        )

    def issued(
        self,
        account: Account,
        session: Session,
        everything: int,
        secret: str,
        now: float,
        *,
        ended: int = 0,
        device_mark: str | None = None,
        narrowed_to: tuple[str, ...] | None = None,
    ) -> Issued:
        """The answer. `account`, `session` and `everything` are as they were read for, and written by, the change.
        `narrowed_to`: what this one token says at most."""
        scope = granted_scope(self._context, account.roles, session.scope)
        if narrowed_to is not None:
            scope = tuple(name for name in scope if name in narrowed_to)
        if session.kind is Kind.SESSION:
            return Issued(
                account=account,
                session=session,
                scope=scope,
                access_token=secret,
                expires_in=max(0, int(session.expires_at - now)),
                device_mark=device_mark,
                ended=ended,
            )
        issued_at = int(now)
        expires_at = min(issued_at + int(self._life(session.kind)), int(session.expires_at))
        grant = Grant(
            issuer=self._context.policy.issuer,
            audience=session.audience,
            account_id=account.id,
            session_id=session.id,
            version=session.version,
            epoch=authorization_epoch(account.epoch, everything),
            client_id=session.client_id,
            auth_time=int(session.auth_time),
            issued_at=issued_at,
            expires_at=expires_at,
            token_id=opaque.encode(self._context.random(16)),
            roles=account.roles,
            scope=scope,
            key_thumbprint=session.key_thumbprint,
        )
        if self._context.policy.status_lists and session.kind is Kind.STATELESS:
            grant = replace(grant, status=self._status_of(session, grant))
        return Issued(
            account=account,
            session=session,
            scope=scope,
            access_token=self.sign(grant, session.kind),
            expires_in=max(0, expires_at - issued_at),  # the token's own arithmetic: at most a second more than is left
            refresh_token=secret,
            refresh_expires_in=max(0, int(session.idle_expires_at - now)),
            device_mark=device_mark,
            ended=ended,
        )

    def _status_of(self, session: Session, grant: Grant) -> tuple[str, int]:
        """Its place; one that refuses it, if it has none: without any it would be taken for one of a server that has no
        lists."""
        places = read_places(session.statuses)
        place = place_for(places, version=grant.version, epoch=grant.epoch, expires_at=grant.expires_at)
        number, index = no_place(grant.epoch) if place is None else (place.number, place.index)
        return status_list_uri(grant.issuer, number), index

    def sign(self, grant: Grant, kind: Kind) -> str:
        """The access JWT of this kind. Raises Misconfigured if it would say too much or be too large."""
        token = self._signed(grant, kind)
        if TOKEN_KINDS[kind].hidden and self._context.policy.encrypt_stateless:
            return self._keys.ring.hide(token, self._context.random)
        return token

    def sign_for_service(self, grant: Grant) -> str:
        """An access JWT that another service reads: never encrypted to ourselves. Raises as `sign`."""
        return self._signed(grant, Kind.STATELESS)

    def _signed(self, grant: Grant, kind: Kind) -> str:
        row = TOKEN_KINDS[kind]
        claims = row.claims(grant)
        access_token.check_before_signing(claims)
        return access_token.check_after_signing(jose.sign(claims, self._keys.ring.signer, typ=row.typ))

    def _life(self, kind: Kind) -> float:
        return max(1.0, self._context.policy.lifetimes.of_access_token(kind))

    def _last_expiry(self, session: Session, now: float) -> float:
        """Also covers an access token that a racing tab gets within the grace window, which writes nothing."""
        last = now + self._life(session.kind) + self._context.policy.lifetimes.refresh_grace + 1.0
        return max(session.credential_expires_at, last)
