"""Two tabs, one refresh token: parallel renewals all succeed and leave exactly one refresh token alive (M-42)."""

import asyncio

import pytest
from tests.scenario.world import ON_POSTGRES, WITH_REFRESH_TOKENS, Carrier, Device, Reply, Server, StartServer, statuses

from ostiary.domain.audit import Event
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

GRACE = 10.0
TABS = 50
RACERS = (WITH_REFRESH_TOKENS[0], WITH_REFRESH_TOKENS[4])
"""One whose tokens travel in the body, one whose tokens travel in cookies."""


async def _race(tabs: list[Device]) -> list[Reply]:
    return list(await asyncio.gather(*(tab.renew() for tab in tabs)))


async def _exactly_one_lives(first: Device, tabs: list[Device], clock: FakeClock) -> None:
    """Every tab works and holds the same successor; the former token is a stranger after the window."""
    assert len({tab.refresh_token for tab in tabs}) == 1
    assert tabs[0].refresh_token != first.refresh_token
    for tab in tabs[:10]:
        assert (await tab.copy().me()).status == 200
    session = await first.server.store.sessions.get(first.session_id)
    assert session is not None
    assert session.refresh is not None
    assert session.refresh.generation == 1
    clock.advance(GRACE)
    assert (await tabs[-1].copy().renew()).status == 200  # the one that lives, once
    assert not await first.server.events(Event.REFRESH_REUSED)


async def test_a_tab_that_renews_again_costs_one_write(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """M-40: what the last refresh saw is not looked up for the next: the write finds out whether it still holds."""
    phone = await server.log_in("alice", Carrier("stateful", "bearer"))
    assert (await phone.renew()).status == 200

    async def not_asked(session_id: str) -> None:
        raise AssertionError(session_id)

    for part in (server.store.sessions, server.store.accounts):
        monkeypatch.setattr(part, "get", not_asked)
    assert (await phone.renew()).status == 200
    assert (await phone.renew()).status == 200


@ON_POSTGRES
@pytest.mark.parametrize("renewing", RACERS, ids=str)
async def test_fifty_tabs_at_once(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """All fifty renewals succeed with the same successor, whichever won."""
    first = await server.log_in("alice", renewing)
    tabs = [first.copy() for _ in range(TABS)]

    assert statuses(await _race(tabs)) == [200] * TABS

    await _exactly_one_lives(first, tabs, clock)


@pytest.mark.parametrize("renewing", RACERS, ids=str)
async def test_fifty_tabs_over_two_servers(start_shared: StartServer, clock: FakeClock, renewing: Carrier) -> None:
    """The same, where every other tab is answered by another process on the same store."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        first = await here.log_in("alice", renewing)
        tabs = [first.copy(server) for _ in range(TABS // 2) for server in (here, there)]

        assert statuses(await _race(tabs)) == [200] * TABS

        await _exactly_one_lives(first, tabs, clock)


@pytest.mark.parametrize("renewing", RACERS, ids=str)
async def test_as_many_tabs_as_one_session_may_refresh(start: StartServer, renewing: Carrier) -> None:
    """A renewal that lost its race and was judged again is still one renewal to the rate limit."""
    async with start(refreshes_per_minute=TABS) as server:
        await server.account("alice")
        first = await server.log_in("alice", renewing)

        assert statuses(await _race([first.copy() for _ in range(TABS)])) == [200] * TABS

        over = await first.copy().renew()
        assert over.status == 429
        assert int(over.headers["retry-after"]) > 0


@pytest.mark.parametrize("renewing", RACERS, ids=str)
async def test_the_rate_limit_lets_go_after_a_minute(start: StartServer, clock: FakeClock, renewing: Carrier) -> None:
    """A client that renews in a loop is slowed down, not logged out."""
    async with start(refreshes_per_minute=3) as server:
        await server.account("alice")
        device = await server.log_in("alice", renewing)
        assert [(await device.renew()).status for _ in range(4)] == [200, 200, 200, 429]
        clock.advance(59.9)
        assert (await device.renew()).status == 429
        clock.advance(0.1)

        assert (await device.renew()).status == 200


async def test_a_lost_answer_can_be_asked_for_again(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """Just inside the grace window the predecessor gets the very same successor, and nobody is a thief."""
    device = await server.log_in("alice", renewing)
    retry = device.copy()
    await device.renew()
    clock.advance(GRACE - 0.001)

    assert (await retry.renew()).status == 200

    assert retry.refresh_token == device.refresh_token
    assert (await retry.me()).status == 200
    assert not await server.events(Event.REFRESH_REUSED)


async def test_grace_ends_at_its_very_instant(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """The window is half-open: at its end the predecessor counts as stolen (M-43)."""
    device = await server.log_in("alice", renewing)
    retry = device.copy()
    await device.renew()
    clock.advance(GRACE)

    assert (await retry.renew()).code == "invalid_grant"

    assert (await device.look()).status == 401


async def test_asking_again_does_not_prolong_the_window(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """The window counts from the rotation, not from the last time that somebody used it."""
    device = await server.log_in("alice", renewing)
    retry = device.copy()
    await device.renew()
    clock.advance(6.0)
    assert (await retry.copy().renew()).status == 200
    clock.advance(4.0)

    assert (await retry.copy().renew()).status == 400
