"""Which servers share one SQLite file: each holds a lock on a file of its own in a folder beside the database. What is
in the file: of each of its nodes, when it last asked the log and what it has acknowledged.

The operating system drops the lock when a process ends, however it ends, so nothing has to time out. A file gets its
name only once it is locked: whoever finds one without a lock may take it for a dead server's and clear it away.
"""

import contextlib
import json
import os
import secrets
import sys
import zlib
from pathlib import Path

from ostiary.errors import Unavailable

if sys.platform != "win32":
    import fcntl


_NUDGE = ".nudge"


class Presence:
    """One open store among those of the same file."""

    def __init__(self, database: Path) -> None:
        self._folder = database.with_name(database.name + ".servers")
        self._name = secrets.token_hex(8)
        self._nudge = str(self._folder / _NUDGE)
        self._handle: int | None = None
        self._nodes: dict[str, tuple[int, float]] = {}

    def announce(self) -> None:
        """Raises Unavailable if the folder cannot be written to."""
        if sys.platform == "win32" or self._handle is not None:
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            draft = self._folder / f".{self._name}"
            self._handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.rename(self._folder / self._name)
        except OSError as error:
            raise Unavailable(private=f"sqlite: the servers' folder: {error.strerror}") from error

    def alive(self, node: str, at: float) -> None:
        """It asks the log at this instant of the machine's uptime. Raises Unavailable as `announce` does."""
        self.announce()
        position, _ = self._nodes.get(node, (0, at))
        self._nodes[node] = (position, at)
        self._write()

    def acknowledge(self, node: str, position: int) -> None:
        """It has applied all items up to this position."""
        _, at = self._nodes[node]
        self._nodes[node] = (position, at)
        self._write()

    def forget(self, node: str) -> None:
        """It is no longer waited for."""
        if self._nodes.pop(node, None) is not None:
            self._write()

    def behind(self, position: int, *, since: float) -> int | None:
        """How many nodes of any living server asked at `since` or later and have not acknowledged `position`. One whose
        file cannot be read counts. None if it cannot be known who there is."""
        names = None if sys.platform == "win32" else self._names()
        if names is None:
            return None
        nodes = [*self._nodes.values()]
        unknown = 0
        for name in names:
            if name != self._name and self._is_alive(name):
                found = _parsed(self._folder / name)
                nodes += found or ()
                unknown += found is None
        return unknown + sum(at >= since and acknowledged < position for acknowledged, at in nodes)

    def nudge(self) -> None:
        """Let `nudged` of every server be another one. Raises Unavailable as `announce` does."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            mark = self._folder / _NUDGE
            mark.touch(mode=0o600)
            count = mark.stat().st_mtime_ns
            os.utime(mark, ns=(count + 1, count + 1))  # the clock of a file system may stand still for milliseconds
        except OSError as error:
            raise Unavailable(private=f"sqlite: the servers' folder: {error.strerror}") from error

    def nudged(self) -> int:
        """A number that each nudge changes. Raises OSError."""
        try:
            return os.stat(self._nudge).st_mtime_ns  # noqa: PTH116 - asked many times a second
        except FileNotFoundError:
            return 0

    def others(self) -> bool:
        """True also where it cannot be known."""
        if sys.platform == "win32":
            return True
        names = self._names()
        return names is None or any(self._is_alive(name) for name in names if name != self._name)

    def _names(self) -> list[str] | None:
        """Of all servers' files; None if they cannot be listed."""
        try:
            return [entry.name for entry in os.scandir(self._folder) if not entry.name.startswith(".")]
        except FileNotFoundError:
            return []
        except OSError:
            return None

    def _write(self) -> None:
        if self._handle is None:
            return
        text = json.dumps([*self._nodes.values()]).encode()
        try:
            os.pwrite(self._handle, b"%08x" % zlib.crc32(text) + text, 0)
            os.ftruncate(self._handle, 8 + len(text))
        except OSError as error:
            raise Unavailable(private=f"sqlite: the servers' folder: {error.strerror}") from error

    def leave(self) -> None:
        """May be repeated."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink()
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


def _parsed(path: Path) -> list[tuple[int, float]] | None:
    """What the file says of its nodes; None if it was caught while it was being written."""
    try:
        text = path.read_bytes()
        if not text:
            return []  # announced, and has not asked yet
        if int(text[:8], 16) != zlib.crc32(text[8:]):
            return None
        return [(int(position), float(at)) for position, at in json.loads(text[8:])]
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return None
