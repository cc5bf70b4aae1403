"""What stands at the other end of the browser: the real server, and a site that belongs to somebody else."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from tests.servers.asgi import in_a_thread, listening

from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.compose import Ostiary, System
from ostiary.passwords import Argon2Parameters
from ostiary.settings import Settings
from ostiary.stores.port import Swap

PASSWORD = "correct horse battery staple"
CHEAP = Argon2Parameters(memory_kib=64, passes=1)
STARTS_WITHIN = 60  # seconds


T = TypeVar("T")


@dataclass(slots=True)
class Inside:
    """The running server as an object, for what cannot be done from outside. `loop` is known once it has started."""

    ostiary: Ostiary
    loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        await self.ostiary.asgi(scope, receive, send)

    def do(self, work: Callable[[System], Coroutine[Any, Any, T]]) -> T:
        """Run this where the server runs, and wait for what it gives."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(work(self.ostiary.system), self.loop).result(STARTS_WITHIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Ostiary, listening. `url` is its issuer and origin."""

    port: int
    inside: "Inside"

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://localhost:{self.port}"

    @property
    def by_address(self) -> str:
        """The same server under the other name of this machine: another site to a browser."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON, as something that is not a browser gets them."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=STARTS_WITHIN)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def register(self, *usernames: str) -> None:
        """Accounts with the usual password, made without a browser."""
        for username in usernames:
            status, answer = self.call("POST", "/v1/accounts", {"username": username, "password": PASSWORD})
            assert status == 201, answer

    def administrator(self, username: str) -> None:
        """An account with the usual password that may administer."""
        self.inside.do(
            lambda system: system.accounts.create(
                username=username, password=PASSWORD, roles=("admin", "user"), actor="cli"
            )
        )


def let_the_proof_grow_old(site: Site, username: str) -> None:
    """The account's sessions look as if the password had been proven long ago."""
    account = site.inside.do(lambda system: system.accounts.find(username))

    async def age(system: System) -> None:
        for session in await system.store.sessions.of_account(account.id):
            assert await system.store.write(Swap(replace(session, auth_time=session.auth_time - 1000)))
        system.recognition.known._drop(list(system.recognition.known._entries))

    site.inside.do(age)


@contextmanager
def serving(folder: Path, *, clock: Clock = SYSTEM_CLOCK, **settings: object) -> Iterator[Site]:
    """Ostiary under uvicorn on a port of its own, with a database in `folder`."""
    with listening() as at:
        port = int(at.getsockname()[1])
        database = f"sqlite:///{folder / 'ostiary.db'}"
        issuer = f"http://localhost:{port}"
        inside = Inside(
            Ostiary(
                Settings(issuer=issuer, port=port, database=database, **settings),
                clock=clock,
                password_parameters=CHEAP,
            )
        )
        site = Site(port=port, inside=inside)
        with in_a_thread(inside, at):
            assert site.call("GET", "/readyz")[0] == 200
            yield site


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSite:
    """A server that has nothing to do with ours. `pages` (path to HTML) may be filled at any time."""

    port: int
    pages: dict[str, str] = field(default_factory=dict)

    def url(self, host: str = "localhost") -> str:
        """`localhost` is the same site as Ostiary's and another origin; `127.0.0.1` is another site altogether."""
        return f"http://{host}:{self.port}"


@contextmanager
def another_site(pages: Mapping[str, str] | None = None) -> Iterator[OtherSite]:
    """A site with these pages, and an empty one at `/`."""
    shown = {"/": "<!doctype html><title>elsewhere</title>", **(pages or {})}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            html = shown.get(self.path)
            content = (html or "").encode()
            self.send_response(404 if html is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="another site")
        thread.start()
        try:
            yield OtherSite(port=server.server_port, pages=shown)
        finally:
            server.shutdown()
            thread.join(timeout=STARTS_WITHIN)
