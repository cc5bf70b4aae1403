"""The front door: limits, host and headers that every answer has. Pure ASGI, no state."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary import limits
from ostiary.errors import HeadersTooLarge, Malformed, NoSuchRoute, OstiaryError
from ostiary.http.config import HttpConfig
from ostiary.http.mounting import below_issuer
from ostiary.http.problems import WrongHost, is_oauth, oauth_problem, path_of, problem

VARY = b"Cookie, Authorization, Origin"
_CORP = b"cross-origin-resource-policy"
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
)
_HEALTH = frozenset(("/healthz", "/readyz"))
"""What load balancers ask, by this machine's address. Nothing in the answers depends on the host, and a page elsewhere
that had its own name point here would still send that name."""
_ADDRESS = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
_PORT = re.compile(r"[0-9]{0,5}")
_WITH_PORT = re.compile(r"[^\[]*:[^\]]*$")
"""A name that has one already: a colon that is not inside of brackets."""
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_NO_STORE = (b"cache-control", b"no-store")


class Front:
    """Refuses what is not for us or too large before anything looks at it, and finishes the headers of every answer.
    `paths` are the application's."""

    def __init__(self, app: ASGIApp, config: Callable[[], HttpConfig], paths: Iterable[str]) -> None:
        self._app = app
        self._config = config
        self._taken = frozenset(path.split("/", 2)[1] for path in paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        config = self._config()
        refusal: OstiaryError | None = None
        if config.base_path:
            try:
                scope = below_issuer(scope, config, self._taken)
            except NoSuchRoute as error:
                refusal = error
        try:
            _check(scope, config)
        except OstiaryError as error:  # counts for more: what is for another host has no address here
            refusal = error
        finish = _Finish(send, config, public=_is_public(path_of(scope)), bodiless=scope["method"] == "HEAD")
        if refusal is not None:
            told = oauth_problem if is_oauth(scope) else problem
            await told(refusal)(scope, receive, finish)
            return
        await self._app(scope, receive, finish)


class _Finish:
    """Adds what every answer has, and takes the body from one that may have none: not every server does."""

    def __init__(self, send: Send, config: HttpConfig, *, public: bool, bodiless: bool) -> None:
        self._send = send
        self._config = config
        self._public = public
        self._bodiless = bodiless

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            names = {name for name, _ in headers}
            headers += [pair for pair in _headers(self._config.hsts, self._public) if pair[0] not in names]
            if b"access-control-allow-origin" not in names and _CORP not in names:
                headers.append((_CORP, b"cross-origin" if self._public else b"same-origin"))
            if not self._public:
                headers = [pair for pair in headers if pair[0] != b"vary"]
                headers.append((b"vary", VARY))
            if b"set-cookie" in names:
                headers = [pair for pair in headers if pair[0] != b"cache-control"]
                headers.append(_NO_STORE)
            message["headers"] = headers
        elif self._bodiless and message["type"] == "http.response.body":
            message["body"] = b""
        await self._send(message)


@cache
def _headers(hsts: bool, public: bool) -> tuple[tuple[bytes, bytes], ...]:
    """What is added where it is not there yet; ASGI's own form, since `MutableHeaders` encodes every name anew."""
    return (*_ALWAYS, *((_HSTS,) if hsts else ()), *(() if public else (_NO_STORE,)))


def _is_public(path: str) -> bool:
    """True for what is the same for everybody and may be cached."""
    return path.startswith(("/static/", "/.well-known/", "/status-lists/"))


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
    asks_for_health = path_of(scope) in _HEALTH
    if not hosts and asks_for_health and scope.get("http_version") == "1.0":
        return
    if len(hosts) != 1:
        raise Malformed("Send one Host header.")
    host = hosts[0].decode("latin-1").strip(" \t").lower()
    if not _is_ours(host, config.allowed_hosts) and not (asks_for_health and _is_address(host)):
        raise WrongHost
    asked: bytes = scope.get("raw_path") or b""
    # no separator (RFC 3986 section 2.2), and none of our paths has it; some callers leave the query there
    if b"%" in asked and b"%2f" in asked.partition(b"?")[0].lower():
        raise NoSuchRoute


def _is_address(host: str) -> bool:
    """Whether it is an IP address, with or without a port (RFC 3986 section 3.2.2)."""
    written = _ADDRESS.fullmatch(host)
    try:
        return written is not None and ip_address(written[1] or written[2]).version == (6 if written[1] else 4)
    except ValueError:
        return False


def _is_ours(host: str, allowed: frozenset[str]) -> bool:
    """`allowed` holds `host:port` (that port only) or `host` (any port, which is digits or nothing: RFC 3986 section
    3.2.3)."""
    if host in allowed:
        return True
    name, colon, port = host.rpartition(":")
    return bool(colon) and name in allowed and _PORT.fullmatch(port) is not None and _WITH_PORT.search(name) is None
