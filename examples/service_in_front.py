"""A service that calls another one as the user whose request it handles.

CLIENT=cli_...:ost_cs_... BEHIND=http://127.0.0.1:9002/ uvicorn examples.service_in_front:app --port 9001
"""

import os
from contextlib import asynccontextmanager

import httpx2
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from ostiary.integrations.outgoing import ExchangeRefused, Outgoing
from ostiary.verifier import Verifier

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
verifier = Verifier(issuer=ISSUER, audience="https://front.example", client=os.environ["CLIENT"])
outgoing = Outgoing(issuer=ISSUER, client=os.environ["CLIENT"])


async def notes(request):
    token = request.headers["authorization"].partition(" ")[2]
    auth = outgoing.on_behalf_of(token, audience="https://behind.example", scope="notes:read")
    try:
        answer = await request.state.http.get(os.environ["BEHIND"], auth=auth)
    except ExchangeRefused as refused:
        return JSONResponse({"code": refused.code}, status_code=refused.status)
    return JSONResponse(answer.json(), status_code=answer.status_code)


@asynccontextmanager
async def lifespan(_app):
    async with httpx2.AsyncClient() as http:
        yield {"http": http}


app = verifier.asgi(Starlette(routes=[Route("/", notes)], lifespan=lifespan))
