"""What happened, for people who have to find out later. No event holds a credential."""

from dataclasses import dataclass
from enum import StrEnum


class Event(StrEnum):
    """Stable names, `<thing>.<what happened>`."""

    LOGIN_SUCCEEDED = "login.succeeded"
    LOGIN_FAILED = "login.failed"
    LOGGED_OUT = "session.logged_out"
    SESSION_ENDED = "session.ended"
    SESSION_MOVED = "session.moved"
    SESSIONS_ENDED = "sessions.ended"
    REAUTHENTICATED = "session.reauthenticated"
    REFRESH_REUSED = "refresh.reused"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ROLES_CHANGED = "account.roles_changed"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    ACCOUNT_DELETED = "account.deleted"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - the name of an event
    PASSWORD_RESET = "password.reset"  # noqa: S105
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_RETIRED = "key.retired"
    KEY_REVOKED = "key.revoked"
    CLIENT_CREATED = "client.created"
    CLIENT_CHANGED = "client.changed"
    CLIENT_SECRET_REPLACED = "client.secret_replaced"  # noqa: S105
    CLIENT_DELETED = "client.deleted"
    EVERYTHING_ENDED = "everything.ended"
    SETUP_OFFERED = "setup.offered"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One event. `id` sorts by time. `account_id` is whom it concerns, `actor` who did it (an account id, `cli` or
    `system`), `username` what was typed when a login failed for no account. `detail` is a flat JSON object."""

    id: str
    at: float
    event: str
    account_id: str | None = None
    session_id: str | None = None
    actor: str | None = None
    client_ip: str = ""
    client_label: str = ""
    detail: str = "{}"
    revision: int = 0
