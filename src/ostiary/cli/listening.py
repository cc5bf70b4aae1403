"""A socket that listens, or one line that says why not."""

import socket

from ostiary.errors import Misconfigured

_BACKLOG = 2048  # connections that may wait to be accepted


def listen(host: str, port: int) -> socket.socket:
    """Raises Misconfigured if the address cannot be listened on."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as wrong:
        raise Misconfigured(
            f"Port {port} of {host} cannot be listened on ({wrong.strerror}): end what uses it, or choose another"
        ) from wrong
    listener.setblocking(False)
    return listener
