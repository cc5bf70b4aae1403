"""The chart of all contenders, as SVG. No library: rectangles and text."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LABEL, BAR, ROW, GAP = 860, 170, 560, 20, 34
_STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .head { font-weight: 600; font-size: 14px }
  .small { font-size: 11px; fill: #57606a }
  .peer { fill: #b6c2cf } .ours { fill: #1f6feb } .floor { fill: #d9a441 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .peer { fill: #57606a } .ours { fill: #4493f8 }
    .ground { fill: #0d1117 }
  }
"""


def draw(title: str, note: Sequence[str], panels: Mapping[str, Mapping[str, float]]) -> str:
    """`panels`: heading to contender to microseconds. Bars share one scale within a panel."""
    body: list[str] = []
    y = 30
    body.append(_text(16, y, title, "head"))
    for line in note:
        y += 18
        body.append(_text(16, y, line, "small"))
    for heading, values in panels.items():
        y += GAP
        body.append(_text(16, y, heading, "head"))
        y += 8
        longest = max(values.values())
        for name, value in sorted(values.items(), key=lambda item: item[1]):
            kind = "ours" if name == "ostiary" else "floor" if name.startswith("bare") else "peer"
            width = max(1.0, BAR * value / longest)
            body.append(_text(LABEL - 8, y + 14, name, "name", 'text-anchor="end"'))
            body.append(f'<rect class="{kind}" x="{LABEL}" y="{y + 3}" width="{width:.1f}" height="14" rx="2"/>')
            body.append(_text(LABEL + width + 6, y + 14, f"{value:.3g} µs", "small"))
            y += ROW
    height = y + 16
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"',
        f' aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *body,
        "</svg>\n",
    ])  # fmt: skip


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{kind}"{" " if more else ""}{more}>{escape(text)}</text>'
