"""Live sessions of everybody."""

from starlette.responses import Response

from ostiary.domain.session import EndReason, Kind
from ostiary.errors import NotFound
from ostiary.http.call import Call
from ostiary.http.routes.pages.admin_common import ROWS, account_of, act, done, names_of, see, show


async def sessions(call: Call) -> Response:
    """GET /admin/sessions"""
    services = call.services
    kind = call.query("kind") if call.query("kind") in tuple(Kind) else ""
    account = await account_of(call, call.query("account").strip())
    found, following = await services.sessions.latest(
        account_id=account, kind=kind, before=call.query("cursor"), limit=ROWS
    )
    return show(
        call,
        "admin_sessions.html",
        at="/admin/sessions",
        query={"kind": kind, "account": account},
        sessions=found,
        names=await names_of(call, [account, *(session.account_id for session in found)]),
        last_seen=services.recognition.known.last_seen,
        kinds=("", *(kind.value for kind in Kind)),
        kind=kind,
        account=account,
        cursor=call.query("cursor"),
        following=following,
        own=call.me.session_id,
    )


async def end_session(call: Call) -> Response:
    """POST /admin/sessions/{id}/end"""
    back = call.form.get("back", "")
    place = f"/admin/accounts/{back}" if back.startswith("acc_") else "/admin/sessions"
    try:
        ended = await call.services.sessions.end(
            call.path("id"), reason=EndReason.ENDED_BY_ADMIN, actor=call.as_admin, client=call.client
        )
    except NotFound:
        return done(call, place, "over_already")  # the list is some seconds old, or somebody else was quicker
    return done(call, place, "ended_one", ended)


ENDPOINTS = (
    see("/admin/sessions", sessions, "Live sessions"),
    act("/admin/sessions/{id}/end", end_session, "End one session"),
)
