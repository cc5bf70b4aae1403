"""Reading the audit trail."""

from ostiary.domain.audit import AuditEvent
from ostiary.services.context import Context
from ostiary.services.paging import checked_cursor


class Audit:
    """Use cases of the audit trail: it is written by the changes themselves."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def page(
        self,
        *,
        account_id: str,
        event: str,
        session_id: str,
        before: str,
        limit: int,
        since: float | None = None,
        until: float | None = None,
    ) -> tuple[list[AuditEvent], str | None]:
        """The newest first, and the id to go on before (None at the end): of what happened at `since` or later, and
        earlier than `until`. Raises InvalidRequest."""
        before = checked_cursor(before, "aud")
        if until is not None:
            edge = f"aud_{max(0, int(until * 1_000_000)):016x}"  # ids begin with when it happened
            before = min(before or edge, edge)
        rows = await self._context.store.audit.page(
            account_id=account_id, event=event, session_id=session_id, before=before, limit=limit + 1
        )
        if since is not None:
            rows = [row for row in rows if row.at >= since]
        return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
