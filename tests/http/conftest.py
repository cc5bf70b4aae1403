"""A server for each test."""

from collections.abc import AsyncIterator

import pytest
from tests.http.harness import Site, open_site

from ostiary.testing import FakeClock


@pytest.fixture
async def site(anyio_backend: str) -> AsyncIterator[Site]:
    """At rest in one moment; `site.clock.advance` lets time pass."""
    async with open_site(FakeClock()) as opened:
        yield opened
