"""The page of live sessions among a million of them, the most recently seen first, against the bare SQL query on
the same file."""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx2

from benchmarks.report import Row
from benchmarks.search import ISSUER, PASSWORD, timed
from benchmarks.stats import number, percentile
from ostiary import Ostiary
from ostiary.domain.session import Kind, Session, Transport
from ostiary.passwords import Argon2Parameters
from ostiary.settings import Settings
from ostiary.stores import migrations, rows

SESSIONS = 1_000_000
LOOKS = 60
DEEP = 400  # pages down
_COLUMNS = ", ".join(rows.SESSIONS.columns)
_STORED = ", ".join(rows.SESSIONS.stored)
_BARE = (
    f"SELECT {_STORED} FROM sessions WHERE ended_at IS NULL AND everything = 0 AND kind = ? "
    "ORDER BY last_seen_at DESC, id DESC LIMIT 26"
)


def fill(path: Path, count: int, now: float) -> None:
    """`count` live sessions of a hundred thousand accounts, last seen within a week."""
    migrations.upgrade(path)
    chance = Random(1)
    kinds = list(Kind)
    model = Session(
        id="", account_id="", kind=Kind.SESSION, transport=Transport.BEARER, created_at=now, auth_time=now,
        last_seen_at=now, idle_lifetime=1e6, expires_at=now + 1e6, everything=0, client_label="Firefox · Linux",
        client_ip="192.0.2.1", revision=1,
    )  # fmt: skip

    def session(at: int) -> list[object]:
        made = replace(
            model, id=f"ses_{chance.getrandbits(128):032x}", account_id=f"acc_{at % 100_000:06}", kind=kinds[at % 3],
            last_seen_at=now - 600_000 * chance.random(),
        )  # fmt: skip
        return rows.SESSIONS.to_row(made)

    marks = ", ".join("?" * len(rows.SESSIONS.columns))
    with sqlite3.connect(path) as connection:
        connection.executemany(
            f"INSERT INTO sessions ({_COLUMNS}) VALUES ({marks})", (session(at) for at in range(count))
        )
    connection.close()


def bare(path: Path) -> list[float]:
    """Seconds of each look, by one statement alone."""
    connection = sqlite3.connect(path)
    taken = []
    for at in range(LOOKS):
        began = time.perf_counter()
        connection.execute(_BARE, (list(Kind)[at % 3].value,)).fetchall()
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken


async def measured(path: Path) -> dict[str, list[float]]:
    """By the call and by the page, at the beginning and far down."""
    auth = Ostiary(
        Settings(issuer=ISSUER, database=f"sqlite:///{path}", secret_key=b"k" * 32),
        password_parameters=Argon2Parameters(memory_kib=64, passes=1),
    )
    async with auth.lifespan():
        await auth.system.accounts.create(username="root", password=PASSWORD, roles=("admin",), actor="cli")
        transport = httpx2.ASGITransport(app=auth.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
            login = {"username": "root", "password": PASSWORD, "transport": "bearer"}
            token = (await client.post("/v1/login", json=login)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"

            async def get(where: str) -> httpx2.Response:
                answer = await client.get(where)
                assert answer.status_code == 200, answer.text
                return answer

            cursor = ""
            for _ in range(DEEP):
                cursor = (await get(f"/v1/admin/sessions?order=activity&limit=100&cursor={cursor}")).json()["next"]
            asked = [""] * LOOKS
            return {
                "call": await timed(asked, lambda _: get("/v1/admin/sessions?order=activity&limit=25")),
                "page": await timed(asked, lambda _: get("/admin/sessions")),
                "one kind": await timed(asked, lambda _: get("/admin/sessions?kind=stateless")),
                "far down": await timed(asked, lambda _: get(f"/admin/sessions?cursor={cursor}")),
            }


def run(say: Callable[[str], None]) -> list[Row]:
    """About a minute, most of it to make the sessions."""
    say(f"live sessions: {SESSIONS:,} of them ...")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ostiary.db"
        fill(path, SESSIONS, time.time())
        bare(path)
        least = percentile(bare(path), 0.95)
        found = asyncio.run(measured(path))
    notes = {
        "call": "GET /v1/admin/sessions?order=activity, 25 rows, in process",
        "page": "GET /admin/sessions, the whole page as HTML, in process",
        "one kind": "the same, of one kind",
        "far down": f"the same, {DEEP * 100:,} sessions down",
    }
    made = []
    for what, taken in found.items():
        late = percentile(taken, 0.95)
        say(f"  {what}: p95 {number(late * 1000)} ms, bare SQL {number(least * 1000)} ms")
        made.append(
            Row(
                what=f"live sessions among a million: {what}, p95",
                reached=late / least,
                unit="x the bare SQL query",
                note=f"{notes[what]}; {number(late * 1000)} ms against {number(least * 1000)} ms",
                detail={"p50_ms": percentile(taken, 0.5) * 1000, "p95_ms": late * 1000, "bare_p95_ms": least * 1000},
            )
        )
    return made
