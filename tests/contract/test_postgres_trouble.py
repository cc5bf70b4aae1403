"""PostgreSQL under trouble: killed, restarted, frozen, a standby, a standby that nobody waits for any more."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.servers.postgres import Cluster, cluster, folder

from ostiary.errors import InvalidRequest, Unavailable
from ostiary.revocation.entry import LOOK, Cursor
from ostiary.stores.port import Add, Append
from ostiary.stores.postgres import PostgresStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """One that waits for its disk, and that these tests may kill."""
    with cluster(wal_level="replica", max_wal_senders=4, hot_standby="on") as made:
        yield made


_names = itertools.count()


async def until(happened: Callable[[], bool]) -> None:
    """Wait for it, a minute at most; it may ask the server."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(happened):  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0.002)


async def drain(hints: AsyncIterator[object]) -> None:
    """Hear them to their end, which only trouble brings."""
    async for _ in hints:
        pass


@pytest.fixture
def url(server: Cluster) -> str:
    return server.url(schema=f"trouble_{next(_names)}", pool_size=6)


@pytest.fixture
async def store(url: str, anyio_backend: str) -> AsyncIterator[PostgresStore]:
    made = await PostgresStore.open(url)
    yield made
    await made.close()


def asked(store: PostgresStore) -> dict[str, Callable[[], Awaitable[object]]]:
    """One of everything that a node asks."""
    return {
        "look-up": lambda: store.sessions.get("x"),
        "by digest": lambda: store.sessions.by_token_digest(b"x"),
        "listing": lambda: store.accounts.page(limit=3),
        "issuer": store.issuer,
        "write": lambda: store.write(Add(builders.throttle(f"t{next(_names)}"))),
        "check": store.check,
        "probe": lambda: store.revocations.probe(Cursor(), 10, node="n"),
        "head": store.revocations.head,
        "purge": lambda: store.throttles.purge(before=0.0),
        "touch": lambda: store.sessions.touch({"x": 1.0}),
    }


async def works(store: PostgresStore, name: str) -> None:
    """Everything does again, in the same process."""
    for ask in asked(store).values():
        await ask()
    assert await store.write(Add(builders.account(name)), Append(builders.entry(name)))
    assert await store.accounts.get(name) is not None


async def test_nothing_acknowledged_is_lost_when_it_is_killed(server: Cluster, store: PostgresStore) -> None:
    """M-05: killed again and again under load, it holds every acknowledged write, and no half of any; each time the
    same open store goes on by itself."""
    acknowledged: set[str] = set()

    async def write_until(stop: asyncio.Event, name: str) -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            one = f"{name}-{number}"
            try:
                done = await store.write(
                    Add(builders.session(one)), Append(builders.entry(one)), Add(builders.audit_event(one))
                )
            except Unavailable:
                await asyncio.sleep(0.001)  # nobody knows what became of it
                continue
            assert done
            acknowledged.add(one)

    for life, enough in enumerate((20, 200, 60)):
        stop, before = asyncio.Event(), len(acknowledged)
        writers = [asyncio.create_task(write_until(stop, f"life{life}-{at}")) for at in range(8)]
        await until(lambda: len(acknowledged) >= before + enough)  # noqa: B023 - it is awaited here
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        seen = len(acknowledged)
        await until(lambda: len(acknowledged) >= seen + 8)  # noqa: B023 - as above
        stop.set()
        await asyncio.gather(*writers)

    sessions: set[str] = set()
    while page := await store.sessions.page(after=max(sessions, default=""), limit=1000):
        sessions.update(session.id for session in page)
    entries, cursor = list[str](), Cursor()
    while True:
        probe = await store.revocations.probe(cursor, 1000)
        assert probe.matches
        entries += [item.entry.id for item in probe.items]
        if probe.complete:
            break
        cursor = Cursor(position=probe.items[-1].position, nonce=probe.items[-1].nonce)
    assert acknowledged <= sessions
    assert sessions == set(entries)
    assert len(entries) == len(set(entries))


async def test_a_restart_is_survived(server: Cluster, store: PostgresStore) -> None:
    """While it is down everything is `unavailable`; when it is up again everything works, and hints are heard."""
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    await works(store, "before")
    server.stop()
    for name, ask in asked(store).items():
        with pytest.raises(Unavailable) as caught:
            await ask()
        assert str(server.port) not in str(caught.value), name
        assert caught.value.retry_after >= 1
    with pytest.raises(Unavailable):
        await drain(hints)
    server.start()
    await works(store, "after")
    again = store.revocations.hints()
    assert await anext(again) == LOOK
    assert await store.write(Append(builders.entry("told")))
    assert (await anext(again)).entries == (builders.entry("told"),)
    await again.aclose()  # type: ignore[attr-defined]


async def test_silence_is_noticed(server: Cluster, store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flaw class: a machine that is frozen or cut off closes no connection, and whoever asks it waits. Here the longest
    time of a statement is not waited for: a second question, which gets no answer either, decides."""
    await works(store, "before")
    tries, run = list[object](), store._pools.quick.run

    async def counted(job: Any) -> Any:
        tries.append(job)
        return await run(job)

    with server.frozen():
        with monkeypatch.context() as patched:
            patched.setattr(store._pools.quick, "run", counted)
            with pytest.raises(Unavailable):
                await store.sessions.by_token_digest(b"x")
        assert len(tries) == 1  # asking again would take the second that is promised
        together = await asyncio.gather(*(ask() for ask in asked(store).values()), return_exceptions=True)
        for name, outcome in zip(asked(store), together, strict=True):
            assert isinstance(outcome, Unavailable), (name, outcome)
        alone = await asyncio.gather(store.sessions.get("x"), return_exceptions=True)
        assert isinstance(alone[0], Unavailable)
    await works(store, "after")


async def test_slowness_is_waited_for(server: Cluster, store: PostgresStore, url: str) -> None:
    """A write that waits for somebody's lock far longer than most is not given up while the server answers."""
    await works(store, "before")
    schema = url.partition("schema=")[2].partition("&")[0]
    session = await store._pools.slow._connect()
    try:
        async with session.transaction():
            await session.execute(f"LOCK TABLE {schema}.throttles IN EXCLUSIVE MODE")
            waiting = asyncio.create_task(store.write(Add(builders.throttle("patient"))))
            watch = store._watch
            await until(lambda: watch._asking is not None)  # it was found to be late, and the server was asked
            assert not waiting.done()
        assert await waiting is True
    finally:
        await session.close()


async def test_a_standby_gives_no_lease(server: Cluster, url: str, store: PostgresStore) -> None:
    """M-30: what cannot commit cannot say that nothing was revoked; of several servers the primary is found."""
    await works(store, "before")
    with folder() as path:
        standby = Cluster(path, hot_standby="on")
        standby.copy_of(server)
        standby.start()
        try:
            query = url.partition("?")[2]
            replica = await PostgresStore.open(f"{standby.url()}?{query}", migrate=False)
            for name in ("write", "check", "probe", "purge"):
                with pytest.raises(Unavailable):
                    await asked(replica)[name]()
            with pytest.raises(Unavailable):
                await replica.revocations.probe(Cursor(), 10)
            await replica.close()
            both = f"postgresql://postgres@127.0.0.1:{standby.port},127.0.0.1:{server.port}/postgres?{query}"
            primary = await PostgresStore.open(both)
            await works(primary, "found")
            await primary.close()
        finally:
            standby.stop("immediate")


@pytest.mark.parametrize("what", ["write", "probe"])
async def test_a_wait_for_the_standby_that_was_cut_short_is_no_success(
    server: Cluster, store: PostgresStore, what: str
) -> None:
    """Flaw class: PostgreSQL commits on the primary alone when the wait for its standby is cancelled, says that all is
    well and adds a warning. A fail-over would lose it."""
    await works(store, "before")
    server.sql(
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    )
    try:
        await until(lambda: server.sql("SHOW synchronous_standby_names") == "nobody")
        waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        asking = asyncio.create_task(asked(store)[what]())  # type: ignore[arg-type]
        await until(lambda: server.sql(f"SELECT count(*) {waits}") != "0")
        assert not asking.done()
        server.sql(f"SELECT pg_cancel_backend(pid) {waits}")
        with pytest.raises(Unavailable) as caught:
            await asking
        assert "warned" in caught.value.private
    finally:
        server.sql("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    await until(lambda: server.sql("SHOW synchronous_standby_names") == "")
    await works(store, "after")


async def test_full_connections_are_unavailable(store: PostgresStore, server: Cluster) -> None:
    """A server that takes no more connections says so, and that is all that callers learn."""
    server.sql("CREATE ROLE narrow LOGIN CONNECTION LIMIT 0")
    try:
        with pytest.raises(Unavailable) as caught:
            await PostgresStore.open(server.url(user="narrow"))
        assert "narrow" not in str(caught.value)
    finally:
        server.sql("DROP ROLE narrow")
    with pytest.raises(InvalidRequest):
        await store.write(Add(builders.account("a\0b")))
