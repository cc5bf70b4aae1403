"""A short piece of `python -m tests.chaos.valkey_nodes`, the same every time as far as chance is concerned."""

import pytest
from tests.chaos.valkey_nodes import run

pytestmark = pytest.mark.anyio


async def test_nobody_accepts_later_than_the_lease() -> None:
    """M-30: six nodes, lines that are cut, a store that is killed: no revocation that was answered is accepted anywhere
    a lease later, none is lost, and none is skipped."""
    told = await run(seconds=6.0, seed=1)
    assert told.late == 0, str(told)
    assert told.revoked > 50
    assert told.kills > 1
    assert told.cuts > 5
    assert told.accepted > 0
