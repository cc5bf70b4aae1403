"""How far a download is: a bar on a terminal, a plain line now and then elsewhere. Always on stderr."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from ostiary.cli.output import printable
from ostiary.clock import SYSTEM_CLOCK

_PLAIN_EVERY = 5.0  # seconds between two plain lines


class ByteProgress:
    """`with ByteProgress("q3.pdf", total=n, done=m) as progress: progress.add(count)`. `done` were there before, and
    count for nothing in the rate."""

    def __init__(
        self, what: str, *, total: int, done: int = 0, monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic
    ) -> None:
        self._what = printable(what)
        self._total = total
        self._first = self._done = done
        self._monotonic = monotonic
        self._started = self._last_line = monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.markup import escape
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(binary_units=True),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(escape(self._what), total=self._total, completed=self._done)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        else:
            self._line()

    def add(self, count: int) -> None:
        """So many bytes more."""
        self._done += count
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
        elif self._monotonic() - self._last_line >= _PLAIN_EVERY:
            self._line()

    def _line(self) -> None:
        self._last_line = now = self._monotonic()
        elapsed = now - self._started
        rate = (self._done - self._first) / elapsed if elapsed > 0 else 0.0
        left = f"{(self._total - self._done) / rate:.0f} s left" if rate > 0 else "time left unknown"
        print(
            f"{self._what}: {amount(self._done)} of {amount(self._total)}, {amount(rate)}/s, {left}",
            file=sys.stderr,
            flush=True,
        )


def amount(count: float) -> str:
    """Bytes for people."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
