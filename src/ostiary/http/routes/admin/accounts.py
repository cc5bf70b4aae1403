"""Accounts of everybody."""

from starlette.responses import Response

from ostiary.errors import InvalidRequest
from ostiary.http.answers.accounts import AccountAnswer, AccountsAnswer, ChangedAccountAnswer, account_view
from ostiary.http.answers.common import EndedAnswer, ended_answer
from ostiary.http.bodies import AdminPatchBody
from ostiary.http.call import Call
from ostiary.http.endpoints import CURSOR, LIMIT, Query
from ostiary.http.problems import json_response
from ostiary.http.routes.admin.rows import act, see
from ostiary.services.accounts import KEEP, AccountPatch


async def list_accounts(call: Call) -> Response:
    """GET /v1/admin/accounts"""
    if call.query("only") not in ("", "admins", "disabled"):
        raise InvalidRequest("'only' is 'admins' or 'disabled'.")
    accounts, following = await call.services.accounts.page(
        query=call.query("query"), only=call.query("only"), after=call.query("cursor"), limit=call.limit()
    )
    return json_response(AccountsAnswer(accounts=[account_view(account) for account in accounts], next=following))


async def show_account(call: Call) -> Response:
    """GET /v1/admin/accounts/{id}"""
    return json_response(AccountAnswer(account=account_view(await call.services.accounts.get(call.path("id")))))


async def change_account(call: Call) -> Response:
    """PATCH /v1/admin/accounts/{id}"""
    body: AdminPatchBody = call.body
    patch = AccountPatch(
        roles=tuple(body.roles) if isinstance(body.roles, list) else KEEP,
        disabled=body.disabled if isinstance(body.disabled, bool) else KEEP,
        display_name=body.display_name if isinstance(body.display_name, str | None) else KEEP,
        email=body.email if isinstance(body.email, str | None) else KEEP,
    )
    account, ended = await call.services.accounts.change(
        call.path("id"), patch, actor=call.as_admin, client=call.client
    )
    ended = await call.settled(ended)
    return json_response(ChangedAccountAnswer(account=account_view(account), ended=ended.ended, bound=ended.bound))


async def delete_account(call: Call) -> Response:
    """DELETE /v1/admin/accounts/{id}"""
    ended = await call.services.accounts.delete(call.path("id"), actor=call.as_admin, client=call.client)
    return json_response(ended_answer(await call.settled(ended)))


async def end_account_sessions(call: Call) -> Response:
    """DELETE /v1/admin/accounts/{id}/sessions"""
    ended = await call.services.sessions.end_all(call.path("id"), actor=call.as_admin, client=call.client)
    return json_response(ended_answer(await call.settled(ended)))


ENDPOINTS = (
    see(
        "/v1/admin/accounts",
        list_accounts,
        "Accounts by user name; `query`: an id, or how a user name or, after those, an e-mail begins",
        AccountsAnswer,
        query=(
            Query(name="query", description="What to look for."),
            Query(name="only", description="`admins`: enabled administrators; `disabled`: disabled accounts."),
            CURSOR,
            LIMIT,
        ),
        refusals=(422,),
    ),
    see("/v1/admin/accounts/{id}", show_account, "One account", AccountAnswer, refusals=(404,)),
    act(
        "PATCH",
        "/v1/admin/accounts/{id}",
        change_account,
        "Change an account; new roles count at once, disabling ends its sessions",
        ChangedAccountAnswer,
        body=AdminPatchBody,
        refusals=(404, 409),
    ),
    act("DELETE", "/v1/admin/accounts/{id}", delete_account, "Delete an account", EndedAnswer, refusals=(404, 409)),
    act(
        "DELETE",
        "/v1/admin/accounts/{id}/sessions",
        end_account_sessions,
        "End all sessions of an account",
        EndedAnswer,
        refusals=(404,),
    ),
)
