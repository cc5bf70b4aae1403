"""What unit tests of the SQLite store share."""

import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ostiary.stores.sqlite import SqliteStore, look_ups


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    """A store of the test's own, whose look-ups stay on the event loop however slow this machine is."""
    monkeypatch.setattr(look_ups, "_SLOW", math.inf)
    store = await SqliteStore.open(tmp_path / "ostiary.db")
    yield store
    await store.close()
