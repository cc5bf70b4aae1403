"""Notes behind a login, with Starlette. Run: uvicorn examples.starlette_notes:app

Everything is kept in memory; take `database` out, and it is kept in ./ostiary.db.
"""

from collections import defaultdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ostiary import Caller, Ostiary

auth = Ostiary.from_settings(issuer="http://127.0.0.1:8000/auth", database="memory:")
notes_of: defaultdict[str, list[str]] = defaultdict(list)


async def read(request: Request) -> Response:
    """Who calls is known before this is called: `protect` has set `request.user`."""
    caller: Caller = request.user
    return JSONResponse({"notes": notes_of[caller.account_id]})


async def write(request: Request) -> Response:
    """A request from another site's page never gets here, whatever cookies it brings."""
    caller: Caller = request.user
    body = await request.json()
    notes_of[caller.account_id].append(str(body["text"])[:1000])
    return JSONResponse({"notes": notes_of[caller.account_id]}, status_code=201)


async def clear_all(request: Request) -> Response:
    """Only for administrators who proved their password within five minutes."""
    caller: Caller = request.user
    notes_of.clear()
    return JSONResponse({"cleared_by": caller.account_id})


notes = Starlette(routes=[Route("/", read), Route("/", write, methods=["POST"])])
administration = Starlette(routes=[Route("/clear", clear_all, methods=["POST"])])

app = Starlette(
    routes=[
        Mount("/auth", auth.asgi),
        Mount("/notes", auth.protect(notes)),
        Mount("/admin", auth.protect(administration, role="admin", fresh=300)),
    ],
    lifespan=auth.lifespan,
)
