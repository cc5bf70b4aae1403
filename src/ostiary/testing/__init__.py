"""For tests, ours and yours: a clock that stands still, ready-made records, and the contract that every store keeps.

`store_contract` needs pytest and anyio; the rest needs nothing.
"""

from ostiary.testing.clock import FakeClock

__all__ = ["FakeClock"]
