"""Processes that share one SQLite file call each other: "look", when something was appended or somebody waits, and
"done", to who waits. The file itself tells nobody anything.

* Each has a datagram socket in the folder beside the database, which only its owner may enter. Nothing that comes over
  it is believed: it makes a process look into the file a little earlier than it would have.
* A call never waits. Who has calls unread needs no further one; a socket that nobody has open any more is removed.
* Where there are no such sockets (another operating system, a folder that cannot be written to, a file system without
  them), nobody is called, and everybody looks every few milliseconds, as all do anyway.
* What stands in the way may go: no file descriptor left, a full disk, a folder that was cleared away. So it is tried
  again every second, with a new socket.
"""

import asyncio
import contextlib
import os
import re
import secrets
import socket
import sys
import threading
from pathlib import Path

_LONGEST_ADDRESS = 100  # bytes; 103 on some systems, 107 on Linux
_NAME = re.compile(r"\.[0-9a-f]{16}\.calls")
_NAME_BYTES = 23
_LOOK, _TELL, _DONE = b"look", b"tell", b"done"
_TELLS = 8  # times that somebody who asked is told, which is more than a wait for a lease takes
_MOST_TOLD = 64
_MOST_AWAITED = 8  # who are done: a socket holds ten calls, so of more some might not come in
_GAP = 0.001  # seconds that the next of more may take
_TURNS = 3  # of the loop, which take microseconds unless there is more to do
_AT_ONCE = 64  # calls that are taken in before others get their turn
_AGAIN = 1.0  # seconds between looks at whether this process can be called, if it could not, or still can


class Calls:
    """Of one open store. Where it is not said otherwise: to be used on the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"{folder}{os.sep}"
        self._fits = len(os.fsencode(self._prefix)) + _NAME_BYTES <= _LONGEST_ADDRESS
        self._name = _new_name()
        self._socket: socket.socket | None = None
        self._opened: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bound = False
        self._look_at = 0.0  # when to see again whether it can be called, by the loop's time
        self._closed = sys.platform == "win32"
        self._due = 0  # turns of the loop until everybody is called to look, 0 if nobody is
        self._waiting: dict[str, int] = {}  # whom to tell, and how often yet
        self._guard = threading.Lock()
        self._done = 0
        self._wanted = 1
        self._pausing = 0
        self._told = 0
        self._is_done = asyncio.Event()
        self.looked = asyncio.Event()
        """Set by the next call to look, or to tell; another one then takes its place."""
        self.asked = 0
        """How often somebody asked to be told."""

    def listen(self) -> bool:
        """From now on, on this loop; whether that is possible. To be repeated: costs nothing, and what was not possible
        may be by then."""
        loop = asyncio.get_running_loop()
        if self._closed:
            return False
        if self._loop is loop and loop.time() < self._look_at:
            return self._bound
        with self._guard:
            if self._bound and not (self._folder / self._name).exists():
                self._drop()  # somebody cleared it away: nobody would call this process any more
            if not self._bound or self._loop is not loop:
                try:
                    self._bind(loop)
                except (OSError, NotImplementedError):
                    self._drop()
        self._loop = loop
        self._look_at = loop.time() + _AGAIN
        return self._bound

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        mine = self._made()
        if not self._bound:
            mine.bind(self._address(self._name))
            self._bound = True
            (self._folder / self._name).chmod(0o600)
        loop.add_reader(mine.fileno(), self._read)

    async def called(self, looked: asyncio.Event, *, within: float) -> None:
        """Return when `looked` is set, at the latest after so many seconds."""
        timer = asyncio.get_running_loop().call_later(within, self._wake, looked)
        try:
            await looked.wait()
        finally:
            timer.cancel()

    def _wake(self, looked: asyncio.Event) -> None:
        if looked is self.looked:
            self.looked = asyncio.Event()
        looked.set()

    async def done(self, count: int, *, within: float) -> None:
        """Return when as many said so since the last time, the first time as many as were told; at the latest after so
        many seconds."""
        wanted, self._told = max(count, self._told), 0
        loop = asyncio.get_running_loop()
        while self._done < wanted:
            before = self._done
            self._wanted = min(wanted, max(_MOST_AWAITED, before + 1))
            self._is_done.clear()
            timer = loop.call_later(within if before < _MOST_AWAITED else _GAP, self._is_done.set)
            self._pausing += 1
            try:
                await self._is_done.wait()
            finally:
                self._pausing -= 1
                timer.cancel()
            if self._done < self._wanted:
                break
        self._done = 0

    def look_soon(self) -> None:
        """Something was appended. Those who append at the same time make one call; whoever goes on to `tell` makes
        none, if that is what he does next."""
        if not self._due and not self._closed:
            self._due = _TURNS
            asyncio.get_running_loop().call_soon(self._look)

    def will_tell(self) -> None:
        """`tell` follows, come what may."""
        self._due = 0

    def _look(self) -> None:
        if self._due > 1 and not self._closed:
            self._due -= 1
            asyncio.get_running_loop().call_soon(self._look)
        elif self._due:
            self._due = 0
            self.call(_LOOK)

    def tell(self) -> None:
        """Let everybody look, and say so when it has told what it has applied. From any thread."""
        self._done = 0
        names = self._names()
        self._told = len(names) - (self._name in names)
        self._send(_TELL, names)

    def call(self, what: bytes) -> None:
        """Everybody who listens, this process too. From any thread."""
        self._send(what, self._names())

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as found:
                return [entry.name for entry in found if _NAME.fullmatch(entry.name)]
        except OSError:
            return []

    def is_applied(self) -> None:
        """A node of this process has told what it has applied: whoever asked for it hears. From any thread."""
        if self._waiting:
            with self._guard:
                names = list(self._waiting)
                self._waiting = {name: left - 1 for name, left in self._waiting.items() if left > 1}
            self._send(_DONE, names)

    def _send(self, what: bytes, names: list[str]) -> None:
        with self._guard:
            if self._closed:
                return
            for name in names:
                try:
                    self._made().sendto(what, self._address(name))
                except ConnectionRefusedError:  # its process has ended; names are never used again
                    with contextlib.suppress(OSError):
                        (self._folder / name).unlink()
                except OSError:
                    continue  # it is gone, or has calls unread

    def _read(self) -> None:
        assert self._socket is not None  # noqa: S101 - this is called for what it has received
        looks = False
        for _ in range(_AT_ONCE):
            try:
                what, sender = self._socket.recvfrom(16)
            except OSError:
                break
            if what == _DONE:
                self._done += 1
                continue
            looks = True
            name = sender.rpartition(os.sep)[2] if isinstance(sender, str) else ""
            self.asked += what == _TELL
            if what == _TELL and _NAME.fullmatch(name) and len(self._waiting) < _MOST_TOLD:
                with self._guard:
                    self._waiting[name] = _TELLS
        if self._done >= self._wanted or self._pausing > 1:
            self._is_done.set()
        if looks:
            self._wake(self.looked)

    def _made(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        return self._socket

    def _address(self, name: str) -> str:
        """A path; where it is longer than a socket's may be, by way of the folder, which is opened for that."""
        if self._fits:
            return self._prefix + name
        if self._opened is None:
            self._opened = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._opened}/{name}"

    def close(self) -> None:
        """Call nobody, and listen to nobody, any more. May be repeated."""
        if self._due:
            self._due = 0
            self.call(_LOOK)
        with self._guard:
            self._closed = True
            self._drop()

    def _drop(self) -> None:
        """What there is of a socket; the next one has a name of its own."""
        if self._socket is not None:
            if self._loop is not None and not self._loop.is_closed():
                with contextlib.suppress(NotImplementedError):
                    self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        if self._bound:
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink()
        if self._opened is not None:
            os.close(self._opened)
        self._socket = self._opened = None
        self._bound = False
        self._name = _new_name()


def _new_name() -> str:
    return f".{secrets.token_hex(8)}.calls"
