"""Attempts that nobody judged count for nothing, those that are given up count once, and a hash is made once."""

import asyncio
import hashlib
from base64 import b64encode
from contextlib import AsyncExitStack

import pytest
from tests.scenario.world import PASSWORD, Device, Reply, Server, StartServer, statuses

from ostiary.domain.account import USER
from ostiary.domain.throttle import Throttle
from ostiary.errors import Overloaded, Unavailable
from ostiary.passwords import Verdict
from ostiary.services.accounts import NewAccount
from ostiary.stores.port import Add, Change, Swap
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

ON_EVERY_STORE = pytest.mark.parametrize(
    "store_name", ["memory", "sqlite", "postgres", "valkey", "mixed"], indirect=True
)
WRONG = "not the password"


async def _guess(server: Server, username: str = "alice", *, ip: str = "127.0.0.1") -> Reply:
    return await server.device(ip=ip).log_in(username, WRONG)


def _full_every(server: Server, monkeypatch: pytest.MonkeyPatch, often: int, error: type[Exception]) -> list[int]:
    """Of so many passwords that are to be looked at, the hashes have room for one; how many were looked at, and how
    many were not."""
    verify, seen = server.hasher.verify, [0, 0]

    async def sometimes(stored: str | None, password: str) -> Verdict:
        if sum(seen) % often:
            seen[1] += 1
            await asyncio.sleep(0)
            raise error
        seen[0] += 1
        return await verify(stored, password)

    monkeypatch.setattr(server.hasher, "verify", sometimes)
    return seen


async def _failures(server: Server, counter: str) -> tuple[int, float]:
    found = await server.store.throttles.get(counter)
    return (found.failures, found.last_failure_at) if found is not None else (0, 0.0)


def _account_counter(server: Server) -> str:
    return server.system.throttling._counters.account_id("alice")


@ON_EVERY_STORE
@pytest.mark.parametrize("error", [Overloaded, Unavailable])
async def test_what_nobody_looked_at_is_no_attempt(
    server: Server, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """A password for which the hashes have no room is 503, and neither the account nor the network is any nearer to its
    limit: afterwards as many are looked at as ever, also of a burst."""
    with monkeypatch.context() as patch:
        seen = _full_every(server, patch, 10**6, error)
        seen[0] = 1
        replies = await asyncio.gather(*(_guess(server) for _ in range(40)))
        assert statuses(list(replies)) == [503] * 40
        assert seen[1] == 40
    assert (await _failures(server, _account_counter(server)))[0] == 0
    assert (await _failures(server, "network:127.0.0.0/24"))[0] == 0

    replies = await asyncio.gather(*(_guess(server) for _ in range(20)))
    assert sorted(statuses(list(replies))) == [401] * 5 + [429] * 15


async def test_a_full_queue_is_known_before_anything_is_counted(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is no room for a hash, a login, or a proof, writes nothing at all, however many come: whoever fills
    the queue does not fill the store's as well."""
    async with start_on_file() as server, start_on_file():
        await server.account("alice")
        device = await server.log_in("alice")

        def full() -> None:
            raise Overloaded

        monkeypatch.setattr(server.hasher._pool, "check_room", full)
        write, written = server.store.write, []

        async def noted(*changes: Change, durable: bool = True) -> bool:
            written.extend(changes)
            return await write(*changes, durable=durable)

        monkeypatch.setattr(server.store, "write", noted)
        replies = await asyncio.gather(*(_guess(server) for _ in range(40)), device.prove(WRONG))

    assert statuses(list(replies)) == [503] * 41
    assert written == []


@ON_EVERY_STORE
async def test_of_a_burst_what_was_looked_at_is_counted_exactly(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the hashes have room for some, exactly the free attempts are looked at, whoever was turned away between."""
    seen = _full_every(server, monkeypatch, 3, Overloaded)

    replies = await asyncio.gather(*(_guess(server) for _ in range(40)))

    answered = statuses(list(replies))
    assert answered.count(401) == seen[0] == 5
    assert answered.count(503) == seen[1]
    assert (await _failures(server, _account_counter(server)))[0] == 5
    assert (await _failures(server, "network:127.0.0.0/24"))[0] == 5


async def test_of_a_burst_over_two_servers_too(start_shared: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes turn away and judge at the same time: five looks, five failures."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        seen = [_full_every(server, monkeypatch, 3, Overloaded) for server in (here, there)]

        replies = await asyncio.gather(*(_guess(server) for _ in range(15) for server in (here, there)))

        answered = statuses(list(replies))
        assert answered.count(401) == seen[0][0] + seen[1][0] == 5
        assert answered.count(503) == seen[0][1] + seen[1][1]
        assert (await _failures(here, _account_counter(here)))[0] == 5


@ON_EVERY_STORE
async def test_who_was_turned_away_waits_no_longer(
    server: Server, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a wait there is a single attempt: if nobody looked at it, it is still there, and the next wait is the one
    that would have come; it does not forgive what was counted before."""
    for _ in range(5):
        assert (await _guess(server)).status == 401
    for wait in (1, 2, 4):
        clock.advance(wait)
        before = await _failures(server, _account_counter(server))
        with monkeypatch.context() as patch:
            _full_every(server, patch, 10**6, Overloaded)[0] = 1
            assert statuses([await _guess(server) for _ in range(3)]) == [503] * 3
        assert await _failures(server, _account_counter(server)) == before
        assert (await _guess(server)).status == 401
        refused = await _guess(server)
        assert (refused.status, refused.json["retry_after"]) == (429, 2 * wait)


@ON_EVERY_STORE
async def test_a_proof_that_nobody_looked_at_is_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the password that is proven within a session."""
    device = await server.log_in()
    with monkeypatch.context() as patch:
        _full_every(server, patch, 10**6, Overloaded)[0] = 1
        assert statuses([await device.prove(WRONG) for _ in range(8)]) == [503] * 8
    assert statuses([await device.prove(WRONG) for _ in range(6)]) == [403] * 5 + [429]


def _giving_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, attempt: list["asyncio.Task[Reply]"], *, when: str
) -> list[int]:
    """Cancel the attempt at its writes of counters: before they are carried out, or when they are but are not told of
    yet. How many there were."""
    write, seen = server.store.write, [0]

    async def given_up(*changes: Change, durable: bool = True) -> bool:
        if not any(isinstance(change, Add | Swap) and isinstance(change.record, Throttle) for change in changes):
            return await write(*changes, durable=durable)
        seen[0] += 1
        if when == "before":
            attempt[0].cancel()
            await asyncio.sleep(0)
        written = await write(*changes, durable=durable)
        if when == "after":
            attempt[0].cancel()
            await asyncio.sleep(0)
        return written

    monkeypatch.setattr(server.store, "write", given_up)
    return seen


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared"])
async def test_a_wrong_attempt_given_up_while_it_is_written_counts_once(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch, alone: bool, when: str
) -> None:
    """Whoever goes away while the count of a wrong password is written has had one try, not two and not none."""
    async with start_on_file() as server, AsyncExitStack() as others:
        await server.account("alice")
        if not alone:
            await others.enter_async_context(start_on_file())
        for number in range(1, 4):
            attempt: list[asyncio.Task[Reply]] = []
            with monkeypatch.context() as patch:
                seen = _giving_up(server, patch, attempt, when=when)
                attempt.append(asyncio.create_task(_guess(server)))
                await asyncio.gather(attempt[0], return_exceptions=True)
            assert attempt[0].cancelled()
            assert seen[0] >= 1
            assert (await _failures(server, _account_counter(server)))[0] == number
            assert (await _failures(server, "network:127.0.0.0/24"))[0] == number
        assert statuses([await _guess(server) for _ in range(3)]) == [401] * 2 + [429]


@pytest.mark.parametrize("when", ["before", "after"])
@ON_EVERY_STORE
async def test_on_every_store(server: Server, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """As on a file, so on every store, and what is left of it holds nobody up."""
    attempt: list[asyncio.Task[Reply]] = []
    with monkeypatch.context() as patch:
        _giving_up(server, patch, attempt, when=when)
        attempt.append(asyncio.create_task(_guess(server)))
        await asyncio.gather(attempt[0], return_exceptions=True)
    assert (await _failures(server, _account_counter(server)))[0] == 1
    assert server.system.throttling._gates == {}
    marked = await server.store.throttles.get("under way: " + _account_counter(server))
    assert marked is None or marked.failures == 0
    assert statuses([await _guess(server) for _ in range(5)]) == [401] * 4 + [429]


async def test_an_attempt_that_is_given_up_again_and_again_counts_once(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it waits for its turn to be counted: whoever cancels twice gets no free look."""
    async with start_on_file() as server:
        await server.account("alice")
        asked = asyncio.Event()

        async def never(_stored: str | None, _password: str) -> Verdict:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

        with monkeypatch.context() as patch:
            patch.setattr(server.hasher, "verify", never)
            attempt = asyncio.create_task(_guess(server))
            await asked.wait()
            gate = server.system.throttling._gates[_account_counter(server)]
            async with gate.lock:  # somebody else's turn
                for _ in range(5):
                    attempt.cancel()
                    await asyncio.sleep(0)
                assert not attempt.done()
            await asyncio.gather(attempt, return_exceptions=True)
        assert attempt.cancelled()
        assert (await _failures(server, _account_counter(server)))[0] == 1


def _imported(password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", 1000)
    return f"pbkdf2_sha256$1000$salt${b64encode(digest).decode()}"


async def _import(server: Server) -> None:
    new = NewAccount(username="imported", roles=(USER,), password_hash=_imported(PASSWORD))
    assert await server.system.accounts.add_hashed([new], actor="cli") == [True]


@ON_EVERY_STORE
async def test_a_password_is_hashed_anew_once(server: Server) -> None:
    """The first login with an imported hash computes that hash and the new one, and no third; the second login only the
    new one. A wrong password costs one hash before and after."""
    await _import(server)
    computed = []
    for password in (WRONG, PASSWORD, PASSWORD, WRONG):
        before = server.hasher.computed
        reply = await server.device().log_in("imported", password)
        computed.append((reply.status, server.hasher.computed - before))

    assert computed == [(401, 1), (200, 2), (200, 1), (401, 1)]
    kept = await server.store.accounts.by_username("imported")
    assert kept is not None
    assert kept.password_hash.startswith("$argon2id-hmac-sha256$")


async def test_parallel_first_logins_with_an_imported_hash_all_succeed(server: Server) -> None:
    """Whoever loses the race to keep the password anew is let in by what the winner kept."""
    await _import(server)
    devices: list[Device] = [server.device() for _ in range(8)]
    replies = await asyncio.gather(*(device.log_in("imported") for device in devices))
    assert statuses(list(replies)) == [200] * 8
    assert statuses([await device.me() for device in devices]) == [200] * 8


async def test_no_room_to_hash_anew_is_no_reason_to_refuse(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password was right: the login succeeds, and the next one tries to keep it anew."""
    await _import(server)

    async def full(_password: str) -> str:
        raise Overloaded

    with monkeypatch.context() as patch:
        patch.setattr(server.hasher, "hash", full)
        assert (await server.device().log_in("imported")).status == 200
    kept = await server.store.accounts.by_username("imported")
    assert kept is not None
    assert kept.password_hash == _imported(PASSWORD)
    assert (await server.device().log_in("imported")).status == 200
    kept = await server.store.accounts.by_username("imported")
    assert kept is not None
    assert kept.password_hash != _imported(PASSWORD)
