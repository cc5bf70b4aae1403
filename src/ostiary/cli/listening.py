"""A socket that listens, or one line that says why not."""

import os
import socket

from ostiary.errors import Misconfigured

_BACKLOG = 2048  # connections that may wait to be accepted
_UNSENT_LIMIT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)


def listen(host: str, port: int, *, unsent: int | None = None) -> socket.socket:
    """Raises Misconfigured if the address cannot be listened on. ``unsent``: bytes that may wait in the kernel before
    they go out, where the system knows that limit (tcp(7), TCP_NOTSENT_LOWAT); its buffers hold megabytes else, and
    what lies there counts as sent."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as wrong:
        said = wrong.strerror if isinstance(wrong, socket.gaierror) or not wrong.errno else os.strerror(wrong.errno)
        raise Misconfigured(
            f"Port {port} of {host} cannot be listened on ({said}): end what uses it, or choose another"
        ) from wrong
    except (OverflowError, ValueError):  # no number of a port; no name that the domain name system could have
        raise Misconfigured(
            f"Port {port} of this host cannot be listened on: ports go to 65535, and a host is a name or an address"
        ) from None
    if unsent is not None and _UNSENT_LIMIT is not None:
        listener.setsockopt(socket.IPPROTO_TCP, _UNSENT_LIMIT, unsent)  # accepted connections inherit it
    listener.setblocking(False)
    return listener
