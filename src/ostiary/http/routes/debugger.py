"""The token debugger: a token goes in by POST, never in an address; its explanation comes out, and nothing stays."""

from starlette.responses import Response

from ostiary.http.call import Call
from ostiary.http.endpoints import Auth, Dialect, Endpoint
from ostiary.http.routes.pages import frame_of, page
from ostiary.services.token_reports import TokenReports


async def show_debugger(call: Call) -> Response:
    """GET /debugger"""
    return page(call.services.pages.debugger(frame_of(call)))


async def explain_token(call: Call) -> Response:
    """POST /debugger: 200 whatever the verdict, since the question was answered."""
    services = call.services
    services.authenticator.check_csrf(call.scope)
    reports = TokenReports(services.context, services.signing_keys, services.recognition)
    report = await reports.examine(call.form.get("token", ""), call.now)
    return page(services.pages.debugger(frame_of(call), report=report, now=call.now))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/debugger",
        handler=show_debugger,
        summary="Token debugger",
        auth=Auth.ANYONE,
        dialect=Dialect.PAGE,
        documented=False,
    ),
    Endpoint(
        method="POST",
        path="/debugger",
        handler=explain_token,
        summary="Explain a token",
        auth=Auth.ANYONE,
        form=("*",),
        dialect=Dialect.PAGE,
        documented=False,
    ),
)
