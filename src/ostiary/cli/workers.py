"""Several serving processes behind one listening socket, and one that watches over them and does nothing else.

The first worker starts alone: it makes the database, its key and what else a first start makes, and what keeps it from
starting keeps the server from starting. A worker that ends later is replaced. A signal to stop is passed on, and each
worker finishes what it is answering; a second one is passed on as well. Workers whose supervisor is gone stop too.
"""

import contextlib
import logging
import os
import select
import signal
import sys
from dataclasses import dataclass

from ostiary.clock import SYSTEM_CLOCK
from ostiary.errors import Misconfigured

log = logging.getLogger("ostiary.workers")

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds before a worker is replaced; longer each time it ends unready
_LOOK = 0.5  # seconds: how often it looks around although nothing woke it
_STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """This process, if it is one. `is_first`: nobody served before it. `orphaned` becomes readable when the supervisor
    is gone."""

    number: int
    is_first: bool
    orphaned: int
    _ready: int

    def ready(self) -> None:
        """Tell the supervisor that it serves."""
        os.write(self._ready, b"r")
        os.close(self._ready)


@dataclass(slots=True)
class _Place:
    """One worker's place. `ready` is where it says so; `again` when it may be filled again, if it is empty."""

    number: int
    pid: int = 0
    ready: int = -1
    is_ready: bool = False
    again: float = 0.0
    pause: float = _SHORTEST_PAUSE


class Supervisor:
    """`run` returns in every worker, as a `Worker`; in the process that called it, None when all of them have ended."""

    def __init__(self, count: int, *, grace: float) -> None:
        if not hasattr(os, "fork"):
            raise Misconfigured("Several workers need a system that can fork processes; set workers to 1.")
        self._places = [_Place(number) for number in range(count)]
        self._grace = grace
        self._now = SYSTEM_CLOCK.monotonic
        self._started = False
        self._stopping_since: float | None = None
        self._alive, self._orphaned = -1, -1
        self._woken, self._wakes = -1, -1

    def run(self) -> Worker | None:
        """See the class. Ends the process with the first worker's code if that one cannot start."""
        self._alive, self._orphaned = os.pipe()[::-1]
        self._woken, self._wakes = os.pipe()
        for end in (self._woken, self._wakes):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        for number in (*_STOPS, signal.SIGCHLD):
            signal.signal(number, _wake)
        while True:
            worker = self._fill()
            if worker is not None:
                return worker
            self._wait()
            self._look_after()
            if self._stopping_since is not None and not any(place.pid for place in self._places):
                self._forget_signals()
                return None

    def _fill(self) -> Worker | None:
        if self._stopping_since is not None:
            return None
        for place in self._places if self._started else self._places[:1]:
            if not place.pid and self._now() >= place.again:
                worker = self._fork(place)
                if worker is not None:
                    return worker
        return None

    def _fork(self, place: _Place) -> Worker | None:
        ready, says_ready = os.pipe()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # a worker that is told to stop before it has begun is told once it has forgotten these handlers
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            os.close(says_ready)
            place.pid, place.ready, place.is_ready = pid, ready, False
            return None
        os.setpgid(0, 0)  # Ctrl-C is the supervisor's to pass on
        self._forget_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        for end in (ready, self._alive, *(other.ready for other in self._places)):
            if end >= 0:
                with contextlib.suppress(OSError):
                    os.close(end)
        return Worker(number=place.number, is_first=not self._started, orphaned=self._orphaned, _ready=says_ready)

    def _forget_signals(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (*_STOPS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for end in (self._woken, self._wakes):
            os.close(end)

    def _wait(self) -> None:
        """Until something happens, but not for long."""
        waiting = [place.ready for place in self._places if place.pid and not place.is_ready]
        readable, _, _ = select.select([self._woken, *waiting], [], [], _LOOK)
        for place in self._places:
            if place.ready in readable and not place.is_ready and os.read(place.ready, 1):
                place.is_ready, place.pause, self._started = True, _SHORTEST_PAUSE, True
        if self._woken in readable:
            for number in os.read(self._woken, 1024):
                if number in _STOPS:
                    self._stop(number)

    def _stop(self, number: int) -> None:
        if self._stopping_since is None:
            self._stopping_since = self._now()
        self._signal(number)

    def _signal(self, number: int) -> None:
        for place in self._places:
            if place.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(place.pid, number)

    def _look_after(self) -> None:
        for place in self._places:
            if place.pid:
                pid, status = os.waitpid(place.pid, os.WNOHANG)
                if pid:
                    self._ended(place, os.waitstatus_to_exitcode(status))
        if self._stopping_since is not None and self._now() >= self._stopping_since + self._grace:
            self._signal(signal.SIGKILL)

    def _ended(self, place: _Place, code: int) -> None:
        os.close(place.ready)
        pid, place.pid, place.ready = place.pid, 0, -1
        if self._stopping_since is not None:
            return
        if not self._started:
            self._forget_signals()
            raise SystemExit(code if code > 0 else 1)
        if not place.is_ready:
            place.pause = min(place.pause * 2, _LONGEST_PAUSE)
        place.again = self._now() + place.pause
        log.error("worker %s (process %s) ended with %s; another takes its place", place.number, pid, code)


def _wake(number: int, frame: object) -> None:
    """The signal's number is in the pipe by now."""
