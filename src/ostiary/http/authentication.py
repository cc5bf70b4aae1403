"""Which credential a request presents, and whose it is. Contract sections 2 and 3."""

from dataclasses import dataclass, field, replace
from enum import Enum

from starlette.types import Scope

from ostiary.credentials import opaque
from ostiary.credentials.access_token import AccessToken
from ostiary.credentials.derived_keys import DerivedKeys
from ostiary.domain.binding import Binding, Bound, Place, place_of
from ostiary.domain.caller import Caller
from ostiary.domain.session import Transport
from ostiary.errors import (
    CsrfRejected,
    InvalidGrant,
    InvalidProof,
    InvalidToken,
    Malformed,
    NotAuthenticated,
    ReauthenticationRequired,
)
from ostiary.http import client as client_of
from ostiary.http import csrf
from ostiary.http.config import HttpConfig
from ostiary.http.cookies import Cookies
from ostiary.http.csrf import SAFE_METHODS
from ostiary.http.device_names import label_of
from ostiary.http.dpop import ProofReader
from ostiary.http.problems import WrongScheme
from ostiary.revocation.freshness import Freshness
from ostiary.services.context import Client
from ostiary.services.moving import Moving
from ostiary.services.recognition import Recognition
from ostiary.services.refresh import Refresh
from ostiary.services.token_verification import Expired


class Carrier(Enum):
    """How a credential came."""

    COOKIE = "cookie"
    BEARER = "bearer"
    DPOP = "dpop"


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it was sent."""

    credential: str = field(repr=False)
    carrier: Carrier

    @property
    def from_cookie(self) -> bool:
        """True if a browser may have sent it by itself."""
        return self.carrier is Carrier.COOKIE


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whose request it is. `cookies` are to be set on its response: the credential was renewed in passing."""

    caller: Caller
    from_cookie: bool
    cookies: tuple[str, ...] = field(default=(), repr=False)


class Authenticator:
    """Reads credentials of requests. One for each process."""

    def __init__(
        self,
        config: HttpConfig,
        cookies: Cookies,
        proofs: ProofReader,
        recognition: Recognition,
        refresh: Refresh,
        moving: Moving,
        derived: DerivedKeys,
    ) -> None:
        self._config = config
        self._cookies = cookies
        self._proofs = proofs
        self._recognition = recognition
        self._refresh = refresh
        self._moving = moving
        self._derived = derived
        self._issuer = config.issuer
        self._session_equals = cookies.session_equals
        self._recognised_at_once = recognition.known.at_once
        self._by_authorization = recognition.known.by_authorization
        self._by_cookie = recognition.known.by_cookie
        self.trusted = frozenset(origin.encode() for origin in (config.origin, *config.trusted_origins))

    def presented(self, scope: Scope) -> Presented | None:
        """The one credential of this request, None if there is none. Raises Malformed if there is more than one."""
        credential, carrier = self._find(scope)
        return Presented(credential, carrier) if credential else None

    def _find(self, scope: Scope) -> tuple[str, Carrier]:
        """What `presented` says, as a pair."""
        authorization: bytes | None = None
        session: str | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None:
                    raise Malformed("The Authorization header was sent twice.")
                authorization = value
            elif name == b"cookie":
                session = self._cookies.session_in(value, session)
        if authorization is None:
            return session or "", Carrier.COOKIE
        if session is not None:
            raise Malformed("Send the Authorization header or the session cookie, not both.")
        scheme, _, credential = authorization.partition(b" ")
        scheme = scheme.lower()
        if scheme not in (b"bearer", b"dpop"):
            return "", Carrier.BEARER
        credential = credential.strip()
        if b"," in credential:
            raise Malformed("Send one credential.")
        return credential.decode("latin-1"), Carrier.BEARER if scheme == b"bearer" else Carrier.DPOP

    def known(self, scope: Scope, now: float) -> Caller | None:
        """The caller of the commonest request, at the least cost: one credential, written as clients write it, that
        this process remembers and that nothing else of the request can make wrong. It refuses nothing: None means that
        `authenticate` has to look. What it accepts, `authenticate` accepts."""
        authorization: bytes | None = None
        cookie: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if authorization is not None:
                    return None
                authorization = value
            elif name == b"cookie":
                if cookie is not None:
                    return None
                cookie = value
        if authorization is None:
            if cookie is None or scope.get("method") not in SAFE_METHODS:
                return None
            entry = self._by_cookie.get(cookie) or self._by_cookie.get(self._cookies.session_cookie_in(cookie))
        elif cookie is None or self._session_equals not in cookie:
            entry = self._by_authorization.get(authorization)
        else:
            return None
        return None if entry is None else self._recognised_at_once(entry, now)

    async def authenticate(
        self,
        scope: Scope,
        now: float,
        client: Client | None = None,
        *,
        may_renew: bool = True,
        proves_password: bool = False,
        freshness: Freshness = "ask",
    ) -> Authenticated:
        """Raises NotAuthenticated, InvalidToken, CsrfRejected, Malformed, ReauthenticationRequired, Unavailable.
        `may_renew` False where new cookies could not be handed out: then nothing may be spent to get them.
        `proves_password`: this request is the one that ends a step-up."""
        presented = self.presented(scope)
        if presented is None:
            raise NotAuthenticated
        try:
            caller = await self._recognition.recognise(presented.credential, now, freshness)
        except Expired as expired:
            if not presented.from_cookie or not may_renew:
                raise
            return await self._renew(
                scope, now, client or Client(), presented.credential, expired.token, proves_password=proves_password
            )
        self._check(scope, caller, presented.credential, presented.carrier, now)
        await self._check_place(scope, caller, client or Client(), now, proves_password=proves_password)
        if presented.from_cookie:
            cookie = self._session_equals + presented.credential.encode()
            self._recognition.known.came_by_cookie(cookie, presented.credential)
        return Authenticated(caller, presented.from_cookie)

    def check_csrf(self, scope: Scope) -> None:
        """Raises CsrfRejected."""
        if not csrf.allowed(scope["headers"], self.trusted):
            raise CsrfRejected

    def _check(self, scope: Scope, caller: Caller, credential: str, carrier: Carrier, now: float) -> None:
        self.check_meant_for_us(caller.audience, caller.act)
        if carrier is Carrier.COOKIE:
            self._check_cookie_borne(scope, caller.session_id)
        if caller.key_thumbprint is not None:
            self._check_possession(scope, caller.key_thumbprint, credential, carrier, now)
        elif carrier is Carrier.DPOP:
            raise WrongScheme(private="bound to no key")

    def _check_possession(self, scope: Scope, thumbprint: str, credential: str, carrier: Carrier, now: float) -> None:
        """RFC 9449 section 7: what is bound to a key is no bearer token, whoever carries it."""
        if carrier is Carrier.BEARER:
            raise WrongScheme(private="bound to a key, and sent as if it were not")
        self._proofs.presenting(scope, credential, thumbprint, now)

    def _place(self, scope: Scope) -> Place:
        return place_of(*self._whence(scope))

    def _whence(self, scope: Scope) -> tuple[str, str]:
        """Address and label of whoever sent it, as a login would note them."""
        peer = scope.get("client")
        headers = scope["headers"]
        address = client_of.address_of(peer[0] if peer else "", headers, self._config.trusted_proxies)
        return address, label_of(client_of.user_agent_of(headers))

    def _left(self, scope: Scope, bound: Bound) -> bool:
        return bool(bound.place.left_for(self._place(scope)))

    async def _check_place(
        self, scope: Scope, caller: Caller, client: Client, now: float, *, proves_password: bool
    ) -> None:
        """What leaving its place causes for a session that is bound to one (`ostiary.domain.binding`)."""
        if caller.bound is not None:
            await self._check_bound(
                scope, caller.bound, caller.session_id, caller.account_id, client, now, proves_password=proves_password
            )

    async def _check_bound(
        self,
        scope: Scope,
        bound: Bound,
        session_id: str,
        account_id: str,
        client: Client,
        now: float,
        *,
        proves_password: bool,
    ) -> None:
        if not self._left(scope, bound):
            return
        if bound.binding is Binding.END:
            await self._moving.end(session_id, client)
            raise InvalidToken(private="came from another place than its session is bound to; ended")
        self._moving.observe(session_id, account_id, bound, self._place(scope), client, now)
        if bound.binding is Binding.STEP_UP and not proves_password:
            raise ReauthenticationRequired("This login began elsewhere: prove your password to go on here.")

    def check_meant_for_us(self, audience: tuple[str, ...], actors: tuple[str, ...]) -> None:
        """Raises InvalidToken."""
        if self._issuer not in audience or actors:
            raise InvalidToken(private="meant for somebody else")

    def _check_cookie_borne(self, scope: Scope, session_id: str) -> None:
        # a WebSocket's handshake has no method: another site can open one, and then talk, so it is not safe
        if scope.get("method") not in SAFE_METHODS:
            self.check_csrf(scope)
            if not scope.get("ostiary.csrf_in_form"):
                self.check_csrf_token(session_id, csrf_token_of(scope))

    def check_csrf_token(self, session_id: str, token: str) -> None:
        """The session-bound token, where the setting demands one. Raises CsrfRejected."""
        if self._config.csrf_token_required and not opaque.csrf_token_matches(self._derived, session_id, token):
            raise CsrfRejected("Send X-CSRF-Token with the token that GET /v1/csrf hands out.")

    def check_refresh_cookie(self, scope: Scope, text: str) -> None:
        """What a cookie refresh and a logout by the refresh cookie need besides. Raises CsrfRejected."""
        self.check_csrf(scope)
        token = opaque.parse_refresh_token(self._derived, text)
        if token is not None:  # another one is refused whatever comes along
            self.check_csrf_token(token.session_id, csrf_token_of(scope))

    def csrf_token(self, session_id: str) -> str:
        """Bound to this session."""
        return opaque.csrf_token(self._derived, session_id)

    async def _renew(
        self,
        scope: Scope,
        now: float,
        client: Client,
        credential: str,
        expired: AccessToken,
        *,
        proves_password: bool,
    ) -> Authenticated:
        """Transport `cookie`: the access token has expired, the refresh cookie of its session may be live. Everything
        that could refuse the request is looked at before the refresh token is spent."""
        self.check_meant_for_us(expired.audience, expired.actors)
        self._check_cookie_borne(scope, expired.session_id)
        spends = None
        if expired.key_thumbprint is not None:
            spends = self._proofs.renewing_in_passing(scope, credential, expired.key_thumbprint, now)
        address, label = self._whence(scope)
        client = replace(client, ip=address, label=label)  # a reading request comes without a label so far
        text = self._cookies.value(scope["headers"], self._cookies.refresh)
        refresh_token = opaque.parse_refresh_token(self._derived, text) if text else None
        if refresh_token is None or refresh_token.session_id != expired.session_id:
            raise InvalidToken(private="expired, and no refresh token of its session")
        if not self._moving.is_off:
            session = await self._refresh.session_of(refresh_token.text)
            bound = self._moving.bound_of(session) if session is not None else None
            if session is not None and bound is not None:
                await self._check_bound(
                    scope, bound, session.id, session.account_id, client, now, proves_password=proves_password
                )
        try:
            issued = await self._refresh.refresh(
                refresh_token.text,
                client,
                key_thumbprint=expired.key_thumbprint,
                transport=Transport.COOKIE,
                spends=spends,
            )
        except InvalidGrant as error:
            raise InvalidToken(private=f"expired, and {error.private}") from None
        except InvalidProof as error:  # of a credential that was presented
            raise InvalidProof(private=error.private) from None
        caller = await self._recognition.recognise(issued.access_token, now)
        self.check_meant_for_us(caller.audience, caller.act)
        await self._check_place(scope, caller, client, now, proves_password=proves_password)
        return Authenticated(caller, from_cookie=True, cookies=tuple(self._cookies.issue(issued, now)))


def csrf_token_of(scope: Scope) -> str:
    """What the header `X-CSRF-Token` says, "" without it."""
    return next((value for name, value in scope["headers"] if name == b"x-csrf-token"), b"").decode("latin-1")
