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

from benchmarks.administration import administrator, against_bare, timed
from benchmarks.report import Row
from ostiary.domain.session import Kind, Session, Transport
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
    async with administrator(path) as (_, get):
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
        base = bare(path)
        found = asyncio.run(measured(path))
    notes = {
        "call": "GET /v1/admin/sessions?order=activity, 25 rows, in process",
        "page": "GET /admin/sessions, the whole page as HTML, in process",
        "one kind": "the same, of one kind",
        "far down": f"the same, {DEEP * 100:,} sessions down",
    }
    return against_bare("live sessions among a million", found, base, notes, say)
