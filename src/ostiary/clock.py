"""The only reader of time. Everything else takes `now`.

Two clocks: `wall` counts Unix seconds and stands in records and tokens; `monotonic` never goes back and measures leases
and ages inside one process. Neither decides a revocation: that is what epochs are for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

Seconds = float
"""Unix seconds (wall) or seconds since an arbitrary moment (monotonic)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Two callables, so that a test hands in its own."""

    wall: Callable[[], Seconds]
    monotonic: Callable[[], Seconds]


SYSTEM_CLOCK = Clock(wall=time.time, monotonic=time.monotonic)
