"""A whole Ostiary in this process, and a client that looks at every answer twice: once for the test, once for what
every answer must be."""

import base64
import json as json_module
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from ostiary import Ostiary
from ostiary.passwords.stored import Argon2Parameters
from ostiary.settings import Settings
from ostiary.stores.memory import MemoryStore
from ostiary.testing import FakeClock

ISSUER = "https://id.example"
API = "https://api.example"
REPORTS = "https://reports.example"
PASSWORD = "eleven quiet lanterns"
OTHER_PASSWORD = "seven loud umbrellas"
CHEAP = Argon2Parameters(memory_kib=8, passes=1, lanes=1)

SESSION = "__Host-ostiary_session"
REFRESH = "__Host-ostiary_refresh"
KINDS = ("session", "stateful", "stateless")
TRANSPORTS = (
    ("session", "cookie"),
    ("session", "bearer"),
    ("stateful", "cookie"),
    ("stateful", "bearer"),
    ("stateful", "split"),
    ("stateless", "cookie"),
    ("stateless", "bearer"),
    ("stateless", "split"),
)
VARY = "Cookie, Authorization, Origin"


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One `Set-Cookie` line. `attributes` are as written, in their order."""

    name: str
    value: str
    attributes: tuple[str, ...]

    @property
    def max_age(self) -> int | None:
        """None if there is none."""
        for attribute in self.attributes:
            if attribute.startswith("Max-Age="):
                return int(attribute.removeprefix("Max-Age="))
        return None

    @property
    def cleared(self) -> bool:
        """It removes the cookie."""
        return self.value == "" and self.max_age == 0


def set_cookies(response: httpx2.Response) -> dict[str, SetCookie]:
    """By name; two lines for one name are an error of the server."""
    found: dict[str, SetCookie] = {}
    for line in response.headers.get_list("set-cookie"):
        first, *attributes = line.split("; ")
        name, _, value = first.partition("=")
        assert name not in found, f"{name} is set twice"
        found[name] = SetCookie(name, value, tuple(attributes))
    return found


@dataclass(slots=True, kw_only=True)
class Login:
    """What a login gave, and how to use it: spread `**login.use` into a call."""

    answer: dict[str, Any]
    kind: str
    transport: str
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The session's."""
        return str(self.answer["session"]["id"])

    @property
    def account_id(self) -> str:
        """The account's."""
        return str(self.answer["account"]["id"])

    @property
    def access_token(self) -> str:
        """Wherever it travels."""
        return str(self.answer.get("access_token") or self.cookies[SESSION])

    @property
    def refresh_token(self) -> str:
        """Wherever it travels."""
        return str(self.answer.get("refresh_token") or self.cookies[REFRESH])

    @property
    def use(self) -> dict[str, Any]:
        """As a client of this transport sends it."""
        if self.transport == "cookie":
            return {"cookies": {name: value for name, value in self.cookies.items() if name in (SESSION, REFRESH)}}
        return {"bearer": self.answer["access_token"]}

    def renewed(self, response: httpx2.Response) -> "Login":
        """The same login after an answer that brought new credentials."""
        fresh = {name: one.value for name, one in set_cookies(response).items() if one.value}
        answer = {**self.answer, **response.json()}
        return Login(answer=answer, kind=self.kind, transport=self.transport, cookies={**self.cookies, **fresh})


class Site:
    """One server and whoever calls it."""

    def __init__(self, auth: Ostiary, clock: FakeClock | None) -> None:
        self.auth = auth
        self._clock = clock
        self.origin = auth.settings.issuer_origin
        self.answers: list[httpx2.Response] = []
        self.secrets: set[str] = set()

    @property
    def clock(self) -> FakeClock:
        """Only where the site was opened with one."""
        assert self._clock is not None
        return self._clock

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: dict[str, str] | list[tuple[str, str]] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        cookies: dict[str, str] | None = None,
        bearer: str | None = None,
        peer: str = "198.51.100.7",
        app: Any = None,
    ) -> httpx2.Response:
        """One request, with exactly these headers: no cookie jar, no redirects."""
        lines = list(headers.items()) if isinstance(headers, dict) else list(headers or ())
        if bearer is not None:
            lines.append(("Authorization", f"Bearer {bearer}"))
            self.secrets.add(bearer)
        if cookies:
            lines.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
            self.secrets.update(value for value in cookies.values() if len(value) > 8)
        if json is not None:
            content = json_module.dumps(json).encode()
            lines.append(("Content-Type", "application/json"))
            self._keep_passwords(json)
        if form is not None:
            pairs = list(form.items()) if isinstance(form, dict) else form
            content = str(httpx2.QueryParams(pairs)).encode()
            lines.append(("Content-Type", "application/x-www-form-urlencoded"))
            self._keep_passwords(dict(pairs))
        transport = httpx2.ASGITransport(app=app or self.auth.asgi, client=(peer, 40000))
        async with httpx2.AsyncClient(transport=transport, base_url=self.auth.settings.issuer) as client:
            client.headers.clear()
            response = await client.request(method, path, content=content, headers=lines, follow_redirects=False)
        check_every_answer(response)
        self._keep_credentials(response)
        self.answers.append(response)
        return response

    async def get(self, path: str, **how: Any) -> httpx2.Response:
        """See `call`."""
        return await self.call("GET", path, **how)

    async def post(self, path: str, **how: Any) -> httpx2.Response:
        """See `call`."""
        return await self.call("POST", path, **how)

    async def patch(self, path: str, **how: Any) -> httpx2.Response:
        """See `call`."""
        return await self.call("PATCH", path, **how)

    async def delete(self, path: str, **how: Any) -> httpx2.Response:
        """See `call`."""
        return await self.call("DELETE", path, **how)

    async def account(self, username: str = "ann", *, roles: tuple[str, ...] = ("user",), **more: Any) -> str:
        """Make one, behind the scenes; its id."""
        made = await self.auth.system.accounts.create(
            username=username, password=PASSWORD, roles=roles, actor="test", **more
        )
        self.secrets.add(PASSWORD)
        return made.id

    async def log_in(
        self,
        username: str = "ann",
        *,
        kind: str = "session",
        transport: str | None = None,
        password: str = PASSWORD,
        headers: dict[str, str] | None = None,
        peer: str = "198.51.100.7",
        **more: Any,
    ) -> Login:
        """Through the front door. Must succeed."""
        body = {"username": username, "password": password, "kind": kind, **more}
        if transport is not None:
            body["transport"] = transport
        response = await self.post("/v1/login", json=body, headers=headers, peer=peer)
        assert response.status_code == 200, response.text
        return Login(
            answer=response.json(),
            kind=kind,
            transport=transport or ("cookie" if kind == "session" else "bearer"),
            cookies={name: one.value for name, one in set_cookies(response).items()},
        )

    async def refresh(self, login: Login, **how: Any) -> httpx2.Response:
        """As a client of this transport does it."""
        form = {"grant_type": "refresh_token"}
        if login.transport == "bearer":
            return await self.post("/oauth/token", form={**form, "refresh_token": login.refresh_token}, **how)
        return await self.post("/oauth/token", form=form, cookies={REFRESH: login.refresh_token}, **how)

    async def alive(self, login: Login) -> bool:
        """Whether its access credential is accepted."""
        response = await self.get("/v1/me", bearer=login.access_token)
        assert response.status_code in (200, 401), response.text
        return response.status_code == 200

    def _keep_passwords(self, body: Any) -> None:
        if isinstance(body, dict):
            for name, value in body.items():
                if isinstance(value, str) and len(value) > 8 and ("password" in name or "token" in name):
                    self.secrets.add(value)

    def _keep_credentials(self, response: httpx2.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            value = line.split(";", 1)[0].partition("=")[2]
            if value:
                self.secrets.add(value)
        media_type = response.headers.get("content-type", "")
        if "json" in media_type and "jsonl" not in media_type and response.content:
            body = response.json()
            for name in ("access_token", "refresh_token", "csrf_token", "client_secret"):
                if isinstance(body, dict) and isinstance(body.get(name), str):
                    self.secrets.add(body[name])


def settings_of(**changes: Any) -> Settings:
    """A server at `ISSUER`, everything in memory."""
    values: dict[str, Any] = {
        "issuer": ISSUER,
        "database": "memory:",
        "audiences": (API, REPORTS),
        "role_scopes": {"user": ("notes:read", "notes:write"), "admin": ("notes:read", "accounts:write")},
    }
    return Settings(**(values | changes))


@asynccontextmanager
async def open_site(clock: FakeClock | None = None, *, store: Any = None, **changes: Any) -> AsyncIterator[Site]:
    """A running server with these settings."""
    settings = settings_of(**changes)
    given = store if store is not None else MemoryStore() if settings.database == "memory:" else None
    timed = {"clock": clock.clock} if clock else {}
    auth = Ostiary(settings, store=given, password_parameters=CHEAP, **timed)
    async with auth.lifespan():
        yield Site(auth, clock)


def check_every_answer(response: httpx2.Response) -> None:
    """What holds for every answer of the server (contract sections 1 and 3)."""
    headers = response.headers
    where = f"{response.request.method} {response.request.url.path} {response.status_code}"
    assert response.status_code < 500 or response.status_code in (501, 503), where + response.text
    assert headers["x-content-type-options"] == "nosniff", where
    assert headers["referrer-policy"] == "same-origin", where
    assert "frame-ancestors 'none'" in headers["content-security-policy"], where
    path = response.request.url.path.removeprefix("/auth")  # of an issuer that has one
    cacheable = response.status_code in (200, 304) and (
        path.startswith(("/.well-known/", "/static/", "/status-lists/")) or path == "/openapi.json"
    )
    lines = headers.get_list("set-cookie")
    if lines or not cacheable:
        assert headers.get_list("cache-control") == ["no-store"], where
    names = [line.split("=", 1)[0] for line in lines]
    assert len(names) == len(set(names)), where
    if not path.startswith(("/.well-known/", "/static/", "/status-lists/")):
        assert headers.get_list("vary") == [VARY], where
    if response.status_code == 401:
        challenge = headers["www-authenticate"]
        assert challenge.startswith(("Bearer realm=", "DPoP ", "Basic realm=")), where
    else:
        assert "www-authenticate" not in headers or response.status_code == 403, where
    if response.status_code in (429, 503):
        assert int(headers["retry-after"]) >= 1, where
    if response.status_code == 405:
        assert headers["allow"], where
    if response.status_code >= 400 and response.request.method != "HEAD":
        _check_error(response, path, where)
    if headers.get("content-type", "").startswith("text/html"):
        assert headers["content-type"] == "text/html; charset=utf-8", where
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy or "default-src 'self'" in policy, where
        assert "unsafe" not in policy, where
    if response.request.method == "HEAD":
        assert response.content == b"", where


def _check_error(response: httpx2.Response, path: str, where: str) -> None:
    media_type = response.headers["content-type"]
    if path == "/readyz":
        return
    if path.startswith("/oauth/"):
        assert media_type == "application/json", where
        body = response.json()
        assert set(body) <= {"error", "error_description", "error_uri"}, where
        for text in body.values():
            # RFC 6749 section 5.2: no quotation mark, no backslash, nothing beyond ASCII
            assert all(" " <= char <= "~" and char not in '"\\' for char in text), where
        return
    if media_type.startswith("text/html"):
        assert not path.startswith("/v1/"), where
        return
    assert media_type == "application/problem+json", where
    body = response.json()
    assert {"type", "title", "status", "code", "detail"} <= set(body), where
    assert body["status"] == response.status_code, where
    assert body["code"] == body["code"].lower(), where
    assert body["code"].replace("_", "").isalpha(), where
    assert "Traceback" not in response.text, where


def problem(response: httpx2.Response) -> tuple[int, str]:
    """Status and code, to be compared in one line."""
    if response.headers.get("content-type", "").startswith("text/html"):
        return response.status_code, "page"
    body = response.json() if response.content else {}
    return response.status_code, body.get("code") or body.get("error") or "none"


def decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload of a JWT, unverified."""
    header, payload, _ = token.split(".")
    return _part(header), _part(payload)


def _part(text: str) -> dict[str, Any]:
    value = json_module.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert isinstance(value, dict)
    return value
