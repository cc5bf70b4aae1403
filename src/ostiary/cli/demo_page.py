"""`/demo`: two devices side by side. One ends the other, and the page shows after how many milliseconds each service
refused it.

The page's script holds the devices' tokens in memory and asks here for what it must not know (the password) or could
not time (three services at once). What happens is real: logins, ends and questions go over HTTP, to the servers' own
addresses.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ostiary.cli.demo_watch import Device, Place, Stage
from ostiary.compose import Ostiary
from ostiary.domain.session import Kind
from ostiary.errors import CsrfRejected, OstiaryError, Unavailable
from ostiary.http import csrf
from ostiary.http.call import read_json
from ostiary.http.pages import CONTENT_SECURITY_POLICY
from ostiary.http.pages.language import negotiate_language
from ostiary.http.pages.render import Frame
from ostiary.http.problems import json_response, problem

log = logging.getLogger("ostiary.demo")


class _LogInBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    kind: Kind


class _EndBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`by` and `ended` are tokens of the two devices, `session` is the id of the one that is to end."""

    by: str
    ended: str
    session: str


class _PlainBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    token: str


class DemoPage:
    """The page and what its script asks. `stage` is made once the servers run."""

    def __init__(self, auth: Ostiary) -> None:
        self._auth = auth
        self.stage: Stage | None = None

    def routes(self) -> list[Route]:
        """Beside everything else that the demo serves."""
        return [
            Route("/demo", self._show, methods=["GET"]),
            Route("/demo/devices", self._answering(self._log_in), methods=["POST"]),
            Route("/demo/end", self._answering(self._end), methods=["POST"]),
            Route("/demo/plain", self._answering(self._plain), methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        lang = negotiate_language(request.headers.get("accept-language", ""), request.query_params.get("lang"))
        html = self._auth.services.pages.show(
            Frame(lang=lang),
            "demo.html",
            at="/demo",
            kinds=[kind.value for kind in Kind],
            places=[(place.value, self._where(place)) for place in Place],
        )
        return Response(
            html,
            media_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-store", **_HEADERS},
        )

    def _where(self, place: Place) -> str:
        return self.stage.address_of(place) if self.stage else ""

    def _answering(self, work: Callable[[Stage, Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
        """JSON in, JSON out, for our own page alone."""

        async def answer(request: Request) -> Response:
            try:
                if not csrf.allowed(request.scope["headers"], frozenset({self._auth.settings.issuer_origin.encode()})):
                    raise CsrfRejected
                if self.stage is None:
                    raise Unavailable(private="the demonstration has not started")
                return json_response(await work(self.stage, request))
            except OstiaryError as error:
                return problem(error)
            except httpx2.HTTPError as error:
                log.warning("the demonstration cannot reach itself: %s", type(error).__name__)
                return problem(Unavailable())

        return answer

    async def _log_in(self, stage: Stage, request: Request) -> Device:
        body = await read_json(request, _LogInBody, optional=False)
        return await stage.log_in(body.kind)

    async def _end(self, stage: Stage, request: Request) -> Any:
        body = await read_json(request, _EndBody, optional=False)
        return await stage.end_and_watch(by=body.by, session_id=body.session, token=body.ended)

    async def _plain(self, stage: Stage, request: Request) -> dict[str, bool]:
        body = await read_json(request, _PlainBody, optional=False)
        return {"accepted": stage.plain_is_accepted(body.token)}


_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Cookie, Authorization, Origin",
}
