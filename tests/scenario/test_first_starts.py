"""Servers that start at once on a store without an account say one and the same thing."""

import asyncio

import pytest
from tests.scenario.world import PASSWORD, Server, StartServer

from ostiary.domain.audit import Event
from ostiary.errors import InvalidSetupCode, NotFound
from ostiary.services.context import Client

pytestmark = pytest.mark.anyio


async def _claim(server: Server, code: str, username: str) -> str:
    try:
        account = await server.system.first_run.claim(
            code, username=username, password=PASSWORD, display_name=None, client=Client(ip="127.0.0.1")
        )
    except (InvalidSetupCode, NotFound) as error:
        return error.code
    return account.username


async def test_servers_that_start_at_once_print_one_link(start_shared: StartServer) -> None:
    """One link, whoever prints it and however often; it is good at every server, and makes one administrator."""
    async with start_shared() as first, start_shared() as second, start_shared() as third:
        servers = (first, second, third)

        codes = await asyncio.gather(*(server.system.first_run.offer() for _ in range(4) for server in servers))

        (code,) = set(codes)
        assert code is not None
        assert len(await first.store.audit.page(event=Event.SETUP_OFFERED.value, limit=20)) == 1
        made = await asyncio.gather(*(_claim(server, code, f"root{n}") for n, server in enumerate(servers)))
        assert sorted(made)[:2] == ["not_found", "not_found"]
        assert sorted(made)[2].startswith("root")
        assert await asyncio.gather(*(server.system.first_run.offer() for server in servers)) == [None] * 3


async def test_a_server_that_starts_again_prints_the_link_again(start_on_file: StartServer) -> None:
    """Whoever restarts because the output is gone has not made a second link."""
    async with start_on_file() as server:
        code = await server.system.first_run.offer()
    async with start_on_file() as server:
        assert await server.system.first_run.offer() == code
        assert code is not None
        assert await _claim(server, code, "root") == "root"
