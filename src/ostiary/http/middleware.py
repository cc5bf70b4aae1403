"""The front door: limits, host and headers that every answer has. Pure ASGI, no state."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary import limits
from ostiary.errors import Malformed, OstiaryError
from ostiary.http.config import HttpConfig
from ostiary.http.problems import HeadersTooLarge, WrongHost, is_oauth, oauth_problem, path_of, problem

VARY = "Cookie, Authorization, Origin"


class Front:
    """Refuses what is not for us or too large before anything looks at it, and finishes the headers of every answer."""

    def __init__(self, app: ASGIApp, config: Callable[[], HttpConfig]) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        config = self._config()
        finish = _Finish(send, config, public=_is_public(path_of(scope)))
        try:
            _check(scope, config)
        except OstiaryError as error:
            told = oauth_problem if is_oauth(scope) else problem
            await told(error)(scope, receive, finish)
            return
        await self._app(scope, receive, finish)


class _Finish:
    """Adds what every answer has."""

    def __init__(self, send: Send, config: HttpConfig, *, public: bool) -> None:
        self._send = send
        self._config = config
        self._public = public

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Referrer-Policy", "same-origin")
            headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
            headers.setdefault("X-Frame-Options", "DENY")
            if "access-control-allow-origin" not in headers:
                headers.setdefault("Cross-Origin-Resource-Policy", "cross-origin" if self._public else "same-origin")
            if self._config.hsts:
                headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            if not self._public:
                del headers["Vary"]
                headers["Vary"] = VARY
                headers.setdefault("Cache-Control", "no-store")
            if "set-cookie" in headers:
                headers["Cache-Control"] = "no-store"
        await self._send(message)


def _is_public(path: str) -> bool:
    """True for what is the same for everybody and may be cached."""
    return path.startswith(("/static/", "/.well-known/"))


def _check(scope: Scope, config: HttpConfig) -> None:
    size = authorizations = 0
    hosts: list[bytes] = []
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"host":
            hosts.append(value)
        elif name == b"authorization":
            authorizations += 1
    if size > limits.HEADERS_BYTES:
        raise HeadersTooLarge
    if authorizations > 1:
        raise Malformed("The Authorization header was sent twice.")
    if len(hosts) != 1:
        raise Malformed("Send one Host header.")
    if not _is_ours(hosts[0].decode("latin-1").lower(), config.allowed_hosts):
        raise WrongHost


def _is_ours(host: str, allowed: frozenset[str]) -> bool:
    """`allowed` holds `host:port` (that port only) or `host` (any port)."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return host in allowed or name in allowed
