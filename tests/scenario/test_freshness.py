"""What a route does without a lease is the route's choice: ask, deny, accept for a while; or ask at every request."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from tests.scenario.test_two_servers import LEASE, Cut, _cut
from tests.scenario.world import ISSUER, Carrier, Device, Server, StartServer

from ostiary import limits, stale
from ostiary.errors import Misconfigured
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


async def _visit(server: Server, device: Device, freshness: Any) -> httpx2.Response:
    app = server.auth.protect(PlainTextResponse("in"), freshness=freshness)
    headers: Mapping[str, str]
    if device.access is not None:
        headers = {"Authorization": f"Bearer {device.access}"}
    else:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in device.cookies.items())}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ISSUER) as client:
        return await client.get("/", headers=headers)


async def test_without_a_lease_each_route_does_what_it_says(start_on_file: StartServer, kind: Carrier) -> None:
    """The feed is cut: `ask` and `deny` are 503 with Retry-After and never 401, `stale` accepts up to its age."""
    async with start_on_file() as here:
        here.auth._stale = 30.0
        async with start_on_file(clock=FakeClock()) as there:
            there.auth._stale = 30.0
            await here.account("alice")
            phone = await here.log_in("alice", kind)
            assert (await _visit(there, phone, "ask")).status_code == 200
            cut = await _cut(there, asks_on_schedule=False)  # so that nobody else gets it a lease meanwhile
            there.clock.monotonic = there.system.context.replica.lease_until

            for freshness in ("ask", "deny", "fresh"):
                refused = await _visit(there, phone, freshness)
                assert refused.status_code == 503, freshness
                assert int(refused.headers["retry-after"]) >= 1
            asked = cut.asked
            assert (await _visit(there, phone, "deny")).status_code == 503
            assert (await _visit(there, phone, stale(30))).status_code == 200
            assert cut.asked == asked
            there.clock.advance(30 - LEASE)
            assert (await _visit(there, phone, stale(30))).status_code == 503

            cut.is_cut = False
            assert (await _visit(there, phone, "deny")).status_code == 503
            assert (await _visit(there, phone, stale(30))).status_code == 200
            assert (await _visit(there, phone, "deny")).status_code == 200


async def test_a_fresh_route_refuses_at_once_what_ended_elsewhere(start_on_file: StartServer, kind: Carrier) -> None:
    """Bound 0, lease or not (M-30): no hint has to have arrived."""
    async with start_on_file() as here, start_on_file(clock=FakeClock()) as there:
        await here.account("alice")
        for _ in range(5):
            phone = await here.log_in("alice", kind)
            kept = phone.copy()
            assert (await _visit(there, phone, "fresh")).status_code == 200
            await phone.log_out()
            assert (await _visit(there, kept, "fresh")).status_code == 401


async def test_fresh_requests_share_their_questions(start_on_file: StartServer, kind: Carrier) -> None:
    """A hundred at once ask a few times, and none of them joins a question that was already under way."""
    async with start_on_file() as server:
        await server.account("alice")
        phone = await server.log_in("alice", kind)
        source = await _cut(server, asks_on_schedule=False)
        source.is_cut = False

        replies = await asyncio.gather(*(_visit(server, phone, "fresh") for _ in range(100)))

        assert {reply.status_code for reply in replies} == {200}
        assert source.asked <= 10


async def test_a_log_that_hangs_costs_a_request_no_more_than_its_patience(
    start_on_file: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ask` gives up after its own patience, long before the probe itself does."""
    monkeypatch.setattr(limits, "ASK_SECONDS", 0.01)
    async with start_on_file(lease=3600.0) as server:
        await server.account("alice")
        phone = await server.log_in("alice")

        class Hanging(Cut):
            async def probe(self, *arguments: Any, **more: Any) -> Any:
                await asyncio.Event().wait()

        server.system.feed._source = Hanging(server.system.feed._source)
        server.clock.monotonic = server.system.context.replica.lease_until
        async with asyncio.timeout(5):  # the probe's own patience
            assert (await _visit(server, phone, "ask")).status_code == 503


async def test_stale_routes_count_into_the_bound(start_on_file: StartServer) -> None:
    """A server that accepts by what is 30 seconds old says so, to every server of its store (M-33)."""
    async with start_on_file() as here:
        other = start_on_file()
        async with other as there:
            await there.auth.stop()
            there.auth.protect(PlainTextResponse("in"), freshness=stale(30))
            await there.auth.start()
            await here.account("alice")
            phone = await here.log_in("alice")
            assert (await phone.log_out()).json["bound"] == 30.0
            with pytest.raises(Misconfigured):
                there.auth.protect(PlainTextResponse("in"), freshness=stale(31))


@pytest.mark.parametrize(
    "nonsense", ["", "Fresh", "stale", None, 30, stale(0), stale(-1), stale(1e9), stale(float("nan"))]
)
async def test_nonsense_is_refused_when_the_route_is_made(start_on_file: StartServer, nonsense: Any) -> None:
    """Not at the first request."""
    async with start_on_file() as server:
        with pytest.raises(Misconfigured):
            server.auth.protect(PlainTextResponse("in"), freshness=nonsense)
        with pytest.raises(Misconfigured):
            server.auth.require(freshness=nonsense)


@pytest.mark.parametrize(
    "demand",
    [{"fresh": wrong} for wrong in ("text", "300", 0, -1, True, float("nan"), float("inf"), (300,))]
    + [{"role": wrong} for wrong in ("", 1, ["admin"], ("admin", "user"))],
    ids=repr,
)
async def test_a_demand_that_nobody_can_be_measured_by_is_refused_when_the_route_is_made(
    start_on_file: StartServer, demand: dict[str, Any]
) -> None:
    """Neither an error at the first request, nor a route that lets everybody in (`nan`) or nobody (M-30)."""
    async with start_on_file() as server:
        with pytest.raises(Misconfigured):
            server.auth.protect(PlainTextResponse("in"), **demand)
        with pytest.raises(Misconfigured):
            server.auth.require(**demand)
