"""What happened, and how the server and its nodes are."""

from datetime import datetime

from starlette.responses import Response

from ostiary.errors import InvalidRequest
from ostiary.http.answers.events import AuditAnswer, event_view
from ostiary.http.answers.operation import StatsAnswer, node_view
from ostiary.http.call import Call
from ostiary.http.endpoints import CURSOR, LIMIT, Query
from ostiary.http.problems import json_response
from ostiary.http.routes.admin.rows import see


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


async def stats(call: Call) -> Response:
    """GET /v1/admin/stats"""
    fleet = await call.services.nodes.all()
    return json_response(
        StatsAnswer(
            **await call.services.overview.stats(),
            nodes=[node_view(member, call.now) for member in fleet.members],
            more_nodes=fleet.more,
        )
    )


ENDPOINTS = (
    see(
        "/v1/admin/audit",
        audit,
        "What happened, the newest first",
        AuditAnswer,
        query=(
            Query(name="account", description="Only what concerns this account."),
            Query(name="event", description="Only this event."),
            Query(name="session", description="Only this session."),
            Query(name="since", description="Only what happened at this instant (RFC 3339) or later."),
            Query(name="until", description="Only what happened before this instant."),
            CURSOR,
            LIMIT,
        ),
        refusals=(422,),
    ),
    see("/v1/admin/stats", stats, "Counts for an overview, and the health of every node", StatsAnswer),
)
