"""A laptop is closed and opened again: what is still logged in, to the very instant, and after a restart."""

import pytest
from tests.scenario.world import CARRIERS, WITH_REFRESH_TOKENS, Carrier, Server, StartServer

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

IDLE = 1800.0
ABSOLUTE = 43_200.0
REMEMBERED = 2_592_000.0
REFRESH_IDLE = 604_800.0
REFRESH_ABSOLUTE = 2_592_000.0
SESSIONS = CARRIERS[:2]


@pytest.mark.parametrize("carrier", SESSIONS, ids=str)
async def test_an_idle_session_ends_at_its_instant(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """Just before the idle lifetime has passed it is live, at that very instant it is not."""
    laptop = await server.log_in("alice", carrier)
    clock.advance(IDLE - 0.001)
    assert (await laptop.me()).status == 200  # and is no longer idle
    clock.advance(IDLE - 0.001)
    assert (await laptop.me()).status == 200
    clock.advance(IDLE)

    assert (await laptop.look()).code == "invalid_token"


@pytest.mark.parametrize("carrier", SESSIONS, ids=str)
async def test_a_short_idle_lifetime_ends_what_was_just_recognised(
    start: StartServer, clock: FakeClock, carrier: Carrier
) -> None:
    """Also where the process still remembers the credential, to the same instant."""
    async with start(session_idle_lifetime=20) as server:
        await server.account("alice")
        laptop = await server.log_in("alice", carrier)
        for _ in range(3):
            clock.advance(19.999)
            assert (await laptop.look()).status == 200
        clock.advance(20.0)

        assert (await laptop.look()).code == "invalid_token"
        assert (await laptop.look()).code == "invalid_token"


@pytest.mark.parametrize("carrier", SESSIONS, ids=str)
async def test_use_does_not_prolong_a_session_beyond_its_end(
    server: Server, clock: FakeClock, carrier: Carrier
) -> None:
    """Used every few minutes, it still ends twelve hours after the login, half-open."""
    laptop = await server.log_in("alice", carrier)
    for _ in range(int(ABSOLUTE // 900) - 1):
        clock.advance(900.0)
        assert (await laptop.me()).status == 200
    clock.advance(899.999)
    assert (await laptop.me()).status == 200
    clock.advance(0.001)

    assert (await laptop.look()).status == 401


@pytest.mark.parametrize("carrier", SESSIONS, ids=str)
async def test_a_remembered_session_may_lie_idle(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """`remember` makes it last for thirty days, used or not, and the cookie says so (M-08)."""
    laptop = server.device(carrier)
    reply = await laptop.log_in("alice", remember=True)
    lines = [line for line in reply.headers.get_list("set-cookie") if "ostiary_session" in line]
    assert all(f"Max-Age={int(REMEMBERED)}" in line for line in lines)
    assert bool(lines) is carrier.is_browser
    clock.advance(REMEMBERED - 0.001)
    assert (await laptop.me()).status == 200
    clock.advance(0.001)

    assert (await laptop.look()).status == 401


async def test_a_refresh_token_dies_unused_at_its_instant(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """A week without a refresh ends it; each refresh begins the week anew."""
    laptop = await server.log_in("alice", renewing)
    for _ in range(2):
        clock.advance(REFRESH_IDLE - 0.001)
        assert (await laptop.renew()).status == 200
    clock.advance(REFRESH_IDLE)

    assert (await laptop.renew()).code == "invalid_grant"
    assert (await laptop.look()).status == 401


@pytest.mark.parametrize("carrier", WITH_REFRESH_TOKENS[::3], ids=str)
async def test_refreshing_ends_a_month_after_the_login(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """However often it was refreshed, and no access token outlives its session."""
    laptop = await server.log_in("alice", carrier)
    for _ in range(5):
        clock.advance(REFRESH_IDLE - 86_400.0 * 2)
        assert (await laptop.renew()).status == 200
    clock.advance(REFRESH_ABSOLUTE - 5 * (REFRESH_IDLE - 86_400.0 * 2) - 100.0)
    renewed = await laptop.renew()
    assert (renewed.json["expires_in"], renewed.json["refresh_expires_in"]) == (100, 100)
    clock.advance(99.999)
    assert (await laptop.copy().me()).status == 200
    clock.advance(0.001)

    assert (await laptop.look()).status == 401
    assert (await laptop.renew()).code == "invalid_grant"


@pytest.mark.parametrize("carrier", SESSIONS, ids=str)
async def test_idle_is_told_across_a_restart(start_on_file: StartServer, clock: FakeClock, carrier: Carrier) -> None:
    """What was used shortly before a restart is not idle after it, and what was idle is not revived by it."""
    async with start_on_file() as server:
        await server.account("alice")
        used = await server.log_in("alice", carrier)
        idle = await server.log_in("alice", carrier)
        clock.advance(1000.0)
        assert (await used.me()).status == 200
    clock.advance(1000.0)

    async with start_on_file() as restarted:
        assert (await used.copy(restarted).me()).status == 200
        assert (await idle.copy(restarted).look()).status == 401
        clock.advance(IDLE)
        assert (await used.copy(restarted).look()).status == 401


@pytest.mark.parametrize("carrier", SESSIONS, ids=str)
async def test_use_on_one_server_keeps_it_live_on_the_other(
    start_on_file: StartServer, clock: FakeClock, carrier: Carrier
) -> None:
    """The store is told of use at most once a minute: what the other process saw counts within that minute."""
    async with start_on_file() as here, start_on_file() as there:
        await here.account("alice")
        laptop = await here.log_in("alice", carrier)
        assert (await laptop.copy(there).me()).status == 200
        for _ in range(3):
            clock.advance(IDLE - 60.0)
            assert (await laptop.me()).status == 200
            await here.system.housekeeping.flush()
        clock.advance(IDLE - 60.0)

        assert (await laptop.copy(there).me()).status == 200


async def test_a_session_list_shows_when_each_was_seen(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """The device card is as fresh as the last request, although the store is told of it only now and then."""
    laptop = await server.log_in("alice", carrier)
    clock.advance(30.0)
    assert (await laptop.me()).status == 200

    (row,) = (await laptop.get("/v1/sessions")).json["sessions"]

    assert row["last_seen_at"] == "2027-01-15T08:00:30.000Z"


@pytest.mark.parametrize("carrier", CARRIERS, ids=str)
async def test_a_corrected_clock_revives_nothing(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """The machine's time is set back by an hour: what was ended stays ended (no wall clock decides a revocation)."""
    laptop = await server.log_in("alice", carrier)
    kept = laptop.copy()
    await laptop.log_out()
    clock.set_wall(clock.wall - 3600.0)

    assert (await kept.look()).status == 401
