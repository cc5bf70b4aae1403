"""Looking for one of a million accounts, against the bare SQL query on the same file."""

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
from ostiary.domain.account import Account
from ostiary.stores import migrations, rows

ACCOUNTS = 1_000_000
LOOKS = 400
LIMIT = 26  # what a page of the administration asks for
_COLUMNS = ", ".join(rows.ACCOUNTS.columns)
_STORED = ", ".join(rows.ACCOUNTS.stored)
_BARE = f"SELECT {_STORED} FROM accounts WHERE username_key >= ? AND username_key < ? ORDER BY username_key LIMIT ?"


def fill(path: Path, count: int) -> None:
    """`count` accounts whose names and addresses begin in many ways, one in a hundred thousand of them disabled."""
    migrations.upgrade(path)
    chance = Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    model = Account(
        id="", username="", username_key="", password_hash="x" * 97, created_at=1.0, password_changed_at=1.0
    )

    def account(at: int) -> list[object]:
        name = "".join(chance.choice(letters) for _ in range(6)) + f"{at:07}"
        made = replace(
            model, id=f"acc_{chance.getrandbits(128):032x}", username=name, username_key=name,
            email=f"{name}@example.com", disabled=at % 100_000 == 7, revision=1,
        )  # fmt: skip
        return rows.ACCOUNTS.to_row(made)

    marks = ", ".join("?" * len(rows.ACCOUNTS.columns))
    with sqlite3.connect(path) as connection:
        connection.executemany(
            f"INSERT INTO accounts ({_COLUMNS}) VALUES ({marks})", (account(at) for at in range(count))
        )
    connection.close()


def queries() -> list[str]:
    """As somebody types: one letter to six."""
    chance = Random(2)
    return ["".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(1 + n % 6)) for n in range(LOOKS)]


def bare(path: Path, asked: list[str]) -> list[float]:
    """Seconds of each, by the statement alone."""
    connection = sqlite3.connect(path)
    taken = []
    for query in asked:
        began = time.perf_counter()
        connection.execute(_BARE, (query, rows.prefix_end(query), LIMIT)).fetchall()
        taken.append(time.perf_counter() - began)
    connection.close()
    return taken


async def measured(path: Path, asked: list[str]) -> dict[str, list[float]]:
    """By the store, by the call, by the page, by the filter."""
    async with administrator(path) as (auth, get):
        accounts = auth.system.store.accounts
        return {
            "store": await timed(asked, lambda query: accounts.page(start=query, limit=LIMIT)),
            "call": await timed(asked, lambda query: get(f"/v1/admin/accounts?query={query}&limit=25")),
            "page": await timed(asked, lambda query: get(f"/admin/accounts?query={query}")),
            "disabled": await timed(asked, lambda _: get("/admin/accounts?only=disabled")),
        }


def run(say: Callable[[str], None]) -> list[Row]:
    """About 60 seconds, most of them to make the accounts."""
    say(f"search among {ACCOUNTS:,} accounts ...")
    asked = queries()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ostiary.db"
        fill(path, ACCOUNTS)
        bare(path, asked)
        base = bare(path, asked)
        found = asyncio.run(measured(path, asked))
    notes = {
        "store": "the store's answer, through its queue and thread",
        "call": "GET /v1/admin/accounts?query=, 25 rows, in process",
        "page": "GET /admin/accounts?query=, the whole page as HTML, in process",
        "disabled": "GET /admin/accounts?only=disabled: 10 of them",
    }
    return against_bare("search among a million accounts", found, base, notes, say)
