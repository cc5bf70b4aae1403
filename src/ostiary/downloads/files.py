"""Files below a root: opened segment by segment from the root's own descriptor, no link followed, regular files only.

A path is never put together, so there is no moment between looking and opening in which it could become another.
"""

import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from ostiary.domain.one_time import resource_problem
from ostiary.errors import Misconfigured

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that nobody writes to would never return
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A descriptor, to be closed by whoever has it, and what the file was when it was opened."""

    descriptor: int
    size: int
    modified_ns: int

    @property
    def version(self) -> str:
        """Names this content: the same on every machine that has a copy with its times."""
        return f"{self.modified_ns:x}-{self.size:x}"

    def read(self, start: int, count: int) -> bytes | None:
        """Exactly `count` bytes; None if the file has changed since it was opened, or cannot be read."""
        try:
            data = os.pread(self.descriptor, count, start)
            while 0 < len(data) < count:
                more = os.pread(self.descriptor, count - len(data), start + len(data))
                if not more:
                    return None
                data += more
            now = os.fstat(self.descriptor)
        except OSError:
            return None
        unchanged = now.st_size == self.size and now.st_mtime_ns == self.modified_ns
        return data if unchanged and len(data) == count else None

    def close(self) -> None:
        """Once."""
        os.close(self.descriptor)


class Root:
    """A folder, held open: it stays the same one even if its name is given to another."""

    def __init__(self, path: str | Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Misconfigured(f"The root folder cannot be opened: {error.strerror}") from None
        self.path = Path(path)

    def close(self) -> None:
        """May be repeated."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def open(self, resource: str) -> OpenFile | None:
        """None if there is no such regular file, or we may not read it. Raises OSError for a disk that fails."""
        if resource_problem(resource) is not None:
            return None
        *folders, name = resource.split("/")
        current = os.dup(self._descriptor)
        try:
            for folder in folders:
                found = _open_at(current, folder, _FOLDER)
                if found is None:
                    return None
                os.close(current)
                current = found
            return _regular_file(current, name)
        finally:
            os.close(current)


def _regular_file(folder: int, name: str) -> OpenFile | None:
    descriptor = _open_at(folder, name, _FILE)
    if descriptor is None:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    return OpenFile(descriptor, found.st_size, found.st_mtime_ns)


def _open_at(folder: int, name: str, flags: int) -> int | None:
    """By the name in normal form C, or in D, as some systems write it."""
    spellings = dict.fromkeys((name, unicodedata.normalize("NFD", name)))
    for spelling in spellings:
        try:
            kind = os.stat(spelling, dir_fd=folder, follow_symlinks=False).st_mode
            # looked at first: opening a device can make it do something
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                return None
            return os.open(spelling, flags, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except OSError as error:
            if error.errno in _NOT_HERE:
                continue
            raise
    return None


def _numbers(*names: str) -> frozenset[int]:
    import errno

    return frozenset(getattr(errno, name) for name in names if hasattr(errno, name))


_NOT_HERE = _numbers("ELOOP", "EMLINK", "ENAMETOOLONG", "ENXIO", "EINVAL", "EILSEQ", "EOPNOTSUPP", "EISDIR")
