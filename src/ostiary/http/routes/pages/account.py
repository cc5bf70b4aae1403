"""The account page and its forms."""

from starlette.responses import Response

from ostiary.domain.account import check_display_name, check_email
from ostiary.domain.session import EndReason
from ostiary.errors import InvalidRequest, OstiaryError, PasswordRejected, ReauthenticationRequired, TooManyAttempts
from ostiary.http.call import Call
from ostiary.http.pages import SessionView
from ostiary.http.pages.account_page import AccountPage, Failure, account_page
from ostiary.http.routes.accounts import exported
from ostiary.http.routes.pages.common import (
    check_form_token,
    emptied,
    frame_of,
    page,
    row,
    see_other,
    told,
    with_headers_of,
)
from ostiary.http.routes.pages.step_up import confirm, is_fresh
from ostiary.services.accounts import AccountPatch

_EVENTS = 12  # of the activity that are shown at once


async def account(call: Call) -> Response:
    """GET /account"""
    return await _account(call)


async def _account(
    call: Call, *, error: OstiaryError | None = None, form: str = "", typed: tuple[str, str] | None = None
) -> Response:
    """The page, and what was wrong with one of its forms."""
    services = call.services
    owner, current = await services.sessions.current(call.me)
    sessions = await services.sessions.of_account(owner.id)
    before = call.query("before") if call.request.method == "GET" else ""
    events, older = await services.audit.page(
        account_id=owner.id, event="", session_id="", before=before, limit=_EVENTS
    )
    view = AccountPage(
        account=owner,
        sessions=[
            SessionView(
                id=session.id,
                label=session.client_label,
                ip=session.client_ip,
                kind=session.kind,
                created_at=session.created_at,
                last_seen_at=services.recognition.known.last_seen(session),
                expires_at=session.expires_at,
                current=session.id == current.id,
            )
            for session in sessions
        ],
        current_id=current.id,
        now=call.now,
        bound=services.context.bound,
        events=events,
        before=before,
        older=older,
        fresh=is_fresh(call),
        minimum_length=services.config.password_min_length,
        notice=call.request.query_params.get("notice") if error is None else None,
        ended=told(call, "ended"),
        failure=None if error is None else Failure(form=form, codes=_codes(error), retry_after=_wait(error)),
        typed=typed,
    )
    response = page(account_page(services.pages, frame_of(call), view), 200 if error is None else error.status)
    return response if error is None else with_headers_of(error, response)


async def change_profile(call: Call) -> Response:
    """POST /account/profile"""
    check_form_token(call)
    name, email = call.form.get("display_name", "").strip(), call.form.get("email", "").strip()
    try:
        _check_profile(name, email)
        await call.services.accounts.change(
            call.me.account_id,
            AccountPatch(display_name=name or None, email=email or None),
            actor=call.as_owner,
            client=call.client,
        )
    except InvalidRequest as error:
        return await _account(call, error=error, form="profile", typed=(name, email))
    return see_other(call, "/account", notice="profile_saved")


class _InvalidName(InvalidRequest):
    code = "invalid_display_name"


class _InvalidEmail(InvalidRequest):
    code = "invalid_email"


def _check_profile(name: str, email: str) -> None:
    """Raises an InvalidRequest that knows its field."""
    try:
        check_display_name(name)
    except InvalidRequest:
        raise _InvalidName from None
    try:
        check_email(email)
    except InvalidRequest:
        raise _InvalidEmail from None


async def end_session(call: Call) -> Response:
    """POST /account/sessions/{id}/end"""
    check_form_token(call)
    await call.services.sessions.end(
        call.path("id"),
        reason=EndReason.ENDED_BY_OWNER,
        actor=call.as_owner,
        client=call.client,
    )
    if call.path("id") == call.me.session_id:
        call.cookies += call.services.cookies.clear()
        return see_other(call, "/login", notice="signed_out")
    return see_other(call, "/account", notice="session_ended")


async def end_others(call: Call) -> Response:
    """POST /account/sessions/end-others"""
    check_form_token(call)
    ended = await call.services.sessions.end_others(call.me, call.client)
    return see_other(call, "/account", notice="others_ended", ended=ended.ended)


async def end_all(call: Call) -> Response:
    """POST /account/sessions/end-all"""
    check_form_token(call)
    ended = await call.services.sessions.end_all_own(call.me, call.client)
    call.cookies += call.services.cookies.clear()
    return emptied(see_other(call, "/login", notice="all_ended", ended=ended.ended))


async def change_password(call: Call) -> Response:
    """POST /account/password"""
    check_form_token(call)
    try:
        issued = await call.services.password_changes.change(
            call.me, call.form.get("current_password", ""), call.form.get("new_password", ""), call.client
        )
    except OstiaryError as error:
        if not _is_of_a_form(error):
            raise
        return await _account(call, error=error, form="password")
    call.cookies += call.services.cookies.issue(issued, call.now)
    return see_other(call, "/account", notice="password_changed", ended=issued.ended)


async def export(call: Call) -> Response:
    """POST /account/export: needs a recent proof of the password, which the form may bring along."""
    check_form_token(call)
    try:
        await confirm(call)
    except OstiaryError as error:
        if not _is_of_a_form(error):
            raise
        return await _account(call, error=error, form="data")
    return await exported(call)


async def delete(call: Call) -> Response:
    """POST /account/delete"""
    check_form_token(call)
    try:
        await call.services.accounts.delete_own(call.me, call.form.get("current_password", ""), call.client)
    except OstiaryError as error:
        if not _is_of_a_form(error):
            raise
        return await _account(call, error=error, form="data")
    call.cookies += call.services.cookies.clear()
    return emptied(see_other(call, "/login", notice="account_deleted"))


def _is_of_a_form(error: OstiaryError) -> bool:
    """Whether a refusal is told beside the form, rather than on a page of its own."""
    expected = (PasswordRejected, TooManyAttempts, InvalidRequest, ReauthenticationRequired)
    return isinstance(error, expected) or error.code in ("invalid_credentials", "last_admin")


def _codes(error: OstiaryError) -> list[str]:
    if isinstance(error, PasswordRejected):
        return [error.code, *(reason.code for reason in error.reasons)]
    return ["wrong_password" if error.code == "invalid_credentials" else error.code]


def _wait(error: OstiaryError) -> float | None:
    return error.retry_after if isinstance(error, TooManyAttempts) else None


ENDPOINTS = (
    row("GET", "/account", account, "The account"),
    row("POST", "/account/profile", change_profile, "Change the profile"),
    row("POST", "/account/sessions/{id}/end", end_session, "Sign out one device"),
    row("POST", "/account/sessions/end-others", end_others, "Sign out other devices"),
    row("POST", "/account/sessions/end-all", end_all, "Sign out everywhere"),
    row("POST", "/account/password", change_password, "Change the password"),
    row("POST", "/account/export", export, "Everything that is known about the account"),
    row("POST", "/account/delete", delete, "Delete the account"),
)
