"""The way in and the way out: the start page, signing in, signing up, signing out, and the static files."""

from starlette.responses import RedirectResponse, Response

from ostiary.domain.session import Kind
from ostiary.errors import (
    InvalidRequest,
    InvalidToken,
    NoSuchRoute,
    NotAuthenticated,
    OstiaryError,
    PasswordRejected,
    TooManyAttempts,
)
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth
from ostiary.http.leaving import replaced_session, session_to_leave
from ostiary.http.pages import PUBLISHED, PUBLISHED_CACHE_CONTROL, STATIC_CACHE_CONTROL, static_files, static_url
from ostiary.http.routes.pages.common import (
    emptied,
    frame_of,
    page,
    row,
    safe_next,
    see_other,
    sent_form_token,
    with_headers_of,
)
from ostiary.services.sign_in import LoginRequest


async def home(call: Call) -> Response:
    """GET /"""
    name = None
    if call.caller is not None:
        account, _ = await call.services.sessions.current(call.caller)
        name = account.display_name or account.username
    return page(
        call.services.pages.home(
            frame_of(call),
            caller_name=name,
            registration_open=call.services.config.registration_open,
        )
    )


async def show_login(call: Call) -> Response:
    """GET /login"""
    following = safe_next(call.request.query_params.get("next", ""))
    if following is not None and await _renewed(call):
        return RedirectResponse(following, status_code=303, headers={"Cache-Control": "no-store"})
    return page(
        call.services.pages.login(
            frame_of(call),
            error=None,
            next=following or "",
            registration_open=call.services.config.registration_open,
            notice=call.request.query_params.get("notice"),
        )
    )


async def _renewed(call: Call) -> bool:
    """Whether the visitor's access token had expired, and has a successor now. A proxy that asks about it gets 401,
    since it could not hand the new cookies on, and sends the visitor here; never twice for one token."""
    try:
        found = await call.services.authenticator.authenticate(call.scope, call.now, call.client)
    except OstiaryError:
        return False
    call.cookies += found.cookies
    return bool(found.cookies)


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
            frame_of(call),
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
            frame_of(call),
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
            frame_of(call),
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
        session_id = await session_to_leave(call, refresh_token=None, csrf_token=sent_form_token(call))
        await call.services.sessions.log_out(session_id, call.client)
    except (NotAuthenticated, InvalidToken):
        pass
    call.cookies += call.services.cookies.clear()
    return emptied(see_other(call, "/login", notice="signed_out"))


async def show_demo(call: Call) -> Response:
    """GET /demo: reached only where the demonstration's own page is not in front of us."""
    return page(call.services.pages.demo_absent(frame_of(call)))


async def static(call: Call) -> Response:
    """GET /static/...: names hold a digest of the content, so they may be kept for ever. What applications of others
    import is also there under its plain name, which is looked at anew, and for every origin: it is public."""
    name = call.path("name")
    published = name in PUBLISHED
    found = static_files().get(static_url(name) if published else "/static/" + name)
    if found is None:
        raise NoSuchRoute
    headers = {"Cache-Control": PUBLISHED_CACHE_CONTROL if published else STATIC_CACHE_CONTROL, "ETag": found.etag}
    if found.content_type.startswith("text/javascript"):
        headers["Access-Control-Allow-Origin"] = "*"
    if call.request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=found.content_type)


def _codes(error: OstiaryError, otherwise: str) -> list[str]:
    if isinstance(error, PasswordRejected):
        return [error.code, *(reason.code for reason in error.reasons)]
    return [otherwise if isinstance(error, InvalidRequest) else error.code]


ENDPOINTS = (
    row("GET", "/", home, "Where things are", auth=Auth.VISITOR),
    row("GET", "/login", show_login, "Log in", auth=Auth.ANYONE),
    row("POST", "/login", login, "Log in", auth=Auth.ANYONE),
    row("GET", "/signup", show_signup, "Sign up", auth=Auth.ANYONE),
    row("POST", "/signup", sign_up, "Sign up", auth=Auth.ANYONE),
    row("POST", "/logout", logout, "Log out", auth=Auth.ANYONE),
    row("GET", "/demo", show_demo, "Two devices side by side", auth=Auth.ANYONE),
    row("GET", "/static/{name}", static, "Static files", auth=Auth.ANYONE),
)
