"""A database and Valkey together, when the process dies between the two, or one of the two does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.servers import valkey

from ostiary.errors import InvalidRequest, Overloaded, Unavailable
from ostiary.revocation.entry import Cursor
from ostiary.stores.mixed import MixedStore
from ostiary.stores.port import Add, Append, Change, Expect, Swap
from ostiary.stores.sqlite import SqliteStore
from ostiary.stores.valkey import ValkeyStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio

Open = Callable[[], Awaitable[MixedStore]]
ACCOUNT = builders.account(revision=1)
SESSION = builders.session(revision=1)
ENDED = replace(SESSION, ended_at=builders.NOW, version=9)
PASSWORD_CHANGED: tuple[Change, ...] = (
    Swap(replace(ACCOUNT, password_hash="new", epoch=1)),
    Swap(ENDED),
    Append(builders.entry("session-1")),
    Add(builders.audit_event()),
)
"""What must never be done by half: the password is another one, and the session that a stranger began is over."""


class Died(Exception):
    """The process is gone: nothing after this point happens in it."""


@pytest.fixture
async def opened(valkey_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Open]:
    """Each call is another process."""
    stores: list[MixedStore] = []

    async def open_one() -> MixedStore:
        database = await SqliteStore.open(tmp_path / "ostiary.db")
        store = await MixedStore.open(database, await ValkeyStore.open(valkey_url))
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        await store.close()


@pytest.fixture
async def here(opened: Open) -> MixedStore:
    """The process that dies."""
    store = await opened()
    assert await store.write(Add(builders.account()), Add(builders.session()))
    return store


@pytest.fixture
async def there(opened: Open, here: MixedStore) -> MixedStore:
    """The one that lives."""
    return await opened()


def die_before(store: MixedStore, part: Any, method: str) -> None:
    """Whatever the process still does after that, it does not do."""

    async def never(*_: Any, **__: Any) -> Any:
        raise Died

    setattr(part, method, never)
    assert store._relay is not None
    store._relay.cancel()


async def half_done(store: MixedStore) -> None:
    with pytest.raises(Died):
        await store.write(*PASSWORD_CHANGED)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for it, half a minute at most."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - it comes about in another process
            await asyncio.sleep(0.005)


async def is_undone(store: MixedStore) -> None:
    assert await store.accounts.get("account-1") == ACCOUNT
    assert await store.sessions.get("session-1") == SESSION
    assert (await store.revocations.probe(Cursor(), 10)).items == ()
    assert await store.audit.page(limit=9) == []


async def is_done(store: MixedStore) -> None:
    account = await store.accounts.get("account-1")
    session = await store.sessions.get("session-1")
    assert account is not None
    assert session is not None
    assert (account.password_hash, session.ended_at) == ("new", builders.NOW)
    assert [item.entry.id for item in (await store.revocations.probe(Cursor(), 10)).items] == ["session-1"]
    assert len(await store.audit.page(limit=9)) == 1
    assert await store.sessions.of_account("account-1") == []


async def test_death_before_the_decision_changes_nothing(here: MixedStore, there: MixedStore) -> None:
    """M-31: whoever meets the pledge drops it, and whoever made it can no longer decide."""
    write = here._database.write
    die_before(here, here._database, "write")
    assert there._relay is not None
    there._relay.cancel()  # it would settle the pledge, too
    await half_done(here)
    [pledge] = await there._valkey.pledges(older=-60.0)
    assert await there.write(Swap(replace(SESSION, client_label="met it"))) is True
    assert await there._valkey.pledges(older=-60.0) == []
    from ostiary.stores.mixed.settling import decision

    assert await write(Add(decision(pledge, at=0.0, done=True))) is False
    assert await there.accounts.get("account-1") == ACCOUNT
    assert await there.write(Swap(replace(SESSION, client_label="met it", revision=2)))


async def test_death_after_the_decision_loses_nothing(here: MixedStore, there: MixedStore) -> None:
    """M-31: whoever meets the pledge fulfils it first: the sessions end, the entry is in the log, and its own write
    finds that they changed."""
    die_before(here, here._valkey, "fulfil")
    await half_done(here)
    assert (await there.accounts.get("account-1")) != ACCOUNT
    assert await there.write(Swap(replace(SESSION, client_label="too late"))) is False
    await is_done(there)


async def test_listing_of_an_accounts_sessions_settles_what_concerns_it(here: MixedStore, there: MixedStore) -> None:
    """Flaw class: a login was decided but is not there yet; whoever disables the account misses its session."""
    die_before(here, here._valkey, "fulfil")
    with pytest.raises(Died):
        await here.write(Swap(ACCOUNT), Add(builders.session("new")))
    assert [session.id for session in await there.sessions.of_account("account-1")] == ["new", "session-1"]


async def test_nobody_needs_to_meet_it(here: MixedStore, opened: Open) -> None:
    """M-30: what was left half done is settled by whoever starts next, and by whoever runs."""
    die_before(here, here._valkey, "fulfil")
    await half_done(here)
    before = await here._valkey.time()
    _make_old(here)
    await is_done(await opened())
    assert await here._valkey.time() >= before


async def test_whoever_runs_looks_for_what_is_left(here: MixedStore, there: MixedStore) -> None:
    """Without a start and without a meeting: soon after, by itself."""
    die_before(here, here._valkey, "fulfil")
    await half_done(here)
    _make_old(here)

    async def nothing_is_left() -> bool:
        return not await there._valkey.pledges(older=-60.0)

    await until(nothing_is_left)
    await is_done(there)


async def test_one_who_is_only_slow_does_all_or_nothing(here: MixedStore, there: MixedStore) -> None:
    """Taken for dead between pledge and decision, it finds that it cannot decide any more, says so, and changes
    nothing; the next time it can."""
    write, may_go_on = here._database.write, asyncio.Event()

    async def slowly(*changes: Change) -> bool:
        await may_go_on.wait()
        return await write(*changes)

    here._database.write = slowly  # type: ignore[method-assign]
    writing = asyncio.create_task(here.write(*PASSWORD_CHANGED))
    await until(lambda: there._valkey.pledges(older=-60.0))
    assert await there.write(Expect(SESSION), Add(builders.throttle())) is True
    may_go_on.set()
    assert await writing is False
    await is_undone(there)
    assert await here.write(*PASSWORD_CHANGED)
    await is_done(there)


async def test_both_go_on_where_one_was_fulfilled_by_the_other(here: MixedStore, there: MixedStore) -> None:
    """Slow after its decision, it finds it fulfilled by another process, once, and answers that it is done."""
    fulfil, may_go_on = here._valkey.fulfil, asyncio.Event()

    async def slowly(*arguments: Any, **named: Any) -> bool:
        await may_go_on.wait()
        return await fulfil(*arguments, **named)

    here._valkey.fulfil = slowly  # type: ignore[method-assign]
    writing = asyncio.create_task(here.write(*PASSWORD_CHANGED))

    async def decided() -> bool:
        return (await there.accounts.get("account-1")) != ACCOUNT

    await until(decided)
    try:
        assert await there.write(Expect(SESSION), Add(builders.throttle())) is False
        await is_done(there)
    finally:
        may_go_on.set()
    assert await writing is True
    await is_done(there)


async def test_caller_who_leaves_leaves_nothing_half_done(here: MixedStore, there: MixedStore) -> None:
    """A request that is cancelled in the middle: the write goes on to its end."""
    fulfil, reached, may_go_on = here._valkey.fulfil, asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: Any, **named: Any) -> bool:
        reached.set()
        await may_go_on.wait()
        return await fulfil(*arguments, **named)

    here._valkey.fulfil = slowly  # type: ignore[method-assign]
    writing = asyncio.create_task(here.write(*PASSWORD_CHANGED))
    await reached.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    may_go_on.set()
    await here.close()  # finishes what is under way
    await is_done(there)


async def test_database_that_is_down_leaves_nothing_done(here: MixedStore, there: MixedStore) -> None:
    """The caller is told; Valkey's half is dropped once the database can say so."""
    write = here._database.write

    async def down(*_: Change) -> bool:
        raise Unavailable(private="down")

    here._database.write = down  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await here.write(*PASSWORD_CHANGED)
    here._database.write = write  # type: ignore[method-assign]
    _make_old(here)
    await there._settling.settle_old()
    await is_undone(there)


async def test_valkey_that_dies_before_it_is_fulfilled(tmp_path: Path) -> None:
    """M-30: the caller is told that it is not known; when Valkey is back the rest is done without anybody asking."""
    with valkey.server(**valkey.DURABLE) as server:
        database = await SqliteStore.open(tmp_path / "ostiary.db")
        store = await MixedStore.open(database, await ValkeyStore.open(server.url(timeout=30)))
        assert await store.write(Add(builders.account()), Add(builders.session()))
        fulfil = store._valkey.fulfil

        async def after_a_crash(*arguments: Any, **named: Any) -> bool:
            store._valkey.fulfil = fulfil  # type: ignore[method-assign]
            await asyncio.to_thread(server.kill)
            return await fulfil(*arguments, **named)

        store._valkey.fulfil = after_a_crash  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            await store.write(*PASSWORD_CHANGED)
        await asyncio.to_thread(server.start)

        async def nothing_is_left() -> bool:
            return not server.ask("EXISTS", f"{store._valkey.address.key_prefix}pledges")

        await until(nothing_is_left)
        await is_done(store)
        await store.close()


async def test_valkey_that_is_wiped_in_between(here: MixedStore, valkey_server: valkey.Server) -> None:
    """Every session is gone and the generation is another one, which refuses whatever was issued before; the caller is
    told that its change was not done as a whole."""
    generation = (await here.revocations.probe(Cursor(), 1)).generation
    fulfil = here._valkey.fulfil

    async def after_a_wipe(*arguments: Any, **named: Any) -> bool:
        prefix = here._valkey.address.key_prefix.replace("{", "[{]").replace("}", "[}]")
        valkey_server.ask("DEL", *valkey_server.ask("KEYS", f"{prefix}*"))
        return await fulfil(*arguments, **named)

    here._valkey.fulfil = after_a_wipe  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await here.write(*PASSWORD_CHANGED)
    assert await here.sessions.get("session-1") is None
    assert (await here.revocations.probe(Cursor(), 1)).generation != generation


async def test_decisions_are_forgotten(here: MixedStore, tmp_path: Path) -> None:
    """M-32: the rows that decide do not pile up; those that somebody could still ask for stay."""
    database = here._database
    assert await here.write(*PASSWORD_CHANGED)
    assert await _decisions(tmp_path) == 2
    await here.throttles.purge(before=0.0)
    assert await _decisions(tmp_path) == 2
    time = here._valkey.time

    async def later() -> float:
        return await time() + 3601

    here._valkey.time = later  # type: ignore[method-assign]
    await here.throttles.purge(before=0.0)
    assert await _decisions(tmp_path) == 0
    await database.check()


async def test_logins_of_one_account_do_not_get_in_each_others_way(here: MixedStore, there: MixedStore) -> None:
    """M-45: fifty parallel logins, alternating between two processes, each judged anew until it wins: all are there,
    none twice, and nothing is left pledged."""

    async def log_in(store: MixedStore, number: int) -> None:
        while True:
            account = await store.accounts.get("account-1")
            assert account is not None
            sessions = await store.sessions.of_account("account-1")
            session = builders.session(f"s{number:02}", client_label=str(len(sessions)))
            if await store.write(Swap(account), Add(session), Add(builders.audit_event(f"e{number:02}"))):
                return

    await asyncio.gather(*(log_in((here, there)[number % 2], number) for number in range(50)))
    sessions = await there.sessions.of_account("account-1")
    assert len(sessions) == 51
    labels = sorted(int(session.client_label) for session in sessions if session.id != "session-1")
    assert labels == list(range(1, 51))  # each saw exactly those that went before it
    assert len(await there.audit.page(limit=100)) == 50
    assert await there._valkey.pledges(older=-60.0) == []


async def _decisions(folder: Path) -> int:
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(folder / "ostiary.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM throttles").fetchone()[0])


def _make_old(store: MixedStore) -> None:
    """What is pledged was pledged a minute ago."""
    address = store._valkey.address
    server = valkey.at(address.hosts[0][1])
    for name in server.ask("ZRANGE", f"{address.key_prefix}pledges", 0, -1):
        server.ask("ZINCRBY", f"{address.key_prefix}pledges", -60, name)


@pytest.mark.parametrize("why", ["invalid", "overloaded"])
async def test_what_the_database_refuses_is_given_up_at_once(
    here: MixedStore, opened: Open, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """A value that cannot be stored, or a queue that is full: nothing was done, the pledge is gone with the answer, and
    whoever wants the same session next waits for nobody."""
    there = await opened()
    changes = PASSWORD_CHANGED
    if why == "invalid":
        changes = (Swap(replace(ACCOUNT, display_name="\ud800")), *PASSWORD_CHANGED[1:])
    else:

        async def full(*_: Change, durable: bool = True) -> bool:
            raise Overloaded(private="as a store says it")

        monkeypatch.setattr(here._database, "write", full)
    with pytest.raises(InvalidRequest if why == "invalid" else Overloaded):
        await here.write(*changes)
    assert await here._valkey.pledges(older=-60.0) == []
    assert await there._valkey.try_write(Swap(ENDED), Append(builders.entry("session-1"))) is True
    assert await there.accounts.get(ACCOUNT.id) == ACCOUNT
