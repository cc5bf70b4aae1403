"""An application that embeds the issuer under a path, and a service that only knows the issuer's URL."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.scenario.world import CHEAP, PASSWORD
from tests.servers.ports import free_port

from ostiary import Ostiary
from ostiary.settings import Settings
from ostiary.verifier import CredentialRefused, Verifier

API = "https://api.example"


@contextmanager
def served(app: Starlette, port: int) -> Iterator[None]:
    """The application on a loopback port, in a thread with its own event loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            assert thread.is_alive()
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.mark.anyio
async def test_the_keys_of_an_embedded_issuer_are_found() -> None:
    """Nobody serves the place that RFC 8414 gives an issuer with a path; the metadata below the path is found. Tokens
    are then accepted with both ways of waiting (M-02)."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}/auth"
    auth = Ostiary(Settings(database="memory:", issuer=issuer, audiences=(API,)), password_parameters=CHEAP)
    with served(Starlette(routes=[Mount("/auth", auth.asgi)], lifespan=auth.lifespan), port):
        async with httpx2.AsyncClient(timeout=60) as client:
            who = {"username": "ada", "password": PASSWORD}
            made = await client.post(f"{issuer}/v1/accounts", json=who)
            assert made.status_code == 201, made.text
            login = await client.post(f"{issuer}/v1/login", json={**who, "kind": "stateless", "audience": API})
        token = login.json()["access_token"]
        verifier = Verifier(issuer=issuer, audience=API)
        await verifier.start()
        caller = await verifier.verify(token)
        await verifier.stop()
        assert caller.account_id == login.json()["account"]["id"]
        assert Verifier(issuer=issuer, audience=API).verify_sync(token) == caller
        with pytest.raises(CredentialRefused):
            await Verifier(issuer=issuer, audience="https://other.example").verify(token)
