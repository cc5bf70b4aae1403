"""The pictures of docs/guide/scale.md, as SVG that follows light and dark."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from benchmarks.simulation.limits import Limit, limits_of

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 56, 56
_STYLE = """
  .text { font: 14px system-ui, sans-serif; fill: #1b1f24 } .small { font-size: 12px; fill: #57606a }
  .title { font-size: 17px; font-weight: 600 } .paper { fill: #ffffff } .grid { stroke: #d0d7de }
  .over { stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
  .line { fill: none; stroke-width: 2 } .dot { stroke: none } .bar { fill: #3b6fd4 } .needed { stroke: #c2562d }
  .a { stroke: #3b6fd4; fill: #3b6fd4 } .b { stroke: #1a7f5a; fill: #1a7f5a } .c { stroke: #8a4fc4; fill: #8a4fc4 }
  .d { stroke: #c2562d; fill: #c2562d } .e { stroke: #6b7280; fill: #6b7280 } .line { fill: none }
  @media (prefers-color-scheme: dark) {
    .text { fill: #e6edf3 } .small { fill: #9198a1 } .paper { fill: #0d1117 } .grid { stroke: #30363d }
    .over { stroke: #0d1117 } .bar { fill: #6ea0ff } .needed { stroke: #f0885a }
    .a { stroke: #6ea0ff; fill: #6ea0ff } .b { stroke: #4cc38a; fill: #4cc38a } .c { stroke: #b98aee; fill: #b98aee }
    .d { stroke: #f0885a; fill: #f0885a } .e { stroke: #9198a1; fill: #9198a1 } .line { fill: none }
  }
"""


class Curve(NamedTuple):
    """`look` is one of the colours."""

    name: str
    look: str
    points: Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """Ticks and what they say, and where a value stands, from 0 to 1."""

    name: str
    ticks: Sequence[tuple[float, str]]
    place: Callable[[float], float]


def pictures(found: Mapping[str, Any]) -> dict[str, str]:
    """By name, of what was found."""
    return {"scale-lag": _lag(found), "scale-leases": _leases(found), "scale-limits": _limits(limits_of(found["cost"]))}


def _lag(found: Mapping[str, Any]) -> str:
    healthy = found["healthy"]["learnt"]
    curves = [
        Curve(name, look, _cumulated([counts]))
        for name, look, counts in zip(
            ("the log's region", "40 ms away", "75 ms away"), ("a", "b", "c"), healthy, strict=True
        )
    ]
    curves.append(Curve("all, no hint arrives", "e", _cumulated(found["silent"]["learnt"])))
    curves.append(Curve("75 ms away, cut off 3 s", "d", _cumulated(found["cut"]["learnt"][-1:])))
    low, high = math.log10(0.005), math.log10(8.0)
    across = Axis(
        "from the call's answer until a node refuses",
        [(0.01, "10 ms"), (0.03, "30 ms"), (0.1, "100 ms"), (0.3, "300 ms"), (1.0, "1 s"), (3.0, "3 s")],
        lambda value: (math.log10(max(value, 0.005)) - low) / (high - low),
    )
    return _chart("How soon 10,000 nodes refuse what was ended", across, _parts(), curves)


def _leases(found: Mapping[str, Any]) -> str:
    cut, dead = found["cut"]["leased"], found["dead"]["leased"]
    of_all = [sum(parts) / len(parts) for parts in zip(*dead, strict=True)]
    curves = [
        Curve("cut: the other regions", "a", _samples(cut[0])),
        Curve("cut: the region itself", "d", _samples(cut[-1])),
        Curve("4 of 34 relays silent", "c", _samples(of_all)),
    ]
    last = len(cut[0]) * 0.1
    ticks = [(float(second), f"{second} s") for second in range(int(last) + 1)]
    across = Axis("time; the trouble begins at 0.5 s, the cut ends at 3.5 s", ticks, lambda value: value / last)
    return _chart("How many nodes have a lease", across, _parts(), curves)


def _parts() -> Axis:
    return Axis("", [(part / 4, f"{25 * part} %") for part in range(5)], lambda value: value)


def _samples(parts: Sequence[float]) -> list[tuple[float, float]]:
    return [(0.1 * at, part) for at, part in enumerate(parts)]


def _cumulated(learnt: Sequence[Sequence[Sequence[int]]]) -> list[tuple[float, float]]:
    counts: dict[int, int] = {}
    for of_region in learnt:
        for at, count in of_region:
            counts[at] = counts.get(at, 0) + count
    total, so_far, points = sum(counts.values()), 0, []
    for at in sorted(counts):
        so_far += counts[at]
        points.append(((at + 1) / 1000, so_far / total))
    step = max(1, len(points) // 300)
    return [*points[::step], points[-1]]


def _chart(title: str, across: Axis, up: Axis, curves: Sequence[Curve]) -> str:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(value: float) -> float:
        return round(LEFT + across.place(value) * wide, 1)

    def y(value: float) -> float:
        return round(TOP + (1 - up.place(value)) * high, 1)

    grid = "".join(
        f'<line class="grid" x1="{x(value)}" x2="{x(value)}" y1="{TOP}" y2="{TOP + high}"/>'
        f'<text class="text small" x="{x(value)}" y="{TOP + high + 18}" text-anchor="middle">{escape(said)}</text>'
        for value, said in across.ticks
    ) + "".join(
        f'<line class="grid" x1="{LEFT}" x2="{LEFT + wide}" y1="{y(value)}" y2="{y(value)}"/>'
        f'<text class="text small" x="{LEFT - 8}" y="{y(value) + 4}" text-anchor="end">{escape(said)}</text>'
        for value, said in up.ticks
    )
    lines = "".join(
        f'<polyline class="line {curve.look}" points="'
        f'{" ".join(f"{x(at)},{y(value)}" for at, value in curve.points)}"/>'
        f'<rect class="dot {curve.look}" x="{LEFT + wide + 14}" y="{TOP + 24 * place + 4}" width="14" height="4"/>'
        f'<text class="text small" x="{LEFT + wide + 34}" y="{TOP + 24 * place + 10}">{escape(curve.name)}</text>'
        for place, curve in enumerate(curves)
    )
    name = (
        f'<text class="text small" x="{LEFT + wide / 2}" y="{HEIGHT - 14}" text-anchor="middle">'
        f"{escape(across.name)}</text>"
    )
    return _svg(WIDTH, HEIGHT, title, grid + lines + name)


def _limits(limits: Sequence[Limit]) -> str:
    left, wide, row = 330, 330, 34
    low, high = 2.0, 6.0
    height = TOP + row * len(limits) + 46

    def length(value: float) -> float:
        return round((math.log10(value) - low) / (high - low) * wide, 1)

    bars = "".join(
        f'<text class="text small" x="{left - 10}" y="{TOP + row * at + 18}" text-anchor="end">'
        f"{escape(limit.name)}</text>"
        f'<rect class="bar" x="{left}" y="{TOP + row * at + 4}" width="{length(limit.rate)}" height="20" rx="3"/>'
        f'<text class="text over" x="{left + length(limit.rate) + 8}" y="{TOP + row * at + 19}">'
        f"{_rounded(limit.rate):,}</text>"
        for at, limit in enumerate(limits)
    )
    wanted = left + length(100_000)
    bottom = TOP + row * len(limits)
    mark = (
        f'<line class="needed" x1="{wanted}" x2="{wanted}" y1="{TOP - 8}" y2="{bottom + 6}" stroke-dasharray="4 4"/>'
        f'<text class="text small" x="{wanted}" y="{bottom + 24}" text-anchor="middle">100,000 a second</text>'
    )
    return _svg(WIDTH, height, "What breaks first: revocations a second, logarithmic", mark + bars)


def _rounded(rate: float) -> int:
    """To two digits: it is no more exact than that."""
    unit = 10 ** (math.floor(math.log10(rate)) - 1)
    return int(round(rate / unit) * unit)


def _svg(width: int, height: int, title: str, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{_STYLE}</style>\n'
        f'<rect class="paper" width="{width}" height="{height}"/>\n'
        f'<text class="text title" x="20" y="32">{escape(title)}</text>\n{inside}\n</svg>\n'
    )
