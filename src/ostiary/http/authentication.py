"""Which credential a request presents, and whose it is. Contract sections 2 and 3."""

from dataclasses import dataclass, field

from starlette.types import Scope

from ostiary.credentials import opaque
from ostiary.credentials.access_token import AccessToken
from ostiary.credentials.derived_keys import DerivedKeys
from ostiary.domain.caller import Caller
from ostiary.errors import CsrfRejected, InvalidGrant, InvalidToken, Malformed, NotAuthenticated
from ostiary.http import csrf
from ostiary.http.config import HttpConfig
from ostiary.http.cookies import Cookies
from ostiary.http.problems import UnboundToken
from ostiary.services.context import Client
from ostiary.services.recognition import Expired, Recognition
from ostiary.services.refresh import Refresh


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it was sent."""

    credential: str = field(repr=False)
    from_cookie: bool


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whose request it is. `cookies` are to be set on its response: the credential was renewed in passing."""

    caller: Caller
    from_cookie: bool
    cookies: tuple[str, ...] = field(default=(), repr=False)


class Authenticator:
    """Reads credentials of requests. One for each process."""

    def __init__(
        self, config: HttpConfig, cookies: Cookies, recognition: Recognition, refresh: Refresh, derived: DerivedKeys
    ) -> None:
        self._config = config
        self._cookies = cookies
        self._recognition = recognition
        self._refresh = refresh
        self._derived = derived
        self._issuer = config.issuer
        self.trusted = frozenset(origin.encode() for origin in (config.origin, *config.trusted_origins))

    def presented(self, scope: Scope) -> Presented | None:
        """The one credential of this request, None if there is none. Raises Malformed if there is more than one,
        UnboundToken if it came under the DPoP scheme: no credential is bound to a key in this version."""
        credential, from_cookie = self._find(scope)
        return Presented(credential, from_cookie) if credential else None

    def _find(self, scope: Scope) -> tuple[str, bool]:
        """What `presented` says, without an object made for it: this is on the path of every request."""
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
            return session or "", True
        if session is not None:
            raise Malformed("Send the Authorization header or the session cookie, not both.")
        scheme, _, credential = authorization.partition(b" ")
        scheme = scheme.lower()
        if scheme not in (b"bearer", b"dpop"):
            return "", False
        credential = credential.strip()
        if b"," in credential:
            raise Malformed("Send one credential.")
        if credential and scheme == b"dpop":
            raise UnboundToken(private="bound to no key")
        return credential.decode("latin-1"), False

    def known(self, scope: Scope, now: float) -> Caller | None:
        """The caller if no waiting is needed to know it, under the rules of `authenticate`. Raises Malformed,
        UnboundToken, InvalidToken, CsrfRejected."""
        credential, from_cookie = self._find(scope)
        caller = self._recognition.known(credential, now)
        if caller is not None:
            self._check(scope, caller, from_cookie)
        return caller

    async def authenticate(
        self, scope: Scope, now: float, client: Client | None = None, *, may_renew: bool = True
    ) -> Authenticated:
        """Raises NotAuthenticated, InvalidToken, CsrfRejected, Malformed, Unavailable. `may_renew` False where new
        cookies could not be handed out: then nothing may be spent to get them."""
        presented = self.presented(scope)
        if presented is None:
            raise NotAuthenticated
        try:
            caller = await self._recognition.recognise(presented.credential, now)
        except Expired as expired:
            if not presented.from_cookie or not may_renew:
                raise
            return await self._renew(scope, now, client or Client(), expired.token)
        self._check(scope, caller, presented.from_cookie)
        return Authenticated(caller, presented.from_cookie)

    def check_csrf(self, scope: Scope) -> None:
        """Raises CsrfRejected."""
        if not csrf.allowed(scope["headers"], self.trusted):
            raise CsrfRejected

    def _check(self, scope: Scope, caller: Caller, from_cookie: bool) -> None:
        self.check_meant_for_us(caller.audience, caller.act)
        if from_cookie:
            self._check_cookie_borne(scope, caller.session_id)

    def check_meant_for_us(self, audience: tuple[str, ...], actors: tuple[str, ...]) -> None:
        """Raises InvalidToken."""
        if self._issuer not in audience or actors:
            raise InvalidToken(private="meant for somebody else")

    def _check_cookie_borne(self, scope: Scope, session_id: str) -> None:
        # a WebSocket's handshake has no method: another site can open one, and then talk, so it is not safe
        if scope.get("method") not in csrf.SAFE_METHODS:
            self.check_csrf(scope)
            if not scope.get("ostiary.csrf_in_form"):
                self.check_csrf_token(session_id, csrf_token_of(scope))

    def check_csrf_token(self, session_id: str, token: str) -> None:
        """The session-bound token, where the setting demands one. Raises CsrfRejected."""
        if self._config.csrf_token_required and not opaque.csrf_token_matches(self._derived, session_id, token):
            raise CsrfRejected("Send X-CSRF-Token with the token that GET /v1/csrf hands out.")

    def csrf_token(self, caller: Caller) -> str:
        """Bound to the caller's session."""
        return opaque.csrf_token(self._derived, caller.session_id)

    async def _renew(self, scope: Scope, now: float, client: Client, expired: AccessToken) -> Authenticated:
        """Transport `cookie`: the access token has expired, the refresh cookie of its session may be live. Everything
        that could refuse the request is looked at before the refresh token is spent."""
        self.check_meant_for_us(expired.audience, expired.actors)
        self._check_cookie_borne(scope, expired.session_id)
        text = self._cookies.value(scope["headers"], self._cookies.refresh)
        refresh_token = opaque.parse_refresh_token(self._derived, text) if text else None
        if refresh_token is None or refresh_token.session_id != expired.session_id:
            raise InvalidToken(private="expired, and no refresh token of its session")
        try:
            issued = await self._refresh.refresh(refresh_token.text, client)
        except InvalidGrant as error:
            raise InvalidToken(private=f"expired, and {error.private}") from None
        caller = await self._recognition.recognise(issued.access_token, now)
        self._check(scope, caller, from_cookie=True)
        return Authenticated(caller, from_cookie=True, cookies=tuple(self._cookies.issue(issued, now)))


def csrf_token_of(scope: Scope) -> str:
    """What the header `X-CSRF-Token` says, "" without it."""
    return next((value for name, value in scope["headers"] if name == b"x-csrf-token"), b"").decode("latin-1")
