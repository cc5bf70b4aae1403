"""Any ASGI application behind a verifier."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from ostiary.credentials.asgi_path import whole_path
from ostiary.domain.caller import Caller
from ostiary.errors import OstiaryError, Unavailable
from ostiary.verifier.answers import answer_to
from ostiary.verifier.errors import Refused

log = logging.getLogger("ostiary.verifier")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1
_TRY_AGAIN_LATER = 1013


class Guarded:
    """Calls `app` with `scope["user"]` set to the `Caller`, or answers problem+json; for HTTP and for WebSockets before
    they are accepted. As the outermost application it also starts and stops the verifier with the server."""

    def __init__(
        self,
        app: AsgiApp,
        *,
        authenticate: Callable[..., Awaitable[Caller]],
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        self._app = app
        self._authenticate = authenticate
        self._start = start
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        try:
            # a WebSocket's handshake is a GET (RFC 6455 section 4.1)
            url = quote(whole_path(scope["path"], scope.get("root_path", "")))
            caller = await self._authenticate(scope["headers"], method=scope.get("method", "GET"), url=url)
        except (Refused, Unavailable) as error:
            if scope["type"] == "websocket":
                await _refuse_socket(error, scope, receive, send)
            else:
                await _refuse(error, send, "http.response", bodiless=scope.get("method") == "HEAD")
            return
        await self._app({**scope, "user": caller}, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._start()
        except Unavailable as error:  # the issuer may come up after us; until then requests get 503
            log.warning("started without the issuer's keys: %s", error.private)
        try:
            await self._app(scope, receive, send)
        finally:
            await self._stop()


async def _refuse(error: OstiaryError, send: Send, kind: str, *, bodiless: bool = False) -> None:
    answer = answer_to(error)
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"" if bodiless else answer.body})


async def _refuse_socket(error: OstiaryError, scope: Scope, receive: Receive, send: Send) -> None:
    """With a response where the server can send one instead of accepting; else it makes a 403 of the close."""
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await _refuse(error, send, "websocket.http.response")
        return
    code = _TRY_AGAIN_LATER if isinstance(error, Unavailable) else _POLICY_VIOLATION
    await send({"type": "websocket.close", "code": code, "reason": error.code})
