"""Which servers share one SQLite file: each holds a lock on a file of its own in a folder beside the database.

The operating system drops the lock when a process ends, however it ends, so nothing has to time out. A file gets its
name only once it is locked: whoever finds one without a lock may take it for a dead server's and clear it away.
"""

import contextlib
import os
import secrets
import sys
from pathlib import Path

from ostiary.errors import Unavailable

if sys.platform != "win32":
    import fcntl


class Presence:
    """One open store among those of the same file."""

    def __init__(self, database: Path) -> None:
        self._folder = database.with_name(database.name + ".servers")
        self._name = secrets.token_hex(8)
        self._handle: int | None = None

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

    def others(self) -> bool:
        """True also where it cannot be known."""
        if sys.platform == "win32":
            return True
        try:
            names = [entry.name for entry in os.scandir(self._folder)]
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return any(self._is_alive(name) for name in names if name != self._name and not name.startswith("."))

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
