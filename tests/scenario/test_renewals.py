"""What an application's middleware, stream or background task renews in passing."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from tests.scenario.world import CHEAP, PASSWORD, REFRESH_COOKIE, SESSION_COOKIE

from ostiary import Ostiary, Settings
from ostiary.domain.session import Kind
from ostiary.testing import FakeClock

SECURE = "https://testserver/auth"
IN_COOKIES = {"password": PASSWORD, "kind": "stateless", "transport": "cookie"}


def _auth(time: FakeClock) -> Ostiary:
    return Ostiary(Settings(database="memory:", issuer=SECURE), clock=time.clock, password_parameters=CHEAP)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_login_or_logout_counts_for_more_than_what_was_renewed_before_it(kind: Kind) -> None:
    """Behind a middleware that asks who calls, an expired login is renewed first; whoever logs in as somebody else is
    that person then, and whoever logs out keeps no cookie (M-44)."""
    time = FakeClock()
    auth = _auth(time)

    async def me(request: Request) -> Response:
        return PlainTextResponse((await auth.account(request)).username)

    async def asking(request: Request, call_next: RequestResponseEndpoint) -> Response:
        with contextlib.suppress(HTTPException):
            await auth.caller(request)
        return await call_next(request)

    middleware = [Middleware(BaseHTTPMiddleware, dispatch=asking)]
    app = Starlette(routes=[Mount("/auth", auth.asgi), Route("/me", me)], lifespan=auth.lifespan, middleware=middleware)
    with TestClient(app, base_url="https://testserver") as client:
        for username in ("alice", "bobby"):
            person = {"username": username, "password": PASSWORD}
            assert client.post("/auth/v1/accounts", json=person).status_code == 201
        client.post("/auth/v1/login", json={**IN_COOKIES, "username": "alice"})
        time.advance(901.0)
        login = client.post("/auth/v1/login", json={**IN_COOKIES, "username": "bobby", "kind": kind.value})
        names = [line.split("=", 1)[0] for line in login.headers.get_list("set-cookie")]
        assert (login.status_code, len(set(names))) == (200, len(names))
        assert client.get("/me").text == "bobby"

        client.post("/auth/v1/login", json={**IN_COOKIES, "username": "bobby"})
        time.advance(901.0)
        csrf = {"Origin": "https://testserver", "Sec-Fetch-Site": "same-origin"}
        assert client.post("/auth/v1/logout", headers=csrf).status_code == 200
        assert not {SESSION_COOKIE, REFRESH_COOKIE} & set(client.cookies)


@pytest.mark.parametrize("path", ["/stream", "/background"])
def test_nothing_is_renewed_once_the_response_has_begun(path: str) -> None:
    """The cookies would be lost, and the next renewal would be taken for a theft: it is refused instead, and the login
    lives on (M-44)."""
    time = FakeClock()
    auth = _auth(time)
    refused: list[int] = []

    async def late(request: Request) -> None:
        for response in (None, Response()):
            try:
                await auth.caller(request, response)
            except HTTPException as error:
                refused.append(error.status_code)

    async def handler(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            await late(request)

        if path == "/stream":
            return StreamingResponse(parts())
        return PlainTextResponse("a", background=BackgroundTask(late, request))

    async def me(request: Request) -> Response:
        return PlainTextResponse((await auth.account(request)).username)

    routes = [Mount("/auth", auth.asgi), Route("/me", me), Route(path, handler)]
    with TestClient(Starlette(routes=routes, lifespan=auth.lifespan), base_url="https://testserver") as client:
        assert client.post("/auth/v1/accounts", json={"username": "alice", "password": PASSWORD}).status_code == 201
        client.post("/auth/v1/login", json={**IN_COOKIES, "username": "alice"})
        time.advance(901.0)
        assert client.get(path).headers.get_list("set-cookie") == []
        assert refused == [401, 401]
        time.advance(30.0)
        assert client.get("/me").text == "alice"
