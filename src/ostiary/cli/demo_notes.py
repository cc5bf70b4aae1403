"""The service that the demonstration protects: notes, each account its own. It knows nothing of sessions or tokens."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from ostiary.compose import Ostiary
from ostiary.domain.account import ADMIN

_NOTES_KEPT = 100  # of each account, the latest
_BYTES = 4096


def notes_app(auth: Ostiary, *, also: Sequence[Route] = ()) -> ASGIApp:
    """`/notes` for whoever is logged in, `/notes/everyone` for administrators, and `also`; all else is the auth
    server."""
    notes: dict[str, list[str]] = {}

    async def own(request: Request) -> JSONResponse:
        kept = notes.setdefault(request.user.account_id, ["Buy milk."])
        if request.method == "POST":
            text = (await request.body())[:_BYTES].decode("utf-8", "replace")
            kept.append(text)
            del kept[:-_NOTES_KEPT]
        return JSONResponse({"notes": kept, "kind": request.user.kind.value})

    async def everyone(request: Request) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"notes": notes})

    mine = Starlette(routes=[Route("/notes", own, methods=["GET", "POST"])])
    all_of_them = Starlette(routes=[Route("/notes/everyone", everyone)])
    return Starlette(
        routes=[
            *also,
            Route("/notes", auth.protect(mine)),
            Route("/notes/everyone", auth.protect(all_of_them, role=ADMIN)),
            Route("/{path:path}", auth.asgi),
        ]
    )
