"""Guessing passwords: so many free tries, then waits that double, exactly, also for those who guess in parallel."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio
import pytest
from tests.scenario.world import (
    CARRIERS,
    DEVICE_COOKIE,
    ON_POSTGRES,
    OTHER_PASSWORD,
    PASSWORD,
    Device,
    Reply,
    Server,
    StartServer,
    statuses,
    until,
)

from ostiary import limits
from ostiary.domain.session import Session
from ostiary.passwords import Verdict
from ostiary.stores.port import Add, Change, Swap
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

WRONG = "not the password"


async def _guess(server: Server, username: str = "alice", *, ip: str = "127.0.0.1") -> Reply:
    return await server.device(ip=ip).log_in(username, WRONG)


def _from_everywhere(number: int) -> str:
    """An address in a network of its own."""
    return f"198.{18 + number // 256}.{number % 256}.7"


async def test_five_are_free_then_waits_double(server: Server, clock: FakeClock) -> None:
    """1, 2, 4, 8 ... seconds, each counted from the last failure, half-open (NIST 800-63B-4 section 3.2.2)."""
    for _ in range(5):
        assert (await _guess(server)).code == "invalid_credentials"
    for wait in (1, 2, 4, 8, 16):
        refused = await _guess(server)
        assert (refused.status, refused.code, refused.json["retry_after"]) == (429, "too_many_attempts", wait)
        assert refused.headers["retry-after"] == str(wait)
        clock.advance(wait - 0.001)
        assert (await _guess(server)).status == 429
        clock.advance(0.001)
        assert (await _guess(server)).status == 401


async def test_while_it_waits_even_the_right_password_is_not_looked_at(server: Server, clock: FakeClock) -> None:
    """A refused attempt costs no hash and tells nothing; after the wait the owner gets in and all is forgiven."""
    for _ in range(5):
        await _guess(server)
    before = server.hasher.computed

    assert (await server.device().log_in("alice", PASSWORD)).status == 429

    assert server.hasher.computed == before
    clock.advance(1.0)
    assert (await server.device().log_in("alice", PASSWORD)).status == 200
    assert statuses([await _guess(server) for _ in range(6)]) == [401] * 5 + [429]


async def test_the_longest_wait_is_bounded(server: Server, clock: FakeClock) -> None:
    """`login_max_delay`: fifteen minutes, however many failures there were."""
    for number in range(16):
        await _guess(server, ip=_from_everywhere(number))
        clock.advance(900.0)
    for number in range(16, 20):
        assert (await _guess(server, ip=_from_everywhere(number))).status == 401
        assert (await _guess(server, ip=_from_everywhere(number))).json["retry_after"] == 900
        clock.advance(900.0)


@ON_POSTGRES
@pytest.mark.parametrize("spread", [False, True], ids=["one address", "many networks"])
async def test_a_parallel_burst_gets_exactly_the_free_attempts(server: Server, spread: bool) -> None:
    """Fifty guesses at once are worth as much as fifty one after the other: five looks at the password."""
    before = server.hasher.computed

    replies = await asyncio.gather(
        *(_guess(server, ip=_from_everywhere(number) if spread else "127.0.0.1") for number in range(50))
    )

    assert sorted(statuses(list(replies))) == [401] * 5 + [429] * 45
    assert server.hasher.computed - before == 5


@ON_POSTGRES
async def test_a_parallel_burst_after_a_wait_gets_one(server: Server, clock: FakeClock) -> None:
    """The single attempt after a wait is single."""
    for _ in range(5):
        await _guess(server)
    for wait in (1.0, 2.0, 4.0):
        clock.advance(wait)
        before = server.hasher.computed
        replies = await asyncio.gather(*(_guess(server) for _ in range(50)))
        assert sorted(statuses(list(replies))) == [401] + [429] * 49
        assert server.hasher.computed - before == 1


async def test_the_right_password_within_a_burst_buys_no_further_guesses(server: Server) -> None:
    """Of guesses sent together with a right login, no more are looked at than the free ones, again and again."""
    before = server.hasher.computed
    rights = [server.device() for _ in range(5)]

    replies = await asyncio.gather(
        *(_guess(server) for _ in range(45)), *(device.log_in("alice", PASSWORD) for device in rights)
    )

    looked_at_wrong = statuses(list(replies)).count(401)
    looked_at_right = statuses(list(replies)).count(200)
    assert server.hasher.computed - before == looked_at_wrong + looked_at_right
    assert looked_at_wrong <= 5 * (1 + looked_at_right)


async def test_a_burst_over_two_servers_is_counted_once(start_shared: StartServer, clock: FakeClock) -> None:
    """Two processes on one store share the counters: together no more looks than one of them alone."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        before = here.hasher.computed + there.hasher.computed

        replies = await asyncio.gather(*(_guess(server) for _ in range(25) for server in (here, there)))

        assert sorted(statuses(list(replies))) == [401] * 5 + [429] * 45
        assert here.hasher.computed + there.hasher.computed - before == 5


async def test_an_account_that_does_not_exist_is_throttled_the_same(server: Server, clock: FakeClock) -> None:
    """Otherwise the throttle would tell which accounts exist."""
    for name in ("alice", "nobody", "not a\tname", "x" * 500):
        seen = [await _guess(server, name, ip=_from_everywhere(len(name))) for _ in range(6)]
        assert statuses(seen) == [401] * 5 + [429], name


async def test_a_name_in_other_letters_is_the_same_account(server: Server) -> None:
    """The counter belongs to the normal form: writing it differently gives no further tries."""
    names = ["alice", "ALICE", "Alice", "aLiCe", "ａｌｉｃｅ", " alice "]

    seen = [await _guess(server, name) for name in names]

    assert sum(reply.status == 401 for reply in seen[:5]) == 5
    assert seen[5].status in (401, 429)
    assert (await _guess(server)).status == 429


async def test_hard_stop_at_a_hundred(server: Server, clock: FakeClock) -> None:
    """From then on waiting does not help, not even for the right password: only somebody in charge does."""
    for number in range(100):
        assert (await _guess(server, ip=_from_everywhere(number))).status == 401
        clock.advance(900.0)
    clock.advance(7 * 86_400.0)
    before = server.hasher.computed

    refused = await server.device().log_in("alice", PASSWORD)

    assert (refused.status, refused.json["retry_after"]) == (429, 3600)
    assert server.hasher.computed == before
    root = await server.admin()
    account = await server.system.accounts.find("alice")
    assert (await root.patch(f"/v1/admin/accounts/{account.id}", {"disabled": False})).status == 200
    assert (await server.device().log_in("alice", PASSWORD)).status == 200


async def test_a_reset_lifts_the_hard_stop(start: StartServer) -> None:
    """So does a new password, set by somebody in charge."""
    async with start(login_hard_limit=5) as server:
        account = await server.account("alice")
        for _ in range(5):
            await _guess(server)
        assert (await server.device().log_in("alice", PASSWORD)).json["retry_after"] == 3600

        await server.system.password_changes.reset(account.id, OTHER_PASSWORD, actor="cli")

        assert (await server.device().log_in("alice", OTHER_PASSWORD)).status == 200


async def test_the_owner_is_never_locked_out_of_a_known_device(server: Server, clock: FakeClock) -> None:
    """However hard somebody hammers the account, a browser that has logged in before still gets in at once."""
    browser = await server.log_in("alice", CARRIERS[0])
    await browser.log_out()
    assert DEVICE_COOKIE in browser.cookies
    for number in range(100):
        await _guess(server, ip=_from_everywhere(number))
        clock.advance(900.0)
    assert (await server.device().log_in("alice", PASSWORD)).status == 429

    assert (await browser.log_in("alice", PASSWORD)).status == 200


async def test_a_known_device_has_a_counter_of_its_own(server: Server, clock: FakeClock) -> None:
    """Whoever stole the mark guesses no faster for it, without a hard stop and without harm to the other devices."""
    thief = await server.log_in("alice", CARRIERS[0])
    await thief.log_out()
    seen = [await thief.log_in("alice", WRONG) for _ in range(6)]
    assert statuses(seen) == [401] * 5 + [429]
    assert (await server.device().log_in("alice", PASSWORD)).status == 200
    for _ in range(110):
        clock.advance(900.0)
        assert (await thief.log_in("alice", WRONG)).status == 401
    clock.advance(900.0)

    assert (await thief.log_in("alice", PASSWORD)).status == 200


async def test_a_mark_counts_for_its_own_account_only(server: Server) -> None:
    """Somebody else's device mark, or an altered one, is no mark."""
    await server.account("mallory")
    mallory = await server.log_in("mallory", CARRIERS[0])
    await mallory.log_out()
    for _ in range(5):
        await _guess(server)

    assert (await mallory.log_in("alice", PASSWORD)).status == 429


async def test_a_network_runs_out_of_attempts(server: Server, clock: FakeClock) -> None:
    """Thirty failures in ten minutes from one /24, whatever accounts they were for; the network beside it is free."""
    for number in range(30):
        assert (await _guess(server, f"user{number}", ip=f"203.0.113.{number}")).status == 401
    refused = await _guess(server, "somebody", ip="203.0.113.200")
    assert (refused.status, refused.json["retry_after"]) == (429, 600)
    assert (await server.device(ip="203.0.113.1").log_in("alice")).status == 429
    assert (await _guess(server, "somebody", ip="203.0.114.1")).status == 401
    clock.advance(599.999)
    assert (await _guess(server, "somebody", ip="203.0.113.200")).status == 429
    clock.advance(0.001)

    assert (await server.device(ip="203.0.113.1").log_in("alice")).status == 200


async def test_a_burst_from_one_network_is_counted_exactly(server: Server) -> None:
    """Fifty guesses at once at fifty accounts from one network: thirty are looked at."""
    before = server.hasher.computed

    replies = await asyncio.gather(*(_guess(server, f"user{number}", ip="203.0.113.5") for number in range(50)))

    assert sorted(statuses(list(replies))) == [401] * 30 + [429] * 20
    assert server.hasher.computed - before == 30


@pytest.mark.parametrize("one_account", [True, False], ids=["one account", "an office"])
async def test_honest_parallel_logins_all_succeed(start: StartServer, one_account: bool) -> None:
    """Fifty right passwords at once, to one account or from one office: nobody is taken for a guesser."""
    async with start(max_sessions=60) as server:
        names = ["alice"] * 50 if one_account else [f"worker{number}" for number in range(50)]
        for name in dict.fromkeys(names):
            await server.account(name)
        devices: list[Device] = [server.device() for _ in names]

        replies = await asyncio.gather(*(device.log_in(name) for device, name in zip(devices, names, strict=True)))

        assert statuses(list(replies)) == [200] * 50
        assert statuses([await _guess(server, names[0]) for _ in range(6)]) == [401] * 5 + [429]


async def test_honest_parallel_logins_over_two_servers(start_shared: StartServer) -> None:
    """Right passwords at once at two processes, more than there are free places: each waits for the other's attempts,
    nobody is taken for a guesser, and afterwards a guesser has as many tries as ever."""
    async with start_shared(max_sessions=60) as here, start_shared(max_sessions=60) as there:
        await here.account("alice")
        devices = [server.device() for _ in range(10) for server in (here, there)]

        replies = await asyncio.gather(*(device.log_in("alice") for device in devices))

        assert statuses(list(replies)) == [200] * 20
        guesses = [await _guess(server) for _ in range(3) for server in (here, there)]
        assert statuses(guesses) == [401] * 5 + [429]


def _holding_hashes(server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """The first is set once a password is about to be looked at; none is before the second is set."""
    asked, go = asyncio.Event(), asyncio.Event()
    verify = server.hasher.verify

    async def held(stored: str | None, password: str) -> Verdict:
        asked.set()
        await go.wait()
        return await verify(stored, password)

    monkeypatch.setattr(server.hasher, "verify", held)
    return asked, go


@pytest.mark.parametrize("password", [WRONG, PASSWORD], ids=["wrong", "right"])
async def test_a_server_that_comes_while_an_attempt_is_under_way(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """The only server counts in its memory what it has not answered. Another one that starts meanwhile does not see
    that; but if all places are gone by then, nothing is told of the attempt, not even whether it was right."""
    async with start_on_file() as here:
        await here.account("alice")
        asked, go = _holding_hashes(here, monkeypatch)
        attempt = asyncio.create_task(here.device().log_in("alice", password))
        await asked.wait()
        async with start_on_file() as there:
            assert statuses([await _guess(there) for _ in range(5)]) == [401] * 5
            go.set()
            assert (await attempt).status == 429
            assert (await _guess(there)).status == 429


async def test_a_server_that_comes_leaves_places_to_what_is_under_way(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there are places, an attempt from before the other server's start gets one, and is counted for both."""
    async with start_on_file() as here:
        await here.account("alice")
        asked, go = _holding_hashes(here, monkeypatch)
        attempt = asyncio.create_task(_guess(here))
        await asked.wait()
        async with start_on_file() as there:
            assert statuses([await _guess(there) for _ in range(4)]) == [401] * 4
            go.set()
            assert (await attempt).status == 401
            assert statuses([await _guess(server) for server in (here, there)]) == [429] * 2


async def test_a_server_that_was_alone_waits_for_what_is_under_way_elsewhere(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first login since another server came finds all places taken by honest ones there: it is not refused."""
    async with start_on_file() as here:
        await here.account("alice")
        await here.log_in("alice")
        async with start_on_file() as there:
            asked, go = _holding_hashes(there, monkeypatch)
            honest = [asyncio.create_task(there.device().log_in("alice")) for _ in range(5)]
            await asked.wait()
            await until(lambda: _are_under_way(here, 5))
            one_more = asyncio.create_task(here.device().log_in("alice"))
            await asyncio.wait([one_more], timeout=0.2)
            go.set()
            assert statuses([await one_more, *[await one for one in honest]]) == [200] * 6


async def _are_under_way(server: Server, number: int) -> bool:
    name = "under way: " + server.system.throttling._counters.account_id("alice")
    mark = await server.store.throttles.get(name)
    return mark is not None and mark.failures == number


async def test_an_attempt_that_is_given_up_stays_counted(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever goes away before the answer has had a try all the same, also for a server that starts later."""
    async with start_on_file() as server:
        await server.account("alice")
        asked, go = _holding_hashes(server, monkeypatch)
        for _ in range(5):
            asked.clear()
            attempt = asyncio.create_task(_guess(server))
            await asked.wait()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
        go.set()
        assert (await _guess(server)).status == 429
    async with start_on_file() as server:
        assert (await _guess(server)).status == 429


async def test_attempts_of_a_server_that_died_hold_nobody_up(start_on_file: StartServer, clock: FakeClock) -> None:
    """What a process said of its attempts counts for as long as one can take: then a guesser is refused as ever."""
    async with start_on_file() as here, start_on_file():
        await here.account("alice")
        for _ in range(5):
            await _guess(here)
        store = here.system.store
        mark = await store.throttles.get("under way: " + here.system.throttling._counters.account_id("alice"))
        assert mark is not None
        assert await store.write(Swap(replace(mark, failures=3)))
        waiting = asyncio.create_task(_guess(here))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        assert await store.write(Swap(replace(mark, failures=3, last_failure_at=0.0, revision=mark.revision + 1)))
        assert (await waiting).status == 429


async def test_nothing_is_left_of_attempts_that_are_over(server: Server) -> None:
    """The gates in memory are gone with their attempts, whatever became of these (flaw class: memory that grows)."""
    await asyncio.gather(*(_guess(server, f"user{number % 7}") for number in range(50)))
    given_up = asyncio.create_task(server.device().log_in("alice"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)

    assert server.system.throttling._gates == {}


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "shared"])
async def test_attempts_whose_host_cancels_them_again_and_again_hold_nobody_up(
    start_on_file: StartServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """A scope of anyio, as a host's time limit is one, cancels whatever its tasks wait for until they have ended, also
    while an attempt that is given up waits for its turn to be counted; who waits for its place gets an answer."""
    async with start_on_file() as here, AsyncExitStack() as others:
        await here.account("alice")
        if not alone:
            await others.enter_async_context(start_on_file())
        asked, go = _holding_hashes(here, monkeypatch)
        async with anyio.create_task_group() as given_up:
            for _ in range(5):
                asked.clear()
                given_up.start_soon(_guess, here)
                await asked.wait()
            waiting = asyncio.create_task(_guess(here))
            await asyncio.sleep(0)
            given_up.cancel_scope.cancel()
        go.set()
        clock.advance(limits.ATTEMPT_SECONDS)  # for the other server they are under way for no longer than that
        answer = await asyncio.wait_for(waiting, 60)
        assert answer.status in (401, 429)
        assert here.system.throttling._gates == {}


@pytest.mark.parametrize("password", [WRONG, PASSWORD], ids=["wrong", "right"])
async def test_a_server_that_comes_while_a_password_is_proven_again(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Of a proof within a session, too, nothing is told if all places are gone by then."""
    async with start_on_file() as here:
        await here.account("alice")
        device = await here.log_in()
        asked, go = _holding_hashes(here, monkeypatch)
        attempt = asyncio.create_task(device.prove(password))
        await asked.wait()
        async with start_on_file() as there:
            assert statuses([await device.copy(there).prove(WRONG) for _ in range(5)]) == [403] * 5
            go.set()
            assert (await attempt).status == 429
            assert (await device.copy(there).prove(WRONG)).status == 429


async def test_a_right_password_given_up_while_it_is_written_is_forgiven_once(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can take failures of others off their network's counter by going away from logins of their own."""
    async with start_on_file() as here, start_on_file():
        await here.account("alice")
        await here.account("bob")
        for _ in range(4):
            await _guess(here, "bob", ip="198.18.1.7")
        store = here.system.store
        write = store.write

        async def given_up(*changes: Change, durable: bool = True) -> bool:
            written = asyncio.ensure_future(write(*changes, durable=durable))
            if any(isinstance(change, Add) and isinstance(change.record, Session) for change in changes):
                await asyncio.sleep(0)  # it is on its way
                login.cancel()
            return await written

        monkeypatch.setattr(store, "write", given_up)
        login = asyncio.create_task(here.device(ip="198.18.1.7").log_in("alice"))
        await asyncio.gather(login, return_exceptions=True)
        assert login.cancelled()
        network = await store.throttles.get("network:198.18.1.0/24")
        assert network is not None
        assert network.failures == 4
