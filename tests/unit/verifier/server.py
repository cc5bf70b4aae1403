"""A server on a loopback port that answers what it is told to, byte for byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self


class RawServer:
    """`requests` holds what came in; `answer` is called with each connection after its request was read."""

    def __init__(self, answer: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._tls = tls
        self._over = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, suppress(OSError):  # the client has seen enough
                if self._over:
                    return
                if self._tls is None:
                    self._one(connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                        self._one(wrapped)

    def _one(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            more = connection.recv(65536)
            if not more:
                return
            request += more
        self.requests.append(request)
        self._answer(connection)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(30)
        self._listener.close()


@contextmanager
def saying(answer: bytes) -> Iterator[RawServer]:
    """Always the same."""
    with RawServer(lambda connection: connection.sendall(answer)) as server:
        yield server


def response(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    """A whole HTTP response."""
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines))
    return head.encode() + b"\r\n\r\n" + body
