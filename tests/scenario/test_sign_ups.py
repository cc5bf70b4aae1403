"""Programs that sign up: so many of one network, so many altogether, exactly, for all nodes of every store."""

import asyncio

import pytest
from tests.scenario.world import PASSWORD, Reply, Server, StartServer, statuses

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


async def _sign_up(server: Server, name: str, *, ip: str, password: str = PASSWORD) -> Reply:
    return await server.device(ip=ip).post("/v1/accounts", {"username": name, "password": password}, credential=False)


async def test_a_burst_at_two_nodes_gets_as_many_as_one_after_the_other(
    start_shared: StartServer, clock: FakeClock
) -> None:
    """Of 24 at once exactly 5 get in, and whoever does not is told for how long; a restart forgives nothing, and an
    hour does."""
    limits = {"address_signups": 5, "signup_hard_limit": 8}
    async with start_shared(**limits) as one, start_shared(**limits) as two:
        replies = await asyncio.gather(
            *(_sign_up((one, two)[at % 2], f"a{at}", ip=f"203.0.113.{at}") for at in range(24))
        )
        assert sorted(statuses(list(replies))) == [201] * 5 + [429] * 19
        refused = next(reply for reply in replies if reply.status == 429)
        assert (refused.code, refused.headers["retry-after"]) == ("too_many_attempts", "3600")
        made = await one.store.accounts.page(limit=100)
        assert len(made) == 5
    clock.advance(600.0)
    async with start_shared(**limits) as again:
        refused = await _sign_up(again, "b", ip="203.0.113.77")
        assert (refused.status, refused.headers["retry-after"]) == (429, "3000")
        others = [await _sign_up(again, f"c{at}", ip=f"198.51.100.{at}") for at in range(4)]
        assert statuses(others) == [201, 201, 201, 429]  # 8 altogether: the hard stop
        clock.advance(3000.0)
        assert (await _sign_up(again, "b", ip="203.0.113.77")).status == 201


@pytest.mark.parametrize("store_name", ["memory"], indirect=True)
async def test_what_counts(start: StartServer) -> None:
    """Neither a password that would not do nor the server's own machine; a name that is taken does, so that names are
    not asked for without end. Who is refused costs no hash."""
    async with start(address_signups=3) as server:
        away = "203.0.113.7"
        assert (await _sign_up(server, "a", ip=away, password="short")).status == 422
        assert (await _sign_up(server, "a b", ip=away)).status == 422
        assert statuses([await _sign_up(server, name, ip=away) for name in "aab"]) == [201, 409, 201]
        before = server.hasher.computed
        assert statuses([await _sign_up(server, name, ip=away) for name in "ac"]) == [429, 429]
        assert server.hasher.computed == before
        for at in range(20):
            assert (await _sign_up(server, f"here{at}", ip="127.0.0.1")).status == 201
        assert (await _sign_up(server, "d", ip="203.0.114.7")).status == 201


@pytest.mark.parametrize("store_name", ["memory"], indirect=True)
async def test_the_page_says_so(start: StartServer) -> None:
    """The form is shown again, with 429 and the reason."""
    async with start(address_signups=1) as server:
        device = server.device(ip="203.0.113.7")
        form = {"username": "ann", "password": PASSWORD}
        assert (await device.send("POST", "/signup", form=form)).status == 303
        refused = await device.send("POST", "/signup", form=form | {"username": "bob"})
        assert (refused.status, refused.headers["retry-after"]) == (429, "3600")
        assert b"Too many attempts" in refused.content
        assert b'value="bob"' in refused.content


@pytest.mark.parametrize("store_name", ["memory"], indirect=True)
async def test_the_defaults_are_out_of_reach_of_people(start: StartServer) -> None:
    """Two hundred of one company in one go, and more of this machine."""
    async with start() as server:
        for ip in ("203.0.113.7", "127.0.0.1"):
            replies = [await _sign_up(server, f"p{at}-{ip}", ip=ip) for at in range(200)]
            assert set(statuses(replies)) == {201}
