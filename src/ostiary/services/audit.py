"""Reading the audit trail."""

from typing import TypedDict

from ostiary.domain.audit import AuditEvent, Event
from ostiary.domain.signing_key import KeyState
from ostiary.services.context import Context
from ostiary.services.paging import checked_cursor


class Stats(TypedDict):
    """Counts of the last hour and of now, and what this process holds."""

    live_sessions: int
    enabled_admins: int
    logins_last_hour: int
    failed_logins_last_hour: int
    reused_refresh_tokens_last_hour: int
    signing_keys: int
    revocations_in_memory: int
    bound: float


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

    async def stats(self) -> Stats:
        """What an overview shows: counts of the last hour and of now."""
        store = self._context.store
        now = self._context.now()
        issuer = await store.issuer()
        keys = await store.signing_keys.all()
        return {
            "live_sessions": await store.sessions.count_not_ended(everything=issuer.everything, now=now),
            "enabled_admins": await store.accounts.count_enabled_admins(),
            "logins_last_hour": await store.audit.count_since(Event.LOGIN_SUCCEEDED.value, now - 3600),
            "failed_logins_last_hour": await store.audit.count_since(Event.LOGIN_FAILED.value, now - 3600),
            "reused_refresh_tokens_last_hour": await store.audit.count_since(Event.REFRESH_REUSED.value, now - 3600),
            "signing_keys": sum(key.state in (KeyState.ACTIVE, KeyState.UPCOMING) for key in keys if not key.encrypts),
            "revocations_in_memory": len(self._context.replica),
            "bound": self._context.bound,
        }
