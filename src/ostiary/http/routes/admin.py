"""Administration: role `admin`, and for changes a recent proof of the password."""

from datetime import datetime

from starlette.responses import Response

from ostiary.domain.session import EndReason, Kind
from ostiary.errors import InvalidRequest
from ostiary.http.answers.accounts import AccountAnswer, AccountsAnswer, ChangedAccountAnswer, account_view
from ostiary.http.answers.common import EndedAnswer, ended_answer
from ostiary.http.answers.events import AuditAnswer, event_view
from ostiary.http.answers.keys import KeysAnswer, RotatedAnswer, key_view, used_key_view
from ostiary.http.answers.operation import StatsAnswer, node_view
from ostiary.http.answers.sessions import SessionsAnswer, session_view
from ostiary.http.bodies import (
    AdminPatchBody,
    EmptyBody,
)
from ostiary.http.call import Call
from ostiary.http.endpoints import Auth, Endpoint, Query
from ostiary.http.problems import json_response
from ostiary.services.accounts import KEEP, AccountPatch

_CURSOR = Query(name="cursor", description="`next` of the page before.")
_LIMIT = Query(name="limit", description="Rows of a page, 1 to 100.")


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


async def list_sessions(call: Call) -> Response:
    """GET /v1/admin/sessions"""
    if call.query("kind") not in ("", *Kind):
        raise InvalidRequest("'kind' is 'session', 'stateful' or 'stateless'.")
    account, kind, order = call.query("account"), call.query("kind"), call.query("order")
    if order not in ("", "id", "activity"):
        raise InvalidRequest("'order' is 'id' or 'activity'.")
    listing, cursor, limit = call.services.sessions, call.query("cursor"), call.limit()
    if order == "activity":
        sessions, following = await listing.latest(account_id=account, kind=kind, before=cursor, limit=limit)
    else:
        sessions, following = await listing.page(account_id=account, kind=kind, after=cursor, limit=limit)
    recognition = call.services.recognition
    views = [
        session_view(
            session,
            current_id=call.me.session_id,
            last_seen_at=recognition.known.last_seen(session),
            with_account=True,
        )
        for session in sessions
    ]
    return json_response(SessionsAnswer(sessions=views, next=following))


async def end_session(call: Call) -> Response:
    """DELETE /v1/admin/sessions/{id}"""
    ended = await call.services.sessions.end(
        call.path("id"), reason=EndReason.ENDED_BY_ADMIN, actor=call.as_admin, client=call.client
    )
    return json_response(ended_answer(await call.settled(ended)))


async def list_keys(call: Call) -> Response:
    """GET /v1/admin/keys"""
    keys, uses = await call.services.signing_keys.all(), await call.services.signing_keys.uses()
    return json_response(KeysAnswer(keys=[used_key_view(key, uses[key.id]) for key in keys if key.id in uses]))


async def rotate_keys(call: Call) -> Response:
    """POST /v1/admin/keys/rotate"""
    key = await call.services.signing_keys.rotate(actor=call.as_admin)
    ended = await call.settled(call.services.context.ended(0))
    return json_response(RotatedAnswer(key=key_view(key), ended=ended.ended, bound=ended.bound))


async def revoke_key(call: Call) -> Response:
    """DELETE /v1/admin/keys/{kid}"""
    ended = await call.services.signing_keys.revoke(call.path("kid"), actor=call.as_admin)
    return json_response(ended_answer(await call.settled(ended)))


async def end_everything(call: Call) -> Response:
    """POST /v1/admin/end-everything"""
    ended = await call.services.sessions.end_everything(actor=call.as_admin, client=call.client)
    return json_response(ended_answer(await call.settled(ended)))


def _instant(call: Call, name: str) -> float | None:
    """Unix seconds. Raises InvalidRequest."""
    text = call.query(name)
    try:
        moment = datetime.fromisoformat(text) if text else None
        if moment is not None and moment.tzinfo is None:
            raise ValueError
        return None if moment is None else moment.timestamp()
    except (ValueError, OverflowError):
        raise InvalidRequest(f"'{name}' is an instant with its zone, such as 2026-11-23T22:35:33Z.") from None


async def audit(call: Call) -> Response:
    """GET /v1/admin/audit"""
    events, following = await call.services.audit.page(
        account_id=call.query("account"),
        event=call.query("event"),
        session_id=call.query("session"),
        before=call.query("cursor"),
        limit=call.limit(),
        since=_instant(call, "since"),
        until=_instant(call, "until"),
    )
    return json_response(AuditAnswer(events=[event_view(event) for event in events], next=following))


async def stats(call: Call) -> Response:
    """GET /v1/admin/stats"""
    fleet = await call.services.nodes.all()
    return json_response(
        StatsAnswer(
            **await call.services.audit.stats(),
            nodes=[node_view(member, call.now) for member in fleet.members],
            more_nodes=fleet.more,
        )
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/admin/accounts",
        handler=list_accounts,
        summary="Accounts by user name; `query`: an id, or how a user name or, after those, an e-mail begins",
        auth=Auth.ADMIN,
        query=(
            Query(name="query", description="What to look for."),
            Query(name="only", description="`admins`: enabled administrators; `disabled`: disabled accounts."),
            _CURSOR,
            _LIMIT,
        ),
        answers={200: AccountsAnswer},
        refusals=(422,),
        tag="administration",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/accounts/{id}",
        handler=show_account,
        summary="One account",
        auth=Auth.ADMIN,
        answers={200: AccountAnswer},
        refusals=(404,),
        tag="administration",
    ),
    Endpoint(
        method="PATCH",
        path="/v1/admin/accounts/{id}",
        handler=change_account,
        summary="Change an account; new roles count at once, disabling ends its sessions",
        auth=Auth.FRESH_ADMIN,
        body=AdminPatchBody,
        answers={200: ChangedAccountAnswer},
        ends=True,
        refusals=(404, 409),
        tag="administration",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/accounts/{id}",
        handler=delete_account,
        summary="Delete an account",
        auth=Auth.FRESH_ADMIN,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
        refusals=(404, 409),
        tag="administration",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/accounts/{id}/sessions",
        handler=end_account_sessions,
        summary="End all sessions of an account",
        auth=Auth.FRESH_ADMIN,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
        refusals=(404,),
        tag="administration",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/sessions",
        handler=list_sessions,
        summary="Live sessions",
        auth=Auth.ADMIN,
        query=(
            Query(name="account", description="Only this account's."),
            Query(name="kind", description="Only this kind."),
            Query(
                name="order",
                description="`id`: each session exactly once, however many are used meanwhile; or `activity`: the most "
                "recently seen first.",
            ),
            _CURSOR,
            _LIMIT,
        ),
        answers={200: SessionsAnswer},
        refusals=(422,),
        tag="administration",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/sessions/{id}",
        handler=end_session,
        summary="End one session",
        auth=Auth.FRESH_ADMIN,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
        refusals=(404,),
        tag="administration",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/keys",
        handler=list_keys,
        summary="Signing keys and their states",
        auth=Auth.ADMIN,
        answers={200: KeysAnswer},
        tag="administration",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/keys/rotate",
        handler=rotate_keys,
        summary="Sign with the next key from now on",
        auth=Auth.FRESH_ADMIN,
        body=EmptyBody,
        body_optional=True,
        answers={200: RotatedAnswer},
        ends=True,
        tag="administration",
    ),
    Endpoint(
        method="DELETE",
        path="/v1/admin/keys/{kid}",
        handler=revoke_key,
        summary="Emergency: refuse all that this key signed",
        auth=Auth.FRESH_ADMIN,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
        refusals=(404,),
        tag="administration",
    ),
    Endpoint(
        method="POST",
        path="/v1/admin/end-everything",
        handler=end_everything,
        summary="Everybody has to log in again",
        auth=Auth.FRESH_ADMIN,
        body=EmptyBody,
        body_optional=True,
        answers={200: EndedAnswer},
        ends=True,
        tag="administration",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/audit",
        handler=audit,
        summary="What happened, the newest first",
        auth=Auth.ADMIN,
        query=(
            Query(name="account", description="Only what concerns this account."),
            Query(name="event", description="Only this event."),
            Query(name="session", description="Only this session."),
            Query(name="since", description="Only what happened at this instant (RFC 3339) or later."),
            Query(name="until", description="Only what happened before this instant."),
            _CURSOR,
            _LIMIT,
        ),
        answers={200: AuditAnswer},
        refusals=(422,),
        tag="administration",
    ),
    Endpoint(
        method="GET",
        path="/v1/admin/stats",
        handler=stats,
        summary="Counts for an overview, and the health of every node",
        auth=Auth.ADMIN,
        answers={200: StatsAnswer},
        tag="administration",
    ),
)
