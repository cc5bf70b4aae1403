"""What happened, in words: one line for each event of the audit trail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ostiary.domain.audit import AuditEvent, Event
from ostiary.http.pages.language import Translator
from ostiary.http.pages.views import icon_of, place_of

_ALARMING = frozenset(
    {Event.LOGIN_FAILED, Event.REFRESH_REUSED, Event.KEY_REVOKED, Event.EVERYTHING_ENDED, Event.SESSION_MOVED}
)
_COUNTED = frozenset({Event.SESSIONS_ENDED, Event.PASSWORD_CHANGED, Event.PASSWORD_RESET, Event.ACCOUNT_DISABLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One event, told. `by` is "" where it was the owner, or nobody knows. `tone`: `notice` is worth a look,
    `alarm` for what asks for one."""

    id: str
    at: float
    text: str
    by: str
    device: str
    ip: str
    icon: str
    place: str
    tone: str


def event_line(t: Translator, event: AuditEvent, *, owner: str | None = None) -> EventLine:
    """The event as `owner` may see it: where somebody else acted, their device is not told."""
    detail = msgspec.json.decode(event.detail, type=dict[str, Any])
    of_owner = owner is None or event.actor in (owner, "unknown", None)
    return EventLine(
        id=event.id,
        at=event.at,
        text=event_text(t, event.event, detail),
        by="" if owner is not None and event.actor == owner else _by(t, event.actor, owner),
        device=event.client_label if of_owner else "",
        ip=event.client_ip if of_owner else "",
        icon=icon_of(event.client_label),
        place=place_of(event.client_ip),
        tone="alarm" if event.event in _ALARMING else "notice" if detail.get("new_device") is True else "",
    )


def event_text(t: Translator, event: str, detail: Mapping[str, Any]) -> str:
    """What happened. An event that nobody wrote words for is told by its name."""
    ended = detail.get("ended")
    if event == Event.LOGIN_SUCCEEDED and detail.get("new_device"):
        return t("event.new_device")
    if event == Event.SESSION_ENDED and t.has(f"event.session.ended.{detail.get('reason')}"):
        return t(f"event.session.ended.{detail['reason']}")
    if event == Event.ROLES_CHANGED and isinstance(detail.get("roles"), list):
        return t("event.account.roles_changed", roles=", ".join(map(str, detail["roles"])) or "–")
    if event in _COUNTED and isinstance(ended, int) and ended > 0 and t.has(f"event.{event}.one"):
        return t.number(f"event.{event}", ended)
    key = f"event.{event}" if t.has(f"event.{event}") else f"event.{event}.none"
    return t(key) if t.has(key) else event


def _by(t: Translator, actor: str | None, owner: str | None) -> str:
    if actor is None or actor in ("unknown", "owner", "holder"):
        return ""
    if actor == "system":
        return t("event.by.system")
    if actor.startswith("acc_"):
        return t("event.by.administrator") if owner is not None else actor
    return t("event.by.operator")
