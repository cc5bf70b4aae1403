"""Connections: a pool that never makes a caller wait for a server that is not there.

The rules, in words:

* A connection does one job at a time and stays open for the next. One that was lost, or whose job was given up, is not
  used again; the next job that needs one makes one.
* A job that takes long may be waiting for a lock or for a disk, and then it is worth waiting for. Or the server is
  gone, and nobody says so: a frozen machine, a cut cable. So a job that is late makes the pool ask the server
  something else, on a connection that does nothing but that. If there is no answer, every job and everybody who waits
  is told `Unavailable`, all within a second of its call.
* However well the server is, a job has a longest time.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from ostiary import limits
from ostiary.errors import OstiaryError, Overloaded, Unavailable
from ostiary.stores.postgres.errors import FAILURES, is_read_only, translated

log = logging.getLogger("ostiary.postgres")

T = TypeVar("T")
Connection = Any
"""An asyncpg.Connection; the driver has no types of its own that a checker could use."""
Job = Callable[[Connection], Awaitable[T]]
Connect = Callable[[], Awaitable[Connection]]

CONNECT_SECONDS = 0.8  # of one connection, TLS and authentication included
LATE_SECONDS = 0.3  # a job that takes longer makes the pool ask whether the server lives
ANSWER_SECONDS = 0.4  # that the server has for saying so
_LOOK_SECONDS = 0.1  # between looks for late jobs
_LOST = (asyncpg.ConnectionDoesNotExistError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, ConnectionError)


class Pool:
    """At most `size` connections, opened when they are needed. `longest`: seconds that one job may take."""

    def __init__(self, name: str, connect: Connect, *, size: int, longest: float) -> None:
        self._name = name
        self._connect = connect
        self._size = size
        self._longest = longest
        self._open = 0
        self._idle: list[Connection] = []
        self._busy: dict[Connection, float] = {}
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._silences = 0
        self._closed = False

    async def read(self, job: Job[T]) -> T:
        """`run`, and once more if the connection was lost: asking twice changes nothing."""
        silences = self._silences
        try:
            return await self.run(job)
        except Unavailable as error:
            if not isinstance(error.__cause__, _LOST) or silences != self._silences:
                raise
        return await self.run(job)

    async def run(self, job: Job[T]) -> T:
        """Do it on a connection. Raises Unavailable if it was lost on the way: then nobody knows what was done."""
        connection = self._idle.pop() if self._idle else await self._obtain()
        while connection.is_closed():  # the server ended it while nobody used it
            self._open -= 1
            connection = self._idle.pop() if self._idle else await self._obtain()
        self._busy[connection] = asyncio.get_running_loop().time()
        try:
            return await job(connection)
        except FAILURES as error:
            if is_read_only(error):  # what was the primary is none any more: the next one asks again who is
                connection.terminate()
            raise translated(error) from error
        except AttributeError as error:
            if not connection.is_closed():
                raise
            # the driver stumbles over a connection that was ended between two steps of one of its calls
            raise Unavailable(private="postgres: the connection was ended under way") from error
        except asyncio.CancelledError:
            connection.terminate()  # its answer is still to come
            raise
        finally:
            del self._busy[connection]
            self._give_back(connection)

    async def _obtain(self) -> Connection:
        if self._closed:
            raise Unavailable(private="postgres: the store is closed")
        if self._open < self._size:
            self._open += 1
            return await self._made()
        if len(self._waiting) >= limits.STORE_QUEUE:
            raise Overloaded(private="postgres: too many jobs are waiting")
        future: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(self._longest):
                given = await future
        except BaseException as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._hand_on(future.result())
            if isinstance(error, TimeoutError):
                raise Overloaded(private=f"postgres: all {self._size} connections were busy too long") from None
            raise
        return await self._made() if given is None else given

    async def _made(self) -> Connection:
        """Of a place that was counted already."""
        try:
            return await self._connect()
        except OstiaryError as error:
            self._open -= 1
            # whoever asks learns no more than that; a password that was changed meanwhile is for the log, too
            self._refuse_all(error)
            raise Unavailable(private=error.private) from error.__cause__
        except BaseException:
            self._hand_on(None)
            raise

    def _give_back(self, connection: Connection) -> None:
        if connection.is_closed() or self._closed:
            connection.terminate()
            self._hand_on(None)
        else:
            self._hand_on(connection)

    def _hand_on(self, connection: Connection | None) -> None:
        """To whoever waits longest; None stands for a place in which a connection may be made."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return
        if connection is None:
            self._open -= 1
        else:
            self._idle.append(connection)

    def _refuse_all(self, error: OstiaryError) -> None:
        """A server that takes no connection now will take none of those who wait either."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(Unavailable(private=error.private))

    def late(self, now: float) -> bool:
        """Whether a job takes longer than most; those that took too long are given up."""
        for connection, since in list(self._busy.items()):
            if now - since > self._longest:
                connection.terminate()
        return any(now - since > LATE_SECONDS for since in self._busy.values())

    def give_up(self) -> None:
        """The server does not answer: no job is waited for, no connection is used again."""
        self._silences += 1
        for connection in self._busy:
            connection.terminate()
        self._drop_idle()
        self._refuse_all(Unavailable(private="postgres: the server does not answer"))

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().terminate()
            self._open -= 1

    async def close(self) -> None:
        """Let what is under way come to its end, for as long as it may take; then no more."""
        self._closed = True
        self._refuse_all(Unavailable(private="postgres: the store is closed"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._longest):
                while self._busy:  # noqa: ASYNC110 - the end of each is an event, that of all is none
                    await asyncio.sleep(0.005)
        for connection in self._busy:
            connection.terminate()
        while self._idle:
            connection = self._idle.pop()
            self._open -= 1
            with contextlib.suppress(*FAILURES):
                await connection.close(timeout=1.0)


class Watch:
    """Looks after the pools of one store, see the module's words."""

    def __init__(self, connect: Connect, *pools: Pool) -> None:
        self._connect = connect
        self._pools = pools
        self._asking: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on, until `stop`."""
        self._task = asyncio.create_task(self._run(), name="ostiary-postgres-watch")

    async def stop(self) -> None:
        """May be repeated."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._asking is not None:
            self._asking.terminate()
            self._asking = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            if loop.time() - due > LATE_SECONDS:
                continue  # this process was the one that stood still: let the answers that have come be read first
            late = [pool.late(loop.time()) for pool in self._pools]  # each of them, not up to the first
            try:
                if any(late) and not await self._answers():
                    for pool in self._pools:
                        pool.give_up()
            except Exception:  # whatever it is, the next silence must be noticed all the same
                log.exception("the look at late jobs failed")

    async def _answers(self) -> bool:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._asking is None or self._asking.is_closed():
                    self._asking = await self._connect()
                await self._asking.fetchval("SELECT 1")
        except asyncpg.PostgresError:
            return True  # it said something
        except OstiaryError as error:
            return isinstance(error.__cause__, asyncpg.PostgresError)
        except FAILURES:
            if self._asking is not None:
                self._asking.terminate()
                self._asking = None
            # as above: if this process stood still meanwhile, the answers are there unread, and it is asked again
            return loop.time() - begun > ANSWER_SECONDS + LATE_SECONDS
        return True
