"""Live sessions of everybody."""

from starlette.responses import Response

from ostiary.domain.session import EndReason, Kind
from ostiary.http.call import Call
from ostiary.http.routes.pages.admin_common import ROWS, act, done, names_of, see, show


async def sessions(call: Call) -> Response:
    """GET /admin/sessions"""
    services = call.services
    kind = call.query("kind") if call.query("kind") in tuple(Kind) else ""
    found, following = await services.sessions.page(
        account_id=call.query("account"), kind=kind, after=call.query("cursor"), limit=ROWS
    )
    return show(
        call,
        "admin_sessions.html",
        at="/admin/sessions",
        query={"kind": kind, "account": call.query("account")},
        sessions=found,
        names=await names_of(call, [session.account_id for session in found]),
        last_seen=services.recognition.last_seen,
        kinds=("", *(kind.value for kind in Kind)),
        kind=kind,
        account=call.query("account"),
        cursor=call.query("cursor"),
        following=following,
        own=call.me.session_id,
    )


async def end_session(call: Call) -> Response:
    """POST /admin/sessions/{id}/end"""
    ended = await call.services.sessions.end(
        call.path("id"), reason=EndReason.ENDED_BY_ADMIN, actor=call.me.account_id, client=call.client
    )
    back = call.form.get("back", "")
    return done(call, f"/admin/accounts/{back}" if back.startswith("acc_") else "/admin/sessions", "ended_one", ended)


ENDPOINTS = (
    see("/admin/sessions", sessions, "Live sessions"),
    act("/admin/sessions/{id}/end", end_session, "End one session"),
)
