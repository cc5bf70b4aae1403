"""The database goes away and comes back: nobody is logged out, nothing is accepted that may have been ended."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.scenario.world import ISSUER, PASSWORD, Carrier, Server, running
from tests.servers.postgres import Cluster, cluster

from ostiary.settings import Settings
from ostiary.stores.postgres import pool
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio
LEASE = 2.0


@pytest.fixture
def mortal() -> Iterator[Cluster]:
    """One that a story may kill."""
    with cluster() as server:
        yield server


def _settings(server: Cluster, schema: str) -> Settings:
    return Settings(database=server.url(schema=schema), issuer=ISSUER, secret_key=b"0123456789abcdef" * 2)


async def _says_that_it_does_not_know(server: Server, path: str = "/v1/login") -> None:
    reply = await server.device().post(path, {"username": "alice", "password": PASSWORD}, credential=False)
    assert (reply.status, reply.code) == (503, "unavailable")
    assert int(reply.headers["retry-after"]) >= 1


async def test_a_killed_database_logs_nobody_out(
    mortal: Cluster, clock: FakeClock, kind: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-05: known credentials go on for the lease, then 503 and never 401; what needs the database is 503 with
    Retry-After; when it is back, the same process goes on, and what was ended before is ended still."""
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 30.0)  # who is gone refuses at once; who is slow is only slow
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 30.0)
    async with running(_settings(mortal, f"lost_{kind.kind}"), clock) as server:
        await server.account("alice")
        phone, ended = await server.log_in("alice", kind), await server.log_in("alice", kind)
        assert (await phone.look()).status == 200
        assert (await ended.copy().log_out()).status == 200
        await asyncio.to_thread(mortal.kill)

        assert (await phone.look()).status == 200
        await _says_that_it_does_not_know(server)
        if kind.renews:
            assert (await phone.copy().renew()).status == 503
        clock.advance(LEASE)
        refused = await phone.look()
        assert (refused.status, refused.code) == (503, "unavailable")
        assert "www-authenticate" not in refused.headers
        assert refused.headers.get_list("set-cookie") == []
        assert (await ended.look()).status in (401, 503)
        assert (await server.send("GET", "/readyz", headers=[])).status == 503
        assert (await server.send("GET", "/healthz", headers=[])).status == 200

        await asyncio.to_thread(mortal.start)

        assert (await phone.look()).status == 200
        assert (await phone.me()).status == 200
        assert (await ended.look()).status == 401
        assert (await server.send("GET", "/readyz", headers=[])).status == 200
        assert (await server.device(kind).log_in("alice")).status == 200
        assert (await phone.log_out()).status == 200
        assert (await phone.look()).status == 401


async def test_a_silent_database_is_not_waited_for(mortal: Cluster, clock: FakeClock) -> None:
    """Frozen, it closes no connection: 503 all the same, and afterwards all is as before."""
    async with running(_settings(mortal, "silent"), clock) as server:
        await server.account("alice")
        phone = await server.log_in("alice")
        with mortal.frozen():
            await _says_that_it_does_not_know(server)
        assert (await phone.me()).status == 200
        assert (await server.device().log_in("alice")).status == 200
