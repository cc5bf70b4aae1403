"""What every test may rely on."""

import gc
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.servers import places, valkey
from tests.servers.postgres import Cluster, cluster

from ostiary import limits
from ostiary.stores.postgres import pool, store

# The same examples every time, and no verdict by the clock: the machine may be busy with something else.
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def pytest_configure() -> None:
    """`tmp_path` waits for no disk, unless somebody said where it is to be."""
    if (place := places.in_memory()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Eleven thousand tests are hundreds of megabytes that stay: the collector of cycles need not look through them
    while they become more, nor ever again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """The last lines name what failed, however long the reasons are: where only the end of a log is kept, it tells."""
    result = yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        for report in [*reporter.stats.get("failed", ()), *reporter.stats.get("error", ())]:
            reporter.write_line(f"{report.when}: {report.nodeid}")
    return result


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request may wait for a busy machine: how long it waits in production is no test's business. There a PostgreSQL
    that is silent for less than a second is gone; here that is one that is frozen (`Cluster.frozen`)."""
    monkeypatch.setattr(limits, "ASK_SECONDS", 30.0)
    monkeypatch.setattr(limits, "FEED_ASK_SECONDS", 30.0)
    monkeypatch.setattr(pool, "CONNECT_SECONDS", 30.0)
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 30.0)
    monkeypatch.setattr(store, "_QUICK_SECONDS", 30.0)


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """For tests that are about files: a folder on a disk of the usual kind, as `tmp_path` need not be."""
    folder = Path(tempfile.mkdtemp(prefix="ostiary-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, the loop that the server runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One PostgreSQL for all tests of a process. It does not wait for its disk: tests that kill it make their own."""
    with cluster(fsync="off", full_page_writes="off", max_connections=400) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[valkey.Server]:
    """One Valkey for all tests of a process; each has keys of its own. Tests that stop it make their own."""
    with valkey.server() as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: valkey.Server) -> str:
    """For a store that is empty when a test begins, and has time on a machine that is busy otherwise."""
    return valkey_server.url(prefix=valkey.fresh_prefix(), timeout=30)
