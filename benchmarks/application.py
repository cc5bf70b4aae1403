"""The application under test: one open route, the same route behind a login, the auth server beside them."""

import asyncio
import gc
import time

import jwt
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from benchmarks.sample import HS256_KEY
from ostiary import Ostiary


async def open_to_all(request: Request) -> Response:
    return PlainTextResponse(request.scope["method"])


async def me(request: Request) -> Response:
    return PlainTextResponse(request.scope["user"].account_id)


def application(auth: Ostiary, more: list[Route] | None = None) -> Starlette:
    """`/open` and `/me` differ in nothing but the login."""
    return Starlette(
        routes=[
            Route("/open", open_to_all),
            Route("/me", me, middleware=[Middleware(auth.protect)]),
            Route("/open-too", open_to_all),  # routes are tried in turn: the closed one stands between two open ones
            Mount("/auth", auth.asgi),
            *(more or []),
        ],
        lifespan=auth.lifespan,
    )


def pyjwt_application(issuer: str) -> Starlette:
    """The peer that does least: a signature and five claims at every request, and no way to revoke."""

    async def me_with_pyjwt(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return Response(status_code=401)
        try:
            found = jwt.decode(
                token, HS256_KEY, algorithms=["HS256"], audience=issuer, issuer=issuer,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            return Response(status_code=401)
        return PlainTextResponse(found["sub"])

    return Starlette(routes=[Route("/open", open_to_all), Route("/me", me_with_pyjwt), Route("/open-too", open_to_all)])


class Pauses:
    """How long the garbage collector stopped this process, and how late the event loop was."""

    def __init__(self) -> None:
        self.collections: list[float] = []
        self.lags: list[float] = []
        self._began = 0.0
        self._watching: asyncio.Task[None] | None = None

    def install(self) -> None:
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.collections.append(time.perf_counter() - self._began)

    async def _watch(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.005)
            self.lags.append(time.perf_counter() - asked - 0.005)

    async def tell(self, request: Request) -> Response:  # noqa: ARG002 - the shape of a handler
        """GET /_pauses: what was seen since the last time it was asked for, in seconds. Watching begins with the first
        question: it wakes the loop 200 times a second, which no other measurement should pay for."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        found = {"collections": self.collections, "lags": self.lags}
        self.collections, self.lags = [], []
        return JSONResponse(found)
