"""CPU that authentication adds to a bare Starlette route: no server, no network, the ASGI calls alone."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jwt
import uvloop

from benchmarks import seed
from benchmarks.application import application, pyjwt_application
from benchmarks.report import Row
from benchmarks.sample import HS256_KEY, claims
from benchmarks.stats import number, spread
from ostiary import Ostiary
from ostiary.domain.session import EndReason
from ostiary.services.context import Client

CREDENTIALS = 1000
ROUNDS = 25
SLICE = 200  # requests of one kind before it is the other's turn
_COMMON = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
]
Header = tuple[str, str]


def scope_of(path: str, header: Header | None = None) -> dict[str, Any]:
    """A request as uvicorn describes it."""
    headers = list(_COMMON)
    if header is not None:
        headers.append((header[0].encode(), header[1].encode()))
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 50000), "state": {},
    }  # fmt: skip


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def status_of(app: Any, scope: dict[str, Any]) -> int:
    """What one request is answered."""
    seen: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    await app({**scope}, _receive, send)
    return seen[0]


async def microseconds(app: Any, scopes: Sequence[dict[str, Any]]) -> float:
    """Processor time of this thread for each of these requests."""
    refused = 0

    async def send(message: dict[str, Any]) -> None:
        nonlocal refused
        if message["type"] == "http.response.start" and message["status"] != 200:
            refused += 1

    copies = [{**scope} for scope in scopes]
    clock = time.thread_time_ns
    began = clock()
    for scope in copies:
        await app(scope, _receive, send)
    spent = clock() - began
    assert not refused, f"{refused} of {len(scopes)} requests were not answered with 200"
    return spent / len(scopes) / 1000


async def added(app: Any, headers: Sequence[Header], rounds: int = ROUNDS) -> tuple[float, float, float, list[float]]:
    """Cheapest round of the open route, cheapest of the closed one, the first round of it, and in-round differences."""
    closed = [scope_of("/me", header) for header in headers]
    first = await microseconds(app, closed)
    before, after = ([scope_of(path, header) for header in headers] for path in ("/open", "/open-too"))
    opens, closeds = [], []
    for _ in range(rounds):
        for start in range(0, len(closed), SLICE):
            await asyncio.sleep(0.001)  # what runs beside requests, the feed of revocations, gets its turn
            turn = slice(start, start + SLICE)
            one = await microseconds(app, before[turn])
            closeds.append(await microseconds(app, closed[turn]))
            opens.append((one, await microseconds(app, after[turn])))
    base = sum(min(times) for times in zip(*opens, strict=True)) / 2
    differences = [middle - sum(around) / 2 for around, middle in zip(opens, closeds, strict=True)]
    return base, min(closeds), first, differences


async def _all(directory: Path) -> list[Row]:
    auth = Ostiary(seed.settings_for(f"sqlite:///{directory / 'bench.db'}", 8000))
    rows: list[Row] = []
    async with auth.lifespan():
        app = application(auth)
        for kind in seed.KINDS:
            seeded = await seed.sessions(auth.system, kind, CREDENTIALS)
            headers = [each.header for each in seeded]
            rows += _rows(f"CPU added, {kind}", await added(app, headers), target=8.0, cold=True)
            await _check_revocation(auth, app, seeded)
    now = int(time.time())
    issuer = "http://127.0.0.1:8000"
    tokens = [jwt.encode(claims(issuer, at, now), HS256_KEY, "HS256") for at in range(CREDENTIALS)]
    headers = [("authorization", f"Bearer {token}") for token in tokens]
    rows += _rows(
        "CPU added, peer: Starlette + PyJWT HS256, not revocable", await added(pyjwt_application(issuer), headers)
    )
    return rows


def _rows(
    what: str, measured: tuple[float, float, float, list[float]], target: float | None = None, cold: bool = False
) -> list[Row]:
    base, closed, first, differences = measured
    note = (
        "The same requests to an open and a closed route: 1,000 credentials in turn, SQLite; each "
        "was seen once before, so what is cached is who it belongs to. A look "
        "at the replica of revocations at every request: the run ended sessions, one and all of an account, and "
        "checked that the very next request was refused. Spread: in-round differences."
    )
    rows = [
        Row(
            what=what,
            reached=closed - base,
            unit="us",
            at_most=target,
            spread=str(spread(differences)),
            note=note if cold else "",
            detail={"open": base, "closed": closed, "differences": differences},
        )
    ]
    if cold:
        rows.append(
            Row(
                what=f"{what}, first sight",
                reached=first - base,
                unit="us",
                note="Nothing cached: signature or digest, store look-ups in other threads (their CPU is not in it).",
            )
        )
    return rows


async def _check_revocation(auth: Ostiary, app: Any, seeded: Sequence[seed.Seeded]) -> None:
    """Ends one session and disables another account in this process: the very next request must be refused."""
    system = auth.system
    first, second, third = seeded[:3]
    await system.sessions.end(first.issued.session.id, reason=EndReason.REVOKED, actor="benchmark", client=Client())
    assert await status_of(app, scope_of("/me", first.header)) == 401
    await system.sessions.end_all(second.issued.account.id, actor="benchmark", client=Client())
    assert await status_of(app, scope_of("/me", second.header)) == 401
    assert await status_of(app, scope_of("/me", third.header)) == 200


def run(say: Callable[[str], None]) -> list[Row]:
    """About 10 seconds."""
    say("in process, three kinds and a peer ...")
    with tempfile.TemporaryDirectory() as directory:
        rows = uvloop.run(_all(Path(directory)))
    say("  " + ", ".join(f"{number(row.reached)} us" for row in rows))
    return rows
