"""A service behind others: it knows the user and the service that acts for them, and hears at once of what is ended.

CLIENT=cli_...:ost_cs_... uvicorn examples.service_behind:app --port 9002
"""

import os

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from ostiary.verifier import Verifier

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
verifier = Verifier(
    issuer=ISSUER, audience="https://behind.example", client=os.environ["CLIENT"]
)  # "cli_...:ost_cs_..."


async def notes(request):
    return JSONResponse({"notes_of": request.user.identity, "by_way_of": request.user.act})


app = verifier.asgi(Starlette(routes=[Route("/", notes)]), scope="notes:read")
