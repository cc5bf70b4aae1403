"""Which servers share one SQLite file: each holds a lock on a file of its own in a folder beside the database. What is
in the file: of each of its nodes, when it last asked the log, what it has acknowledged, and what it says of itself.

The operating system drops the lock when a process ends, however it ends, so nothing has to time out. A file gets its
name only once it is locked: whoever finds one without a lock may take it for a dead server's and clear it away.
"""

import contextlib
import os
import secrets
import sys
import threading
import zlib
from pathlib import Path

import msgspec

from ostiary.errors import Unavailable
from ostiary.revocation.entry import Node

if sys.platform != "win32":
    import fcntl


_NUDGE = ".nudge"
_LONGEST = 1 << 20  # bytes of one server's file, of which each node takes some hundred
_FEW = 16  # nodes of one process
_GLANCE = 64  # servers' files that are read on the event loop: they are small, and always in memory
_READS = 3  # of all files, before one that cannot be read is left out


def folder_of(database: Path) -> Path:
    """Beside the database: the file itself, for whatever link it is reached by."""
    if database.is_symlink():
        database = database.resolve()
    return database.with_name(database.name + ".servers")


class _Known(msgspec.Struct, array_like=True):
    """What is written of one node. `at`: the machine's uptime when it last asked. `file`: which database it asked."""

    name: str
    at: float
    acknowledged: int = 0
    description: str = ""
    file: int = 0


_DECODER = msgspec.json.Decoder(list[_Known])


class Presence:
    """One open store among those of the same file, whose inode is `file`. From any thread."""

    def __init__(self, database: Path, file: int) -> None:
        self._file = file
        self._folder = folder_of(database)
        self._name = secrets.token_hex(8)
        self._path = str(self._folder / self._name)
        self._nudge = str(self._folder / _NUDGE)
        self._guard = threading.RLock()  # of all beneath
        self._handle: int | None = None
        self._inode = 0
        self._others = 0
        self._nodes: dict[str, _Known] = {}
        self._written = 0

    @property
    def is_small(self) -> bool:
        """Whether few nodes are followed up here: what is written of them is, each time they ask."""
        return len(self._nodes) <= _FEW

    def announce(self) -> None:
        """Raises Unavailable if the folder cannot be written to."""
        with self._guard:
            self._announce()

    def _announce(self) -> None:
        if sys.platform == "win32" or self._handle is not None:
            return
        draft = self._folder / f".{self._name}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                self._inode = os.fstat(handle).st_ino
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                draft.rename(self._path)
            except OSError:
                os.close(handle)  # nobody would see it: it is not announced
                raise
        except OSError as error:
            raise Unavailable(private=f"sqlite: the servers' folder: {error.strerror}") from error
        self._handle = handle

    def alive(self, node: str, at: float, *, acknowledged: int) -> None:
        """It asks the log at this instant of the machine's uptime, and has applied all items up to this position.
        Raises Unavailable as `announce` does."""
        with self._guard:
            if self._handle is not None and self._is_cleared_away():
                os.close(self._handle)
                self._handle = None
            self._announce()
            known = self._nodes.get(node)
            if known is None:
                known = self._nodes[node] = _Known(node, at, file=self._file)
            known.at, known.acknowledged = at, acknowledged
            self._write()

    def acknowledge(self, node: str, position: int) -> bool:
        """It has applied all items up to this one; whether it is known. Raises Unavailable as `announce` does."""
        with self._guard:
            known = self._nodes.get(node)
            if known is None:
                return False
            if known.acknowledged != position:
                known.acknowledged = position
                self._write()
            return True

    def describe(self, node: str, description: str) -> None:
        """What it says of itself; of a node that never asked, or is forgotten, nothing is kept."""
        with self._guard:
            if node in self._nodes:
                self._nodes[node].description = description
                self._write()

    def forget(self, node: str) -> None:
        """It is no longer waited for."""
        with self._guard:
            if self._nodes.pop(node, None) is not None:
                self._write()

    def behind(self, position: int, *, since: float) -> int | None:
        """How many nodes of any living server asked at `since` or later and have not acknowledged `position`. One whose
        file cannot be read counts, and so does one that asked a database that another one has replaced: its positions
        are others. None if it cannot be known who there is."""
        names = None if sys.platform == "win32" else self._names()
        if names is None:
            return None
        behind = self._behind([*self._nodes.values()], position, since)
        for name in names:
            if name != self._name:
                found = _parsed(f"{self._folder}{os.sep}{name}")
                late = 1 if found is None else self._behind(found, position, since)
                if late and self._is_alive(name):  # what is asked last, for it takes the longest
                    behind += late
        return behind

    def _behind(self, nodes: list[_Known], position: int, since: float) -> int:
        return sum(node.at >= since and (node.acknowledged < position or node.file != self._file) for node in nodes)

    @property
    def others_are_few(self) -> bool:
        """Whether they were when they were looked at last: then `behind` is seen at a glance."""
        return self._others <= _GLANCE

    def known(self, *, now: float, within: float) -> list[Node]:
        """The nodes of all living servers that asked within so many seconds, the longest silent first. Raises
        Unavailable if it cannot be known who there is."""
        found = self._all()
        for _ in range(_READS):
            if found is None or not found[1]:
                break
            found = self._all()  # a file is unreadable only for as long as somebody is writing it
        if found is None:
            raise Unavailable(private="sqlite: the servers' folder cannot be read")
        nodes = sorted((node for node in found[0] if node.at >= now - within), key=lambda node: node.at)
        return [
            Node(
                name=node.name,
                silent=max(0.0, now - node.at),
                acknowledged=node.acknowledged,
                description=node.description,
            )
            for node in nodes
        ]

    def _all(self) -> tuple[list[_Known], int] | None:
        """The nodes of all living servers, and how many servers' files could not be read; None if it cannot be known
        who there is."""
        names = None if sys.platform == "win32" else self._names()
        if names is None:
            return None
        nodes = [*self._nodes.values()]
        unread = 0
        for name in names:
            if name != self._name and self._is_alive(name):
                found = _parsed(f"{self._folder}{os.sep}{name}")
                nodes += found or ()
                unread += found is None
        return nodes, unread

    def nudge(self) -> None:
        """Let `nudged` of every server be another one. Raises Unavailable as `announce` does."""
        try:
            try:
                count = self._marked()
            except FileNotFoundError:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                Path(self._nudge).touch(mode=0o600)
                count = self._marked()
            # whatever the clock of the file system says: it may stand still for milliseconds
            os.utime(self._nudge, ns=(count + 1, count + 1))
        except OSError as error:
            raise Unavailable(private=f"sqlite: the servers' folder: {error.strerror}") from error

    def nudged(self) -> int:
        """A number that each nudge changes. Raises OSError."""
        try:
            return self._marked()
        except FileNotFoundError:
            return 0

    def _marked(self) -> int:
        return os.stat(self._nudge).st_mtime_ns  # noqa: PTH116 - asked many times a second

    def others(self) -> bool:
        """True also where it cannot be known."""
        if sys.platform == "win32":
            return True
        names = self._names()
        return names is None or any(self._is_alive(name) for name in names if name != self._name)

    def _names(self) -> list[str] | None:
        """Of all servers' files; None if they cannot be listed."""
        try:
            names = [name for name in os.listdir(self._folder) if not name.startswith(".")]  # noqa: PTH208 - at each login
            self._others = len(names)
            return names
        except FileNotFoundError:
            return []
        except OSError:
            return None

    def _write(self) -> None:
        if self._handle is None:
            return
        text = msgspec.json.encode(list(self._nodes.values()))
        try:
            os.pwrite(self._handle, b"%08x" % zlib.crc32(text) + text, 0)
            if len(text) < self._written:
                os.ftruncate(self._handle, 8 + len(text))
            self._written = len(text)
        except OSError as error:
            raise Unavailable(private=f"sqlite: the servers' folder: {error.strerror}") from error

    def _is_cleared_away(self) -> bool:
        """Whether somebody removed this server's file, or put another one there: nobody would wait for it any more."""
        try:
            return os.stat(self._path).st_ino != self._inode  # noqa: PTH116 - asked for every probe
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def leave(self) -> None:
        """May be repeated."""
        with self._guard:
            handle, self._handle = self._handle, None
            if handle is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)  # noqa: PTH108 - a path as all others here
                os.close(handle)

    def _is_alive(self, name: str) -> bool:
        if sys.platform == "win32":
            return True
        path = self._folder / name
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except OSError:
            return True
        finally:
            os.close(handle)
        return False


def _parsed(path: str) -> list[_Known] | None:
    """What the file says of its nodes; None if it was caught while it was being written."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            text = os.read(handle, _LONGEST)
        finally:
            os.close(handle)
        if not text:
            return []  # announced, and has not asked yet
        if int(text[:8], 16) != zlib.crc32(text[8:]):
            return None
        return _DECODER.decode(text[8:])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
