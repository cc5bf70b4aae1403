"""A running system as an ASGI application, and the means to protect others with it."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.compose.http_services import http_config, services_of
from ostiary.compose.lifetime import Lifetime
from ostiary.compose.system import System, open_system
from ostiary.domain.account import Account
from ostiary.domain.caller import Caller
from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.http.app import make_app
from ostiary.http.authentication import Authenticator
from ostiary.http.problems import headers_of
from ostiary.http.protect import Protect, Running, check_demands, check_rights
from ostiary.http.renewals import deliver, delivering, has_begun, is_delivered
from ostiary.http.services import Services
from ostiary.passwords import Argon2Parameters
from ostiary.revocation.freshness import Freshness, Stale, check_freshness
from ostiary.settings import Settings
from ostiary.stores.memory import MemoryStore
from ostiary.stores.port import Store
from ostiary.verifier.resource import resource_answer, resource_metadata

log = logging.getLogger("ostiary.settings")

_NOWHERE: Any = None
"""No response to set cookies on. A default of its own, so that FastAPI sees `Response` alone and hands one in."""


class Ostiary:
    """Everything, embedded: one object, one ASGI application, and the means to protect others with it.

        auth = Ostiary.from_settings()
        routes = [Mount("/auth", auth.asgi), Mount("/notes", auth.protect(notes))]
        app = Starlette(routes=routes, lifespan=auth.lifespan)

    The system starts with `lifespan`, or at the first request where nobody runs one. `worker`: which of several
    processes of one server this is. `store`, `clock` and `password_parameters` are for tests.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        store: Store | None = None,
        clock: Clock = SYSTEM_CLOCK,
        password_parameters: Argon2Parameters | None = None,
        worker: int = 0,
    ) -> None:
        self.settings = settings or Settings.load()
        self._clock = clock
        self._store = store
        self._password_parameters = password_parameters
        self._worker = worker
        self.places: tuple[str, ...] = ()
        """More places that the pages lead to, such as `demo`; to be set before the start by what serves them."""
        self.warned = False
        """Whether somebody has said this start's warnings (`settings.warnings`); else the log says them."""
        self._stale = 0.0
        self._services: Services | None = None
        self._running = Running()
        self._lifetime = Lifetime(self._open_system, self._changed)
        self._memory: tuple[Store, bytes] | None = None
        self.asgi: ASGIApp = self._started(
            make_app(lambda: self.services, cors_origins=self.settings.cors_origins, lifespan=self.lifespan)
        )

        self.metrics: ASGIApp = _MetricsAlone(self)
        """Answers `/metrics` to whoever can reach it: for a port of its own."""

    @classmethod
    def from_settings(cls, **flags: object) -> "Ostiary":
        """From `ostiary.toml`, the environment, and `flags` (contract section 7). Raises Misconfigured."""
        return cls(Settings.load(flags=flags))

    @property
    def system(self) -> System:
        """The running system. Raises Unavailable before it has started."""
        if self._lifetime.system is None:
            raise Unavailable(private="not started")
        return self._lifetime.system

    @property
    def running(self) -> bool:
        """True between `start` and `stop`, while the event loop that it was started in lives."""
        return self._lifetime.runs

    @property
    def services(self) -> Services:
        """What the HTTP shell calls. Raises Unavailable before the system has started."""
        if self._services is None:
            raise Unavailable(private="not started")
        return self._services

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Start the system; stop it at the end. To be handed to the outermost application: what a dependency renews in
        passing is put onto what leaves that one."""
        await self.start()
        try:
            with delivering(app):
                yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Start, unless it runs already."""
        await self._lifetime.start()

    async def stop(self) -> None:
        """Stop, with everything collected written. What was in memory is gone."""
        await self._lifetime.stop()
        self._memory = None
        self.warned = False

    def _open_system(self) -> AbstractAsyncContextManager[System]:
        store, secret_key = self._store, None
        if store is None and self.settings.in_memory:
            # kept until `stop`, as long as the process may need it and not only one event loop
            self._memory = self._memory or (MemoryStore(), secrets.token_bytes(32))
            store, secret_key = self._memory
        return open_system(
            self.settings,
            serving=True,
            clock=self._clock,
            store=store,
            secret_key=self.settings.secret_key or secret_key,
            password_parameters=self._password_parameters,
            stale=self._stale,
            worker=self._worker,
        )

    def _changed(self, system: System | None, loop: asyncio.AbstractEventLoop | None) -> None:
        self._services = None
        if system is not None:
            for text in () if self.warned else self.settings.warnings:
                log.warning("%s", text)
            self.warned = True
            self._services = services_of(system, http_config(self.settings, worker=self._worker), self.places)
        self._running.authenticator = self._services.authenticator if self._services else None
        self._running.loop = loop

    def protect(
        self, app: ASGIApp, *, role: str | None = None, fresh: float | None = None, freshness: Freshness = "ask"
    ) -> ASGIApp:
        """`app` behind a login: see `ostiary.http.protect.Protect`. Raises Misconfigured."""
        return Protect(
            app,
            running=self._running,
            start=self._started_authenticator,
            clock=self._clock,
            role=role,
            fresh=fresh,
            freshness=self._agreed(freshness),
        )

    def protected_resource(self, resource: str, *, scopes: tuple[str, ...] = (), name: str = "") -> ASGIApp:
        """An application to mount at `/.well-known/oauth-protected-resource` (RFC 9728): it tells clients that the
        resource at this URL takes our tokens. Raises Misconfigured."""
        document = resource_metadata(resource, issuer=self.settings.issuer, scopes=scopes, name=name)
        answer = resource_answer(document)
        return Response(answer.body, headers=dict(answer.headers))

    async def caller(self, request: HTTPConnection, response: Response = _NOWHERE) -> Caller:
        """A FastAPI dependency, and for any Starlette request: who calls. Raises HTTPException 401, 403 or 503; for a
        WebSocket, WebSocketException 1008.

        The cookies of a renewal in passing go onto whatever is answered; where nobody runs `lifespan`, onto `response`.
        Without that, and for a WebSocket, an expired credential is refused.
        """
        return await self._authenticated(request, response)

    async def account(self, request: HTTPConnection, response: Response = _NOWHERE) -> Account:
        """A FastAPI dependency: the caller's account, read from the store, without its password hash."""
        caller = await self._authenticated(request, response)
        try:
            account, _ = await self.system.sessions.current(caller)
        except OstiaryError as error:
            raise _refusal(request, error) from None
        return replace(account, password_hash="")

    def require(
        self, role: str | None = None, *, fresh: float | None = None, freshness: Freshness = "ask"
    ) -> Callable[..., Awaitable[Caller]]:
        """A FastAPI dependency that gives the caller if it has the role, proved its password recently enough, and is
        known not to have been revoked as well as `freshness` wants it. Raises Misconfigured."""
        check_demands(role, fresh)
        wanted = self._agreed(freshness)

        async def dependency(request: HTTPConnection, response: Response = _NOWHERE) -> Caller:
            caller = await self._authenticated(request, response, wanted)
            try:
                check_rights(caller, self._clock.wall(), role, fresh)
            except OstiaryError as error:
                raise _refusal(request, error) from None
            return caller

        return dependency

    async def _authenticated(
        self, request: HTTPConnection, response: Response | None, freshness: Freshness = "ask"
    ) -> Caller:
        now, scope = self._clock.wall(), request.scope
        everywhere = is_delivered(scope)
        may_renew = everywhere or (response is not None and scope["type"] == "http" and not has_begun(scope))
        try:
            authenticator = self._running.here or await self._started_authenticator()
            caller = None if freshness == "fresh" else authenticator.known(scope, now)
            if caller is not None:
                return caller
            found = await authenticator.authenticate(scope, now, may_renew=may_renew, freshness=freshness)
        except OstiaryError as error:
            raise _refusal(request, error) from None
        if everywhere:
            deliver(scope, found.cookies)
        elif response is not None and found.cookies:
            for line in found.cookies:
                response.headers.append("Set-Cookie", line)
            response.headers["Cache-Control"] = "no-store"
        return found.caller

    def _agreed(self, freshness: Freshness) -> Freshness:
        """The same, once it counts into the bound that every server of the store tells."""
        check_freshness(freshness)
        if isinstance(freshness, Stale) and freshness.most > self._stale:
            if self.running and freshness.most > self.system.context.lease:
                raise Misconfigured("Protect with stale() before the system starts: its bound has been told to others.")
            self._stale = freshness.most
        return freshness

    async def _started_authenticator(self) -> Authenticator:
        await self.start()
        return self.services.authenticator

    def _started(self, app: ASGIApp) -> ASGIApp:
        return _Started(self, app)


class _Started:
    """`app`, with the system started before its first request. A class: Starlette's `Route` takes a function for a
    handler of requests, and an object for an ASGI application."""

    def __init__(self, auth: Ostiary, app: ASGIApp) -> None:
        self._auth = auth
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not self._auth.running:
                await self._auth.start()
            scope = _without_added_slash(scope)
        await self._app(scope, receive, send)


def _without_added_slash(scope: Scope) -> Scope:
    """Litestar hands what is mounted its path with a slash at its end, also where none was asked for."""
    path: str = scope["path"]
    asked = scope.get("raw_path") or b""
    if path == "/" or not path.endswith("/") or not asked or asked.lower().endswith((b"/", b"%2f")):
        return scope
    return {**scope, "path": path[:-1]}


class _MetricsAlone:
    """See `Ostiary.metrics`."""

    def __init__(self, auth: Ostiary) -> None:
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._auth.services.metrics.answer(scope, receive, send)


def _refusal(request: HTTPConnection, error: OstiaryError) -> HTTPException | WebSocketException:
    if request.scope["type"] == "websocket":
        return WebSocketException(1008, reason=error.code)  # as `protect` closes it
    return HTTPException(error.status, detail=error.code, headers=headers_of(error))
