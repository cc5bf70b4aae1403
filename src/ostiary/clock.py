"""The only reader of time. Everything else takes `now`.

Two clocks: `wall` counts Unix seconds and stands in records and tokens; `monotonic` never goes back and measures leases
and ages inside one process. Neither decides a revocation: that is what epochs are for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

Seconds = float
"""Unix seconds (wall) or seconds since an arbitrary moment (monotonic)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Two callables, so that a test hands in its own."""

    wall: Callable[[], Seconds]
    monotonic: Callable[[], Seconds]


_UPTIME = getattr(time, "CLOCK_BOOTTIME", None)  # Linux: goes on while the machine sleeps, as a lease must


def _monotonic() -> Callable[[], Seconds]:
    return time.monotonic if _UPTIME is None else partial(time.clock_gettime, _UPTIME)


SYSTEM_CLOCK = Clock(wall=time.time, monotonic=_monotonic())
