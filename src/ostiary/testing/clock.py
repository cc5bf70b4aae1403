"""A clock that moves only when it is told to."""

from ostiary.clock import Clock


class FakeClock:
    """Hand in `.clock`. Both of its readings advance together; `set_wall` moves the wall alone, as a correction of the
    machine's time would, forwards or backwards."""

    def __init__(self, wall: float = 1_800_000_000.0, monotonic: float = 1000.0) -> None:
        self.wall = wall
        self.monotonic = monotonic
        self.clock = Clock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    def advance(self, seconds: float) -> float:
        """Let `seconds` pass, which must not be negative; the new wall time."""
        if seconds < 0:
            raise ValueError("time does not go back; see set_wall")
        self.wall += seconds
        self.monotonic += seconds
        return self.wall

    def set_wall(self, wall: float) -> None:
        """Unix seconds from now on."""
        self.wall = wall
