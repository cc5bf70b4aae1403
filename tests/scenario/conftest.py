"""Servers on every store, devices of every carrier."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.world import (
    CARRIERS,
    ISSUER,
    ONE_OF_EACH_KIND,
    WITH_REFRESH_TOKENS,
    Carrier,
    Server,
    running,
    settings_for,
)
from tests.servers import valkey

from ostiary.revocation.feed import Feed
from ostiary.settings import Settings
from ostiary.stores.valkey_url import parse
from ostiary.testing import FakeClock

SHARED_STORES = ("sqlite", "postgres", "valkey", "mixed")


def _places(request: pytest.FixtureRequest, store: str, folder: Path, schema: str) -> dict[str, Any]:
    """The settings that lead to an empty store of this kind."""
    places: dict[str, Any] = {"issuer": ISSUER, "secret_key": b"0123456789abcdef" * 2}
    if store in ("sqlite", "mixed"):
        places["database"] = f"sqlite:///{folder / 'ostiary.db'}"
    if store in ("valkey", "mixed"):
        places["valkey"] = request.getfixturevalue("valkey_url")
    if store == "postgres":
        places["database"] = request.getfixturevalue("postgres").url(schema=schema, pool_size=5)
    return places


@pytest.fixture(autouse=True)
def patient_feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of the log that comes after half of a lease is worth little; in a story, whose clock is set by hand, it
    is as good as any. Where a story has made the lease shorter than the usual one, its end is what it is about."""
    usual = Feed._patience.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Feed, "_patience", property(lambda feed: 30.0 if feed._replica.lease >= 2.0 else usual(feed)))


@pytest.fixture
def clock() -> FakeClock:
    """Everybody's time; a story that wants a second one makes it."""
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def store_name(request: pytest.FixtureRequest) -> str:
    """Every story is told on the stores of one machine; those marked with `world.ON_POSTGRES` on that one too."""
    return str(request.param)


@pytest.fixture
def start(
    request: pytest.FixtureRequest, store_name: str, tmp_path: Path, clock: FakeClock
) -> Callable[..., AbstractAsyncContextManager[Server]]:
    """`async with start(max_sessions=3) as server` for stories that choose settings."""
    places: dict[str, Any] = {}
    if store_name not in ("memory", "sqlite"):
        places = _places(request, store_name, tmp_path, f"s_{secrets.token_hex(8)}")

    def starting(**changes: Any) -> AbstractAsyncContextManager[Server]:
        settings = Settings(**places, **changes) if places else settings_for(store_name, tmp_path, **changes)
        return running(settings, clock)

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


@pytest.fixture(params=SHARED_STORES)
def start_shared(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Callable[..., AbstractAsyncContextManager[Server]]:
    """For stories on several servers of one store: each call is another process's server, on another machine where the
    store allows it. `clock=` gives it a clock of its own. The store is old: it knows of every node that there is."""
    schema = f"s_{secrets.token_hex(8)}"
    places = _places(request, request.param, tmp_path, schema)

    @asynccontextmanager
    async def starting(*, clock: FakeClock = clock, **changes: Any) -> AsyncIterator[Server]:
        async with running(Settings(**places, **changes), clock) as server:
            if request.param in ("valkey", "mixed"):
                parsed = parse(places["valkey"])
                valkey.at(parsed.hosts[0][1]).ask("SET", f"{parsed.key_prefix}born", 0)
            if request.param == "postgres":
                statement = f"UPDATE {schema}.revocation_logs SET made_at = made_at - interval '1 day'"  # noqa: S608
                request.getfixturevalue("postgres").sql(statement)
            yield server

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
