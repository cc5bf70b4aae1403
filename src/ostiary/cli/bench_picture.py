"""The picture of `ostiary bench`: two columns of bars on logarithmic scales, as SVG that follows light and dark."""

import math
from collections.abc import Callable, Sequence
from html import escape

from ostiary.cli.bench_run import Way

_ROW = 44
_LEFT = 210  # where bars begin
_WIDTH = 300  # of one column of bars
_GAP = 90
_TOP = 92
_STYLE = """
  .text { font: 14px system-ui, sans-serif; fill: #1b1f24 } .small { font-size: 12px; fill: #57606a }
  .title { font-size: 17px; font-weight: 600 } .cost { fill: #3b6fd4 } .late { fill: #c2562d } .paper { fill: #ffffff }
  .line { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    .text { fill: #e6edf3 } .small { fill: #9198a1 } .cost { fill: #6ea0ff } .late { fill: #f0885a }
    .paper { fill: #0d1117 } .line { stroke: #30363d }
  }
"""


def picture_of(ways: Sequence[Way]) -> str:
    """What a request pays on the left, how long an ended session still works on the right."""
    height = _TOP + _ROW * len(ways) + 30
    width = _LEFT + 2 * _WIDTH + _GAP + 70
    second = _LEFT + _WIDTH + _GAP
    rows = "".join(
        f'<text class="text" x="20" y="{_TOP + _ROW * at + 20}">{escape(way.name)}</text>'
        f'<text class="text small" x="20" y="{_TOP + _ROW * at + 36}">'
        f"{way.request_bytes} bytes, {way.lookups:g} look-ups</text>"
        for at, way in enumerate(ways)
    )
    costs = _bars(_LEFT, [way.check_us for way in ways], _microseconds, "cost")
    lates = _bars(second, [way.refused_ms[len(way.refused_ms) // 2] for way in ways], _milliseconds, "late")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="What each way to carry login state costs, and how long it lives after its end">\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}"/>\n'
        '<text class="text title" x="20" y="34">What a request pays, and how soon an ended session is refused</text>\n'
        f'<text class="text small" x="{_LEFT}" y="70">a check, logarithmic</text>\n'
        f'<text class="text small" x="{second}" y="70">still accepted after its end, logarithmic</text>\n'
        f"{rows}\n{costs}\n{lates}\n</svg>\n"
    )


def _bars(x: int, values: Sequence[float], said: Callable[[float], str], look: str) -> str:
    """From a tenth of the smallest value that is not 0; what is 0 has no bar."""
    shown = [value for value in values if value > 0]
    floor = math.log10(min(shown, default=1.0)) - 0.5
    span = max(0.1, math.log10(max(shown, default=10.0)) - floor)
    parts = []
    for at, value in enumerate(values):
        length = 0 if value <= 0 else round((math.log10(value) - floor) / span * _WIDTH)
        y = _TOP + _ROW * at + 8
        parts.append(
            f'<line class="line" x1="{x}" x2="{x}" y1="{y - 4}" y2="{y + 26}"/>'
            f'<rect class="{look}" x="{x}" y="{y}" width="{length}" height="20" rx="3"/>'
            f'<text class="text" x="{x + length + 8}" y="{y + 15}">{escape(said(value))}</text>'
        )
    return "".join(parts)


def _microseconds(value: float) -> str:
    return f"{value:.1f} µs"


def _milliseconds(value: float) -> str:
    if value <= 0:
        return "not at all"
    return f"{value / 1000:.0f} s" if value >= 1000 else f"{value:.1f} ms"
