"""Servers on every store, devices of every carrier."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.world import CARRIERS, ONE_OF_EACH_KIND, WITH_REFRESH_TOKENS, Carrier, Server, running, settings_for

from ostiary.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Everybody's time; a story that wants a second one makes it."""
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def store_name(request: pytest.FixtureRequest) -> str:
    """Every story is told on every store."""
    return str(request.param)


@pytest.fixture
def start(store_name: str, tmp_path: Path, clock: FakeClock) -> Callable[..., AbstractAsyncContextManager[Server]]:
    """`async with start(max_sessions=3) as server` for stories that choose settings."""

    def starting(**changes: Any) -> AbstractAsyncContextManager[Server]:
        return running(settings_for(store_name, tmp_path, **changes), clock)

    return starting


@pytest.fixture
async def server(start: Callable[..., AbstractAsyncContextManager[Server]]) -> AsyncIterator[Server]:
    """A server with the default settings and one account, alice."""
    async with start() as running_server:
        await running_server.account("alice", email="alice@example.org", name="Alice Liddell")
        yield running_server


@pytest.fixture
def start_on_file(tmp_path: Path, clock: FakeClock) -> Callable[..., AbstractAsyncContextManager[Server]]:
    """For stories on restarts and on several servers of one SQLite file: each call is another process's server.
    `clock=` gives it a clock of its own."""

    def starting(*, clock: FakeClock = clock, **changes: Any) -> AbstractAsyncContextManager[Server]:
        return running(settings_for("sqlite", tmp_path, **changes), clock)

    return starting


@pytest.fixture(params=CARRIERS, ids=str)
def carrier(request: pytest.FixtureRequest) -> Carrier:
    """Every kind in every transport."""
    found: Carrier = request.param
    return found


@pytest.fixture(params=ONE_OF_EACH_KIND, ids=str)
def kind(request: pytest.FixtureRequest) -> Carrier:
    """Every kind once, in its own transport: for stories in which the transport plays no part."""
    found: Carrier = request.param
    return found


@pytest.fixture(params=WITH_REFRESH_TOKENS, ids=str)
def renewing(request: pytest.FixtureRequest) -> Carrier:
    """Every carrier that has refresh tokens."""
    found: Carrier = request.param
    return found
