"""Tokens for services, per second on one core: exchange, a service's own token, introspection. The whole application,
without a network; the user's credential and the client have been seen before."""

import asyncio
import base64
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.report import Row
from benchmarks.stats import number, spread
from ostiary import Ostiary, jose
from ostiary.domain.session import Kind, Transport
from ostiary.passwords import Argon2Parameters
from ostiary.services.clients import ClientFields
from ostiary.services.context import Client
from ostiary.services.sign_in import LoginRequest
from ostiary.settings import Settings

ROUNDS = 5
REQUESTS = 400
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
FRONT, BEHIND = "https://front.example", "https://behind.example"
PASSWORD = "eleven quiet lanterns"


def run(say: Callable[[str], None]) -> list[Row]:
    """About 15 seconds."""
    say("tokens for services ...")
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(_run(Path(directory)))


async def _run(directory: Path) -> list[Row]:
    settings = Settings(
        issuer="http://127.0.0.1:8000", database=f"sqlite:///{directory / 'ostiary.db'}", audiences=(FRONT,),
        role_scopes={"user": ("notes:read", "notes:write")},
    )  # fmt: skip
    auth = Ostiary(settings, password_parameters=Argon2Parameters(memory_kib=8, passes=1, lanes=1))
    async with auth.lifespan():
        system = auth.system
        fields = ClientFields(
            name="front", grants=(EXCHANGE, "client_credentials"), audiences=(FRONT,), targets=(BEHIND,)
        )
        made = await system.clients.create(fields, actor="bench")
        await system.accounts.create(username="ada", password=PASSWORD, actor="bench")
        rows = [_signature(system.signing_keys.ring.signer)]
        for kind in ("session", "stateless"):
            subject = await _log_in(auth, kind)
            form = {"grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS, "audience": BEHIND}
            rows.append(await _measured(auth, f"exchange, {kind}", "/oauth/token", form, made.client.id, made.secret))
            form = {"token": subject}
            rows.append(
                await _measured(auth, f"introspection, {kind}", "/oauth/introspect", form, made.client.id, made.secret)
            )
        form = {"grant_type": "client_credentials"}
        rows.append(await _measured(auth, "a service's own token", "/oauth/token", form, made.client.id, made.secret))
        return rows


async def _log_in(auth: Ostiary, kind: str) -> str:
    request = LoginRequest(
        username="ada", password=PASSWORD, kind=Kind(kind), transport=Transport.BEARER, remember=False,
        audience=(FRONT,), scope=None,
    )  # fmt: skip
    issued = await auth.system.sign_in.login(request, Client(ip="127.0.0.1"))
    return issued.access_token


def _signature(key: jose.Key) -> Row:
    def once() -> float:
        began = time.perf_counter()
        for _ in range(REQUESTS):
            key.sign(b"x" * 300)
        return REQUESTS / (time.perf_counter() - began)

    rates = [once() for _ in range(ROUNDS)]
    return Row(
        what="one ES256 signature, for comparison", reached=spread(rates).median, unit="/s", spread=str(spread(rates))
    )


async def _measured(
    auth: Ostiary, what: str, path: str, form: dict[str, str], client_id: str, secret: str | None
) -> Row:
    body = urlencode(form).encode()
    basic = base64.b64encode(f"{client_id}:{secret}".encode())
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8000"), (b"authorization", b"Basic " + basic),
            (b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", str(len(body)).encode()),
        ],
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50000), "state": {},
    }  # fmt: skip
    seen: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        seen.append(message.get("status") or message.get("body"))

    async def once() -> float:
        began = time.perf_counter()
        for _ in range(REQUESTS):
            await auth.asgi({**scope}, receive, send)
        return REQUESTS / (time.perf_counter() - began)

    await once()
    assert seen[0] == 200, seen[:2]
    assert b'"active":false' not in seen[1], seen[:2]
    rates = [await once() for _ in range(ROUNDS)]
    measured = spread(rates)
    return Row(
        what=what, reached=measured.median, unit="/s", spread=str(measured), note=f"{number(1e6 / measured.median)} µs"
    )
