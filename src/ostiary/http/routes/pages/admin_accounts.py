"""Accounts: finding them, and one account's drawer with all that can be done to it."""

import secrets

from starlette.responses import Response

from ostiary.domain.account import Account
from ostiary.domain.session import Session
from ostiary.errors import InvalidRequest, LastAdmin
from ostiary.http.call import Call
from ostiary.http.pages.event_words import EventLine, event_line
from ostiary.http.pages.language import Translator
from ostiary.http.pages.wording import error_text
from ostiary.http.routes.pages.admin_common import ROWS, act, done, see, show
from ostiary.http.routes.pages.common import language_of, with_headers_of
from ostiary.services.accounts import AccountPatch

_STATES = ("", "admins", "disabled")
_EVENTS = 8
_WORDS = 5  # of a new password: 8 hexadecimal digits each


async def accounts(call: Call) -> Response:
    """GET /admin/accounts"""
    return await _accounts(call)


async def account(call: Call) -> Response:
    """GET /admin/accounts/{id}"""
    return await _accounts(call, await call.services.accounts.get(call.path("id")))


async def _accounts(
    call: Call, opened: Account | None = None, *, refusal: str | None = None, secret: str | None = None
) -> Response:
    """The list as it was asked for, and beside it the account that is open. `refusal` is the code of why something was
    not done to it, `secret` its new password, shown once."""
    services = call.services
    query, only = call.query("query").strip(), call.query("only")
    only = only if only in _STATES else ""
    found, following = await services.accounts.page(query=query, only=only, after=call.query("cursor"), limit=ROWS)
    t = Translator(language_of(call))
    sessions: list[Session] = []
    events: list[EventLine] = []
    if opened is not None:
        sessions = await services.sessions.of_account(opened.id)
        latest, _ = await services.audit.page(account_id=opened.id, event="", session_id="", before="", limit=_EVENTS)
        events = [event_line(t, event) for event in latest]
    return show(
        call,
        "admin_accounts.html",
        at=f"/admin/accounts/{opened.id}" if opened is not None else "/admin/accounts",
        query={"query": query, "only": only},
        accounts=found,
        asked=query,
        only=only,
        states=_STATES,
        cursor=call.query("cursor"),
        following=following,
        opened=opened,
        sessions=sessions,
        last_seen=services.recognition.known.last_seen,
        events=events,
        own=opened is not None and opened.id == call.me.account_id,
        refusal=error_text(t, refusal, None) if refusal else None,
        secret=secret,
    )


def _back(call: Call) -> str:
    return f"/admin/accounts/{call.path('id')}"


async def _change(call: Call, patch: AccountPatch, notice: str) -> Response:
    try:
        _, ended = await call.services.accounts.change(call.path("id"), patch, actor=call.as_admin, client=call.client)
    except (InvalidRequest, LastAdmin) as error:
        response = await _accounts(call, await call.services.accounts.get(call.path("id")), refusal=error.code)
        response.status_code = error.status
        return with_headers_of(error, response)
    return done(call, _back(call), notice, ended)


async def set_roles(call: Call) -> Response:
    """POST /admin/accounts/{id}/roles: words with spaces or commas between them"""
    roles = call.form.get("roles", "").replace(",", " ").split()
    return await _change(call, AccountPatch(roles=tuple(roles)), "roles_changed")


async def disable(call: Call) -> Response:
    """POST /admin/accounts/{id}/disable"""
    return await _change(call, AccountPatch(disabled=True), "account_disabled")


async def enable(call: Call) -> Response:
    """POST /admin/accounts/{id}/enable"""
    return await _change(call, AccountPatch(disabled=False), "account_enabled")


async def end_sessions(call: Call) -> Response:
    """POST /admin/accounts/{id}/end"""
    ended = await call.services.sessions.end_all(call.path("id"), actor=call.as_admin, client=call.client)
    return done(call, _back(call), "sessions_ended", ended)


async def reset_password(call: Call) -> Response:
    """POST /admin/accounts/{id}/password: a new one by chance, shown once, in this answer only"""
    secret = "-".join(secrets.token_hex(4) for _ in range(_WORDS))
    await call.services.password_changes.reset(call.path("id"), secret, actor=call.as_admin)
    return await _accounts(call, await call.services.accounts.get(call.path("id")), secret=secret)


async def delete(call: Call) -> Response:
    """POST /admin/accounts/{id}/delete"""
    try:
        ended = await call.services.accounts.delete(call.path("id"), actor=call.as_admin, client=call.client)
    except LastAdmin as error:
        response = await _accounts(call, await call.services.accounts.get(call.path("id")), refusal=error.code)
        response.status_code = error.status
        return with_headers_of(error, response)
    return done(call, "/admin/accounts", "account_deleted_by_admin", ended)


_ONE = "/admin/accounts/{id}"

ENDPOINTS = (
    see("/admin/accounts", accounts, "Accounts"),
    see(_ONE, account, "One account"),
    act(f"{_ONE}/roles", set_roles, "Change the roles"),
    act(f"{_ONE}/disable", disable, "Disable"),
    act(f"{_ONE}/enable", enable, "Enable"),
    act(f"{_ONE}/end", end_sessions, "End all sessions"),
    act(f"{_ONE}/password", reset_password, "Reset the password"),
    act(f"{_ONE}/delete", delete, "Delete"),
)
