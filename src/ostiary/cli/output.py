"""What a command says: people get tables on a terminal, programs get JSON or one tab-separated line a record."""

import contextlib
import json as json_module
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec


def say(text: str = "") -> None:
    """One line on stdout."""
    print(printable(text))


def warn(text: str) -> None:
    """One line on stderr; nothing has failed."""
    note(f"warning: {text}")


def note(text: str) -> None:
    """One line on stderr beside the result, for people. Where nothing can be written, the result counts."""
    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr)


def say_json(content: object) -> None:
    """Indented JSON on stdout; where that cannot take every character, with escapes instead of losses."""
    text = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json_module.dumps(json_module.loads(text), indent=2)
    print(text)


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table on a terminal; elsewhere lines with tabs, the first of them the columns, so that tools can cut them."""
    texts = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [[name.replace(" ", "_") for name in columns], *texts]:
            print("\t".join(line))
        return
    if not texts:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for line in texts:
        table.add_row(*map(Text, line))
    Console().print(table)


def say_record(record: Mapping[str, object]) -> None:
    """One thing, a line a member."""
    width = max(len(name) for name in record)
    for name, value in record.items():
        print(f"{name.replace('_', ' '):<{width}}  {_cell(value)}")


def say_ended(ended: int, bound: float, *, what: str, json: bool, extra: Mapping[str, object] | None = None) -> None:
    """What an ending call answers: how many sessions it ended, and after how many seconds no node accepts them."""
    if json:
        say_json({**(extra or {}), "ended": ended, "bound": bound})
        return
    say(f"{what}: {ended} session{'' if ended == 1 else 's'} ended, {said_bound(bound)}.")


def said_bound(bound: float) -> str:
    """The bound as a sentence's end."""
    return "refused everywhere from now on" if bound <= 0 else f"refused everywhere within {bound:g} s"


def instant(seconds: float | None) -> str | None:
    """RFC 3339 in UTC, as the API has it."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(seconds: float) -> str:
    """The shortest exact form that settings read: 90s, 5m, 12h, 30d."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def printable(text: str) -> str:
    """Without characters that a terminal would obey."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def _cell(value: object) -> str:
    if value is None or value == "" or value == () or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return printable(str(value)).replace("\n", " ")


def plain(value: Any) -> Any:
    """What JSON can hold: tuples as lists, the rest as it is."""
    return msgspec.to_builtins(value)
