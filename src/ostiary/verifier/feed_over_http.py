"""The issuer's revocation feed over HTTP: one question and its answer, and a stream of hints. Blocking, standard
library only: each runs in a thread of its own (`following.py`)."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from ostiary import limits
from ostiary.errors import Misconfigured, Unavailable
from ostiary.revocation.entry import Cursor, Entry, LogItem, Probe
from ostiary.revocation.wire import SCOPES, STREAM, Answer, Item, read, written
from ostiary.verifier.urls import check_url, port_of

if TYPE_CHECKING:
    import ssl


_ANSWER = msgspec.json.Decoder(Answer[Item])
_ITEMS = msgspec.json.Decoder(list[Item])
_FAILURES = (OSError, HTTPException, ValueError, msgspec.MsgspecError)


class FeedOverHttp:
    """The feed at `url`. `authorization` gives a fresh `Authorization` for each request."""

    def __init__(
        self, url: str, *, authorization: Callable[[], str], node: str, ssl_context: "ssl.SSLContext | None"
    ) -> None:
        parts = check_url(url, "revocation feed")
        if parts.query:
            raise Misconfigured("The revocation feed has a query, which it must not.")
        self._secure = parts.scheme == "https"
        self._host, self._port, self._path = parts.hostname or "", port_of(parts), parts.path or "/"
        self._authorization = authorization
        self._node = node
        self._context = ssl_context
        self._asking: HTTPConnection | None = None
        self._streaming: socket.socket | None = None
        self.interruptions = 0
        """How often `interrupt` was called; for `events`."""

    def ask(self, cursor: Cursor, *, timeout: float, fresh: bool = False) -> Answer[Item]:
        """What was committed before this call, after `cursor`; as far as a relay knows, unless it is to be `fresh`.
        Raises Unavailable."""
        query = {"cursor": written(cursor)} if cursor != Cursor() else {}
        body = self.exchange({**query, **({"fresh": "1"} if fresh else {})}, timeout=timeout)
        try:
            return _ANSWER.decode(body)
        except _FAILURES as error:
            raise _unavailable(error) from None

    def exchange(self, query: dict[str, str], *, timeout: float) -> bytes:
        """A question under the follower's name, and the answer as it came. Raises Unavailable."""
        query = {"node": self._node, **query}
        reused = self._asking is not None
        try:
            return self._ask(query, timeout)
        except _FAILURES as error:
            self._drop()
            if not reused or isinstance(error, TimeoutError):
                raise _unavailable(error) from None
        try:
            return self._ask(query, timeout)  # the connection may just have been too old
        except _FAILURES as error:
            self._drop()
            raise _unavailable(error) from None

    def _ask(self, query: dict[str, str], timeout: float) -> bytes:
        connection = self._asking or self._connect(timeout)
        self._asking = connection
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        response = self._send(connection, query, "application/json")
        body = response.read(limits.FEED_ANSWER_BYTES + 1)
        if response.status != 200:
            raise HTTPException(f"status {response.status}")
        if len(body) > limits.FEED_ANSWER_BYTES:
            raise HTTPException("too large")
        return body

    def hints(self, cursor: Cursor, *, since: int | None = None) -> Iterator[list[Entry]]:
        """What is said after `cursor`, as it is said; an empty list where only life is. Ends with the connection.
        `since` as in `events`. Raises Unavailable."""
        try:
            for data in self.events(cursor, since=since):
                yield [item.entry() for item in _ITEMS.decode(data) if item.scope in SCOPES] if data else []
        except _FAILURES as error:
            raise _unavailable(error) from None

    def events(self, cursor: Cursor, *, since: int | None = None) -> Iterator[bytes]:
        """The same as it came: the JSON of items, nothing where only life is. `since`: what `interruptions` was when
        it was decided to listen; one that came between then and the connection counts, too."""
        query = {"cursor": written(cursor)} if cursor != Cursor() else {}
        try:
            connection = self._connect(limits.FETCH_SECONDS)
            try:
                connection.connect()
                # kept here: the connection lets go of a socket that will not be used again, and still reads from it
                self._streaming = connection.sock
                if since is not None and self.interruptions != since:
                    return
                response = self._send(connection, query, STREAM)
                if response.status != 200:
                    raise HTTPException(f"status {response.status}")
                if self._streaming is not None:
                    self._streaming.settimeout(limits.FEED_KEEP_ALIVE * 3)
                with response:
                    yield from _events(response)
            finally:
                self._streaming = None
                connection.close()
        except _FAILURES as error:
            raise _unavailable(error) from None

    def leave(self) -> None:
        """Say that nobody need wait for this follower. Fails quietly: time says it too."""
        try:
            connection = self._connect(1.0)
            self._send(connection, {"node": self._node, "leave": "1"}, "application/json").read(1)
            connection.close()
        except _FAILURES:
            return

    def interrupt(self) -> None:
        """End a stream that is being read, or opened, in another thread."""
        self.interruptions += 1
        stream = self._streaming
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    def _connect(self, timeout: float) -> HTTPConnection:
        if not self._secure:
            return HTTPConnection(self._host, self._port, timeout=timeout)
        if self._context is None:
            import ssl

            self._context = ssl.create_default_context()
        return HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)

    def _send(self, connection: HTTPConnection, query: dict[str, str], accept: str) -> HTTPResponse:
        target = self._path + ("?" + urlencode(query) if query else "")
        headers = {"Accept": accept, "Authorization": self._authorization(), "User-Agent": "ostiary-verifier"}
        connection.request("GET", target, headers=headers)
        return connection.getresponse()

    def close(self) -> None:
        """Let the connection go."""
        self._drop()

    def _drop(self) -> None:
        connection, self._asking = self._asking, None
        if connection is not None:
            connection.close()


def _events(response: HTTPResponse) -> Iterator[bytes]:
    """Of `text/event-stream`, as far as this feed uses it: one `data` line an event."""
    name = ""
    while line := response.readline(limits.FEED_ANSWER_BYTES):
        text = line.rstrip(b"\r\n")
        if text.startswith(b"event: "):
            name = text[7:].decode("latin-1")
        elif text.startswith(b"data: ") and name == "items":
            yield text[6:]
        elif text.startswith((b":", b"data: ")):
            yield b""


def probe_of(answer: Answer[Item]) -> Probe:
    """As a replica takes it. Scopes that this version does not know are left out: they refuse nothing here, and have
    been read all the same."""
    items = []
    for item in answer.items:
        if item.scope in SCOPES:
            at = read(item.cursor)
            items.append(LogItem(position=at.position, nonce=at.nonce, entry=item.entry()))
    return Probe(
        generation=answer.generation,
        matches=answer.matches,
        items=tuple(items),
        complete=answer.complete,
        reached=read(answer.items[-1].cursor) if answer.items else None,
    )


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(private=f"the revocation feed: {type(error).__name__} {error}")
