"""An application that embeds the issuer under a path, a service that only knows the issuer's URL, and services that are
below a path themselves."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.scenario.world import CHEAP, PASSWORD
from tests.servers.ports import free_port
from tests.unit.verifier.issuer import AUDIENCE, FakeIssuer
from tests.unit.verifier.test_possession import Client

from ostiary import Ostiary
from ostiary.settings import Settings
from ostiary.testing import FakeClock
from ostiary.verifier import CredentialRefused, Verifier
from ostiary.verifier.asgi import AsgiApp

API = "https://api.example"
_INSIDE = "/api/notes/1"


async def _open(scope: Any, receive: Any, send: Any) -> None:
    """An application behind a verifier: whoever comes so far is told."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["user"].account_id.encode()})


@pytest.fixture
def elsewhere(clock: FakeClock) -> FakeIssuer:
    """An issuer of which a service knows the keys."""
    return FakeIssuer(clock)


@contextmanager
def served(app: AsgiApp, port: int, **options: Any) -> Iterator[None]:
    """The application on a loopback port, in a thread with its own event loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, **{"lifespan": "on", **options}))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 120
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


def _bare(guarded: AsgiApp) -> AsgiApp:
    return guarded


def _in_starlette(guarded: AsgiApp) -> AsgiApp:
    return Starlette(routes=[Mount("/api", guarded)])


def _in_starlette_by_pattern(guarded: AsgiApp) -> AsgiApp:
    return Starlette(routes=[Mount("/{where}", guarded)])


def _in_fastapi(guarded: AsgiApp) -> AsgiApp:
    outer = FastAPI()
    outer.mount("/api", guarded)
    return outer


def _within_fastapi(guarded: AsgiApp) -> AsgiApp:
    outer, inner = FastAPI(), FastAPI()
    inner.mount("/notes", guarded)
    outer.mount("/api", inner)
    return outer


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("place", "path", "root"),
    [
        pytest.param(_bare, _INSIDE, "", id="bare"),
        pytest.param(_in_starlette, _INSIDE, "", id="starlette"),
        pytest.param(_in_starlette_by_pattern, _INSIDE, "", id="starlette-by-pattern"),
        pytest.param(_in_fastapi, _INSIDE, "", id="fastapi"),
        pytest.param(_within_fastapi, _INSIDE, "", id="fastapi-twice"),
        pytest.param(_bare, _INSIDE, "/api", id="told-by-the-book"),
        pytest.param(_bare, "/notes/1", "/api", id="told-beside"),  # so does FastAPI(root_path=...)
        pytest.param(_bare, "/notes/1", "/api/", id="told-with-a-slash"),
        pytest.param(_bare, "/1", "/api/notes", id="older-mounts"),
    ],
)
async def test_a_proof_is_for_the_whole_path(
    elsewhere: FakeIssuer, place: Callable[[AsgiApp], AsgiApp], path: str, root: str
) -> None:
    """M-52: however a service comes to stand below a path, a proof is for the address that the client called, and one
    for what is left of it is refused."""
    client = Client(elsewhere)
    transport = httpx2.ASGITransport(place(elsewhere.verifier().asgi(_open)), root_path=root)
    async with httpx2.AsyncClient(transport=transport, base_url=AUDIENCE) as service:

        async def sent(told: str) -> int:
            proof = client.proof(htu=AUDIENCE + told)
            return (await service.get(path, headers=client.sends(proof))).status_code

        assert await sent(_INSIDE) == 200
        for other in ("/notes/1", "/1", "/api/api/notes/1", "/api"):
            assert await sent(other) == 401


@pytest.mark.anyio
async def test_a_server_that_is_told_what_a_proxy_takes_away(elsewhere: FakeIssuer) -> None:
    """M-52: behind a proxy that strips a path, `uvicorn --root-path` says which; proofs are for the whole."""
    client, port = Client(elsewhere), free_port()
    guarded = elsewhere.verifier().asgi(_open)
    with served(guarded, port, root_path="/api", lifespan="off"):
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as service:
            told = [
                (await service.get("/notes/1", headers=client.sends(client.proof(htu=AUDIENCE + path)))).status_code
                for path in (_INSIDE, "/notes/1")
            ]
    assert told == [200, 401]
