"""A short piece of `python -m tests.chaos.nodes`, the same every time as far as chance is concerned."""

import pytest
from tests.chaos.nodes import run

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("store", ["valkey", "postgres"])
async def test_nobody_accepts_later_than_the_lease(store: str) -> None:
    """M-30: six nodes, lines that are cut, a server that is killed: no revocation that was answered is accepted
    anywhere a lease later, none is lost, and none is skipped."""
    told = await run(store, seconds=120.0, seed=1, revocations=150)
    assert told.late == 0, str(told)
    assert told.revoked >= 50, str(told)
    assert told.kills > 0, str(told)
    assert told.cuts > 5, str(told)
    assert told.accepted > 0, str(told)
