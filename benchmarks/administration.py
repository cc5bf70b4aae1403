"""What an administrator looks at, timed in process, against the bare SQL query on the same file."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from benchmarks.report import Row
from benchmarks.stats import number, percentile
from ostiary import Ostiary
from ostiary.passwords import Argon2Parameters
from ostiary.settings import Settings

_PASSWORD = "correct horse battery staple"
_ISSUER = "http://127.0.0.1:8000"

Get = Callable[[str], Awaitable[httpx2.Response]]


@asynccontextmanager
async def administrator(path: Path) -> AsyncIterator[tuple[Ostiary, Get]]:
    """A server on this database, and what gets an address from it as one who may see everything."""
    auth = Ostiary(
        Settings(issuer=_ISSUER, database=f"sqlite:///{path}", secret_key=b"k" * 32),
        password_parameters=Argon2Parameters(memory_kib=64, passes=1),
    )
    async with auth.lifespan():
        await auth.system.accounts.create(username="root", password=_PASSWORD, roles=("admin",), actor="cli")
        transport = httpx2.ASGITransport(app=auth.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url=_ISSUER) as client:
            login = {"username": "root", "password": _PASSWORD, "transport": "bearer"}
            token = (await client.post("/v1/login", json=login)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"

            async def get(where: str) -> httpx2.Response:
                answer = await client.get(where)
                assert answer.status_code == 200, answer.text
                return answer

            yield auth, get


async def timed(asked: list[str], look: Callable[[str], Awaitable[object]]) -> list[float]:
    """Seconds of each."""
    for query in asked[:20]:
        await look(query)
    taken = []
    for query in asked:
        began = time.perf_counter()
        await look(query)
        taken.append(time.perf_counter() - began)
    return taken


def against_bare(
    title: str,
    found: Mapping[str, Sequence[float]],
    bare: Sequence[float],
    notes: Mapping[str, str],
    say: Callable[[str], None],
) -> list[Row]:
    """A row for each of `found`, by the seconds that it took and those of the statement alone."""
    least = percentile(bare, 0.95)
    made = []
    for what, taken in found.items():
        late = percentile(taken, 0.95)
        say(f"  {what}: p95 {number(late * 1000)} ms, bare SQL {number(least * 1000)} ms")
        made.append(
            Row(
                what=f"{title}: {what}, p95",
                reached=late / least,
                unit="x the bare SQL query",
                note=f"{notes[what]}; {number(late * 1000)} ms against {number(least * 1000)} ms",
                detail={"p50_ms": percentile(taken, 0.5) * 1000, "p95_ms": late * 1000, "bare_p95_ms": least * 1000},
            )
        )
    return made
