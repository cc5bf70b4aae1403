"""A stolen refresh token: whoever comes second gives the theft away, and the session is over for both (M-43)."""

import json

import pytest
from tests.scenario.world import ON_POSTGRES, Carrier, Device, Server, StartServer, until

from ostiary.domain.audit import Event
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

BEYOND_GRACE = 10.0


async def _all_is_over(server: Server, *holders: Device) -> None:
    for holder in holders:
        assert (await holder.copy().look()).status == 401
        refused = await holder.copy().renew()
        assert (refused.status, refused.code) == (400, "invalid_grant")
    (event,) = await server.events(Event.REFRESH_REUSED)
    assert event.session_id == holders[0].session_id
    assert event.account_id == holders[0].account_id
    assert json.loads(event.detail)["generations_behind"] == 1


@ON_POSTGRES
async def test_the_thief_refreshes_first(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """The owner's next refresh shows the token a second time: the thief's fresh tokens die as well."""
    owner = await server.log_in("alice", renewing)
    thief = owner.copy(ip="203.0.113.9")
    clock.advance(60.0)
    assert (await thief.renew()).status == 200
    assert (await thief.me()).status == 200
    clock.advance(BEYOND_GRACE)

    refused = await owner.renew()

    assert (refused.status, refused.code) == (400, "invalid_grant")
    await _all_is_over(server, owner, thief)


@ON_POSTGRES
async def test_the_owner_refreshes_first(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """The thief's attempt gains nothing, and ends the session before the thief tries something else."""
    owner = await server.log_in("alice", renewing)
    thief = owner.copy(ip="203.0.113.9")
    clock.advance(60.0)
    assert (await owner.renew()).status == 200
    assert (await owner.me()).status == 200
    clock.advance(BEYOND_GRACE)

    refused = await thief.renew()

    assert (refused.status, refused.code) == (400, "invalid_grant")
    await _all_is_over(server, owner, thief)


async def test_owner_and_thief_at_two_servers(start_shared: StartServer, clock: FakeClock, renewing: Carrier) -> None:
    """Each refreshes at a server of its own: the second one is found out there, and both servers refuse both."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        owner = await here.log_in("alice", renewing)
        thief = owner.copy(there, ip="203.0.113.9")
        clock.advance(60.0)
        assert (await thief.renew()).status == 200
        assert (await thief.look()).status == 200
        clock.advance(BEYOND_GRACE)

        refused = await owner.renew()

        assert (refused.status, refused.code) == (400, "invalid_grant")
        assert (await owner.copy().look()).status == 401

        async def refused_there() -> bool:
            return (await thief.copy().look()).status == 401

        await until(refused_there)
        assert (await thief.copy().renew()).code == "invalid_grant"


@ON_POSTGRES
async def test_the_predecessor_after_its_successor_was_rotated(server: Server, renewing: Carrier) -> None:
    """Grace is for the immediate predecessor only, however short ago the older one was current (M-42, M-43)."""
    owner = await server.log_in("alice", renewing)
    thief = owner.copy()
    assert (await owner.renew()).status == 200
    assert (await owner.renew()).status == 200

    assert (await thief.renew()).code == "invalid_grant"

    assert (await owner.look()).status == 401
    (event,) = await server.events(Event.REFRESH_REUSED)
    assert json.loads(event.detail)["generations_behind"] == 2


@ON_POSTGRES
async def test_a_reuse_ends_that_session_only(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """Other devices of the same account were not stolen from."""
    owner = await server.log_in("alice", renewing)
    other = await server.log_in("alice", renewing)
    thief = owner.copy()
    await owner.renew()
    clock.advance(BEYOND_GRACE)

    await thief.renew()

    assert (await owner.look()).status == 401
    assert (await other.me()).status == 200
    assert (await other.renew()).status == 200


@ON_POSTGRES
async def test_a_token_that_was_never_issued_ends_nothing(server: Server, renewing: Carrier) -> None:
    """Only this issuer can make a token that says which session it belongs to: an invented one harms nobody."""
    owner = await server.log_in("alice", renewing)
    prankster = server.device(renewing)
    token = owner.refresh_token
    for position in (10, 40, len(token) - 1):
        changed = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        prankster.refresh = changed

        assert (await prankster.renew()).code == "invalid_grant"

    assert (await owner.renew()).status == 200
    assert not await server.events(Event.REFRESH_REUSED)


@ON_POSTGRES
async def test_a_refresh_token_is_no_access_token(server: Server, renewing: Carrier) -> None:
    """Each credential opens its own door only."""
    owner = await server.log_in("alice", renewing)
    confused = owner.copy()
    confused.cookies.clear()
    confused.access = owner.refresh_token

    assert (await confused.look()).code == "invalid_token"

    confused.refresh = owner.credential
    assert (await confused.renew()).code == "invalid_grant"
    assert (await owner.me()).status == 200
