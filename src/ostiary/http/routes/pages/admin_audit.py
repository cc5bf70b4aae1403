"""The audit trail: looking through it, and taking it along."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time

import msgspec
from starlette.responses import Response, StreamingResponse

from ostiary import limits
from ostiary.domain.audit import AuditEvent, Event
from ostiary.errors import InvalidRequest
from ostiary.http.answers.common import instant
from ostiary.http.answers.events import event_view
from ostiary.http.call import Call
from ostiary.http.pages.event_words import event_line
from ostiary.http.pages.language import Translator
from ostiary.http.routes.pages.admin_common import ROWS, account_of, names_of, see, show
from ostiary.http.routes.pages.common import language_of

_COLUMNS = ("id", "at", "event", "account_id", "session_id", "actor", "client_ip", "client_label", "detail")
_DAY = 86_400.0
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def audit(call: Call) -> Response:
    """GET /admin/audit"""
    asked = _asked(call)
    since, until = _span(asked)
    events, following = await call.services.audit.page(
        account_id=await account_of(call, asked["account"]),
        event=asked["event"],
        session_id=asked["session"],
        before=call.query("cursor"),
        limit=ROWS,
        since=since,
        until=until,
    )
    t = Translator(language_of(call))
    people = [asked["account"], *(one for event in events for one in (event.account_id, event.actor))]
    return show(
        call,
        "admin_audit.html",
        at="/admin/audit",
        query={**asked},
        lines=[(event, event_line(t, event)) for event in events],
        names=await names_of(call, people),
        kinds=[(event.value, kind_text(t, event)) for event in Event],
        asked=asked,
        cursor=call.query("cursor"),
        following=following,
    )


def kind_text(t: Translator, event: Event) -> str:
    """What a kind of event is called in the list to choose from."""
    for key in (f"event.{event.value}", f"event.{event.value}.none"):
        if t.has(key) and "{" not in t(key):
            return t(key)
    return event.value


def _asked(call: Call) -> dict[str, str]:
    return {name: call.query(name).strip() for name in ("account", "event", "session", "from", "to")}


def _span(asked: dict[str, str]) -> tuple[float | None, float | None]:
    """From the first day's beginning to the last one's end. Raises InvalidRequest."""
    since, until = (_day(asked[name]) for name in ("from", "to"))
    return since, None if until is None else until + _DAY


def _day(text: str) -> float | None:
    """When this day begins, in UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC).timestamp() if text else None
    except ValueError:
        raise InvalidRequest("A day is written as 2026-11-23.") from None


async def export(call: Call) -> Response:
    """GET /admin/audit/export: all that the filter leaves, as it comes out of the store"""
    form = call.query("format")
    if form not in ("csv", "jsonl"):
        raise InvalidRequest("'format' is 'csv' or 'jsonl'.")
    asked = _asked(call)
    _span(asked)
    events = _events(call, await account_of(call, asked["account"]), asked)
    headers = {"Content-Disposition": f'attachment; filename="ostiary-audit.{form}"', "Cache-Control": "no-store"}
    if form == "csv":
        return StreamingResponse(_as_csv(events), headers=headers, media_type="text/csv; charset=utf-8")
    return StreamingResponse(_as_lines(events), headers=headers, media_type="application/jsonl")


async def _events(call: Call, account: str, asked: dict[str, str]) -> AsyncIterator[list[AuditEvent]]:
    before: str | None = ""
    since, until = _span(asked)
    while before is not None:
        page, before = await call.services.audit.page(
            account_id=account,
            event=asked["event"],
            session_id=asked["session"],
            before=before,
            limit=limits.AUDIT_EXPORT_ROWS,
            since=since,
            until=until,
        )
        yield page


async def _as_csv(pages: AsyncIterator[list[AuditEvent]]) -> AsyncIterator[bytes]:
    yield (",".join(_COLUMNS) + "\r\n").encode()
    async for page in pages:
        text = io.StringIO()
        writer = csv.writer(text)
        for event in page:
            values = [instant(event.at) if name == "at" else getattr(event, name) or "" for name in _COLUMNS]
            # what a browser sent may begin like a formula, which a spreadsheet would run
            writer.writerow(["'" + value if value.startswith(_FORMULA) else value for value in values])
        yield text.getvalue().encode()


async def _as_lines(pages: AsyncIterator[list[AuditEvent]]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(msgspec.json.encode(event_view(event)) + b"\n" for event in page)


ENDPOINTS = (
    see("/admin/audit", audit, "The audit trail"),
    see("/admin/audit/export", export, "The audit trail as a file"),
)
