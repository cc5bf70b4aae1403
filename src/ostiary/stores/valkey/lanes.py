"""Lanes: a connection and a queue of commands. All that wait when a lane is free travel together, and are answered
together: under load the price of a round trip, and of the server's fsync, is shared by many.

* An answer is the command's own; an error reply is `Unavailable`, as is everything that happens on the way.
* Nothing waits longer than the address's `timeout`, in which time that this process itself stood still does not count:
  the answer may have come meanwhile. After trouble the next command connects anew.
* A command that changes something is sent twice only if the first answer says that it was not carried out.
* A caller that is cancelled stops waiting; what has been sent is done all the same.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AskError, ConnectionError, MovedError, NoScriptError, ReadOnlyError, RedisError  # noqa: A004

from ostiary import limits
from ostiary.errors import Overloaded, Unavailable
from ostiary.stores.valkey.errors import unavailable
from ostiary.stores.valkey.scripts import Script
from ostiary.stores.valkey.topology import Topology

Argument = bytes | str | int | float
_STOOD_STILL = 0.3  # seconds that a timer is late if the loop had no turn


@dataclass(slots=True, eq=False)
class _Waiting:
    """`script` stands for the first words of the command. `resent`: how often an answer said that it must be."""

    script: Script | None
    arguments: tuple[Argument, ...]
    future: asyncio.Future[Any]
    since: float
    with_text: bool = False
    asking: bool = False
    resent: int = 0

    @property
    def command(self) -> tuple[Argument, ...]:
        if self.script is None:
            return self.arguments
        if self.with_text:
            return ("EVAL", self.script.text, *self.arguments)
        return ("EVALSHA", self.script.digest, *self.arguments)

    @property
    def reads(self) -> bool:
        return self.script is None or self.script.reads  # no plain command of ours does harm when it is repeated


class Lane:
    """One connection. `confirm` is a command that is sent behind each batch, and must answer at least `confirmed`."""

    def __init__(
        self, name: str, topology: Topology, *, batch: int, confirm: tuple[Argument, ...] = (), confirmed: int = 0
    ) -> None:
        self._topology = topology
        self._timeout = topology.address.timeout
        self._batch = batch
        self._confirm = confirm
        self._confirmed = confirmed
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._connection: AbstractConnection | None = None
        self._closed = False
        self._task = asyncio.create_task(self._serve(), name=f"ostiary-valkey-{name}")

    async def run(self, script: Script, *arguments: Argument) -> Any:
        """What the script answers. Its one key is the prefix of all keys."""
        return await self._submit(script, (1, self._topology.address.key_prefix, *arguments))

    async def command(self, *command: Argument) -> Any:
        """What a plain command answers."""
        return await self._submit(None, command)

    def _submit(self, script: Script | None, arguments: tuple[Argument, ...]) -> "asyncio.Future[Any]":
        if self._closed:
            raise Unavailable(private="valkey: the store is closed")
        if len(self._queue) >= limits.STORE_QUEUE:
            raise Overloaded(private="valkey: too many commands are waiting")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.append(_Waiting(script, arguments, future, self._loop.time()))
        self._wake.set()
        return future

    async def close(self) -> None:
        """Take no more; return when what was queued is done."""
        self._closed = True
        self._wake.set()
        await asyncio.shield(self._task)

    async def _serve(self) -> None:
        while self._queue or not self._closed:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch: list[_Waiting] = []
            while self._queue and len(batch) < self._batch:
                waiting = self._queue.popleft()
                if not waiting.future.done():  # its caller was cancelled
                    batch.append(waiting)
            if batch:
                await self._carry(batch)
        await self._disconnect()

    async def _carry(self, batch: list[_Waiting]) -> None:
        """Send, and answer each; never raises."""
        try:
            await self._within(min(waiting.since for waiting in batch) + self._timeout, batch)
        except (RedisError, OSError, TimeoutError, Unavailable) as error:
            await self._give_up(batch, error)
        except Exception as error:  # noqa: BLE001 - the callers' to see, not this task's to die of
            await self._give_up(batch, error)

    async def _within(self, due: float, batch: Sequence[_Waiting]) -> None:
        limit = asyncio.timeout(None)
        self._limit_at(limit, due)
        try:
            async with limit:
                await self._until_answered(batch)
        finally:
            self._timer.cancel()

    def _limit_at(self, limit: asyncio.Timeout, due: float) -> None:
        self._timer = self._loop.call_at(due, self._over, limit, max(due, self._loop.time()))

    def _over(self, limit: asyncio.Timeout, due: float) -> None:
        now = self._loop.time()
        if now - due > _STOOD_STILL:
            self._limit_at(limit, now + self._timeout)
        else:
            limit.reschedule(now)

    async def _until_answered(self, batch: Sequence[_Waiting]) -> None:
        tried = 0
        while batch:
            sent = False
            try:
                connection = await self._connected()
                sent = True
                replies = await self._exchange(connection, batch)
            except (RedisError, OSError) as error:
                # another server may be the right one by now: all ask once more if nothing was sent, else who only reads
                tried += 1
                await self._disconnect()
                self._topology.forget()
                again = [waiting for waiting in batch if tried == 1 and (waiting.reads or not sent)]
                _fail([waiting for waiting in batch if waiting not in again], error)
                batch = again
                continue
            batch = await self._answer(batch, replies)

    async def _exchange(self, connection: AbstractConnection, batch: Sequence[_Waiting]) -> list[Any]:
        """One reply for each: an error reply as the exception that it is. Raises what ends the connection."""
        commands: list[tuple[Argument, ...]] = []
        for waiting in batch:
            if waiting.asking:
                commands.append(("ASKING",))
            commands.append(waiting.command)
        if self._confirm:
            commands.append(self._confirm)
        packed = b"".join([hiredis.pack_command(command) for command in commands])  # type: ignore[arg-type]
        await connection.send_packed_command(packed, check_health=False)
        replies = [await _reply(connection) for _ in commands]
        if self._confirm:
            _check_confirmed(replies.pop(), self._confirmed)
        kept = iter(replies)
        return [[next(kept), next(kept)][1] if waiting.asking else next(kept) for waiting in batch]

    async def _answer(self, batch: Sequence[_Waiting], replies: list[Any]) -> list[_Waiting]:
        """Hand the replies out; those that have to be sent again, because nothing was done, are returned."""
        again, moved = list[_Waiting](), False
        for waiting, reply in zip(batch, replies, strict=True):
            if waiting.future.done():
                continue
            if not isinstance(reply, RedisError):
                waiting.future.set_result(reply)
                continue
            waiting.asking = False
            if waiting.resent < 4 and isinstance(reply, NoScriptError):
                waiting.with_text = True
            elif waiting.resent < 4 and isinstance(reply, MovedError | AskError | ReadOnlyError):
                moved = True
                if isinstance(reply, MovedError):
                    self._topology.moved(reply.host, reply.port)
                elif isinstance(reply, AskError):
                    waiting.asking = True
                    self._topology.moved(reply.host, reply.port, once=True)
                else:
                    self._topology.forget()
            else:
                if _elsewhere(reply):
                    moved = True
                    self._topology.forget()
                _fail([waiting], reply)
                continue
            waiting.resent += 1
            again.append(waiting)
        if moved:
            await self._disconnect()
        return again

    async def _connected(self) -> AbstractConnection:
        connection = self._connection
        if connection is not None and (not connection.is_connected or await connection.can_read()):
            await self._disconnect()  # the server has closed it, or says what nobody asked
            connection = None
        if connection is None:
            connection = self._connection = await self._topology.connect()
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)

    async def _give_up(self, batch: list[_Waiting], error: Exception) -> None:
        """After this batch's trouble, what was queued behind it would wait just as long for nothing."""
        await self._disconnect()
        self._topology.forget()
        queued = list(self._queue)
        self._queue.clear()
        _fail([*batch, *queued], error)


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ConnectionError:
        raise
    except RedisError as error:
        return error


def _check_confirmed(reply: Any, wanted: int) -> None:
    """Raises Unavailable if too few have what was written."""
    if isinstance(reply, RedisError):
        raise reply
    have = min(reply) if isinstance(reply, list) else reply
    if have < wanted:
        raise Unavailable(private=f"valkey: {have} of {wanted} replicas have the change")


def _elsewhere(error: RedisError) -> bool:
    """True if another server may have become the right one."""
    return str(error).startswith(("NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING"))


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(unavailable(error))
