"""A machine's time is set while passwords are guessed: nobody guesses without end, nobody is shut out for long."""

import asyncio
from dataclasses import replace

import pytest
from tests.scenario.world import PASSWORD, Reply, Server, StartServer, statuses

from ostiary.stores.port import Swap
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

DAY = 86_400.0


async def _guess(server: Server, username: str = "alice", *, ip: str = "198.51.100.7") -> Reply:
    return await server.device(ip=ip).log_in(username, "not the password")


@pytest.mark.parametrize("back", [61.0, 3600.0, 3650 * DAY])
async def test_a_clock_that_is_set_back_shuts_no_owner_out(server: Server, clock: FakeClock, back: float) -> None:
    """What was noted by a clock that was ahead is no reason to wait for that clock's time to come again."""
    for number in range(9):
        clock.advance(900.0)
        assert (await _guess(server, ip=f"198.18.{number}.1")).status == 401
    clock.set_wall(clock.wall - back)

    assert (await server.device().log_in("alice", PASSWORD)).status == 200


@pytest.mark.parametrize("step", [-3600.0, -3650 * DAY, 3600.0])
async def test_each_setting_of_the_clock_is_worth_one_attempt(server: Server, clock: FakeClock, step: float) -> None:
    """An account whose waits the clock has lost gets a single attempt, also of a burst, and the next wait is as long as
    the failures in a row say: those are not lost."""
    for _ in range(5):
        await _guess(server)
    for number in range(1, 6):
        clock.set_wall(clock.wall + step)
        replies = await asyncio.gather(*(_guess(server, ip=f"198.18.{number}.1") for _ in range(12)))
        assert sorted(statuses(list(replies))) == [401] + [429] * 11
        assert {reply.json["retry_after"] for reply in replies if reply.status == 429} == {2**number}


async def test_setting_the_clock_lifts_no_hard_stop(start: StartServer, clock: FakeClock) -> None:
    """So many failures in a row are the end, whatever the clock says."""
    async with start(login_hard_limit=8) as server:
        await server.account("alice")
        answered = []
        for number in range(20):
            answered += [(await _guess(server, ip=f"198.18.{number}.1")).status for _ in range(3)]
            clock.set_wall(clock.wall + (-DAY if number % 2 else DAY * 2))
        assert answered.count(401) == 8
        assert (await server.device().log_in("alice", PASSWORD)).json["retry_after"] == 3600


@pytest.mark.parametrize("step", [-600.0, -3600.0, -3650 * DAY, 600.0, DAY])
async def test_each_setting_of_the_clock_is_worth_one_window(server: Server, clock: FakeClock, step: float) -> None:
    """A network that has used up its attempts gets those of one window, no more, and is not shut out until the clock is
    where it was."""
    for number in range(30):
        assert (await _guess(server, f"user{number}")).status == 401
    assert (await _guess(server, "somebody")).status == 429
    clock.set_wall(clock.wall + step)

    replies = [await _guess(server, f"other{number}") for number in range(35)]

    assert statuses(replies) == [401] * 30 + [429] * 5
    assert all(reply.json["retry_after"] <= 600 for reply in replies[30:])


async def test_a_small_correction_opens_no_window(server: Server, clock: FakeClock) -> None:
    """Within a window the clock's corrections neither lift the limit nor prolong it by more than themselves."""
    for number in range(30):
        await _guess(server, f"user{number}")
    clock.set_wall(clock.wall - 59.0)
    refused = await _guess(server, "somebody")
    assert (refused.status, refused.json["retry_after"]) == (429, 659)


async def test_attempts_under_way_by_a_clock_that_was_ahead_hold_nobody_up(
    start_on_file: StartServer, clock: FakeClock
) -> None:
    """A process that died noted its attempts at a time that will not come again for days: nobody waits for them."""
    async with start_on_file() as here, start_on_file():
        await here.account("alice")
        for _ in range(5):
            await _guess(here)
        account = here.system.throttling._counters.account_id("alice")
        marks = [await here.store.throttles.get(f"under way: {name}") for name in (account, "network:198.51.100.0/24")]
        ahead = [replace(mark, failures=3, last_failure_at=clock.wall + DAY) for mark in marks if mark is not None]
        assert len(ahead) == 2
        assert await here.store.write(*map(Swap, ahead))
        assert (await asyncio.wait_for(_guess(here), 30)).status == 429
