"""What a download server remembers: the promises of the port, on a file and on a Valkey (M-62)."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers.valkey import server

from ostiary.domain.transfer import Piece, Transfer
from ostiary.downloads.sqlite_state import SqliteState
from ostiary.downloads.state import Spending, State
from ostiary.downloads.valkey_state import ValkeyState
from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

FAR = 4_000_000_000.0  # beyond any clock that this test runs on
TRANSFER = Transfer(resource="a b/报告.pdf", expires_at=FAR)


@pytest.fixture(params=["sqlite", "valkey"])
async def states(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[list[State]]:
    """Two replicas that share what they remember."""
    two: list[State] = (
        [SqliteState(tmp_path / "spent.db"), SqliteState(tmp_path / "spent.db")]
        if request.param == "sqlite"
        else [ValkeyState(request.getfixturevalue("valkey")), ValkeyState(request.getfixturevalue("valkey"))]
    )
    for state in two:
        await state.open()
    yield two
    for state in two:
        await state.close()


def spend(state: State, key: bytes, handle: bytes, **changes: Any) -> Any:
    """With a transfer that is far from over."""
    return state.spend(key, **{"until": FAR, "now": FAR - 600, "handle": handle, "transfer": TRANSFER, **changes})


def fresh() -> tuple[bytes, bytes]:
    """A key and a handle that nobody has used."""
    return secrets.token_bytes(32), secrets.token_bytes(32)


async def test_once(states: list[State]) -> None:
    """The first one spends it, here or there; afterwards everybody knows, and the first one's transfer is there
    alone."""
    here, there = states
    key, handle = fresh()
    other = secrets.token_bytes(32)
    assert not await there.was_spent(key, until=FAR)
    assert await spend(here, key, handle) is Spending.SPENT
    assert await spend(here, key, other) is Spending.USED
    assert await spend(there, key, other) is Spending.USED
    assert await there.was_spent(key, until=FAR)
    assert await there.transfer(handle) == TRANSFER
    assert await there.transfer(other) is None


async def test_one_winner_of_fifty(states: list[State]) -> None:
    """However many try at once, on however many replicas."""
    for _ in range(5):
        key = secrets.token_bytes(32)
        outcomes = await asyncio.gather(
            *(spend(states[number % 2], key, secrets.token_bytes(32)) for number in range(50))
        )
        assert outcomes.count(Spending.SPENT) == 1
        assert outcomes.count(Spending.USED) == 49


async def test_pieces_add_up(states: list[State]) -> None:
    """From every replica; another version forgets those of the one before, and keeps what was sent."""
    here, there = states
    key, handle = fresh()
    await spend(here, key, handle)
    await asyncio.gather(
        here.note(handle, version="v1", pieces=[Piece(0, 10)], sent=10),
        there.note(handle, version="v1", pieces=[Piece(10, 30, whole=False)], sent=20),
    )
    known = await here.note(handle, version="v1", pieces=[], sent=0)
    assert known is not None
    assert known == await there.transfer(handle)
    assert sorted(known.pieces, key=lambda piece: piece.start) == [Piece(0, 10), Piece(10, 30, whole=False)]
    assert (known.sent, known.version) == (30, "v1")
    changed = await there.note(handle, version="v2", pieces=[Piece(5, 6)], sent=1)
    assert changed is not None
    assert (changed.pieces, changed.sent, changed.version) == ((Piece(5, 6),), 31, "v2")
    assert await here.note(secrets.token_bytes(32), version="v1", pieces=[Piece(0, 1)], sent=1) is None


async def test_pieces_are_bounded(states: list[State], monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes a file byte by byte does not fill the state."""
    monkeypatch.setattr("ostiary.limits.TRANSFER_PIECES", 8)
    key, handle = fresh()
    await spend(states[0], key, handle)
    for number in range(40):
        known = await states[0].note(handle, version="v", pieces=[Piece(number, number + 1)], sent=1)
        assert known is not None
        assert len(known.pieces) <= 8
        assert known.sent == number + 1


async def test_one_ends_it(states: list[State]) -> None:
    """Exactly one of all who claim the end, until it is opened again."""
    key, handle = fresh()
    await spend(states[0], key, handle)
    for _ in range(2):
        claims = await asyncio.gather(*(states[number % 2].finish(handle) for number in range(20)))
        assert claims.count(True) == 1
        known = await states[1].transfer(handle)
        assert known is not None
        assert known.finished
        await states[1].reopen(handle)
        known = await states[0].transfer(handle)
        assert known is not None
        assert not known.finished
    assert not await states[0].finish(secrets.token_bytes(32))


async def test_what_may_be_forgotten_is_refused(states: list[State]) -> None:
    """A key so old that its mark may be gone is not spent again, and counts as spent."""
    key, handle = fresh()
    assert await spend(states[0], key, handle, until=1.0, now=0.5) is not None
    await states[0].purge(now=2.0)
    assert await spend(states[1], key, handle, until=1.0, now=0.5) is Spending.FORGOTTEN
    assert await states[1].was_spent(key, until=1.0)


async def test_health(states: list[State]) -> None:
    """An open one works; a closed one says that it does not, and can be opened again."""
    await states[0].check()
    await states[0].close()
    await states[0].close()
    with pytest.raises(Unavailable):
        await states[0].check()
    with pytest.raises(Unavailable):
        await spend(states[0], *fresh())
    await states[0].open()
    await states[0].check()


async def test_a_clock_set_back_revives_nothing(states: list[State]) -> None:
    """What was forgotten because it was over stays refused, whatever the clock says by then, here and there; and a
    clock that is ahead for a moment costs no token that is made afterwards."""
    here, there = states
    began = FAR + secrets.randbelow(10**6) * 10**4
    key, handle = fresh()
    assert await spend(here, key, handle, until=began + 100) is Spending.SPENT
    assert await here.purge(now=began + 99) == 0
    assert await spend(there, key, handle, until=began + 100) is Spending.USED
    assert await here.purge(now=began + 10**9) == 1
    for state in states:
        assert await spend(state, key, secrets.token_bytes(32), until=began + 100) is Spending.FORGOTTEN
        assert await state.was_spent(key, until=began + 100)
    assert await there.purge(now=began - 1000) == 0
    assert await spend(here, key, handle, until=began + 100) is Spending.FORGOTTEN
    assert await spend(there, *fresh(), until=began + 101) is Spending.SPENT


async def test_marks_outlive_the_process(states: list[State]) -> None:
    """What was spent is spent after a restart."""
    key, handle = fresh()
    assert await spend(states[0], key, handle) is Spending.SPENT
    for state in states:
        await state.close()
    await states[1].open()
    assert await spend(states[1], key, secrets.token_bytes(32)) is Spending.USED
    assert await states[1].transfer(handle) == TRANSFER


async def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    """SQLite: marks, transfers and their pieces go when they are over (M-32)."""
    path = tmp_path / "spent.db"
    state = SqliteState(path)
    await state.open()
    for number in range(20):
        key, handle = fresh()
        transfer = Transfer(resource="a", expires_at=100.0 + number)
        await spend(state, key, handle, until=100.0 + number, now=50.0, transfer=transfer)
        await state.note(handle, version="v", pieces=[Piece(0, 1)], sent=1)
    assert await state.purge(now=10_000.0) == 20
    await state.close()
    with sqlite3.connect(path) as connection:
        for table in ("spent", "transfer", "piece"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
    connection.close()


async def test_valkey_forgets_in_time(valkey: str) -> None:
    """Marks go with the purge, transfers by themselves (M-32)."""
    from redis.asyncio import Redis

    state = ValkeyState(valkey)
    await state.open()
    address, _, options = valkey.partition("?prefix=")
    prefix = options.partition("&")[0]
    client = Redis.from_url(address.replace("valkey://", "redis://"))
    key, handle = fresh()
    before = await client.zcard(f"{{{prefix}}}:downloads:spent")
    assert await spend(state, key, handle) is Spending.SPENT
    await state.note(handle, version="v", pieces=[Piece(0, 1)], sent=1)
    assert await client.zcard(f"{{{prefix}}}:downloads:spent") == before + 1
    for kind in ("transfer", "pieces"):
        assert 0 < await client.ttl(f"{{{prefix}}}:downloads:{kind}:{handle.hex()}") <= 900
    await state.purge(now=10**12)
    assert await client.zcard(f"{{{prefix}}}:downloads:spent") == 0
    await client.aclose()
    await state.close()


async def test_other_peoples_files(tmp_path: Path) -> None:
    """A database of the auth server's, or no database at all, is not taken for the state."""
    store = await SqliteStore.open(tmp_path / "ostiary.db")
    await store.close()
    (tmp_path / "text").write_text("not a database, and longer than a header of one would be: " * 40)
    for name in ("ostiary.db", "text", "no/such/folder.db"):
        with pytest.raises(Misconfigured):
            await SqliteState(tmp_path / name).open()


@pytest.mark.parametrize("url", ["", "http://x", "127.0.0.1:6379"])
async def test_urls_that_are_no_valkey(url: str) -> None:
    """Told at once."""
    with pytest.raises(Misconfigured):
        await ValkeyState(url).open()


async def test_a_valkey_that_is_not_there(anyio_backend: str) -> None:
    """Is unavailable, in our words."""
    state = ValkeyState("valkey://:hunter2@127.0.0.1:1/0")
    with pytest.raises(Unavailable) as refused:
        await state.open()
    assert "hunter2" not in str(refused.value) + refused.value.private


async def test_a_valkey_that_may_forget(anyio_backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """One that may evict keys is refused, since it would revive what was spent; one that keeps nothing on disk is told
    of."""
    with server() as one:
        url = one.url(timeout=30)
        state = ValkeyState(url)
        await state.open()
        await state.close()
        assert "appendonly = no" in caplog.text
        one.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        with pytest.raises(Misconfigured):
            await ValkeyState(url).open()
