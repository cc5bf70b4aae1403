"""A clock that is told the time, and an issuer that lives in it."""

import pytest
from tests.unit.verifier.issuer import FakeIssuer

from ostiary.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Everybody's time."""
    return FakeClock()


@pytest.fixture
def issuer(clock: FakeClock) -> FakeIssuer:
    """With one key, named `one`."""
    return FakeIssuer(clock)
