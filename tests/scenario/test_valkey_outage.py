"""Valkey goes away while people are logged in, and comes back: nobody is logged out, and nobody is let in unchecked."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.world import ISSUER, Carrier, Server, running, until
from tests.servers import valkey

from ostiary.domain.account import ADMIN
from ostiary.settings import Settings
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

LEASE = 2.0
SOON = 5.0
"""Seconds, on a machine that is busy otherwise; the default time-out of the store itself is below one."""


@pytest.fixture
def backend() -> Any:
    """A Valkey of this test's own, which keeps what it acknowledges."""
    with valkey.server(**valkey.DURABLE) as server:
        yield server


@pytest.fixture(params=["valkey", "mixed"])
async def server(
    request: pytest.FixtureRequest, backend: valkey.Server, clock: FakeClock, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[Server]:
    """Everything in Valkey, or accounts in SQLite."""
    places = {"database": f"sqlite:///{tmp_path / 'accounts.db'}"} if request.param == "mixed" else {}
    settings = Settings(issuer=ISSUER, valkey=backend.url(), secret_key=b"0123456789abcdef" * 2, **places)
    async with running(settings, clock) as server:
        await server.account("alice")
        yield server


async def test_store_that_is_gone_is_503_and_its_return_needs_no_restart(
    server: Server, backend: valkey.Server, clock: FakeClock, kind: Carrier
) -> None:
    """While the lease lasts a known session goes on; then it is 503 with Retry-After and never 401; a login is 503
    within a second. When the store is back, the same credential and a new login work."""
    phone = await server.log_in("alice", kind)
    assert (await phone.look()).status == 200

    await asyncio.to_thread(backend.kill)

    assert (await phone.look()).status == 200
    clock.advance(LEASE)
    for attempt in (phone.look, lambda: server.device(kind).log_in("alice")):
        began = time.monotonic()
        reply = await attempt()
        assert time.monotonic() - began < SOON
        assert (reply.status, reply.code) == (503, "unavailable")
        assert int(reply.headers["retry-after"]) >= 1

    await asyncio.to_thread(backend.start)

    async def works() -> bool:
        return (await phone.look()).status == 200

    await until(works)
    assert (await (await server.log_in("alice", kind)).look()).status == 200


async def test_nothing_that_was_ended_comes_back_with_it(
    server: Server, backend: valkey.Server, clock: FakeClock, kind: Carrier
) -> None:
    """What was answered before the crash is true after it, on a node that starts then (M-06)."""
    phone = await server.log_in("alice", kind)
    other = await server.log_in("alice", kind)
    assert (await phone.copy().log_out()).status == 200

    await asyncio.to_thread(backend.kill)
    await asyncio.to_thread(backend.start)

    async with running(server.auth.settings, clock) as fresh:
        assert (await phone.copy(fresh).look()).status == 401
        assert (await other.copy(fresh).look()).status == 200


async def test_store_that_was_wiped_logs_everybody_out(
    server: Server, backend: valkey.Server, clock: FakeClock, kind: Carrier
) -> None:
    """M-30: the log is another one, so nothing that was issued before counts any more, not even what needs no look-up;
    where accounts are elsewhere, people log in again."""
    phone = await server.log_in("alice", kind)
    assert (await phone.look()).status == 200

    backend.ask("FLUSHALL")

    async def refused() -> bool:
        clock.advance(LEASE)
        return (await phone.copy().look()).status == 401

    await until(refused)
    if server.auth.settings.all_in_valkey:
        await server.account("alice")
    again = await server.log_in("alice", kind)
    assert (await again.look()).status == 200
    assert (await phone.copy().look()).status == 401


async def test_readiness_names_the_store(server: Server, backend: valkey.Server) -> None:
    """A load balancer that asks learns it."""
    await server.account("root", ADMIN)
    assert (await server.device().get("/readyz", credential=False)).status == 200
    await asyncio.to_thread(backend.kill)
    reply = await server.device().get("/readyz", credential=False)
    assert reply.status == 503
    assert "store" in reply.content.decode()
