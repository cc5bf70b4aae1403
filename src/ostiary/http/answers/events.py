"""What happened: the audit trail, the own activity, and the export of all that is kept about somebody."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from ostiary.domain.audit import AuditEvent
from ostiary.http.answers.accounts import AccountView
from ostiary.http.answers.common import Instant, instant
from ostiary.http.answers.sessions import ClientView, SessionView


class EventView(Struct, frozen=True):
    """One event of the audit trail."""

    id: str
    at: Instant
    event: str
    account_id: str | None
    session_id: str | None
    actor: str | None
    client: ClientView
    detail: dict[str, Any]


class AuditAnswer(Struct, frozen=True):
    """A page of events, the newest first."""

    events: list[EventView]
    next: str | None


class ActivityView(Struct, frozen=True):
    """One event of the caller's own account. `by`: `you`, `administrator`, `operator` (the command line), `system`, or
    `unknown`. Where an administrator acted, their device is not told."""

    id: str
    at: Instant
    event: str
    session_id: str | None
    by: Literal["you", "administrator", "operator", "system", "unknown"]
    client: ClientView
    detail: dict[str, Any]


class ActivityAnswer(Struct, frozen=True):
    """A page of the caller's own activity, the newest first."""

    events: list[ActivityView]
    next: str | None


class ExportAnswer(Struct, frozen=True):
    """Everything that is kept about the caller. `complete` is False where the activity was cut."""

    exported_at: Instant
    account: AccountView
    password_changed_at: Instant
    sessions: list[SessionView]
    activity: list[ActivityView]
    complete: bool


def event_view(event: AuditEvent) -> EventView:
    """See `EventView`."""
    return EventView(
        id=event.id,
        at=instant(event.at),
        event=event.event,
        account_id=event.account_id,
        session_id=event.session_id,
        actor=event.actor,
        client=ClientView(label=event.client_label, ip=event.client_ip),
        detail=msgspec.json.decode(event.detail, type=dict[str, Any]),
    )


def activity_view(event: AuditEvent) -> ActivityView:
    """See `ActivityView`."""
    view = event_view(event)
    acting = event.actor or "unknown"
    by: Literal["you", "administrator", "operator", "system", "unknown"] = "operator"
    if acting in (event.account_id, "owner"):
        by = "you"
    elif acting in ("unknown", "holder"):
        by = "unknown"
    elif acting == "system":
        by = "system"
    elif acting.startswith("acc_"):
        by = "administrator"
    return ActivityView(
        id=view.id,
        at=view.at,
        event=view.event,
        session_id=view.session_id,
        by=by,
        client=view.client if by in ("you", "unknown", "system") else ClientView(label="", ip=""),
        detail=view.detail,
    )
