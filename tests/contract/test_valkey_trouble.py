"""Valkey under trouble: killed, stopped, standing still, full, wiped, read-only; and what it must never do: lose what
it acknowledged, let its client's errors out, or make anybody wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.servers import valkey
from tests.servers.valkey_groups import reached, until

from ostiary.errors import InvalidRequest, Misconfigured, Unavailable
from ostiary.revocation.entry import LOOK, Cursor
from ostiary.stores.port import Add, Append, Swap
from ostiary.stores.valkey import ValkeyStore
from ostiary.stores.valkey_url import parse
from ostiary.testing import builders

pytestmark = pytest.mark.anyio

SECOND = 1.0
Doing = Callable[[ValkeyStore], Awaitable[object]]
EVERYTHING: dict[str, Doing] = {
    "get": lambda store: store.sessions.get("session-1"),
    "find": lambda store: store.sessions.by_token_digest(b"x"),
    "list": lambda store: store.accounts.page(limit=5),
    "search": lambda store: store.accounts.page_by_email(start="a", limit=5),
    "count": lambda store: store.accounts.count_enabled_admins(),
    "issuer": lambda store: store.issuer(),
    "write": lambda store: store.write(Add(builders.throttle("never"))),
    "touch": lambda store: store.sessions.touch({"session-1": 1.0}),
    "purge": lambda store: store.sessions.purge(before=0.0),
    "probe": lambda store: store.revocations.probe(Cursor(), 10, node="n"),
    "head": lambda store: store.revocations.head(),
    "behind": lambda store: store.revocations.behind(Cursor(), within=1.0),
    "nudge": lambda store: store.revocations.nudge(),
    "leave": lambda store: store.revocations.leave("n"),
    "check": lambda store: store.check(),
}


@pytest.fixture
def server() -> Iterator[valkey.Server]:
    """A server of this test's own, which keeps what it acknowledges."""
    with valkey.server(**valkey.DURABLE) as server:
        yield server


@pytest.fixture
async def store(server: valkey.Server, anyio_backend: str) -> AsyncIterator[ValkeyStore]:
    """One that waits for a machine, and its disk, that have much to do."""
    store = await ValkeyStore.open(server.url(timeout=30))
    assert await store.write(Add(builders.session()))
    yield store
    await store.close()


@pytest.fixture
async def prompt(server: valkey.Server, store: ValkeyStore) -> AsyncIterator[ValkeyStore]:
    """Another one of the same data, with the time-outs that a deployment has."""
    prompt = ValkeyStore(parse(server.url()))
    yield prompt
    await prompt.close()


async def until_it_works(doing: Doing, store: ValkeyStore) -> object:
    """Ask again until it does; half a minute at most."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await doing(store)
            except Unavailable:
                await asyncio.sleep(0.02)


async def refused_in_time(doing: Doing, store: ValkeyStore) -> None:
    """Unavailable, and soon. Whoever waits for ever would hit the time-out; a busy machine is given some room."""
    async with asyncio.timeout(5 * SECOND):
        with pytest.raises(Unavailable) as refused:
            await doing(store)
    assert "valkey" in refused.value.private


async def test_server_that_is_gone_is_unavailable_and_comes_back(server: valkey.Server, store: ValkeyStore) -> None:
    """Whatever is asked of a server that was killed is refused at once; once it is back, everything works, without a
    restart here."""
    server.kill()
    for doing in EVERYTHING.values():
        await refused_in_time(doing, store)
    server.start()
    assert await until_it_works(EVERYTHING["get"], store) == builders.session(revision=1)
    for doing in EVERYTHING.values():
        await doing(store)


async def test_server_that_stands_still_is_given_up(
    server: valkey.Server, store: ValkeyStore, prompt: ValkeyStore
) -> None:
    """Connections that stay open and say nothing: every caller is told within the time-out, however many wait."""
    for doing in EVERYTHING.values():
        await until_it_works(doing, prompt)
    server.pause()
    try:
        began = time.monotonic()
        outcomes = await asyncio.gather(
            *(doing(prompt) for doing in EVERYTHING.values() for _ in range(20)), return_exceptions=True
        )
        took = time.monotonic() - began
    finally:
        server.resume()
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert took < 5 * SECOND
    assert await until_it_works(EVERYTHING["get"], prompt) == builders.session(revision=1)


async def test_who_stood_still_himself_does_not_take_the_server_for_gone(
    store: ValkeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flaw class: a process that was busy with itself, or that the system let wait, for longer than an answer may take,
    gives up what has been answered meanwhile: nobody would know whether it was written."""
    loop, passed = asyncio.get_running_loop(), 0.0
    time, exchange = loop.time, store.lanes.writer._exchange
    monkeypatch.setattr(loop, "time", lambda: time() + passed)

    async def slowly(*arguments: Any) -> Any:
        nonlocal passed
        passed += 600.0
        return await exchange(*arguments)

    monkeypatch.setattr(store.lanes.writer, "_exchange", slowly)
    assert await store.write(Add(builders.throttle("meanwhile")))


async def test_time_out_is_below_a_second() -> None:
    """What a deployment gets that sets nothing: the answer is there before a client has waited a second."""
    assert parse("valkey://h").timeout < SECOND


async def test_restart_loses_nothing_that_was_acknowledged(server: valkey.Server, store: ValkeyStore) -> None:
    """M-05: killed in the middle of eight writers, with the append-only file written always: each acknowledged write
    is there with all of its parts, the log goes on where it was."""
    acknowledged: list[str] = []

    async def write(number: int) -> None:
        for i in range(100_000):
            name = f"{number}-{i}"
            try:
                written = await store.write(
                    Add(builders.session(name)), Append(builders.entry(name)), Add(builders.audit_event(name))
                )
            except Unavailable:
                return
            assert written
            acknowledged.append(name)

    writers = [asyncio.create_task(write(number)) for number in range(8)]
    await reached(acknowledged, 300)
    server.kill()
    await asyncio.gather(*writers)
    server.start()
    before = await until_it_works(lambda store: store.revocations.probe(Cursor(), 100_000), store)
    items = before.items  # type: ignore[attr-defined]
    told = {item.entry.id for item in items}
    events = {event.id for event in await store.audit.page(limit=100_000)}
    assert set(acknowledged) <= told
    assert told == events == {session.id for session in await store.sessions.page(limit=100_000)} - {"session-1"}
    assert await store.write(Append(builders.entry("after")))
    assert (await store.revocations.head()).position > items[-1].position


async def test_wiped_server_has_another_generation(server: valkey.Server, store: ValkeyStore) -> None:
    """Flaw class: a log that was lost looks like one in which nothing was ever revoked."""
    assert await store.write(Append(builders.entry("1")))
    cursor = await store.revocations.head()
    before = await store.revocations.probe(cursor, 10, node="n")
    server.ask("FLUSHALL")
    after = await store.revocations.probe(cursor, 10, node="n")
    assert (before.matches, after.matches) == (True, False)
    assert before.generation != after.generation
    assert await store.revocations.behind(Cursor(), within=600.0) is None  # it does not know of everybody yet
    assert (await store.issuer()).revision == 1
    assert await store.sessions.get("session-1") is None
    assert await store.write(Add(builders.session()))


async def test_full_server_refuses_to_write_and_goes_on_reading(server: valkey.Server, store: ValkeyStore) -> None:
    """Out of memory: nothing half done, nothing evicted; room that is made is used. What only takes things away is
    done all the same."""
    old = builders.throttle("old", last_failure_at=1.0)
    assert await store.write(Add(old))
    server.ask("CONFIG", "SET", "maxmemory", 1)  # byte: less than any server uses
    await refused_in_time(lambda store: store.write(Append(builders.entry("x")), Add(builders.throttle("x"))), store)
    await refused_in_time(EVERYTHING["probe"], store)
    assert await store.sessions.get("session-1") == builders.session(revision=1)
    assert await store.throttles.purge(before=2.0) == 1
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert (await store.revocations.probe(Cursor(), 10)).items == ()
    assert await store.throttles.get("x") is None
    assert await store.write(Append(builders.entry("x")))


async def test_server_whose_disk_fails_takes_no_writes(server: valkey.Server, store: ValkeyStore) -> None:
    """Too few replicas, as well as every other reason for which a server refuses to write, is unavailability."""
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    for name in ("write", "probe", "check", "touch"):
        await refused_in_time(EVERYTHING[name], store)
    assert await store.sessions.get("session-1") == builders.session(revision=1)
    server.ask("CONFIG", "SET", "min-replicas-to-write", "0")
    assert await store.write(Add(builders.throttle()))


async def test_replica_grants_no_lease(server: valkey.Server) -> None:
    """M-30, flaw class: a read that a stale replica can answer renews a lease. A probe is a write."""
    with valkey.server(replicaof=f"127.0.0.1 {server.port}") as replica:
        with pytest.raises(Unavailable):
            await ValkeyStore.open(replica.url(timeout=30))
        store = await ValkeyStore.open(server.url(timeout=30))
        server.ask("WAIT", 1, 10_000)
        store.lanes.log._topology._primary = ("127.0.0.1", replica.port)
        assert await store.revocations.head() == Cursor()
        probe = await store.revocations.probe(Cursor(), 10, node="n")  # refused there, then answered where it belongs
        assert probe.matches
        assert server.ask("ZCARD", f"{store.address.key_prefix}nodes") == 1
        await store.close()


async def test_too_few_replicas_is_not_an_acknowledgement(server: valkey.Server) -> None:
    """With `replicas=1` a change that no replica has is not told as made; once one has it, it is."""
    store = await ValkeyStore.open(server.url(timeout=30))
    await store.close()
    with pytest.raises(Unavailable) as refused:
        await ValkeyStore.open(server.url(timeout=3, replicas=1))  # of which half is for the replicas
    assert "replicas" in refused.value.private
    with valkey.server(replicaof=f"127.0.0.1 {server.port}") as replica:
        await asyncio.to_thread(until, lambda: replica.info("replication")["master_link_status"] == "up")
        store = await ValkeyStore.open(server.url(timeout=30, replicas=1))
        assert await store.write(Add(builders.throttle()))
        assert store.fencing == 0.0
        key = f"{store.address.key_prefix}throttle:throttle-1"
        assert replica.ask("EXISTS", key) == 1  # there before the answer
        await store.close()


async def test_time_to_fence_an_old_primary_is_part_of_the_bound(server: valkey.Server) -> None:
    """M-33: where probes do not wait for replicas, one that was cut off goes on granting leases until it notices."""
    with valkey.server(replicaof=f"127.0.0.1 {server.port}") as replica:
        await asyncio.to_thread(until, lambda: replica.info("replication")["master_link_status"] == "up")
        server.ask("CONFIG", "SET", "min-replicas-to-write", 1, "min-replicas-max-lag", 2)
        store = await ValkeyStore.open(server.url(timeout=30))
        assert store.fencing == 3.0
        await store.close()
    server.ask("CONFIG", "SET", "min-replicas-to-write", 0)


async def test_scripts_that_the_server_forgot_are_sent_again(server: valkey.Server, store: ValkeyStore) -> None:
    """After a restart or a fail-over a server knows no scripts."""
    server.ask("SCRIPT", "FLUSH")
    for doing in EVERYTHING.values():
        await doing(store)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_server_that_may_evict_is_refused(server: valkey.Server, store: ValkeyStore, policy: str) -> None:
    """An evicted revocation would come back to life: the operator is told, at the start and by the readiness check."""
    server.ask("CONFIG", "SET", "maxmemory-policy", policy)
    with pytest.raises(Misconfigured, match="noeviction"):
        await ValkeyStore.open(server.url(timeout=30))
    with pytest.raises(Unavailable):
        await store.check()


async def test_data_of_another_version_is_refused(server: valkey.Server, store: ValkeyStore) -> None:
    """Nobody guesses at a layout."""
    server.ask("SET", f"{store.address.key_prefix}format", "99")
    with pytest.raises(Misconfigured, match="another version"):
        await ValkeyStore.open(server.url(timeout=30))


async def test_record_that_cannot_be_read_is_unavailable(server: valkey.Server, store: ValkeyStore) -> None:
    """Whatever somebody else put under our keys: no foreign error leaves."""
    key = f"{store.address.key_prefix}session:session-1"
    for rubbish in ("", "x", "x" * 40, "\x00" * 60):
        server.ask("SET", key, rubbish)
        with pytest.raises(Unavailable):
            await store.sessions.get("session-1")
    server.ask("DEL", key)
    server.ask("HSET", key, "a", "b")
    with pytest.raises(Unavailable):
        await store.sessions.get("session-1")
    with pytest.raises(Unavailable):
        await store.write(Swap(builders.session(revision=1)))


async def test_entry_that_cannot_be_stored_is_an_invalid_request(store: ValkeyStore) -> None:
    """Numbers beyond 64 bits, instants that are none, ids that are no text."""
    for wrong in ({"value": 2**63}, {"until": float("nan")}, {"until": 10**400}):
        with pytest.raises(InvalidRequest):
            await store.write(Append(builders.entry("x", **wrong)))
    with pytest.raises(InvalidRequest):
        await store.write(Append(builders.entry("\ud800")))
    assert await store.revocations.head() == Cursor()


@pytest.mark.parametrize(
    "record",
    [
        builders.account(username="\ud800"),
        builders.account("\udfff"),
        builders.account(epoch=2**64),
        builders.session(expires_at=float("nan"), idle_lifetime=float("nan")),
        builders.throttle(last_failure_at=float("nan")),
        builders.throttle(revision=2**70),
    ],
    ids=["surrogate in a field", "surrogate in an id", "number", "nan", "nan in an index", "revision"],
)
async def test_what_cannot_be_stored_is_an_invalid_request(store: ValkeyStore, record: object) -> None:
    """And nothing of the write that holds it is done."""
    with pytest.raises(InvalidRequest):
        await store.write(Add(builders.throttle("beside")), Swap(record), Add(record))  # type: ignore[arg-type]
    assert await store.throttles.get("beside") is None


async def test_hints_end_with_the_connection(server: valkey.Server, store: ValkeyStore) -> None:
    """Whoever listens learns that it no longer does, and can listen again."""
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    server.kill()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(anext(hints), 30)
    with pytest.raises(Unavailable):
        await anext(store.revocations.hints())
    server.start()
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    assert await until_it_works(lambda store: store.write(Append(builders.entry("x"))), store)
    assert (await asyncio.wait_for(anext(hints), 30)).entries == (builders.entry("x"),)
    await hints.aclose()  # type: ignore[attr-defined]


async def test_silent_server_is_not_listened_to_for_ever(server: valkey.Server, store: ValkeyStore) -> None:
    """A connection that stays open and says nothing is noticed."""
    hints = store.revocations.hints()
    assert await anext(hints) == LOOK
    server.pause()
    try:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(anext(hints), 30)
    finally:
        server.resume()
