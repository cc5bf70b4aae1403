"""Long work tells how far it is: a bar on a terminal, a plain line now and then elsewhere. Always on stderr."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from ostiary.clock import SYSTEM_CLOCK

_PLAIN_EVERY = 5.0  # seconds between two plain lines


class Progress:
    """``with Progress("import", total=n) as progress: progress.show(done, refused)``.

    Terminal: bar, done/total, rate, time left, refused. Elsewhere: the same as text, every few seconds and at the end.
    """

    def __init__(self, what: str, *, total: int, monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic) -> None:
        self._what = what
        self._total = total
        self._monotonic = monotonic
        self._started = self._last_line = monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._shown = (-1, -1)
        self._now = (0, 0)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[refused]} refused"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(self._what, total=self._total, rate="", refused=0)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._shown != self._now:
            self._line()

    def show(self, done: int, refused: int = 0) -> None:
        """``done`` of the total are behind us, ``refused`` of them could not be done."""
        self._now = (done, refused)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=self._rate_text(done), refused=refused)
        elif self._monotonic() - self._last_line >= _PLAIN_EVERY:
            self._line()

    def _line(self) -> None:
        done, refused = self._shown = self._now
        self._last_line = self._monotonic()
        print(
            f"{self._what}: {done} of {self._total}, {self._rate_text(done)}, {self._left(done)}, {refused} refused",
            file=sys.stderr,
            flush=True,
        )

    def _rate(self, done: int) -> float:
        elapsed = self._monotonic() - self._started
        return done / elapsed if elapsed > 0 else 0.0

    def _rate_text(self, done: int) -> str:
        return f"{self._rate(done):.0f}/s"

    def _left(self, done: int) -> str:
        rate = self._rate(done)
        return f"{(self._total - done) / rate:.0f} s left" if rate else "time left unknown"
