"""Where tests keep what is gone after them."""

import os
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder in it that is ours alone
_ENOUGH = 2 << 30  # bytes; a whole run leaves less than 300 MB behind at any time


def in_memory() -> Path | None:
    """A file system that waits for no disk; None where there is none with room and the usual rights. SQLite asks its
    disk some ten times to write a database down before it is begun: thousands of tests begin one."""
    try:
        found = os.statvfs(_MEMORY)
    except (OSError, AttributeError):
        return None
    roomy = found.f_bavail * found.f_frsize >= _ENOUGH
    return _MEMORY if roomy and not found.f_flag & os.ST_NOEXEC and os.access(_MEMORY, os.W_OK) else None
