"""Login state in Litestar (pip install "ostiary[litestar]"). Run: uvicorn examples.litestar_app:app"""

from typing import Any

from litestar import Litestar, Request, asgi, get
from litestar.types import Receive, Scope, Send

from ostiary import Ostiary

auth = Ostiary.from_settings(issuer="http://127.0.0.1:8000/auth", database="memory:")


@asgi("/auth", is_mount=True, copy_scope=True)
async def login_state(scope: Scope, receive: Receive, send: Send) -> None:
    """The API and the pages."""
    await auth.asgi(scope, receive, send)


@get("/notes", middleware=[auth.protect])
async def notes(request: Request[Any, Any, Any]) -> dict[str, str]:
    """`protect` is a middleware like any other: of a handler, a controller, a router or, beside `/auth`, of all."""
    return {"notes_of": request.user.account_id}


app = Litestar([login_state, notes], lifespan=[auth.lifespan])
