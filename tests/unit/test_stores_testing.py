"""What `ostiary.testing` hands out besides the contract."""

import pytest

from ostiary.testing import FakeClock


def test_both_readings_advance_together() -> None:
    """Time passes alike on the wall and in the process."""
    clock = FakeClock(wall=100.0, monotonic=5.0)
    assert clock.advance(2.5) == 102.5
    assert (clock.clock.wall(), clock.clock.monotonic()) == (102.5, 7.5)


def test_wall_may_be_set_and_time_never_goes_back() -> None:
    """A corrected wall clock does not move the other one, and `advance` refuses to."""
    clock = FakeClock(wall=100.0, monotonic=5.0)
    clock.set_wall(50.0)
    assert (clock.clock.wall(), clock.clock.monotonic()) == (50.0, 5.0)
    with pytest.raises(ValueError, match="go back"):
        clock.advance(-1.0)
