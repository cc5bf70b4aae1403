"""The pages that people see: plain forms, whole without JavaScript. Success is 303."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from ostiary.domain.session import EndReason, Kind
from ostiary.errors import (
    InvalidRequest,
    InvalidToken,
    NotAuthenticated,
    NotFound,
    OstiaryError,
    PasswordRejected,
    TooManyAttempts,
    Unavailable,
)
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth, Dialect, Endpoint
from ostiary.http.pages import (
    CONTENT_SECURITY_POLICY,
    STATIC_CACHE_CONTROL,
    Language,
    SessionView,
    negotiate_language,
    static_files,
)
from ostiary.http.problems import NoSuchRoute, headers_of
from ostiary.http.routes.sessions import CLEAR_SITE_DATA, replaced_session, session_to_leave
from ostiary.services.sign_in import LoginRequest


def language_of(call: Call) -> Language:
    """The one asked for, in the form or the query; else the browser's."""
    asked = call.form.get("lang") or call.request.query_params.get("lang")
    return negotiate_language(call.request.headers.get("accept-language", ""), asked)


def page(html: str, status: int = 200) -> Response:
    """HTML that nobody may keep, and in which nothing runs."""
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
    return with_headers_of(
        error,
        page(
            call.services.pages.error(language_of(call), code=code, status=error.status, retry_after=retry_after),
            error.status,
        ),
    )


def with_headers_of(error: OstiaryError, response: Response) -> Response:
    """A refusal that is a page says the same beside its body as one that is a problem."""
    response.headers.update(headers_of(error))
    return response


async def home(call: Call) -> Response:
    """GET /"""
    name = None
    if call.caller is not None:
        account, _ = await call.services.sessions.current(call.caller)
        name = account.display_name or account.username
    return page(
        call.services.pages.home(
            language_of(call),
            caller_name=name,
            registration_open=call.services.config.registration_open,
            csrf_token=_form_token(call),
        )
    )


async def show_login(call: Call) -> Response:
    """GET /login"""
    return page(
        call.services.pages.login(
            language_of(call),
            error=None,
            next=safe_next(call.request.query_params.get("next", "")) or "",
            registration_open=call.services.config.registration_open,
            notice=call.request.query_params.get("notice"),
        )
    )


async def login(call: Call) -> Response:
    """POST /login"""
    call.services.authenticator.check_csrf(call.scope)
    username = call.form.get("username", "")
    following = safe_next(call.form.get("next", ""))
    request = LoginRequest(
        username=username,
        password=call.form.get("password", ""),
        kind=Kind.SESSION,
        remember=call.form.get("remember", "") in ("on", "true", "1", "yes"),
        replaces=await replaced_session(call),
    )
    try:
        issued = await call.services.sign_in.login(request, call.client)
    except OstiaryError as error:
        if error.status >= 500:
            raise
        retry_after = error.retry_after if isinstance(error, TooManyAttempts) else None
        html = call.services.pages.login(
            language_of(call),
            error=error.code,
            username=username,
            next=following or "",
            registration_open=call.services.config.registration_open,
            retry_after=retry_after,
        )
        return with_headers_of(error, page(html, error.status))
    call.cookies += call.services.cookies.issue(issued, call.now)
    if following is not None:
        return RedirectResponse(following, status_code=303, headers={"Cache-Control": "no-store"})
    return see_other(call, "/account")


async def show_signup(call: Call) -> Response:
    """GET /signup"""
    config = call.services.config
    return page(
        call.services.pages.signup(
            language_of(call),
            errors=[] if config.registration_open else ["registration_closed"],
            minimum_length=config.password_min_length,
            next=safe_next(call.request.query_params.get("next", "")) or "",
        )
    )


async def sign_up(call: Call) -> Response:
    """POST /signup"""
    call.services.authenticator.check_csrf(call.scope)
    username = call.form.get("username", "")
    following = safe_next(call.form.get("next", "")) or ""
    try:
        await call.services.accounts.register(
            username=username,
            password=call.form.get("password", ""),
            email=None,
            display_name=None,
            client=call.client,
        )
    except OstiaryError as error:
        if error.status >= 500:
            raise
        html = call.services.pages.signup(
            language_of(call),
            errors=_codes(error, "invalid_username"),
            username=username,
            minimum_length=call.services.config.password_min_length,
            next=following,
        )
        return with_headers_of(error, page(html, error.status))
    return see_other(call, "/login", notice="account_created", **({"next": following} if following else {}))


async def logout(call: Call) -> Response:
    """POST /logout: also where nobody is logged in any more; the cookies go in any case."""
    call.services.authenticator.check_csrf(call.scope)
    try:
        session_id = await session_to_leave(call, refresh_token=None, csrf_token=call.form.get("csrf_token", ""))
        await call.services.sessions.end(session_id, reason=EndReason.LOGOUT, actor="owner", client=call.client)
    except (NotAuthenticated, InvalidToken, NotFound):
        pass
    call.cookies += call.services.cookies.clear()
    response = see_other(call, "/login", notice="signed_out")
    response.headers["Clear-Site-Data"] = CLEAR_SITE_DATA
    return response


async def account(call: Call) -> Response:
    """GET /account"""
    return await _account(call, notice=call.request.query_params.get("notice"))


async def _account(
    call: Call,
    *,
    status: int = 200,
    notice: str | None = None,
    error: str | None = None,
    reasons: tuple[str, ...] = (),
    retry_after: float | None = None,
) -> Response:
    owner, current = await call.services.sessions.current(call.me)
    sessions = await call.services.sessions.of_account(owner.id)
    ended = call.request.query_params.get("ended", "")
    html = call.services.pages.account(
        language_of(call),
        account=owner,
        sessions=[
            SessionView(
                id=session.id,
                label=session.client_label,
                ip=session.client_ip,
                kind=session.kind,
                created_at=session.created_at,
                last_seen_at=call.services.recognition.last_seen(session),
                expires_at=session.expires_at,
                current=session.id == current.id,
            )
            for session in sessions
        ],
        current_id=current.id,
        now=call.now,
        bound=call.services.context.bound,
        notice=notice,
        error=error,
        csrf_token=_form_token(call),
        reasons=reasons,
        minimum_length=call.services.config.password_min_length,
        ended=int(ended) if ended.isascii() and ended.isdigit() and len(ended) < 7 else None,
        retry_after=retry_after,
    )
    return page(html, status)


async def end_session(call: Call) -> Response:
    """POST /account/sessions/{id}/end"""
    _check_form_token(call)
    await call.services.sessions.end(
        call.path("id"),
        reason=EndReason.ENDED_BY_OWNER,
        actor=call.me.account_id,
        owner=call.me,
        client=call.client,
    )
    if call.path("id") == call.me.session_id:
        call.cookies += call.services.cookies.clear()
        return see_other(call, "/login", notice="signed_out")
    return see_other(call, "/account", notice="session_ended")


async def end_others(call: Call) -> Response:
    """POST /account/sessions/end-others"""
    _check_form_token(call)
    ended = await call.services.sessions.end_others(call.me, call.client)
    return see_other(call, "/account", notice="others_ended", ended=ended.ended)


async def change_password(call: Call) -> Response:
    """POST /account/password"""
    _check_form_token(call)
    try:
        issued = await call.services.accounts.change_password(
            call.me, call.form.get("current_password", ""), call.form.get("new_password", ""), call.client
        )
    except (PasswordRejected, TooManyAttempts, InvalidRequest) as error:
        return await _refused_password(call, error)
    except OstiaryError as error:
        if error.code != "invalid_credentials":
            raise
        return await _refused_password(call, error)
    call.cookies += call.services.cookies.issue(issued, call.now)
    return see_other(call, "/account", notice="password_changed", ended=issued.ended)


async def _refused_password(call: Call, error: OstiaryError) -> Response:
    reasons = tuple(reason.code for reason in error.reasons) if isinstance(error, PasswordRejected) else ()
    retry_after = error.retry_after if isinstance(error, TooManyAttempts) else None
    return with_headers_of(
        error, await _account(call, status=error.status, error=error.code, reasons=reasons, retry_after=retry_after)
    )


async def static(call: Call) -> Response:
    """GET /static/...: names hold a digest of the content, so they may be kept for ever."""
    found = static_files().get("/static/" + call.path("name"))
    if found is None:
        raise NoSuchRoute
    headers = {"Cache-Control": STATIC_CACHE_CONTROL, "ETag": found.etag}
    if call.request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.content_type)


def _codes(error: OstiaryError, otherwise: str) -> list[str]:
    if isinstance(error, PasswordRejected):
        return [error.code, *(reason.code for reason in error.reasons)]
    return [otherwise if isinstance(error, InvalidRequest) else error.code]


def _form_token(call: Call) -> str | None:
    if call.caller is None or not call.services.config.csrf_token_required:
        return None
    return call.services.authenticator.csrf_token(call.caller)


def _check_form_token(call: Call) -> None:
    call.services.authenticator.check_csrf_token(call.me.session_id, call.form.get("csrf_token", ""))


def _row(
    method: str, path: str, handler: Callable[[Call], Awaitable[Response]], summary: str, *, auth: Auth, form: bool
) -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        handler=handler,
        summary=summary,
        auth=auth,
        form=("*",) if form else (),
        dialect=Dialect.PAGE,
        documented=False,
    )


ENDPOINTS = (
    _row("GET", "/", home, "Where things are", auth=Auth.VISITOR, form=False),
    _row("GET", "/login", show_login, "Log in", auth=Auth.ANYONE, form=False),
    _row("POST", "/login", login, "Log in", auth=Auth.ANYONE, form=True),
    _row("GET", "/signup", show_signup, "Sign up", auth=Auth.ANYONE, form=False),
    _row("POST", "/signup", sign_up, "Sign up", auth=Auth.ANYONE, form=True),
    _row("POST", "/logout", logout, "Log out", auth=Auth.ANYONE, form=True),
    _row("GET", "/account", account, "The account", auth=Auth.CALLER, form=False),
    _row("POST", "/account/sessions/{id}/end", end_session, "Sign out one device", auth=Auth.CALLER, form=True),
    _row("POST", "/account/sessions/end-others", end_others, "Sign out other devices", auth=Auth.CALLER, form=True),
    _row("POST", "/account/password", change_password, "Change the password", auth=Auth.CALLER, form=True),
    _row("GET", "/static/{name}", static, "Static files", auth=Auth.ANYONE, form=False),
)
