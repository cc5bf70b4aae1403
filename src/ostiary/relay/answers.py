"""A relay's answers, as ASGI sends them. Nobody keeps one."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from ostiary.errors import InvalidClient, MethodNotAllowed, NotAuthenticated, OstiaryError, Unavailable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
EVENTS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"))
JSON = ((b"content-type", b"application/json"),)


async def answer(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes | None) -> None:
    """A whole answer. `body` None: nothing is sent, and how long it would be is not said."""
    length = () if status == 204 or body is None else ((b"content-length", str(len(body)).encode()),)
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length, *ALWAYS]})
    await send({"type": "http.response.body", "body": body or b""})


async def refuse(send: Send, error: OstiaryError) -> None:
    """RFC 9457. Nothing that was sent is in it."""
    headers = [(b"content-type", b"application/problem+json")]
    if isinstance(error, NotAuthenticated | InvalidClient):
        headers.append((b"www-authenticate", b'Basic realm="ostiary"'))
    if isinstance(error, Unavailable):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode()))
    await answer(send, error.status, headers, msgspec.json.encode(error.problem()))
