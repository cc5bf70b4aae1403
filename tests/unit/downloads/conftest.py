"""A download server in this process, an issuer's key, and a client that can leave in the middle."""

import asyncio
import inspect
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.servers.valkey import Server

from ostiary import jose
from ostiary.credentials.one_time import ONE_TIME_TYPE, OneTimeToken, one_time_claims
from ostiary.downloads import DownloadServer
from ostiary.testing import FakeClock

ISSUER = "https://id.example"
AUDIENCE = "https://files.example"
KEY = jose.Key.generate("ES256")
KEYS = jose.KeySet((KEY.public(),))


@dataclass(slots=True)
class Answer:
    """What came back. `whole`: the answer was completed."""

    status: int = 0
    lines: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """No header may come twice."""
        headers = dict(self.lines)
        assert len(headers) == len(self.lines), self.lines
        return headers

    @property
    def code(self) -> str:
        """Of a refusal."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        return str(jose.encoding.decode_object(self.body)["code"])


@dataclass(slots=True)
class Client:
    """Asks `app` as a server would."""

    app: Any
    root_path: str = ""

    async def __call__(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        *,
        body: bytes = b"",
        leave_after: int | None = None,
        on_body: Callable[[int], Any] | None = None,
    ) -> Answer:
        """`leave_after`: the client closes the connection once it has so many bytes. `on_body` is called after each
        part of the body, with the bytes so far."""
        from urllib.parse import unquote

        path, _, query = target.partition("?")
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or ())
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": self.root_path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
            "client": ("127.0.0.1", 1),
        }
        answer = Answer()
        over = asyncio.Event()
        left = False
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal left
            if left:
                return
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.lines = [(name.decode(), value.decode("latin-1")) for name, value in message["headers"]]
                return
            answer.body += message.get("body", b"")
            if not message.get("more_body", False):
                answer.whole = True
                over.set()
            if on_body is not None:
                outcome = on_body(len(answer.body))
                if inspect.isawaitable(outcome):
                    await outcome
            if leave_after is not None and len(answer.body) >= leave_after and not answer.whole:
                left = True
                over.set()

        await self.app(scope, receive, send)
        return answer


@dataclass(slots=True)
class Site:
    """A server over `root`, at rest in one moment."""

    app: DownloadServer
    client: Client
    root: Path
    clock: FakeClock
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def token(self, resource: str = "a.bin", *, key: jose.Key = KEY, typ: str = ONE_TIME_TYPE, **changes: Any) -> str:
        """A good one, but for `changes` of its claims (None: left out)."""
        now = int(self.clock.wall)
        claims = one_time_claims(
            OneTimeToken(
                issuer=ISSUER,
                audience=AUDIENCE,
                account_id="acc_1",
                session_id="ses_1",
                issued_at=now,
                expires_at=now + 120,
                token_id=f"jti-{next(self.numbers)}",
                action="download",
                resource=resource,
            )
        )
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jose.sign_bytes(json.dumps(claims).encode(), key, typ=typ)

    async def spend(self, resource: str = "a.bin", **changes: Any) -> str:
        """Where the transfer is."""
        from urllib.parse import quote

        answer = await self.client("GET", f"/files/{quote(resource)}?token={self.token(resource, **changes)}")
        assert answer.status == 303, answer
        return answer.headers["location"]

    def write(self, name: str, content: bytes) -> Path:
        """A file below the root."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


@pytest.fixture
def valkey(valkey_server: Server) -> str:
    """A URL, with keys of this test's own."""
    return valkey_server.url(prefix=f"t{secrets.token_hex(8)}", timeout=30)


@pytest.fixture
async def site(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Site]:
    """On an SQLite file."""
    root = tmp_path / "root"
    root.mkdir()
    clock = FakeClock()
    app = DownloadServer(
        root, issuer=ISSUER, audience=AUDIENCE, state=tmp_path / "spent.db", keys=KEYS, clock=clock.clock
    )
    site = Site(app, Client(app), root, clock)
    site.write("a.bin", bytes(range(256)) * 4000)
    yield site
    await app.stop()
