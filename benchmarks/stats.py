"""The little arithmetic that the benchmarks share."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Median, the quartiles around it, and how many samples they come from."""

    median: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{number(self.low)} to {number(self.high)}, n={self.count}"


def spread(values: Sequence[float]) -> Spread:
    """Of one sample or more."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0], len(values))
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, len(values))


def percentile(values: Sequence[float], part: float) -> float:
    """`part` from 0 to 1; the nearest value, never an interpolation between two that happened."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def number(value: float) -> str:
    """Three digits that mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
