"""Charts as geometry: numbers in, rectangles and points out. The templates draw them as SVG; nothing runs in a browser.

Coordinates are in a box of `WIDTH` by `HEIGHT` units with its origin at the upper left, as SVG has it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 480.0
HEIGHT = 120.0
_GAP = 0.28  # of one bar's place


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One rectangle. `series` says which colour; `title` is what it says when it is pointed at."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


def ceiling(largest: float) -> float:
    """The first of 1, 2, 5, 10, 20, 50 … that is not below: where an axis ends."""
    if largest <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest)


def stacked(columns: Sequence[Sequence[float]], titles: Sequence[str]) -> tuple[list[Bar], float]:
    """A bar for each column, its parts on top of each other, and where the axis ends."""
    top = ceiling(max((sum(parts) for parts in columns), default=0.0))
    place = WIDTH / max(1, len(columns))
    bars = []
    for at, (parts, title) in enumerate(zip(columns, titles, strict=True)):
        y = HEIGHT
        for series, part in enumerate(parts):
            height = HEIGHT * part / top
            y -= height
            if part > 0:
                x = place * (at + _GAP / 2)
                bars.append(
                    Bar(
                        x=round(x, 2), y=round(y, 2), width=round(place * (1 - _GAP), 2), height=round(height, 2),
                        series=series, title=title,
                    )
                )  # fmt: skip
    return bars, top


def shares(parts: Sequence[float], titles: Sequence[str]) -> list[Bar]:
    """One long bar whose parts are as large as their shares; empty if there is nothing to share."""
    total = sum(parts)
    bars = []
    x = 0.0
    for series, (part, title) in enumerate(zip(parts, titles, strict=True)):
        if part > 0:
            width = WIDTH * part / total
            bars.append(Bar(x=round(x, 2), y=0.0, width=round(width, 2), height=1.0, series=series, title=title))
            x += width
    return bars


def line(values: Sequence[float], top: float) -> str:
    """The points of a line from left to right, as a polyline has them; what is above the top is drawn at the top."""
    if not values:
        return ""
    step = WIDTH / max(1, len(values) - 1)
    points = (
        (at * step, HEIGHT - HEIGHT * min(value, top) / top if top else HEIGHT) for at, value in enumerate(values)
    )
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
