"""Step-up: a dangerous action asks for the password first if it was proven too long ago, and goes on where it was."""

from urllib.parse import quote

from starlette.responses import Response

from ostiary.domain.account import ADMIN
from ostiary.errors import Forbidden, OstiaryError, ReauthenticationRequired, TooManyAttempts, WrongPassword
from ostiary.http.call import Call
from ostiary.http.endpoints import Handler
from ostiary.http.pages.language import Translator
from ostiary.http.pages.wording import error_text
from ostiary.http.problems import path_of
from ostiary.http.routes.pages.common import check_form_token, frame_of, page, with_headers_of

FIELD = "confirm_password"
"""Of the form that carries the proof along with the action itself."""


def is_fresh(call: Call) -> bool:
    """Whether the caller's password was proven recently enough for a dangerous action."""
    return call.now - call.me.auth_time < call.services.config.reauthentication_window


async def confirm(call: Call) -> None:
    """Return if the proof is recent, or is in the form: then the session goes on under new credentials, and so does
    this call. Raises ReauthenticationRequired, WrongPassword, TooManyAttempts."""
    if is_fresh(call):
        return
    password = call.form.get(FIELD, "")
    if not password:
        raise ReauthenticationRequired
    issued = await call.services.sessions.reauthenticate(call.me, password, call.client)
    call.cookies += call.services.cookies.issue(issued, call.now)
    call.caller = await call.services.recognition.recognise(issued.access_token, call.now)


def guarded(handler: Handler) -> Handler:
    """The handler of an administrator's form, behind a proof of the password: where it is missing the answer is a page
    that asks for it and sends the same form again."""

    async def behind(call: Call) -> Response:
        check_form_token(call)
        try:
            await confirm(call)
        except (ReauthenticationRequired, WrongPassword, TooManyAttempts) as error:
            return _ask(call, error)
        if ADMIN not in call.me.roles:  # taken away while the password was looked at
            raise Forbidden
        return await handler(call)

    behind.__doc__ = handler.__doc__
    return behind


def _ask(call: Call, error: OstiaryError) -> Response:
    frame = frame_of(call)
    t = Translator(frame.lang)
    asked = isinstance(error, ReauthenticationRequired)
    wait = error.retry_after if isinstance(error, TooManyAttempts) else None
    code = "wrong_password" if isinstance(error, WrongPassword) else error.code
    kept = {name: value for name, value in call.form.items() if name not in (FIELD, "csrf_token", "lang")}
    html = call.services.pages.show(
        frame,
        "step_up.html",
        at="/admin",
        action=quote(path_of(call.scope)),
        kept=kept,
        failed=not asked,
        alerts=[] if asked else [error_text(t, code, wait)],
    )
    return with_headers_of(error, page(html, error.status))
