"""Ports of the loopback address for servers that are told theirs."""

import socket
import sys


def free_port() -> int:
    """One that nobody listens on, and that nobody else is given while this process lives: on Linux it stays bound. A
    server that is told its number binds it all the same, as often as it starts (SO_REUSEADDR, which servers set)."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = int(held.getsockname()[1])
        if sys.platform.startswith("linux"):
            held.detach()
        return port
