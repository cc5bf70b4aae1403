"""Ports of the loopback address for servers that are told theirs."""

import contextlib
import os
import socket
from collections import deque

_KEPT = 200  # a process may have no more than a thousand descriptors in some places
_held: deque[int] = deque()


def free_port() -> int:
    """One that nobody listens on, and that nobody else is given for a long time: it stays bound, until this process has
    asked for many others. A server that is told its number binds it all the same, as often as it starts (SO_REUSEADDR,
    which servers set). Where a system does not allow that, the port is only free right now."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            _held.append(held.detach())
    if len(_held) > _KEPT:
        os.close(_held.popleft())
    return port
