"""A bounded pool of threads for work that is all processor time: few threads, few that wait, low priority.

A job that finds the queue full is refused at once (``Overloaded``). A job whose waiter gives up before it began leaves
the queue, so that its place is free again and nothing is computed. One that has begun runs to its end.
"""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from ostiary.errors import Misconfigured, Overloaded, Unavailable
from ostiary.limits import HASH_QUEUE

T = TypeVar("T")

_NICENESS = 10  # added to the thread's own (Linux): the event loop's thread goes first when it has something to do
_JOBS_PER_SECOND = 20  # of one thread, rather too few: it only says when a refused client may come again


class HashPool:
    """``workers`` threads (default: one a core), begun with the first job; ``queue`` jobs may wait besides."""

    def __init__(self, *, workers: int | None = None, queue: int = HASH_QUEUE, niceness: int = _NICENESS) -> None:
        self._workers = available_cores() if workers is None else workers
        if self._workers < 1 or queue < 0 or niceness < 0:
            raise Misconfigured("A hash pool needs a worker or more, and no negative bounds")
        self._queue = queue
        self._niceness = niceness
        self._changed = threading.Condition()
        self._waiting: deque[tuple[_Promise, Callable[[], Any]]] = deque()
        self._running = 0
        self._threads: list[threading.Thread] = []
        self._closed = False

    @property
    def waiting(self) -> int:
        """Jobs that have not begun."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        return self._running

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """Queue ``job``. Raises ``Overloaded`` when queue and threads are full, ``Unavailable`` when closed."""
        future: Future[T] = Future()
        self._queue_up(future, job)
        future.add_done_callback(self._withdraw)
        return future

    async def run(self, job: Callable[[], T]) -> T:
        """The same for whoever waits in an event loop: the thread tells the loop in one call what came of it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        promise = _LoopPromise(future, loop)
        self._queue_up(promise, job)
        try:
            return await future
        finally:
            self._withdraw(promise)

    def check_room(self) -> None:
        """Raise as `submit` would now, for who has to prepare for it."""
        if self._closed:
            raise Unavailable(private="the hash pool is closed")
        if len(self._waiting) + self._running >= self._queue + self._workers:
            seconds = -(-len(self._waiting) // (self._workers * _JOBS_PER_SECOND))
            raise Overloaded(private="the hash queue is full", retry_after=max(1, seconds))

    def _queue_up(self, promise: "_Promise", job: Callable[[], Any]) -> None:
        with self._changed:
            self.check_room()
            self._waiting.append((promise, job))
            if len(self._threads) < self._workers and len(self._waiting) + self._running > len(self._threads):
                self._begin_thread()
            self._changed.notify()

    def close(self) -> None:
        """Refuse new jobs, fail those that wait with ``Unavailable``, and return when the running ones have ended."""
        with self._changed:
            self._closed = True
            dropped = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for promise, _ in dropped:
            if promise.set_running_or_notify_cancel():
                promise.set_exception(Unavailable(private="the hash pool was closed"))
        for thread in self._threads:
            thread.join()

    def _withdraw(self, promise: "_Promise") -> None:
        if not promise.cancelled():
            return
        with self._changed:
            self._waiting = deque(item for item in self._waiting if item[0] is not promise)

    def _begin_thread(self) -> None:
        """For the job that was queued last. Where the system gives no thread, those that there are do the work; the
        next job asks again. Raises Unavailable if there are none."""
        name = f"ostiary-hash-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                self._waiting.pop()
                raise Unavailable(private="no thread for hashes") from None
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        lower_priority(self._niceness)
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                promise, job = self._waiting.popleft()
                if not promise.set_running_or_notify_cancel():
                    continue
                self._running += 1
            _run(promise, job)
            del promise, job  # a thread that waits keeps no password alive
            with self._changed:
                self._running -= 1


class _Promise(Protocol):
    """What a thread asks of `concurrent.futures.Future`."""

    def cancelled(self) -> bool: ...
    def set_running_or_notify_cancel(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...


class _LoopPromise:
    """The same over a future of an event loop. Wrapping the other kind would cost locks and one more turn of the
    loop."""

    __slots__ = ("_future", "_loop")

    def __init__(self, future: "asyncio.Future[Any]", loop: asyncio.AbstractEventLoop) -> None:
        self._future = future
        self._loop = loop

    def cancelled(self) -> bool:
        return self._future.cancelled()

    def set_running_or_notify_cancel(self) -> bool:
        return not self._future.cancelled()

    def set_result(self, result: Any, /) -> None:
        self._tell(result, None)

    def set_exception(self, exception: BaseException, /) -> None:
        self._tell(None, exception)

    def _tell(self, result: Any, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_settle, self._future, result, error)


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # its waiter was cancelled
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _run(promise: _Promise, job: Callable[[], Any]) -> None:
    try:
        result = job()
    except BaseException as error:  # noqa: BLE001  the waiter's to handle, whatever it is
        promise.set_exception(error.with_traceback(None))  # frames would show the password to who prints locals
    else:
        promise.set_result(result)


def available_cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def lower_priority(niceness: int) -> None:
    """Give way to the process's other threads. Where that is not possible, nothing happens."""
    if sys.platform == "linux" and niceness:
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))
