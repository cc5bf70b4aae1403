"""A server in this process, and clients that keep what they are given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from ostiary import Ostiary, Settings
from ostiary.passwords import Argon2Parameters
from ostiary.testing import FakeClock

ISSUER = "https://id.example"
PASSWORD = "a long pass phrase of your own"
OTHER_PASSWORD = "quite another long pass phrase"
KINDS = ("session", "stateful", "stateless")
CHEAP = Argon2Parameters(memory_kib=8, passes=1)
"""What is tested here is how often a password is hashed, not how slowly."""


class Client:
    """One client: it sends its cookies with every request, and a bearer token if it has one."""

    def __init__(self, auth: Ostiary, *, app: Any = None, peer: str = "198.51.100.7") -> None:
        self.auth = auth
        self.cookies: dict[str, str] = {}
        self.answer: dict[str, Any] = {}
        self._app = app or auth.asgi
        self._peer = peer

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
        """One request: `json=` or `form=` is the body. Cookies that are set are kept."""
        lines = dict(headers or {})
        if self.cookies:
            lines["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        elif "access_token" in self.answer and "Authorization" not in lines:
            lines["Authorization"] = f"Bearer {self.answer['access_token']}"
        transport = httpx2.ASGITransport(app=self._app, client=(self._peer, 40000))
        if "form" in body:
            body["data"] = body.pop("form")
        async with httpx2.AsyncClient(transport=transport, base_url=self.auth.settings.issuer) as client:
            response = await client.request(method, path, headers=lines, **body)
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return response

    async def get(self, path: str, **how: Any) -> Any:
        """See `call`."""
        return await self.call("GET", path, **how)

    async def post(self, path: str, **how: Any) -> Any:
        """See `call`."""
        return await self.call("POST", path, **how)

    async def log_in(self, username: str = "ada", password: str = PASSWORD, **more: Any) -> "Client":
        """Must succeed; keeps the credentials."""
        response = await self.post("/v1/login", json={"username": username, "password": password, **more})
        assert response.status_code == 200, response.text
        self.answer = response.json()
        return self

    async def status(self, path: str = "/v1/csrf") -> int:
        """What an authenticated request gets; by default one that reads nothing from the store."""
        return int((await self.get(path)).status_code)

    async def refresh(self, refresh_token: str) -> Any:
        """By a client that keeps its tokens itself."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.post("/oauth/token", form=form)


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[tuple[Ostiary, FakeClock]]:
    """A server in memory with the account ada and the administrator root."""
    clock = FakeClock()
    auth = Ostiary(
        Settings(database="memory:", issuer=ISSUER, **settings), clock=clock.clock, password_parameters=CHEAP
    )
    async with auth.lifespan():
        for username, roles in (("ada", ("user", "admin")), ("root", ("user", "admin"))):
            await auth.system.accounts.create(username=username, password=PASSWORD, roles=roles, actor="test")
        yield auth, clock
