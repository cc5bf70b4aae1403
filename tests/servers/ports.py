"""Ports of the loopback address for servers that are told theirs."""

import contextlib
import socket


def free_port() -> int:
    """One that nobody listens on, and that nobody else is given while this process lives: it stays bound. A server that
    is told its number binds it all the same, as often as it starts (SO_REUSEADDR, which servers set). Where a system
    does not allow that, the port is only free right now."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            held.detach()
        return port
