"""One row for each thing measured; the table; the file of results."""

import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.stats import number

RESULTS = Path(__file__).parent / "results" / "latest.json"
PACKAGES = (
    *("ostiary", "starlette", "uvicorn", "uvloop", "httptools", "cryptography", "msgspec", "argon2-cffi"),
    *("PyJWT", "joserfc", "SQLAlchemy"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`at_most` or `at_least` is the target; with neither the figure is only stated. `spread` says how much the samples
    differed, `note` what was loaded, cached or compared with."""

    what: str
    reached: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    spread: str = ""
    note: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        if self.at_most is not None:
            return f"<= {number(self.at_most)}"
        return f">= {number(self.at_least)}" if self.at_least is not None else ""

    @property
    def verdict(self) -> str:
        """`pass`, `FAIL`, or nothing where there is no target."""
        if self.at_most is not None:
            return "pass" if self.reached <= self.at_most else "FAIL"
        if self.at_least is not None:
            return "pass" if self.reached >= self.at_least else "FAIL"
        return ""


def versions() -> dict[str, str]:
    """What ran."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.release()}"}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def table(rows: Iterable[Row]) -> str:
    """For people: one line a row, notes beneath."""
    cells = [("what", "target", "reached", "", "spread")]
    notes: list[str] = []
    for row in rows:
        mark = ""
        if row.note:
            notes.append(row.note) if row.note not in notes else None
            mark = f" [{notes.index(row.note) + 1}]"
        cells.append(
            (row.what + mark, row.target, f"{number(row.reached)} {row.unit}".rstrip(), row.verdict, row.spread)
        )
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, "", *(f"[{at}] {note}" for at, note in enumerate(notes, 1))])


def save(results: dict[str, list[Row]]) -> None:
    """Everything, with what ran, for machines."""
    RESULTS.parent.mkdir(exist_ok=True)
    found = {
        "versions": versions(),
        "argv": sys.argv[1:],
        "results": {
            name: [{**asdict(row), "target": row.target, "verdict": row.verdict} for row in rows]
            for name, rows in results.items()
        },
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
