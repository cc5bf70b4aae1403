"""The cookies of a renewal in passing, onto whatever goes out.

A handler that asks who calls does not see every response to its request: it may answer with one of its own, or raise.
The refresh token is spent by then, and a client that was not told its successor is taken for a thief when it comes
again. So the outermost application is wrapped while it runs, and the cookies are put onto what leaves it.

What a response says itself of these cookies counts for more: somebody else has logged in by it, or has logged out. Once
it has begun there is nothing left to put them onto.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary.http.cookies import Cookies

_KEY = "ostiary.renewed"


class _Room:
    """For the cookies of one request, until its response begins."""

    __slots__ = ("begun", "lines")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun = False


class Renewals:
    """`app`, with room in each request's scope for cookies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        room = scope[_KEY] = _Room()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                room.begun = True
                if room.lines:
                    message = with_cookies(message, room.lines)
            await send(message)

        await self._app(scope, receive, sending)


class _Application(Protocol):
    """What Starlette's applications, and so FastAPI's, have when their lifespan begins."""

    middleware_stack: ASGIApp


@contextmanager
def delivering(app: object) -> Iterator[None]:
    """Wrap this application until the end. One that is not Starlette's stays as it is: see `deliver`."""
    stack = getattr(app, "middleware_stack", None)
    if stack is None:
        yield
        return
    application = cast("_Application", app)
    application.middleware_stack = Renewals(stack)
    try:
        yield
    finally:
        application.middleware_stack = stack


def is_delivered(scope: Scope) -> bool:
    """Whether cookies can be put onto the response to this request, whatever it will be."""
    return _KEY in scope and not has_begun(scope)


def has_begun(scope: Scope) -> bool:
    """Whether it is known that the response to this request has begun: nothing can be renewed any more."""
    room: _Room | None = scope.get(_KEY)
    return room is not None and room.begun


def deliver(scope: Scope, lines: Iterable[str]) -> None:
    """Put these onto the response to this request; only where `is_delivered`."""
    room: _Room = scope[_KEY]
    room.lines += lines


def with_cookies(message: Message, lines: Iterable[str]) -> Message:
    """The start of a response, with these cookies, and kept by nobody. If it sets one of them itself, without these: of
    two logins halves would be left."""
    headers = [pair for pair in message.get("headers", ()) if bytes(pair[0]).lower() != b"cache-control"]
    cookies = [(b"set-cookie", line.encode("latin-1")) for line in Cookies.one_of_each(lines)]
    if not _names(headers).isdisjoint(_names(cookies)):
        cookies = []
    return {**message, "headers": [*headers, *cookies, (b"cache-control", b"no-store")]}


def _names(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Of the cookies that are set."""
    return {bytes(line).partition(b"=")[0].strip() for name, line in headers if bytes(name).lower() == b"set-cookie"}
