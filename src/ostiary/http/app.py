"""The ASGI application: the table of endpoints as routes, behind the checks that every request passes."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from ostiary.domain.account import ADMIN
from ostiary.errors import (
    Forbidden,
    InternalError,
    InvalidToken,
    Malformed,
    MethodNotAllowed,
    NoSuchRoute,
    NotAuthenticated,
    OstiaryError,
    ReauthenticationRequired,
)
from ostiary.http import client
from ostiary.http.call import Call, read_form, read_json
from ostiary.http.cors import Cors
from ostiary.http.device_names import label_of
from ostiary.http.endpoints import Auth, Dialect, Endpoint
from ostiary.http.middleware import Front
from ostiary.http.mounting import Mounted
from ostiary.http.problems import (
    is_oauth,
    oauth_problem,
    path_of,
    problem,
)
from ostiary.http.routes import ENDPOINTS
from ostiary.http.routes.openapi import openapi_endpoints
from ostiary.http.routes.pages import error_page, see_other
from ostiary.http.services import Services
from ostiary.services.context import Client

log = logging.getLogger("ostiary.http")

ServicesOf = Callable[[], Services]


def make_app(services: ServicesOf, *, cors_origins: tuple[str, ...], lifespan: Lifespan[Router] | None) -> ASGIApp:
    """The application. `services` gives the running system's; it is called at each request, since the system starts
    with the lifespan, after the routes are made."""
    endpoints = _endpoints()
    mounted = Mounted()
    router = Router(
        routes=_routes(services, endpoints, mounted),
        redirect_slashes=False,
        lifespan=lifespan,
        default=_not_found(services, mounted),
    )
    app: ASGIApp = _FixedPathsFirst(router)
    if cors_origins:
        app = Cors(app, cors_origins)
    return Front(app, lambda: services().config, (endpoint.path for endpoint in endpoints))


@cache
def _endpoints() -> tuple[Endpoint, ...]:
    """The same for every application of a process, whose reference is written once."""
    return (*ENDPOINTS, *openapi_endpoints(ENDPOINTS))


def _routes(services: ServicesOf, endpoints: Iterable[Endpoint], mounted: Mounted) -> list[Route]:
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for endpoint in endpoints:
        by_path[endpoint.path][endpoint.method] = endpoint
    # a fixed path before one with a parameter that would match it too; sorting is stable
    rows = sorted(by_path.items(), key=lambda row: "{" in row[0])
    return [_Exactly(path, _PathApp(services, methods, mounted)) for path, methods in rows]


class _Exactly(Route):
    """Starlette's patterns end with `$`, which also stands before a line end: a proxy that keeps a path from clients
    knows no such other spelling of it."""

    def __init__(self, path: str, endpoint: ASGIApp) -> None:
        super().__init__(path, endpoint)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + r"\Z")


class _FixedPathsFirst:
    """Finds most routes by a look into a dictionary: the router would try one pattern after the other."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._fixed = {
            route.path: route.app for route in router.routes if isinstance(route, Route) and not route.param_convertors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._fixed.get(path_of(scope)) if scope["type"] == "http" else None
        await (found or self._router)(scope, receive, send)


class _PathApp:
    """Everything at one path. A class, so that Starlette hands it raw ASGI calls of every method."""

    def __init__(self, services: ServicesOf, methods: dict[str, Endpoint], mounted: Mounted) -> None:
        self._services = services
        self._mounted = mounted
        self._methods = methods
        if "GET" in methods:
            self._methods = {**methods, "HEAD": methods["GET"]}
        self._allowed = ", ".join(sorted(self._methods))
        self._dialect = next(iter(methods.values())).dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        endpoint = self._methods.get(request.method)
        services = self._mounted.at(scope.get("root_path", ""), self._services())
        now = services.clock.wall()
        began = services.clock.monotonic()
        call = Call(services=services, request=request, now=now, client=Client())
        dialect = endpoint.dialect if endpoint else self._dialect
        try:
            if endpoint is None:
                raise MethodNotAllowed(self._allowed)
            response = await answer(endpoint, call)
        except OstiaryError as error:
            response = refused(call, dialect, error)
        except HTTPException:
            raise
        except Exception:
            log.exception("unexpected error at %s %s", request.method, endpoint.path if endpoint else "?")
            response = refused(call, dialect, InternalError())
        if call.cookies:
            # what the handler sets comes after, and so wins over, what a renewal in passing set
            lines = services.cookies.one_of_each([*call.cookies, *response.headers.getlist("Set-Cookie")])
            del response.headers["Set-Cookie"]
            for line in lines:
                response.headers.append("Set-Cookie", line)
        # a method that nobody knows is a word of the client's own
        method, path = (request.method, endpoint.path) if endpoint else ("other", "other")
        services.metrics.answered(method, path, response.status_code, services.clock.monotonic() - began)
        if any(name == b"dpop" for name, _ in scope["headers"]):
            response.headers["DPoP-Nonce"] = services.proofs.nonce(now)  # also for the next one (RFC 9449 section 8.2)
        await response(scope, receive, send)


async def answer(endpoint: Endpoint, call: Call) -> Response:
    """Read, authenticate, authorize, call the handler. Raises OstiaryError."""
    services = call.services
    services.context.begin()
    headers = call.scope["headers"]
    peer = call.scope.get("client")
    call.client = Client(
        ip=client.address_of(peer[0] if peer else "", headers, services.config.trusted_proxies),
        label=label_of(client.user_agent_of(headers)) if endpoint.method != "GET" else "",
        device_mark=services.cookies.value(headers, services.cookies.device) or "",
    )
    if endpoint.dialect is Dialect.PAGE and endpoint.form:
        call.scope["ostiary.csrf_in_form"] = True
    if endpoint.auth is Auth.ANYONE:
        services.cookies.session_of(headers)  # sent twice it is refused everywhere, also where nobody asks whose it is
    elif endpoint.auth is Auth.VISITOR:
        await _look_who_calls(call)
    else:
        await _demand_caller(endpoint, call)
    _check_query(endpoint, call)
    if endpoint.ends:
        call.read_wait()
    if endpoint.body is not None:
        call.body = await read_json(call.request, endpoint.body, optional=endpoint.body_optional)
    elif endpoint.form:
        call.form = await read_form(call.request)
    if call.caller is not None and (endpoint.body is not None or endpoint.form):
        await _look_again(endpoint, call)
    return await endpoint.handler(call)


def _check_query(endpoint: Endpoint, call: Call) -> None:
    """Which of two values was meant is not guessed: of what the endpoint takes, or a page of ours is linked with,
    nothing comes twice. Raises Malformed."""
    pairs = call.request.query_params.multi_items() if call.scope["query_string"] else []
    if len(pairs) < 2:
        return
    takes = {one.name for one in endpoint.query} | ({"wait"} if endpoint.ends else set())
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen and (name in takes or endpoint.dialect is Dialect.PAGE):
            raise Malformed("A query parameter was sent twice.")
        seen.add(name)


async def _look_again(endpoint: Endpoint, call: Call) -> None:
    """A body may take its time to arrive, and what it was sent with may have been ended meanwhile. Costs a dictionary
    look-up; a credential that was renewed in passing is looked at as the one that it became, and a proof of possession
    not twice: it is good for one look."""
    call.now = call.services.clock.wall()
    if not call.cookies and call.me.key_thumbprint is None:
        await _demand_caller(endpoint, call)
    elif not call.services.recognition.still_holds(call.me):
        raise InvalidToken(private="ended while the body was on its way")


async def _demand_caller(endpoint: Endpoint, call: Call) -> None:
    found = await call.services.authenticator.authenticate(
        call.scope, call.now, call.client, proves_password=endpoint.proves_password
    )
    call.caller, call.from_cookie = found.caller, found.from_cookie
    call.cookies += found.cookies
    if endpoint.auth in (Auth.ADMIN, Auth.FRESH_ADMIN) and ADMIN not in found.caller.roles:
        raise Forbidden
    if endpoint.auth in (Auth.FRESH_CALLER, Auth.FRESH_ADMIN):
        age = call.now - found.caller.auth_time
        if age >= call.services.config.reauthentication_window:
            raise ReauthenticationRequired


async def _look_who_calls(call: Call) -> None:
    """Raises Malformed, Unavailable."""
    try:
        found = await call.services.authenticator.authenticate(call.scope, call.now, call.client)
    except (NotAuthenticated, InvalidToken, ReauthenticationRequired):
        return
    call.caller, call.from_cookie = found.caller, found.from_cookie
    call.cookies += found.cookies


def refused(call: Call, dialect: Dialect, error: OstiaryError) -> Response:
    """The error in the words of the endpoint's dialect."""
    if error.private:
        log.info("%s %s: %s: %s", call.request.method, error.status, error.code, error.private)
    if dialect is Dialect.OAUTH:
        return oauth_problem(error)
    if dialect is Dialect.PAGE and "application/json" not in call.request.headers.get("accept", ""):
        reads = call.request.method in ("GET", "HEAD")
        if error.status == 401 and (reads or isinstance(error, NotAuthenticated)):
            return see_other(call, "/login", next=_path_of(call), notice="login_required")
        return error_page(call, error)
    return problem(error)


def _path_of(call: Call) -> str:
    """Where the browser comes back to. The request's own path may lack where we are: some frameworks and proxies take
    that away before the request comes here."""
    base = call.services.config.base_path
    below = path_of(call.scope) if call.request.method in ("GET", "HEAD") else "/account"
    return base + (below.removeprefix(base) if below.startswith(f"{base}/") else below)


def _not_found(services: ServicesOf, mounted: Mounted) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        here = mounted.at(scope.get("root_path", ""), services())
        call = Call(services=here, request=request, now=0.0, client=Client())
        wants_page = "text/html" in request.headers.get("accept", "") and not path_of(scope).startswith("/v1/")
        dialect = Dialect.OAUTH if is_oauth(scope) else Dialect.PAGE if wants_page else Dialect.PROBLEM
        await refused(call, dialect, NoSuchRoute())(scope, receive, send)

    return app
