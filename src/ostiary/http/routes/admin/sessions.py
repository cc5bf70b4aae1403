"""Live sessions of everybody, and the end of everything."""

from starlette.responses import Response

from ostiary.domain.session import EndReason, Kind
from ostiary.errors import InvalidRequest
from ostiary.http.answers.common import EndedAnswer, ended_answer
from ostiary.http.answers.sessions import SessionsAnswer, session_view
from ostiary.http.call import Call
from ostiary.http.endpoints import CURSOR, LIMIT, Query
from ostiary.http.problems import json_response
from ostiary.http.routes.admin.rows import act, see


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


async def end_everything(call: Call) -> Response:
    """POST /v1/admin/end-everything"""
    ended = await call.services.sessions.end_everything(actor=call.as_admin, client=call.client)
    return json_response(ended_answer(await call.settled(ended)))


ENDPOINTS = (
    see(
        "/v1/admin/sessions",
        list_sessions,
        "Live sessions",
        SessionsAnswer,
        query=(
            Query(name="account", description="Only this account's."),
            Query(name="kind", description="Only this kind."),
            Query(
                name="order",
                description="`id`: each session exactly once, however many are used meanwhile; or `activity`: the most "
                "recently seen first.",
            ),
            CURSOR,
            LIMIT,
        ),
        refusals=(422,),
    ),
    act("DELETE", "/v1/admin/sessions/{id}", end_session, "End one session", EndedAnswer, refusals=(404,)),
    act("POST", "/v1/admin/end-everything", end_everything, "Everybody has to log in again", EndedAnswer),
)
