"""What every test may rely on."""

import pytest
from hypothesis import settings

# The same examples every time, and no verdict by the clock: the machine may be busy with something else.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, the loop that the server runs on."""
    return "asyncio"
