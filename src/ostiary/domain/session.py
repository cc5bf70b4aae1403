"""A session: one login on one client, whatever the client carries.

Rules, in words:

* A session is live while it has not ended, `now < expires_at`, `now < idle_expires_at`, and everything has not been
  ended since it began. Both ends are half-open: at the very instant it is over.
* `version` (the `sv` claim) rises when the session goes on under new credentials (re-authentication, password
  change): every credential of an older version is dead, of every kind.
* Activity moves `last_seen_at`; re-authentication moves `auth_time`; neither moves `expires_at`.
* An ended session stays ended: there is no way back.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from ostiary.domain.copies import changer
from ostiary.domain.refresh import RefreshState

ENDED_VERSION = 2**53 - 1
"""A version above all: what ending a session raises it to. The largest integer that JSON carries everywhere."""


class Kind(StrEnum):
    """What the client holds, and so where the session's data is."""

    SESSION = "session"
    STATEFUL = "stateful"
    STATELESS = "stateless"


class Transport(StrEnum):
    """How the credential travels."""

    COOKIE = "cookie"
    BEARER = "bearer"
    SPLIT = "split"


class EndReason(StrEnum):
    """Why a session ended: stands in the record and in the audit trail."""

    LOGOUT = "logout"
    ENDED_BY_OWNER = "ended_by_owner"
    ENDED_BY_ADMIN = "ended_by_admin"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, not a password
    ACCOUNT_DISABLED = "account_disabled"
    ACCOUNT_DELETED = "account_deleted"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105
    REVOKED = "revoked"
    TOO_MANY_SESSIONS = "too_many_sessions"
    REPLACED_BY_LOGIN = "replaced_by_login"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login. Instants are Unix seconds, lifetimes seconds.

    `everything` is the issuer's counter when the session began: a session of an earlier count is over, so that ending
    everything is one write however many sessions there are. `token_digest` is set for kind `session` only, `refresh`
    for the other two. `credential_expires_at` is the latest `exp` of any access token that was issued for it.
    `key_thumbprint` names the key (RFC 7638) that all of its credentials are bound to, None if to none (RFC 9449).
    `statuses` are its places in status lists (`ostiary.domain.status_list`), None if it has none.
    """

    id: str
    account_id: str
    kind: Kind
    transport: Transport
    created_at: float
    auth_time: float
    last_seen_at: float
    idle_lifetime: float
    expires_at: float
    everything: int
    remembered: bool = False
    version: int = 1
    audience: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = None
    client_id: str = "ostiary"
    client_label: str = ""
    client_ip: str = ""
    binding: str = "off"
    token_digest: bytes | None = field(default=None, repr=False)
    key_thumbprint: str | None = None
    statuses: tuple[str, ...] | None = None
    refresh: RefreshState | None = None
    credential_expires_at: float = 0.0
    ended_at: float | None = None
    end_reason: str | None = None
    revision: int = 0

    @property
    def idle_expires_at(self) -> float:
        """When it is over if nothing happens; never after `expires_at`."""
        return min(self.last_seen_at + self.idle_lifetime, self.expires_at)

    def is_live(self, now: float, everything: int) -> bool:
        """The first rule above."""
        return self.ended_at is None and self.everything == everything and now < self.idle_expires_at


changed = changer(Session)
"""A session with some of its fields changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long things live, in seconds (contract section 7 has the defaults)."""

    access_token: float = 300.0
    stateful_token: float = 900.0
    session_idle: float = 1800.0
    session: float = 43_200.0
    remember: float = 2_592_000.0
    refresh_idle: float = 604_800.0
    refresh: float = 2_592_000.0
    refresh_grace: float = 10.0
    one_time: float = 120.0

    def of_session(self, kind: Kind, *, remembered: bool) -> tuple[float, float]:
        """(idle, absolute) of a new session. A remembered one is allowed to lie idle for as long as it lives."""
        if kind is Kind.SESSION:
            return (
                (self.remember, self.remember) if remembered else (min(self.session_idle, self.session), self.session)
            )
        return min(self.refresh_idle, self.refresh), self.refresh

    @property
    def longest_access_token(self) -> float:
        """After which no access JWT lives that is issued now, of whatever kind."""
        return max(self.access_token, self.stateful_token)

    def of_access_token(self, kind: Kind) -> float:
        """Life of one access JWT of this kind."""
        return self.stateful_token if kind is Kind.STATEFUL else self.access_token


def default_transport(kind: Kind) -> Transport:
    """`cookie` for sessions, `bearer` for the two that are JWTs."""
    return Transport.COOKIE if kind is Kind.SESSION else Transport.BEARER


def oldest_beyond_cap(live: list[Session], cap: int) -> list[Session]:
    """Those that must end so that one more session fits under the cap: the ones that began first."""
    excess = len(live) + 1 - cap
    return sorted(live, key=lambda session: (session.created_at, session.id))[:excess] if excess > 0 else []
