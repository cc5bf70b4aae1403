"""Which other origins' scripts may read our answers: an exact list, answered word for word or not at all.

The Fetch standard, section 3.2. Reading is all that this grants: what a cookie changes is under the rule of `csrf`.
"""

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP, X-CSRF-Token",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = {"Access-Control-Expose-Headers": "DPoP-Nonce, WWW-Authenticate, Retry-After"}


def allowed_origin(headers: Iterable[tuple[bytes, bytes]], allowed: frozenset[bytes]) -> str | None:
    """The request's origin if it is exactly one of `allowed` (as browsers write them; `null` is never among them)."""
    origins = [value for name, value in headers if name == b"origin"]
    return origins[0].decode("ascii") if len(origins) == 1 and origins[0] in allowed else None


class Cors:
    """Around the application. To an origin that is not on the list nothing is said, not even to its preflight."""

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self._app = app
        self._allowed = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        origin = allowed_origin(scope["headers"], self._allowed)
        granted = {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true"} if origin else {}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(granted)
                headers.add_vary_header("Origin")
            await send(message)

        if granted and _is_preflight(scope):
            granted.update(_PREFLIGHT)
            await Response(status_code=204, headers={"Cache-Control": "no-store"})(scope, receive, sending)
            return
        if granted:
            granted.update(_EXPOSED)
        await self._app(scope, receive, sending)


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )
