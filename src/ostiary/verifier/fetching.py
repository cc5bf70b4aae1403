"""One document over HTTP, within bounds: time from the first byte to the last, bytes, no redirect, no proxy.

It blocks, so it runs in a thread of its own (`remote_keys.py`). Nothing is taken from the environment but what OpenSSL
itself reads.
"""

import io
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary import limits
from ostiary.clock import SYSTEM_CLOCK
from ostiary.errors import Unavailable
from ostiary.verifier.urls import check_url, port_of

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was fetched. `max_age`: for how many seconds its sender says that it is fresh; None if it does not say."""

    body: bytes
    max_age: float | None = None


Fetch = Callable[[str, float], Document]
"""(URL, deadline on the system's monotonic clock) -> the document. Raises `FetchFailed`."""


class FetchFailed(Unavailable):
    """No document. `answer` is the status of what was answered, 0 if nothing was; `status` is what we answer then."""

    def __init__(self, private: str, *, status: int = 0) -> None:
        super().__init__(private=private)
        self.answer = status


class HttpFetch:
    """`Fetch` by the standard library. `ssl_context`: for a private certificate authority; the default trusts what the
    system trusts."""

    def __init__(
        self,
        ssl_context: "ssl.SSLContext | None" = None,
        *,
        accept: str = "application/json, application/jwk-set+json",
        max_bytes: int = limits.DOCUMENT_BYTES,
    ) -> None:
        self._context = ssl_context
        self._accept = accept
        self._max_bytes = max_bytes

    def __call__(self, url: str, deadline: float) -> Document:
        from http.client import HTTPException

        parts = check_url(url, "address")
        try:
            return self._get(parts.scheme, parts.hostname or "", port_of(parts), _target(url), deadline)
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a name that DNS cannot be asked for
            raise FetchFailed(f"{url}: {type(error).__name__}") from None

    def _get(self, scheme: str, host: str, port: int, target: str, deadline: float) -> Document:
        from http.client import HTTPConnection, HTTPSConnection

        secure = scheme == "https"
        connection = HTTPSConnection(host, port, context=self._trust()) if secure else HTTPConnection(host, port)
        plain = socket.create_connection((host, connection.port), timeout=_remaining(deadline))
        with closing(plain):
            wire = self._trust().wrap_socket(plain, server_hostname=host) if secure else plain
            with closing(wire):
                connection.sock = _Wire(wire, deadline, self._max_bytes)
                connection.request(
                    "GET",
                    target,
                    headers={
                        "Accept": self._accept,
                        "Accept-Encoding": "identity",
                        "Connection": "close",
                        "User-Agent": "ostiary-verifier",
                    },
                )
                response = connection.getresponse()
                if response.status != 200:
                    raise FetchFailed(f"{host}{target}: status {response.status}", status=response.status)
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise FetchFailed(f"{host}{target}: compressed, which was not asked for")
                if (response.length or 0) > self._max_bytes:
                    raise FetchFailed(f"{host}{target}: too large")
                body = response.read(self._max_bytes + 1)
                if len(body) > self._max_bytes:
                    raise FetchFailed(f"{host}{target}: too large")
                if response.length:
                    raise FetchFailed(f"{host}{target}: broken off")
                return Document(body=body, max_age=max_age_in(dict(response.headers.items())))

    def _trust(self) -> "ssl.SSLContext":
        if self._context is None:
            import ssl

            self._context = ssl.create_default_context()
        return self._context


def max_age_in(headers: Mapping[str, str]) -> float | None:
    """Freshness left, by RFC 9111 sections 4.2 and 5.2.2: `max-age` less `Age`; 0 if nothing may be kept."""
    fields = {name.lower(): value for name, value in headers.items()}
    said: float | None = None
    for directive in fields.get("cache-control", "").lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name in ("no-store", "no-cache"):
            return 0.0
        if name == "max-age":
            said = _whole(value.strip('"'))
    if said is None:
        return None
    return max(0.0, said - (_whole(fields.get("age", "")) or 0.0))


def _whole(digits: str) -> float | None:
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None


def _target(url: str) -> str:
    rest = url.partition("://")[2]
    path = rest[min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest)) :]
    return path if path.startswith("/") else f"/{path}"


def _remaining(deadline: float) -> float:
    left = deadline - SYSTEM_CLOCK.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Wire:
    """A socket as `http.client` uses one. A socket's own timeout is for each packet; here the deadline is for all of
    them together, and so is the number of bytes. Whoever opened the socket closes it."""

    def __init__(self, wire: socket.socket, deadline: float, max_bytes: int) -> None:
        self._wire = wire
        self._deadline = deadline
        self._max_bytes = max_bytes

    def sendall(self, data: bytes) -> None:
        self._wire.settimeout(_remaining(self._deadline))
        self._wire.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_Bytes(self._wire, self._deadline, self._max_bytes))

    def close(self) -> None:
        pass


class _Bytes(io.RawIOBase):
    """What comes in, until the deadline or until it is too much."""

    def __init__(self, wire: socket.socket, deadline: float, max_bytes: int) -> None:
        self._wire = wire
        self._deadline = deadline
        self._room = max_bytes + limits.HEADERS_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._wire.settimeout(_remaining(self._deadline))
        count = self._wire.recv_into(buffer)
        self._room -= count
        if self._room < 0:
            raise OSError("more than any document needs")
        return count
