"""Pipes of servers whose words nobody reads before they end."""

import contextlib
import fcntl
from typing import IO

_ROOM = 1 << 19  # bytes, eight times the usual: a server that finds its pipe full stands still


def widen(pipe: IO[bytes] | None) -> None:
    """Where the system allows that: it counts what all pipes of a user take, those of other containers, too."""
    assert pipe is not None
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _ROOM)
