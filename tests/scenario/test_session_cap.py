"""An account has at most twenty sessions: one more ends the oldest, and says so (M-45)."""

import asyncio
from typing import Any

import pytest
from tests.scenario.world import CARRIERS, ON_POSTGRES, Carrier, Server, StartServer, statuses

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

CAP = 20


async def test_one_more_ends_the_oldest(server: Server, clock: FakeClock, kind: Carrier) -> None:
    """The first that logged in, used or not (M-45). The answer, and the audit trail, tell that one ended."""
    devices = []
    for _ in range(CAP):
        clock.advance(1.0)
        device = server.device(kind)
        assert "ended" not in (await device.log_in("alice")).json
        devices.append(device)
    clock.advance(61.0)
    assert (await devices[0].me()).status == 200
    await server.system.housekeeping.flush()

    reply = await server.device(kind).log_in("alice")

    assert (reply.status, reply.json["ended"], reply.json["bound"]) == (200, 1, 0.0)
    assert (await devices[0].look()).code == "invalid_token"
    assert (await devices[1].me()).status == 200
    assert (await devices[2].me()).status == 200
    (event, *_) = await server.events("session.ended", session_id=devices[0].session_id)
    assert (event.actor, event.detail) == ("system", '{"reason":"too_many_sessions"}')


@ON_POSTGRES
async def test_the_cap_is_exact_under_parallel_logins(server: Server, kind: Carrier) -> None:
    """Fifty logins at once all succeed, and exactly twenty sessions are left."""
    devices = [server.device(kind) for _ in range(50)]

    replies = await asyncio.gather(*(device.log_in("alice") for device in devices))

    assert statuses(list(replies)) == [200] * 50
    alive = [(await device.look()).status for device in devices]
    assert (alive.count(200), alive.count(401)) == (CAP, 30)
    assert len(await server.system.sessions.of_account(devices[0].account_id)) == CAP
    assert sum(reply.json.get("ended", 0) for reply in replies) == 30


@ON_POSTGRES
async def test_logins_that_see_the_same_room_do_not_all_take_it(start: StartServer, kind: Carrier) -> None:
    """Five logins that all count the sessions before any of them adds its own: one place is taken once."""
    async with start(max_sessions=1) as server:
        account = await server.account("alice")
        store: Any = server.store
        standing, together, left = store.standing, asyncio.Barrier(5), 5

        async def counted_together(account_id: str) -> Any:
            nonlocal left
            found = await standing(account_id)
            if left > 0:
                left -= 1
                await together.wait()
            return found

        store.standing = counted_together

        replies = await asyncio.gather(*(server.device(kind).log_in("alice") for _ in range(5)))

        assert statuses(list(replies)) == [200] * 5
        assert len(await store.sessions.of_account(account.id)) == 1


async def test_the_cap_is_exact_over_two_servers(start_shared: StartServer) -> None:
    """The same on two processes with one store."""
    choices = {"max_sessions": 5, "login_free_failures": 20}
    async with start_shared(**choices) as here, start_shared(**choices) as there:
        await here.account("alice")
        devices = [server.device(CARRIERS[0]) for _ in range(10) for server in (here, there)]

        replies = await asyncio.gather(*(device.log_in("alice") for device in devices))

        assert statuses(list(replies)) == [200] * 20
        assert len(await here.system.sessions.of_account(devices[0].account_id)) == 5


async def test_each_account_has_its_own(start: StartServer, kind: Carrier) -> None:
    """Nobody else's logins end mine."""
    async with start(max_sessions=1) as server:
        for name in ("alice", "bob"):
            await server.account(name)
        alice = await server.log_in("alice", kind)
        for _ in range(3):
            await server.log_in("bob", kind)

        assert (await alice.me()).status == 200


async def test_expired_sessions_do_not_count(start: StartServer, clock: FakeClock) -> None:
    """A login ends nobody to make room that is there."""
    async with start(max_sessions=1) as server:
        await server.account("alice")
        await server.log_in("alice", CARRIERS[0])
        clock.advance(1800.0)

        assert "ended" not in (await server.device(CARRIERS[0]).log_in("alice")).json
