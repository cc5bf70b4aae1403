"""The OpenAPI document is true: what it says is generated, sent, and compared with what comes back."""

import socket
import threading
from collections.abc import Iterator
from typing import Self

import anyio
import httpx2
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.http.harness import CHEAP, PASSWORD

from ostiary import Ostiary
from ostiary.http.routes import ENDPOINTS
from ostiary.http.routes.openapi import describe
from ostiary.settings import Settings
from ostiary.stores.memory import MemoryStore

PATIENCE = 60.0  # seconds that an answer may take on a machine that is busy otherwise
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip
PREPARED = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

schema = schemathesis.openapi.from_dict(describe(ENDPOINTS))


class Server:
    """A server on a real socket, in a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))  # whoever connects early waits here
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._auth = Ostiary(
            Settings(issuer=self.url, database="memory:", address_failures=10**9),
            store=MemoryStore(),
            password_parameters=CHEAP,
        )
        config = uvicorn.Config(
            self._auth.asgi, lifespan="off", log_config=None, access_log=False, ws="none", loop="asyncio"
        )
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: anyio.run(self._serve))
        self._token = ""
        self._client = httpx2.Client(base_url=self.url, timeout=PATIENCE)

    async def _serve(self) -> None:
        async with self._auth.lifespan():
            await self._auth.system.accounts.create(username="root", password=PASSWORD, roles=("admin",), actor="test")
            await self._auth.system.accounts.create(username="spare", password=PASSWORD, roles=("admin",), actor="test")
            self._started.set()
            await self._server.serve(sockets=[self._listener])

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE)
        return self

    def __exit__(self, *exception: object) -> None:
        self._client.close()
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._listener.close()

    def administrator(self) -> dict[str, str]:
        """Headers of one; of a new session where the last one was ended by what was generated."""
        headers = {"Authorization": f"Bearer {self._token or 'none'}"}
        if self._client.get("/v1/me", headers=headers).status_code != 200:
            body = {"username": "spare", "password": PASSWORD, "transport": "bearer"}
            self._token = self._client.post("/v1/login", json=body).json()["access_token"]
        return {"Authorization": f"Bearer {self._token}"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all operations."""
    with Server() as running:
        yield running


@schema.parametrize()
@PREPARED
def test_as_a_stranger(case: schemathesis.Case, server: Server) -> None:
    """Without a credential: statuses, media types and bodies are as written, and never 5xx."""
    case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=PATIENCE)


@schema.parametrize()
@PREPARED
def test_as_an_administrator(case: schemathesis.Case, server: Server) -> None:
    """As an administrator: the same, past every check of rights."""
    case.call_and_validate(base_url=server.url, headers=server.administrator(), checks=CHECKS, timeout=PATIENCE)
