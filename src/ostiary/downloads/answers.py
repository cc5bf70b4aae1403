"""Answers, as ASGI sends them. Every one is for whoever asked and for nobody else: not kept, not sniffed, not framed,
and the address that led here is told to nobody."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from ostiary.downloads import pages
from ostiary.downloads.errors import RangeRefused
from ostiary.errors import InvalidToken, MethodNotAllowed, NotAuthenticated, OstiaryError, Unavailable
from ostiary.verifier.errors import Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pairs = Iterable[tuple[str, str]]

SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""For a file: should a client show it all the same, then without scripts, forms or this site's origin."""
_REALM = 'Bearer realm="ostiary"'
_ALWAYS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


async def begin(send: Send, status: int, headers: Pairs, *, policy: str = SANDBOX) -> None:
    """Status and headers; the body is the caller's to send."""
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    lines.append((b"content-security-policy", policy.encode()))
    await send({"type": "http.response.start", "status": status, "headers": [*lines, *_ALWAYS]})


async def answer(
    send: Send, status: int, headers: Pairs = (), body: bytes = b"", *, policy: str = SANDBOX, head: bool = False
) -> None:
    """A whole answer; with `head`, everything but its body."""
    headers = list(headers)
    if status not in (204, 304) and not any(name == "Content-Length" for name, _ in headers):
        headers.append(("Content-Length", str(len(body))))
    await begin(send, status, headers, policy=policy)
    await send({"type": "http.response.body", "body": b"" if head else body})


async def refuse(send: Send, error: OstiaryError, *, page: str | None, head: bool) -> None:
    """The error as problem details (RFC 9457), or as a page in the language `page`."""
    headers = _headers_of(error)
    if page is not None:
        body = pages.refusal_page(page, error.code)
        headers.append(("Content-Type", "text/html; charset=utf-8"))
        await answer(send, error.status, headers, body, policy=pages.POLICY, head=head)
        return
    headers.append(("Content-Type", "application/problem+json"))
    await answer(send, error.status, headers, msgspec.json.encode(error.problem()), head=head)


def _headers_of(error: OstiaryError) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    if isinstance(error, Refused) and error.challenge:
        headers.append(("WWW-Authenticate", error.challenge))
    elif isinstance(error, InvalidToken):
        headers.append(("WWW-Authenticate", f'{_REALM}, error="invalid_token"'))
    elif isinstance(error, NotAuthenticated):
        headers.append(("WWW-Authenticate", _REALM))
    if isinstance(error, Unavailable):
        headers.append(("Retry-After", str(error.retry_after)))
    if isinstance(error, MethodNotAllowed):
        headers.append(("Allow", error.allowed))
    if isinstance(error, RangeRefused):
        headers.append(("Content-Range", f"bytes */{error.size}"))
    return headers
