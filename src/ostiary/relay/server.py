"""The ASGI application of a relay: `GET /v1/revocations`, as the issuer has it, `/healthz` and `/readyz`."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ostiary import limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.errors import (
    HeadersTooLarge,
    InternalError,
    InvalidRequest,
    Malformed,
    MethodNotAllowed,
    NoSuchRoute,
    OstiaryError,
    Unavailable,
)
from ostiary.relay.allowed import Allowed
from ostiary.relay.answers import ALWAYS, EVENTS, JSON, Message, Receive, Scope, Send, answer, refuse
from ostiary.relay.relay import Relay
from ostiary.relay.shares import Shares
from ostiary.revocation.entry import Cursor
from ostiary.revocation.wire import STREAM, node_name, read_from_follower

log = logging.getLogger("ostiary.relay")

_FEED = "/v1/revocations"
_PATHS = (_FEED, "/healthz", "/readyz")
_LOOK_SECONDS = 1.0
_QUERY_FIELDS = 16
_PARAMETERS = ("cursor", "node", "acknowledged", "fresh", "leave")


class RelayServer:
    """Hands on what `relay` knows to those whom `allowed` names. `abort` closes the connection of a request whose
    reader does not read; `answered` is told of each answer: method, path, status, seconds until it began."""

    def __init__(
        self,
        relay: Relay,
        allowed: Allowed,
        *,
        clock: Clock = SYSTEM_CLOCK,
        abort: Callable[[Scope], None] = lambda _: None,
        answered: Callable[[str, str, int, float], None] = lambda *_: None,
    ) -> None:
        self.relay = relay
        self._allowed = allowed
        self._clock = clock
        self._abort = abort
        self._answered = answered
        self._streaming: dict[asyncio.Event, tuple[str, bytes]] = {}
        self._large = Shares(limits.RELAY_LARGE_ANSWERS, "large answers at once")
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow. Does not wait for the issuer."""
        await self.relay.start()
        self._looking = asyncio.create_task(self._keep_looking(), name="ostiary-relay-followers")

    async def stop(self) -> None:
        """See `Relay.stop`."""
        if self._looking is not None:
            self._looking.cancel()
        await self.relay.stop()

    async def _keep_looking(self) -> None:
        """Who may follow no longer hears no more."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if await asyncio.to_thread(self._allowed.look):
                for over, who in self._streaming.items():
                    if not self._allowed.knows(*who):
                        over.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        counted = path if path in _PATHS else "other"
        loop = asyncio.get_running_loop()
        begun, came_at = False, loop.time()

        async def sending(message: Message) -> None:
            nonlocal begun
            if scope["method"] == "HEAD" and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                begun = True
                self._answered(scope["method"], counted, message["status"], loop.time() - came_at)
            await send(message)

        try:
            await self._answer(scope, receive, sending)
        except OstiaryError as error:
            if begun:
                self._abort(scope)
            else:
                await refuse(sending, error)
        except Exception:
            log.exception("a request failed")
            if begun:
                self._abort(scope)
            else:
                await refuse(sending, InternalError())

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path not in _PATHS:
            raise NoSuchRoute
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("GET, HEAD")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > limits.HEADERS_BYTES:
            raise HeadersTooLarge
        if path == "/healthz":
            await answer(send, 200, JSON, b'{"status":"ok"}')
        elif path == "/readyz":
            await self._ready(send)
        else:
            await self._revocations(scope, receive, send)

    async def _ready(self, send: Send) -> None:
        relay = self.relay
        left, age = relay.lease_left, relay.age
        said = {
            "status": "ok" if left > 0 else "failed",
            "failing": [] if left > 0 else ["revocation"],
            "lease_left": left,
            "age": age if math.isfinite(age) else None,
            "entries": len(relay.copy),
            "followers": len(relay.ledger),
            "streams": len(relay.streams),
        }
        headers = JSON if left > 0 else (*JSON, (b"retry-after", b"1"))
        await answer(send, 200 if left > 0 else 503, headers, msgspec.json.encode(said))

    async def _revocations(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        who = self._allowed.follower(headers, self._clock.wall(), self._clock.monotonic())
        query = _query(scope["query_string"])
        name = node_name(query.get("node", ""), who[0])
        follows = scope["method"] == "GET"  # HEAD does not: no stream, no lease, nobody that is waited for
        if query.get("leave") and name:
            if follows:
                self.relay.leave(name)
            await answer(send, 204, (), b"")
            return
        streams = any(name == b"accept" and STREAM.encode() in value for name, value in headers)
        resumed = next((value.decode("latin-1") for name, value in headers if name == b"last-event-id"), "")
        cursor = read_from_follower((resumed if streams else "") or query.get("cursor", ""))
        acknowledged = query.get("acknowledged", "")
        applied = read_from_follower(acknowledged) if acknowledged and not streams else None
        if not follows:
            if self.relay.lease_left <= 0:
                raise Unavailable(private="the relay has no lease")
            await answer(send, 200, EVENTS if streams else JSON, None)
        elif streams:
            await self._stream(scope, receive, send, cursor, who)
        else:
            body = await self.relay.answer(
                cursor, client=who[0], name=name, applied=applied, fresh=bool(query.get("fresh"))
            )
            await self._send_all(scope, send, body, who[0])

    async def _send_all(self, scope: Scope, send: Send, body: bytes, client: str) -> None:
        if len(body) <= limits.RELAY_LARGE_BYTES:
            await answer(send, 200, JSON, body)
            return
        self._large.take(client)
        try:
            async with asyncio.timeout(limits.RELAY_SEND_SECONDS):
                await answer(send, 200, JSON, body)
        except TimeoutError:
            self._abort(scope)
        finally:
            self._large.give_back(client)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, cursor: Cursor, who: tuple[str, bytes]) -> None:
        """Ends with the stream, with the connection, and when the reader does not keep up."""
        over: list[asyncio.Event] = []
        events = self.relay.events(cursor, over.append, who[0])
        async with contextlib.aclosing(events):
            first = await anext(events, None)  # what refuses, refuses before the answer begins
            if first is None:
                raise Unavailable(private="the relay stops")
            self._streaming[over[0]] = who
            if not self._allowed.knows(*who):  # let go while the issuer was asked
                over[0].set()
            working = [
                asyncio.create_task(work) for work in (_pump(send, first, events), over[0].wait(), _gone(receive))
            ]
            try:
                await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                if over[0].is_set():  # what was begun may be finished, for a moment
                    await asyncio.wait(working[:1], timeout=limits.FEED_KEEP_ALIVE / 10)
                finished = working[0].done()
            finally:
                del self._streaming[over[0]]
                for task in working:
                    task.cancel()
                await asyncio.gather(*working, return_exceptions=True)
        if not finished:
            self._abort(scope)


async def _pump(send: Send, first: bytes, events: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*EVENTS, *ALWAYS]})
    await send({"type": "http.response.body", "body": first, "more_body": True})
    async for event in events:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _query(raw: bytes) -> dict[str, str]:
    """What is known of it; the rest says nothing."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), max_num_fields=_QUERY_FIELDS, keep_blank_values=True)
    except ValueError:
        raise InvalidRequest("The query cannot be read.") from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name in query:
            raise Malformed("A query parameter was sent twice.")
        if name in _PARAMETERS:
            query[name] = value
    return query
