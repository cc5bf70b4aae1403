"""Making a connection to PostgreSQL is given up by whoever waits for it, never half-way by the driver."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from asyncpg import connect_utils
from tests.servers.postgres import Cluster

from ostiary.errors import Unavailable
from ostiary.stores.postgres.connecting import Connector
from ostiary.stores.postgres_url import parse

pytestmark = pytest.mark.anyio


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """Of a server that takes connections and closes each without a word once it has been asked something."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_given_up_while_it_is_made(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment at which the connection stands, too: nothing is left behind that the loop would report."""
    waiting: list[asyncio.Task[Any]] = []
    monkeypatch.setattr(
        connect_utils.TLSUpgradeProto, "connection_made", lambda *_: [task.cancel() for task in waiting], raising=False
    )
    reports: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    connector = Connector(url=parse(f"postgresql://someone@127.0.0.1:{silent_port}/none"), pooled=False)
    before = asyncio.all_tasks()
    waiting.append(asyncio.create_task(connector.connect(longest=1, within=60)))
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    while left := asyncio.all_tasks() - before:
        await asyncio.wait(left)
    gc.collect()
    await asyncio.sleep(0)
    assert reports == []


async def test_who_stood_still_himself_does_not_take_the_server_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flaw class: a process that was busy with itself, or that the system let wait, for longer than a connection may
    take, gives up one that has been made meanwhile."""
    loop, passed = asyncio.get_running_loop(), 0.0
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + passed)
    made = object()

    async def connect(*_: Any, **__: Any) -> Any:
        nonlocal passed
        for _ in range(3):
            passed += 60.0
            for _ in range(5):
                await asyncio.sleep(0)
        return made

    monkeypatch.setattr(asyncpg, "connect", connect)
    connector = Connector(url=parse("postgresql://someone@127.0.0.1/none"), pooled=False)
    assert await connector.connect(longest=1, within=1.0) is made


async def test_too_late(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes after nobody waits for it any more is closed, and who waited was told that there was none."""
    made: list[Any] = []
    go = asyncio.Event()
    connect = asyncpg.connect

    async def late(*arguments: Any, **more: Any) -> Any:
        await go.wait()
        made.append(await connect(*arguments, **more))
        return made[0]

    monkeypatch.setattr(asyncpg, "connect", late)
    with pytest.raises(Unavailable):
        await Connector(url=parse(postgres.url()), pooled=False).connect(longest=1, within=0)
    go.set()
    async with asyncio.timeout(60):
        while not made or not made[0].is_closed():  # noqa: ASYNC110 - a driver sends no event
            await asyncio.sleep(0)
