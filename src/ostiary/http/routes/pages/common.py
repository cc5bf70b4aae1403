"""What the routes of all pages share: answers that are HTML, redirects, and the session-bound token of forms."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from ostiary.errors import InvalidRequest, OstiaryError, TooManyAttempts, Unavailable
from ostiary.http.authentication import csrf_token_of
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth, Dialect, Endpoint
from ostiary.http.leaving import CLEAR_SITE_DATA
from ostiary.http.pages import CONTENT_SECURITY_POLICY, Frame, Language, negotiate_language
from ostiary.http.problems import headers_of


def language_of(call: Call) -> Language:
    """The one asked for, in the form or the query; else the browser's."""
    asked = call.form.get("lang") or call.request.query_params.get("lang")
    return negotiate_language(call.request.headers.get("accept-language", ""), asked)


def frame_of(call: Call) -> Frame:
    """What stands around a page: the language, and who is looking at it."""
    roles = call.caller.roles if call.caller is not None else None
    return Frame(lang=language_of(call), csrf_token=form_token(call), roles=roles)


def page(html: str, status: int = 200) -> Response:
    """HTML that nobody may keep, and in which nothing runs but our own files."""
    return Response(
        html,
        status_code=status,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
        },
        media_type="text/html",
    )


def see_other(call: Call, path: str, **query: str | int) -> Response:
    """303 to one of our pages, keeping the language that was asked for."""
    asked = call.form.get("lang") or call.request.query_params.get("lang")
    pairs = {**({"lang": language_of(call)} if asked else {}), **query}
    suffix = ("&" if "?" in path else "?") + urlencode(pairs) if pairs else ""
    return RedirectResponse(
        call.services.config.base_path + path + suffix, status_code=303, headers={"Cache-Control": "no-store"}
    )


def emptied(response: Response) -> Response:
    """After the last login here is over the browser keeps nothing of it: no page to go back to."""
    response.headers["Clear-Site-Data"] = CLEAR_SITE_DATA
    return response


def safe_next(text: str) -> str | None:
    """A path on this origin, or None: one leading slash, no backslash, no control characters (browsers drop tabs and
    line ends, and take a backslash for a slash)."""
    if not text.startswith("/") or text.startswith("//") or len(text) > 2048:
        return None
    return None if any(char == "\\" or not char.isprintable() for char in text) else text


def error_page(call: Call, error: OstiaryError) -> Response:
    """Any error as a page, with the headers that it has as a problem."""
    retry_after = error.retry_after if isinstance(error, TooManyAttempts | Unavailable) else None
    code = "invalid_request" if isinstance(error, InvalidRequest) else error.code
    html = call.services.pages.error(frame_of(call), code=code, status=error.status, retry_after=retry_after)
    return with_headers_of(error, page(html, error.status))


def with_headers_of(error: OstiaryError, response: Response) -> Response:
    """A refusal that is a page says the same beside its body as one that is a problem."""
    response.headers.update(headers_of(error))
    return response


def told(call: Call, name: str) -> int | None:
    """A number that a redirect of ours brings back; None if it is not one. Anybody may have written it."""
    text = call.request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def form_token(call: Call) -> str | None:
    """The session-bound token, where the setting demands one in every form."""
    if call.caller is None or not call.services.config.csrf_token_required:
        return None
    return call.services.authenticator.csrf_token(call.caller.session_id)


def check_form_token(call: Call) -> None:
    """Raises CsrfRejected."""
    call.services.authenticator.check_csrf_token(call.me.session_id, sent_form_token(call))


def sent_form_token(call: Call) -> str:
    """In the form's field, or as scripts send it."""
    return call.form.get("csrf_token") or csrf_token_of(call.scope)


def row(
    method: str, path: str, handler: Callable[[Call], Awaitable[Response]], summary: str, *, auth: Auth = Auth.CALLER
) -> Endpoint:
    """A page's row in the table of endpoints: whatever is posted to one is a form."""
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        summary=summary,
        auth=auth,
        form=("*",) if method == "POST" else (),
        dialect=Dialect.PAGE,
        documented=False,
    )
