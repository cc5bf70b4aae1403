"""Sending bytes, and knowing when the file has been delivered.

The rules are `ostiary.domain.transfer`'s. What makes them hold when answers overlap: whoever is about to send the last
missing bytes claims the end of the transfer first, and only one can. All others are cut before their own last bytes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from ostiary import limits
from ostiary.domain.transfer import Piece, Transfer, allowance, confirmed_by, covers
from ostiary.downloads.answers import Receive, Send
from ostiary.downloads.conditions import Span
from ostiary.downloads.errors import AlreadyUsed, NoSuchFile
from ostiary.downloads.files import OpenFile
from ostiary.downloads.state import State

log = logging.getLogger("ostiary.downloads")

_LOOK_EVERY = 64 * 1024 * 1024  # bytes between two looks whether another replica has delivered the file


@dataclass(slots=True)
class _Live:
    """What this process is sending of one transfer."""

    answers: int = 0
    sent: int = 0
    promised: int = 0
    """Bytes that answers with the whole file have yet to send: kept for them, lest many at once starve each other."""
    finished: bool = False


@dataclass(slots=True)
class Gone:
    """Whether the client has left. Watches from when the request has been read until `stop`."""

    left: bool = False
    _task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def watch(self, receive: Receive) -> None:
        """Take no more than the request's own messages: what comes after them is the end of the connection."""
        self._task = asyncio.create_task(self._wait(receive))

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left = True

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


class Deliveries:
    """Everything that this process sends. `threads` read the files."""

    def __init__(self, state: State, threads: Executor) -> None:
        self._state = state
        self._threads = threads
        self._live: dict[bytes, _Live] = {}

    async def send(
        self,
        handle: bytes,
        transfer: Transfer,
        file: OpenFile,
        span: Span,
        *,
        begin: Callable[[], Awaitable[None]],
        send: Send,
        gone: Gone,
    ) -> None:
        """Begin the answer and send the bytes of `span`. Ends early, so that the connection breaks, if the file
        changes, the client leaves or the transfer is over. Raises AlreadyUsed or
        NoSuchFile, if at all, before anything is sent."""
        live = self._live.setdefault(handle, _Live())
        live.answers += 1
        live.sent = max(live.sent, transfer.sent)
        try:
            if live.finished:
                raise AlreadyUsed
            if not span.partial and live.sent + live.promised + file.size > allowance(file.size):
                raise AlreadyUsed(private="as much is being sent as may be")
            await self._send(handle, transfer, file, span, live, begin, send, gone)
        finally:
            live.answers -= 1
            if live.answers == 0:
                self._live.pop(handle, None)

    async def _send(
        self,
        handle: bytes,
        transfer: Transfer,
        file: OpenFile,
        span: Span,
        live: _Live,
        begin: Callable[[], Awaitable[None]],
        send: Send,
        gone: Gone,
    ) -> None:
        promised = 0 if span.partial else file.size
        live.promised += promised
        position = span.start
        begun = settled = claimed = done = False
        try:
            if transfer.version == file.version:
                confirmed = confirmed_by(transfer.pieces, span.start)
                if confirmed:
                    await self._state.note(handle, version=file.version, pieces=confirmed, sent=0)
            while not done:
                count = min(limits.TRANSFER_CHUNK_BYTES, span.stop - position)
                if live.sent + count > allowance(file.size):
                    raise AlreadyUsed(private="as much was sent as may be")
                data = await self._read(file, position, count)
                if data is None:
                    raise NoSuchFile(private="the file has changed since it was opened, or cannot be read")
                last = position + count == span.stop
                if begun and last:
                    # whatever still waits to be sent goes first, so that a client that has left is noticed
                    await send({"type": "http.response.body", "body": b"", "more_body": True})
                    await asyncio.sleep(0)
                if gone.left:
                    return
                if last:
                    claimed = await self._settle(handle, file, span, live)
                    settled = True
                    if gone.left:
                        return
                elif live.finished or (
                    position // _LOOK_EVERY != (position + count) // _LOOK_EVERY and await self._is_over(handle)
                ):
                    raise AlreadyUsed
                if not begun:
                    begun = True
                    await begin()
                live.sent += count
                if promised:
                    promised -= count
                    live.promised -= count
                await send({"type": "http.response.body", "body": data, "more_body": not last})
                position += count
                done = last
        except (AlreadyUsed, NoSuchFile) as error:
            if not begun:
                raise
            log.info("cut off: %s", error.private or error.code)
        finally:
            live.promised -= promised
            if claimed and not done:
                live.finished = False
                await asyncio.shield(self._state.reopen(handle))
            if position > span.start and (not settled or (claimed and not done)):
                piece = Piece(span.start, position, whole=False)
                sent = position - span.start
                await asyncio.shield(self._state.note(handle, version=file.version, pieces=(piece,), sent=sent))

    async def _read(self, file: OpenFile, position: int, count: int) -> bytes | None:
        if count == 0:
            return b""
        return await asyncio.get_running_loop().run_in_executor(self._threads, file.read, position, count)

    async def _settle(self, handle: bytes, file: OpenFile, span: Span, live: _Live) -> bool:
        """Before an answer's last bytes: what it will have sent is noted, so that a client that has it finds it noted.
        Whether it ends the transfer. Raises AlreadyUsed if that has ended."""
        known = await self._state.transfer(handle)
        if known is None or known.finished or live.finished:
            raise AlreadyUsed
        piece = Piece(span.start, span.stop)
        pieces = known.pieces if known.version == file.version else ()
        if not covers([*pieces, piece], file.size):
            sent = span.stop - span.start
            known = await self._state.note(handle, version=file.version, pieces=(piece,), sent=sent)
            # another answer may have noted what this one lacked
            if known is None or not covers(known.pieces, file.size):
                return False
        if not await self._state.finish(handle):
            raise AlreadyUsed
        live.finished = True
        return True

    async def _is_over(self, handle: bytes) -> bool:
        known = await self._state.transfer(handle)
        return known is None or known.finished
