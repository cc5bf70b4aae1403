"""The page behind the link of the first start, on which the administrator is made.

The code stands in the link's fragment, which no browser sends: it reaches the server in the form alone, and no log of
an address holds it. Without JavaScript it is pasted.
"""

from starlette.responses import Response

from ostiary.domain.session import Kind
from ostiary.errors import InvalidRequest, NotFound, OstiaryError, PasswordRejected
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth
from ostiary.http.pages.language import Translator
from ostiary.http.pages.views import about
from ostiary.http.pages.wording import complaints, summary
from ostiary.http.routes.pages.common import frame_of, page, row, see_other, with_headers_of
from ostiary.services.sign_in import LoginRequest


async def show_setup(call: Call) -> Response:
    """GET /setup"""
    if await call.services.first_run.is_over():
        raise NotFound
    return _page(call)


async def set_up(call: Call) -> Response:
    """POST /setup"""
    services = call.services
    services.authenticator.check_csrf(call.scope)
    username, password = call.form.get("username", ""), call.form.get("password", "")
    try:
        await services.first_run.claim(
            call.form.get("code", "").strip(),
            username=username,
            password=password,
            display_name=None,
            client=call.client,
        )
    except NotFound:
        raise
    except OstiaryError as error:
        if error.status >= 500:
            raise
        return with_headers_of(error, _page(call, error))
    issued = await services.sign_in.login(
        LoginRequest(username=username, password=password, kind=Kind.SESSION), call.client
    )
    call.cookies += services.cookies.issue(issued, call.now)
    return see_other(call, "/admin", notice="set_up")


def _page(call: Call, error: OstiaryError | None = None) -> Response:
    frame = frame_of(call)
    t = Translator(frame.lang)
    minimum = call.services.config.password_min_length
    wrong = complaints(t, _codes(error), minimum)
    html = call.services.pages.show(
        frame,
        "setup.html",
        at="/setup",
        username=call.form.get("username", ""),
        minimum_length=minimum,
        failed=error is not None,
        alerts=summary(t, wrong),
        wrong={field: about(wrong, field) for field in ("code", "username", "new")},
    )
    return page(html, 200 if error is None else error.status)


def _codes(error: OstiaryError | None) -> list[str]:
    if isinstance(error, PasswordRejected):
        return [error.code, *(reason.code for reason in error.reasons)]
    if isinstance(error, InvalidRequest):
        return ["invalid_username"]
    return [] if error is None else [error.code]


ENDPOINTS = (
    row("GET", "/setup", show_setup, "The first administrator", auth=Auth.ANYONE),
    row("POST", "/setup", set_up, "Make the first administrator", auth=Auth.ANYONE),
)
