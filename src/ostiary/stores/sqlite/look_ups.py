"""Point look-ups, on the event loop itself for as long as they are quick.

One takes some ten microseconds where the file is in memory: a tenth of what it costs to wake a thread for it. In WAL
mode it waits for no writer. But a disk that has to be read must not hold up the loop: after a look-up that was slow
because it waited (and not because other programs had the core), the next ones go through a lane, for so long that slow
ones never take more than a fiftieth of the loop's time.

What SQLite refuses here, because somebody has locked the file or for whatever reason, is tried again in the lane, which
can wait, and whose answer counts. Threads other than the one that opened the store always go through the lane.
"""

import sqlite3
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from ostiary.stores.sqlite.lanes import Job, Lane

if sys.platform == "linux":
    from resource import RUSAGE_THREAD, getrusage

T = TypeVar("T")
_SLOW = 0.001  # seconds; a disk's answer takes some tenth of that at best, a look into memory a hundredth
_REST = 50  # times as long as a slow one took, none is tried on the loop


class LookUps:
    """`at_once` is a connection of its own, which never waits for a lock. To be made in the loop's thread."""

    def __init__(
        self,
        lane: Lane,
        at_once: sqlite3.Connection,
        uptime: Callable[[], float],
        waits: Callable[[], int | None] | None = None,
    ) -> None:
        self._lane = lane
        self._at_once = at_once
        self._uptime = uptime
        self._waits = waits or _waits
        self._thread = threading.get_ident()
        self._not_before = 0.0
        self._closed = False

    async def submit(self, job: Job[T]) -> T:
        """What the job returns. Raises as a lane's does."""
        began = self._uptime()
        if not self._closed and began >= self._not_before and threading.get_ident() == self._thread:
            waits = self._waits()
            try:
                return job(self._at_once)
            except (sqlite3.Error, UnicodeEncodeError, OverflowError):
                pass  # the lane says what it is
            finally:
                taken = self._uptime() - began
                if taken > _SLOW and (waits is None or self._waits() != waits):
                    self._not_before = began + taken * (1 + _REST)
        return await self._lane.submit(job)

    def stop(self) -> None:
        """As a lane's."""
        self._closed = True
        self._lane.stop()

    def join(self) -> None:
        """As a lane's."""
        self._lane.join()
        self._at_once.close()


def _waits() -> int | None:
    """How often this thread has waited for something; None where that cannot be known."""
    return getrusage(RUSAGE_THREAD).ru_nvcsw if sys.platform == "linux" else None
