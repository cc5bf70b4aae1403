"""How much of a request is read before it is known what it asks for.

uvicorn's parser of choice has no bound: a head without end, of one header or of a million, is kept in memory until the
connection ends, and so are requests that come one after the other before any is answered. What is too large but ends
soon is refused by the application, with all headers that answers have.
"""

import importlib.util
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ostiary import limits
from ostiary.errors import HeadersTooLarge, InvalidRequest, Malformed
from ostiary.http.problems import TargetTooLong, problem

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_VERSIONS = ("1.0", "1.1")  # of this syntax; no later one has a request line (RFC 9113 section 3.3)
_LINGER_SECONDS = 1.0  # until the connection is closed: at once, the sender might never read why


def http_protocol() -> "type[HttpToolsProtocol] | str":
    """For ``uvicorn.Config(http=...)``. Without httptools it is h11, which has a bound of its own."""
    if importlib.util.find_spec("httptools") is None:
        return "h11"
    return _bounded()


def _bounded() -> "type[HttpToolsProtocol]":
    from httptools import parse_url
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class BoundedHeads(HttpToolsProtocol):
        """Refuses a head of more than `limits.HEAD_BYTES`, as much that is neither head nor body (a trailer, which it
        forgets), and what calls itself another version of HTTP. Believes no Host beside a whole URL, and takes no more
        requests ahead than `limits.PIPELINED_REQUESTS`."""

        _head = 0
        _beside = 0  # bytes since the last head, body or message ended; the parser keeps a trailer that does not
        _refused = False

        def data_received(self, data: bytes) -> None:
            if self._refused:
                return
            self._beside += len(data)
            super().data_received(data)
            scope: Any = self.scope  # None before the first request
            if scope is not None and "method" not in scope and not self._refused:  # a head that has not ended yet
                self._head = self._head + len(data) if self._head else 1 + self._size()
                if self._head > limits.HEAD_BYTES:
                    self._refuse(TargetTooLong() if self._is_target_too_long() else HeadersTooLarge())
            elif self._beside > limits.HEAD_BYTES and not self._refused:
                self._refuse(HeadersTooLarge())

        def on_body(self, body: bytes) -> None:
            super().on_body(body)
            self._beside = 0

        def on_message_complete(self) -> None:
            super().on_message_complete()
            self._beside = 0

        def on_headers_complete(self) -> None:
            # the parser knows no other way to stop; it reads the head of any version that there ever was
            if len(self.pipeline) >= limits.PIPELINED_REQUESTS or self.parser.get_http_version() not in _VERSIONS:
                raise _NoFurther
            if not self.url.startswith((b"/", b"*")):
                self._use_host_of_target()
            super().on_headers_complete()
            self._head = self._beside = 0
            # what comes after a chunked body under the name of a header is none (RFC 9110 section 6.5.1)
            self.headers = _DROPPED

        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's
            # the parser of addresses takes none of `limits.HEAD_BYTES` or more, and the answer to that is an own one
            # (RFC 9112 section 3)
            self._refuse(TargetTooLong() if self._is_target_too_long() else Malformed())

        def _is_target_too_long(self) -> bool:
            return len(self.url) >= limits.HEAD_BYTES

        def _use_host_of_target(self) -> None:
            """A whole URL says itself which host is meant (RFC 9112 section 3.2.2)."""
            target: Any = parse_url(self.url)
            host = b"[%s]" % target.host if b":" in target.host else target.host
            value = host if target.port is None else b"%s:%d" % (host, target.port)
            self.headers[:] = [(name, value if name == b"host" else old) for name, old in self.headers]

        def _size(self) -> int:
            return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

        def _refuse(self, error: InvalidRequest) -> None:
            self._refused = True
            cycle: Any = self.cycle  # None before the first request
            under_way = cycle is not None and not cycle.response_complete
            if under_way and (cycle.response_started or not cycle.more_body):
                self.transport.close()  # whatever is written now would be taken for an answer to that one
                return
            answer = problem(error)
            lines = [f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}".encode()]
            # with the date, as every answer of an application has it (RFC 9110 section 6.6.1)
            headers = (*self.server_state.default_headers, *answer.raw_headers, (b"connection", b"close"))
            lines += [name + b": " + value for name, value in headers]
            self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body))
            if under_way:
                self.transport.close()
            else:
                self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    return BoundedHeads


class _NoFurther(Exception):
    pass


class _Dropped(list[tuple[bytes, bytes]]):
    """Takes whatever comes and keeps nothing."""

    def append(self, item: Any) -> None:
        """Nothing."""


_DROPPED = _Dropped()
