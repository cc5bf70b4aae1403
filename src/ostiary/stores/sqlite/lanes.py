"""Lanes: a thread, its connection and a queue of jobs, so that no disk ever stalls the event loop.

A loop hands over what was submitted in one of its turns at the turn's end; a lane takes all the jobs that wait when it
wakes up, and hands their outcomes back in one call per event loop. So under load the price of waking two threads is
shared by many jobs. For writes they share the commit too.

* A job is a function of the connection. What it raises reaches whoever submitted it; sqlite3's errors as Unavailable.
* A caller that is cancelled stops waiting; its job is done all the same.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from ostiary import limits
from ostiary.errors import InvalidRequest, Overloaded, Unavailable
from ostiary.stores.sqlite_file import unavailable

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
Outcome = object
"""What a job returned, or the exception that it raised: no job returns one."""
Run = Callable[[sqlite3.Connection, Sequence[Job[Any]]], list[Outcome]]


class _Waiting(NamedTuple):
    job: Job[Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Lane:
    """One thread. `run` does a batch of at most `batch` jobs and gives one outcome for each; it must not raise."""

    def __init__(self, name: str, connection: sqlite3.Connection, run: Run, *, batch: int) -> None:
        self._connection = connection
        self._run = run
        self._batch = batch
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=f"ostiary-sqlite-{name}", daemon=True)
        self._thread.start()

    def submit(self, job: Job[T]) -> "asyncio.Future[T]":
        """Queue it. Raises Unavailable once closed, Overloaded if too many wait."""
        if self._closed:
            raise Unavailable(private="sqlite: the store is closed")
        loop = asyncio.get_running_loop()
        turn = self._turns.get(loop)
        if self._queue.qsize() + len(turn or ()) >= limits.STORE_QUEUE:
            raise Overloaded(private="sqlite: too many jobs are waiting")
        future: asyncio.Future[T] = loop.create_future()
        if turn is None:
            turn = self._turns[loop] = []
            loop.call_soon(self._hand_over, loop)
        turn.append(_Waiting(job, future, loop))
        return future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiting in self._turns.pop(loop, ()):
            self._queue.put(waiting)

    def stop(self) -> None:
        """Take no more jobs; once those that are queued are done, the thread ends and closes its connection."""
        if not self._closed:
            self._closed = True
            for loop in list(self._turns):
                self._hand_over(loop)
            self._queue.put(None)

    def join(self) -> None:
        """Block until it has ended."""
        self._thread.join()

    def _serve(self) -> None:
        goes_on = True
        while goes_on:
            batch: list[_Waiting] = []
            while not batch or (len(batch) < self._batch and not self._queue.empty()):
                waiting = self._queue.get()  # this thread alone takes from the queue
                if waiting is None:
                    goes_on = False
                    break
                batch.append(waiting)
            if batch:
                _deliver(batch, self._run(self._connection, [waiting.job for waiting in batch]))
        self._connection.close()


def run_reads(connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> list[Outcome]:
    """Each job on its own; each statement sees everything that was committed before it."""
    return [_outcome(connection, job, sqlite3.Error) for job in jobs]


class Writes:
    """Group commit: all jobs in one transaction, each in a savepoint of its own that is undone if it returns False. One
    that `is_one_change` needs none: SQLite itself undoes a statement that fails. Nor does one that is alone.

    A job that was refused is answered after the commit as well: it may have been refused because of an earlier one.
    What SQLite cannot do (write, lock, find room) it cannot do for the whole group. Where no job asks for more
    (`durable` False), the commit is seen by everybody and reaches the disk with the next one that has to.

    Of one connection, which nobody else tells how durable its commits are.
    """

    def __init__(self) -> None:
        self._durable: bool | None = None

    def __call__(self, connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> list[Outcome]:
        """See above."""
        durable = any(getattr(job, "durable", True) for job in jobs)
        try:
            if durable is not self._durable:  # SQLite reads this statement anew each time
                connection.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
                self._durable = durable
            connection.execute("BEGIN IMMEDIATE")
            if len(jobs) == 1:
                outcome = _outcome(connection, jobs[0], _ONE_JOBS_OWN)
                connection.execute("ROLLBACK" if _is_undone(outcome) else "COMMIT")
                return [outcome]
            outcomes = [
                _outcome(connection, job, _ONE_JOBS_OWN)
                if getattr(job, "is_one_change", False)
                else _outcome_in_savepoint(connection, job)
                for job in jobs
            ]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            return [unavailable(error) for _ in jobs]
        return outcomes


_ONE_JOBS_OWN = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError, sqlite3.DataError)


def _outcome_in_savepoint(connection: sqlite3.Connection, job: Job[Any]) -> Outcome:
    connection.execute("SAVEPOINT one")
    outcome = _outcome(connection, job, _ONE_JOBS_OWN)
    if _is_undone(outcome):
        connection.execute("ROLLBACK TO one")
    connection.execute("RELEASE one")
    return outcome


def _is_undone(outcome: Outcome) -> bool:
    return outcome is False or isinstance(outcome, Exception)


def _outcome(connection: sqlite3.Connection, job: Job[Any], own: Any) -> Outcome:
    """What the job returned or raised; raises those of sqlite3's errors that are not among its `own`."""
    try:
        return job(connection)
    except (UnicodeEncodeError, OverflowError):
        return InvalidRequest("A text or a number cannot be stored.")
    except own as error:
        return unavailable(error)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001 - the caller's to see, not this thread's to die of
        return error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite may have rolled back by itself
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            return  # the next BEGIN says what is wrong


def _deliver(batch: list[_Waiting], outcomes: list[Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for waiting, outcome in zip(batch, outcomes, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.future, outcome))
    for loop, pairs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, pairs)
        except RuntimeError:
            continue  # the loop is closed: nobody waits any more


def _resolve(pairs: list[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for future, outcome in pairs:
        if future.done():
            continue  # its caller was cancelled
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
