"""Any ASGI application behind a verifier."""

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from ostiary.domain.caller import Caller
from ostiary.errors import OstiaryError, Unavailable
from ostiary.verifier.answers import answer_to
from ostiary.verifier.errors import Refused

if TYPE_CHECKING:
    from ostiary.verifier.verifier import Verifier

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
        self, verifier: "Verifier", app: AsgiApp, *, role: str | None, scope: str | Iterable[str] | None
    ) -> None:
        self._verifier = verifier
        self._app = app
        self._role = role
        self._needed = tuple(scope.split() if isinstance(scope, str) else scope or ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        try:
            caller = await self._authenticate(scope)
        except (Refused, Unavailable) as error:
            if scope["type"] == "websocket":
                await _refuse_socket(error, scope, receive, send)
            else:
                await _refuse(error, send, "http.response")
            return
        await self._app({**scope, "user": caller}, receive, send)

    async def _authenticate(self, scope: Scope) -> Caller:
        return await self._verifier.authenticate(scope["headers"], role=self._role, scope=self._needed)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._verifier.start()
        except Unavailable as error:  # the issuer may come up after us; until then requests get 503
            log.warning("started without the issuer's keys: %s", error.private)
        try:
            await self._app(scope, receive, send)
        finally:
            await self._verifier.stop()


async def _refuse(error: OstiaryError, send: Send, kind: str) -> None:
    answer = answer_to(error)
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": answer.body})


async def _refuse_socket(error: OstiaryError, scope: Scope, receive: Receive, send: Send) -> None:
    """With a response where the server can send one instead of accepting; else it makes a 403 of the close."""
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        await _refuse(error, send, "websocket.http.response")
        return
    code = _TRY_AGAIN_LATER if isinstance(error, Unavailable) else _POLICY_VIOLATION
    await send({"type": "websocket.close", "code": code, "reason": error.code})
