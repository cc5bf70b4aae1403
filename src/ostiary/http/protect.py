"""Any ASGI application behind a login: `Protect` decides before the application is called."""

import math
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary.clock import Clock
from ostiary.domain.caller import Caller
from ostiary.errors import Forbidden, Misconfigured, OstiaryError, ReauthenticationRequired
from ostiary.http.authentication import Authenticated, Authenticator
from ostiary.http.problems import problem
from ostiary.http.renewals import deliver, is_delivered, with_cookies
from ostiary.revocation.freshness import Freshness


@dataclass(slots=True)
class Running:
    """What runs now: `authenticator` is None while the system does not."""

    authenticator: Authenticator | None = None
    loop: AbstractEventLoop | None = None

    @property
    def here(self) -> Authenticator | None:
        """The authenticator, unless the event loop that it works in was closed."""
        return None if self.loop is None or self.loop.is_closed() else self.authenticator


class Protect:
    """Calls `app` with `scope["user"]` set to the `Caller`, or answers 401, 403 or 503 as problem+json. A WebSocket is
    judged once, at its handshake, and refused before it opens (code 1008); nothing closes it when the session ends.

    `start` is awaited while `running` has no authenticator.
    `role`: what the caller must have. `fresh`: how many seconds ago at most the password was proven. A credential that
    this process has seen before is judged without waiting for anything, unless `freshness` is "fresh" or the lease on
    what is known of revocations is gone: see `ostiary.revocation.freshness`. Raises Misconfigured for a demand that no
    caller could be measured by.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        running: Running,
        start: Callable[[], Awaitable[Authenticator]],
        clock: Clock,
        role: str | None = None,
        fresh: float | None = None,
        freshness: Freshness = "ask",
    ) -> None:
        check_demands(role, fresh)
        self._app = app
        self._running = running
        self._start = start
        self._now = clock.wall
        self._role = role
        self._fresh = fresh
        self._freshness = freshness
        self._asks_always = freshness == "fresh"
        self._demanding = role is not None or fresh is not None
        self._takes_more = self._demanding or self._asks_always

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            authenticator = self._running.authenticator
            if authenticator is not None and not self._takes_more:
                caller = authenticator.known(scope, self._now())
                if caller is not None:
                    scope["user"] = caller
                    await self._app(scope, receive, send)
                    return
        elif scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        await self._judge(scope, receive, send)

    async def _judge(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every request that takes more than a look."""
        is_http = scope["type"] == "http"
        now = self._now()
        try:
            authenticator = self._running.here or await self._start()
            caller = None if self._asks_always else authenticator.known(scope, now)
            if caller is None:
                found = await authenticator.authenticate(scope, now, may_renew=is_http, freshness=self._freshness)
                caller = found.caller
                if found.cookies and is_delivered(scope):
                    deliver(scope, found.cookies)  # onto what is said where `app` only raises, too
                elif found.cookies:
                    send = _with_cookies(send, found)
            if self._demanding:
                check_rights(caller, now, self._role, self._fresh)
        except OstiaryError as error:
            if is_http:
                response = problem(error)
                if scope["method"] == "HEAD":
                    response.body = b""  # its length stays told
                await response(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": error.code})
            return
        scope["user"] = caller
        await self._app(scope, receive, send)


def check_demands(role: object, fresh: object) -> None:
    """What an application demands of callers, looked at when it is built. Raises Misconfigured."""
    if role is not None and not (isinstance(role, str) and role):
        raise Misconfigured("role is the name of a role, or None.")
    if fresh is None:
        return
    if isinstance(fresh, bool) or not isinstance(fresh, int | float) or not 0 < fresh < math.inf:
        raise Misconfigured("fresh is a number of seconds above 0, or None.")


def check_rights(caller: Caller, now: float, role: str | None, fresh: float | None) -> None:
    """Raises Forbidden, ReauthenticationRequired."""
    if role is not None and role not in caller.roles:
        raise Forbidden
    if fresh is not None and now - caller.auth_time >= fresh:
        raise ReauthenticationRequired


def _with_cookies(send: Send, found: Authenticated) -> Send:
    async def sending(message: Message) -> None:
        await send(with_cookies(message, found.cookies) if message["type"] == "http.response.start" else message)

    return sending
