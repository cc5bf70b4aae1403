"""Rotation of refresh tokens. The rules are `ostiary.domain.refresh`'s; here they are carried out in one write."""

from ostiary import limits
from ostiary.credentials import opaque
from ostiary.credentials.opaque import RefreshToken
from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import Event
from ostiary.domain.binding import Binding, Place, place_of
from ostiary.domain.refresh import Presented, judge
from ostiary.domain.session import EndReason, Kind, Session, Transport
from ostiary.domain.spent import Spent
from ostiary.errors import InvalidGrant, InvalidProof, InvalidScope, TooManyAttempts
from ostiary.services.context import Client, Context, judged_again
from ostiary.services.ending import end_session, session_ended
from ostiary.services.issuing import Issued, Issuing, granted_scope
from ostiary.services.moving import bound_of
from ostiary.services.refreshed_sessions import RefreshedSessions
from ostiary.stores.port import Add, Change, Expect, Swap

_MINUTE = 60.0  # seconds of `refreshes_per_minute`


class _Reused(InvalidGrant):
    """An old refresh token came, and its session has ended. Outside it looks like any other invalid grant."""


class Refresh:
    """The use case of renewing credentials."""

    def __init__(self, context: Context, issuing: Issuing) -> None:
        self._context = context
        self._issuing = issuing
        self._rates: dict[str, tuple[float, int]] = {}
        self._refreshed = RefreshedSessions(lambda: context.replica.generation)

    async def refresh(
        self,
        text: str,
        client: Client,
        *,
        key_thumbprint: str | None = None,
        scope: tuple[str, ...] | None = None,
        transport: Transport | None = None,
        spends: Spent | None = None,
    ) -> Issued:
        """New credentials for the session that this refresh token belongs to; `key_thumbprint` names the key that the
        client has proven to hold, `scope` what the access token is to say at most, `transport` the only one by which
        they can be handed out here, `spends` the proof that is good for no other request. Raises InvalidGrant,
        InvalidProof, TooManyAttempts."""
        presented = opaque.parse_refresh_token(self._context.derived, text)
        if presented is None:
            raise InvalidGrant(private="not a refresh token of this issuer")

        try:
            return await self._renewed(presented, client, key_thumbprint, scope, transport, spends)
        except InvalidGrant as error:
            self._context.measures.refreshes["reused" if isinstance(error, _Reused) else "refused"] += 1
            raise

    async def _renewed(
        self,
        presented: RefreshToken,
        client: Client,
        key_thumbprint: str | None,
        scope: tuple[str, ...] | None,
        transport: Transport | None,
        spends: Spent | None,
    ) -> Issued:
        again = False

        async def attempt() -> Issued | None:
            nonlocal again
            counts, again = not again, True
            return await self._judge(presented, client, key_thumbprint, scope, transport, spends, counts=counts)

        return await judged_again(attempt)

    async def narrowed_scope(self, text: str, asked: str) -> tuple[str, ...] | None:
        """What the access token that follows this refresh token is to say at most: a part of what the login has, None
        for all of it (RFC 6749 section 6). The refresh token stays what it was. Raises InvalidScope for more, before
        anything is spent; and for less, where it is the server that knows the scope and not the token."""
        session = await self.session_of(text)
        account = await self._context.store.accounts.get(session.account_id) if session else None
        if session is None or account is None:
            return None  # no grant, as the refresh itself will say
        wanted, granted = set(asked.split(" ")), set(granted_scope(self._context, account.roles, session.scope))
        if not wanted <= (granted if session.scope is None else {*session.scope}):
            raise InvalidScope("A scope was asked for that the login does not have.")
        if wanted >= granted:
            return None
        if session.kind is not Kind.STATELESS:
            raise InvalidScope("A login of this kind keeps its scope.")
        return tuple(wanted)

    async def session_of(self, text: str, *, to_end: bool = False) -> Session | None:
        """The session that a refresh token belongs to, if the token is its current one or that one's predecessor.
        `to_end`: an older one will do, since using it would end the session too."""
        presented = opaque.parse_refresh_token(self._context.derived, text)
        session = await self._context.store.sessions.get(presented.session_id) if presented else None
        if presented is None or session is None or session.refresh is None:
            return None
        if presented.digest in (session.refresh.digest, session.refresh.previous_digest):
            return session
        if not to_end or session.key_thumbprint is not None:  # an old one ends nothing without the key: see `_judge`
            return None
        state, generation = session.refresh, presented.generation
        meaning = judge(state, generation=generation, digest=presented.digest, now=self._context.now(), grace=0.0)
        return session if meaning is Presented.REUSED else None

    async def _judge(
        self,
        presented: RefreshToken,
        client: Client,
        key_thumbprint: str | None,
        scope: tuple[str, ...] | None,
        transport: Transport | None,
        spends: Spent | None,
        *,
        counts: bool,
    ) -> Issued | None:
        """`counts` is False where a race was lost and the same request is judged again: by what the store says."""
        context = self._context
        now = context.now()
        known = self._refreshed.recall(presented, now) if counts else None
        session, issuer, account = known or await self._look_up(presented)
        if session is None or session.refresh is None:
            raise InvalidGrant(private="no such session")
        if not session.is_live(now, issuer.everything):
            raise InvalidGrant(private="session over")
        if session.key_thumbprint != key_thumbprint:
            # before the token is judged: whoever lacks the key can neither spend it nor end the session with an old one
            raise InvalidProof("The refresh token is bound to another key, or to none.", status=400)
        if transport not in (None, session.transport):  # spent here, it would be lost: nobody would get its successor
            raise InvalidGrant(private="of another transport")
        grace = context.policy.lifetimes.refresh_grace
        meaning = judge(session.refresh, generation=presented.generation, digest=presented.digest, now=now, grace=grace)
        if spends is not None and (meaning is Presented.REUSED or not counts):
            await self._check_unspent(spends)
        if meaning is Presented.REUSED:
            await self._end_reused(session, presented, client, now)
            return None
        if meaning in (Presented.UNKNOWN, Presented.REPLACED):
            raise InvalidGrant(private=meaning.value)
        if counts:
            self._count(session)
        bound = bound_of(context, session)
        if bound is not None and bound.binding is Binding.END and bound.place.left_for(_place_of(client)):
            await self._end_moved(session, client, now)
            return None
        account = account or await context.store.accounts.get(session.account_id)
        if account is None or account.disabled:
            raise InvalidGrant(private="account gone or disabled")
        if meaning is Presented.PREDECESSOR:
            successor = self._issuing.successor(presented, session.refresh.nonce)
            if successor.digest != session.refresh.digest:
                raise InvalidGrant(private="the successor was replaced")
            if spends is not None and not await context.write(Add(spends)):
                raise _spent()
            self._context.measures.refreshes["grace"] += 1
            return self._issuing.issued(account, session, issuer.everything, successor.text, now, narrowed_to=scope)
        rotated, secret = self._issuing.rotated(session, presented, now)
        rotated, placed = await self._issuing.placed(rotated, account, issuer.everything, now)
        issued = self._issuing.issued(account, rotated, issuer.everything, secret, now, narrowed_to=scope)
        spending = (Add(spends),) if spends else ()
        if not await context.write(Swap(rotated, session), Expect(account), Expect(issuer), *placed, *spending):
            return None
        self._refreshed.keep(rotated, account, issuer, now)
        context.measures.refreshes["rotated"] += 1
        return issued

    async def _check_unspent(self, proof: Spent) -> None:
        """Whoever recorded a request and sends it to another node has no key: it must not end the session there, as
        the re-use of an old token by who has it does. Raises InvalidProof."""
        if await self._context.store.spent.get(proof.id) is not None:
            raise _spent()

    async def _look_up(self, presented: RefreshToken) -> tuple[Session | None, Issuer, Account | None]:
        store = self._context.store
        session, issuer = await self._context.together(store.sessions.get(presented.session_id), store.issuer())
        return session, issuer, None

    async def _end_reused(self, session: Session, presented: RefreshToken, client: Client, now: float) -> None:
        """Somebody else holds, or held, this session's tokens: it is over for both. Returns if it lost a race."""
        context = self._context
        changes: list[Change] = [
            *end_session(context, session, now, EndReason.REFRESH_TOKEN_REUSED),
            context.audit(
                Event.REFRESH_REUSED,
                now,
                account_id=session.account_id,
                session_id=session.id,
                actor="unknown",
                client=client,
                generations_behind=(session.refresh.generation if session.refresh else 0) - presented.generation,
            ),
        ]
        if await context.write(*changes):
            raise _Reused(private="reused; session ended")

    async def _end_moved(self, session: Session, client: Client, now: float) -> None:
        """It is bound to another place, and ends when it is used here. Returns if it lost a race."""
        context = self._context
        changes = session_ended(context, session, now, EndReason.MOVED, actor="system", client=client)
        if await context.write(*changes):
            raise InvalidGrant(private="came from another place; session ended")

    def _count(self, session: Session) -> None:
        """`refreshes_per_minute`, in this process: a client in a loop, not an attack, is what this stops. By the clock
        that nobody sets: a corrected wall clock neither lifts the limit nor keeps anybody waiting."""
        now = self._context.clock.monotonic()
        started, count = self._rates.get(session.id, (now, 0))
        if now - started >= _MINUTE:
            started, count = now, 0
        if count >= self._context.policy.refreshes_per_minute:
            raise TooManyAttempts(int(started + _MINUTE - now) + 1)
        if count == 0:  # a new minute: the sessions stand in the order in which theirs began
            self._rates.pop(session.id, None)
        self._rates[session.id] = (started, count + 1)
        if len(self._rates) > limits.REFRESHING_SESSIONS:
            # the one that began first is nearest to a new minute; it may have it at once. Reuse is the store's to find
            del self._rates[next(iter(self._rates))]

    def forget_old(self, now: float) -> None:
        """Housekeeping."""
        self._refreshed.forget_old(now)
        since = self._context.clock.monotonic() - _MINUTE
        self._rates = {key: value for key, value in self._rates.items() if value[0] > since}


def _spent() -> InvalidProof:
    return InvalidProof(private="used before, perhaps at another node", status=400)


def _place_of(client: Client) -> Place:
    return place_of(client.ip, client.label)
