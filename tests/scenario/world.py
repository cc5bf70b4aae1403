"""What the stories are told with: servers whose clock we hold, and devices that log in to them.

A `Device` is a browser or an application on one machine. It keeps what it was given the way its carrier wants it
(cookies by hand, since a cookie jar drops `Secure` ones over http; tokens in memory) and sends it with every request.
"""

import asyncio
import json as codec
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from ostiary import Ostiary
from ostiary.compose import System
from ostiary.domain.account import ADMIN, USER, Account
from ostiary.passwords import Argon2Parameters, PasswordHasher
from ostiary.settings import Settings
from ostiary.stores.memory import MemoryStore
from ostiary.stores.port import Store
from ostiary.testing import FakeClock

ISSUER = "http://127.0.0.1:8000"
PASSWORD = "correct horse battery staple"
OTHER_PASSWORD = "quite another password entirely"
SESSION_COOKIE = "__Host-ostiary_session"
REFRESH_COOKIE = "__Host-ostiary_refresh"
DEVICE_COOKIE = "__Host-ostiary_device"
CHEAP = Argon2Parameters(memory_kib=8, passes=1)
"""A hash that costs microseconds: what is tested here is how often one is computed, not how slowly."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """How login state travels: the one thing that differs between two runs of the same story (M-01)."""

    kind: str
    transport: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.transport}"

    @property
    def renews(self) -> bool:
        """True if there is a refresh token."""
        return self.kind != "session"

    @property
    def is_browser(self) -> bool:
        """True if something travels in a cookie."""
        return self.transport != "bearer"


CARRIERS = (
    Carrier("session", "cookie"),
    Carrier("session", "bearer"),
    Carrier("stateful", "bearer"),
    Carrier("stateful", "cookie"),
    Carrier("stateful", "split"),
    Carrier("stateless", "bearer"),
    Carrier("stateless", "cookie"),
    Carrier("stateless", "split"),
)
IN_COOKIES = tuple(carrier for carrier in CARRIERS if carrier.transport == "cookie")
ONE_OF_EACH_KIND = (CARRIERS[0], CARRIERS[2], CARRIERS[5])
ON_POSTGRES = pytest.mark.parametrize("store_name", ["memory", "sqlite", "postgres"], indirect=True)
"""Mark a story, or a module, of which more than a look-up depends on the store."""
WITH_REFRESH_TOKENS = tuple(carrier for carrier in CARRIERS if carrier.renews)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, read to its end."""

    status: int
    headers: httpx2.Headers
    content: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return codec.loads(self.content)

    @property
    def code(self) -> str:
        """The stable code of a refusal, in either dialect."""
        body = self.json
        return str(body.get("code") or body.get("error"))

    def __repr__(self) -> str:
        return f"<{self.status} {self.content[:300]!r}>"


class Server:
    """One running system: a process, as far as the others can tell."""

    def __init__(self, auth: Ostiary, clock: FakeClock) -> None:
        self.auth = auth
        self.clock = clock

    @property
    def system(self) -> System:
        """What runs inside."""
        return self.auth.system

    @property
    def store(self) -> Store:
        """Where it keeps things."""
        return self.system.store

    @property
    def hasher(self) -> PasswordHasher:
        """Counts the hashes that it computed."""
        return self.system.passwords._hasher

    async def account(
        self, username: str, *roles: str, password: str = PASSWORD, email: str | None = None, name: str | None = None
    ) -> Account:
        """An account, made as the command line makes one."""
        return await self.system.accounts.create(
            username=username,
            password=password,
            email=email,
            display_name=name,
            roles=tuple(roles) or (USER,),
            actor="cli",
        )

    async def admin(self, username: str = "root") -> "Device":
        """An administrator who has just logged in."""
        await self.account(username, ADMIN, USER)
        return await self.log_in(username)

    def device(self, carrier: Carrier = CARRIERS[0], *, ip: str = "127.0.0.1") -> "Device":
        """A device that holds nothing yet."""
        return Device(self, carrier, ip=ip)

    async def log_in(
        self,
        username: str = "alice",
        carrier: Carrier = CARRIERS[0],
        *,
        password: str = PASSWORD,
        ip: str = "127.0.0.1",
        **more: Any,
    ) -> "Device":
        """A new device, logged in."""
        device = self.device(carrier, ip=ip)
        reply = await device.log_in(username, password, **more)
        assert reply.status == 200, reply
        return device

    async def send(
        self, method: str, path: str, *, headers: list[tuple[str, str]], content: Any = None, ip: str = "127.0.0.1"
    ) -> Reply:
        """One raw request."""
        transport = httpx2.ASGITransport(app=self.auth.asgi, client=(ip, 50_000))
        request = httpx2.Request(method, ISSUER + path, headers=headers, content=content)
        response = await transport.handle_async_request(request)
        return Reply(response.status_code, response.headers, await response.aread())

    async def events(self, event: str = "", *, session_id: str = "") -> list[Any]:
        """The audit trail, the newest first."""
        return await self.store.audit.page(event=event, session_id=session_id, limit=100)


@dataclass
class Device:
    """A client on one machine. `access` and `refresh` are what it holds in memory, `cookies` what its browser keeps."""

    server: Server
    carrier: Carrier
    ip: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)
    access: str | None = None
    refresh: str | None = None
    session_id: str = ""
    account_id: str = ""
    site: str | None = "same-origin"
    expires_in: int | None = None

    def copy(self, server: Server | None = None, *, ip: str | None = None) -> "Device":
        """Whoever stole, kept or shares what this device holds right now."""
        return Device(
            server or self.server,
            self.carrier,
            ip or self.ip,
            dict(self.cookies),
            self.access,
            self.refresh,
            self.session_id,
            self.account_id,
        )

    @property
    def credential(self) -> str:
        """The access credential itself, wherever it is."""
        return self.access or self.cookies[SESSION_COOKIE]

    @property
    def refresh_token(self) -> str:
        """The refresh token itself, wherever it is."""
        return self.refresh or self.cookies[REFRESH_COOKIE]

    async def log_in(self, username: str, password: str = PASSWORD, **more: Any) -> Reply:
        """Ask for credentials of this device's carrier."""
        body = {"username": username, "password": password, **more}
        return await self.post(
            "/v1/login", body | {"kind": self.carrier.kind, "transport": self.carrier.transport}, credential=False
        )

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.send("GET", path, **options)

    async def post(self, path: str, json: Mapping[str, Any] | None = None, **options: Any) -> Reply:
        return await self.send("POST", path, json=json, **options)

    async def patch(self, path: str, json: Mapping[str, Any], **options: Any) -> Reply:
        return await self.send("PATCH", path, json=json, **options)

    async def delete(self, path: str, json: Mapping[str, Any] | None = None, **options: Any) -> Reply:
        return await self.send("DELETE", path, json=json, **options)

    async def me(self) -> Reply:
        """Who the server thinks that this is."""
        return await self.get("/v1/me")

    async def look(self) -> Reply:
        """The cheapest thing that needs a login. Answering it asks nothing of the store, so that whether it is refused
        is decided by what the process itself knows."""
        return await self.get("/v1/csrf")

    async def renew(self) -> Reply:
        """Use the refresh token, where this carrier keeps it."""
        form = {"grant_type": "refresh_token"}
        if self.refresh is not None:
            form["refresh_token"] = self.refresh
        return await self.send("POST", "/oauth/token", form=form, credential=False)

    async def log_out(self) -> Reply:
        return await self.post("/v1/logout")

    async def prove(self, password: str = PASSWORD) -> Reply:
        """Type the password again."""
        return await self.post("/v1/reauthenticate", {"password": password})

    async def send(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
        credential: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request with everything that this device would send along; what comes back is kept.

        `credential` False leaves out the Authorization header: a login or a refresh is asked for without one.
        """
        lines = list((headers or {}).items())
        body: Any = content
        if json is not None:
            body = codec.dumps(json)
        if json is not None or content is not None:
            lines.append(("Content-Type", "application/json"))
        if form is not None:
            body = urlencode(form)
            lines.append(("Content-Type", "application/x-www-form-urlencoded"))
        if self.cookies:
            lines.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        if self.access is not None and credential:
            lines.append(("Authorization", f"Bearer {self.access}"))
        if self.carrier.is_browser and self.site is not None:
            lines.append(("Sec-Fetch-Site", self.site))
        reply = await self.server.send(method, path, headers=lines, content=body, ip=self.ip)
        self._keep(reply)
        return reply

    def _keep(self, reply: Reply) -> None:
        for line in reply.headers.get_list("set-cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        if reply.status != 200 or not reply.headers.get("content-type", "").startswith("application/json"):
            return
        body = reply.json
        self.access = body.get("access_token", self.access)
        self.refresh = body.get("refresh_token", self.refresh)
        self.expires_in = body.get("expires_in", self.expires_in)
        if "session" in body:
            self.session_id = body["session"]["id"]
            self.account_id = body["account"]["id"]


StartServer = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def running(settings: Settings, clock: FakeClock, *, store: Store | None = None) -> AsyncIterator[Server]:
    """A server until the block ends."""
    auth = Ostiary(settings, store=store, clock=clock.clock, password_parameters=CHEAP)
    async with auth.lifespan():
        yield Server(auth, clock)


def settings_for(store: str, folder: Path, **changes: Any) -> Settings:
    """Settings of a server on this store. Nothing is read from this machine's environment."""
    database = "memory:" if store == "memory" else f"sqlite:///{folder / 'ostiary.db'}"
    return Settings(database=database, issuer=ISSUER, **changes)


def memory_store() -> Store:
    """A store that outlives the server on it, for stories on what servers of one store see of each other."""
    return MemoryStore()


async def until(happened: Callable[[], Awaitable[bool]], *, within: float = 60.0) -> None:
    """Wait for a condition of the real world: background work runs on real time. Fails after `within` seconds."""
    async with asyncio.timeout(within):
        while not await happened():  # noqa: ASYNC110 - what is waited for is elsewhere and sends no event
            await asyncio.sleep(0.005)


def statuses(replies: list[Reply]) -> list[int]:
    """For comparing many at once."""
    return [reply.status for reply in replies]
