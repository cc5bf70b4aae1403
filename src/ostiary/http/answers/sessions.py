"""Sessions, and who is calling."""

from msgspec import UNSET, Struct, UnsetType

from ostiary.domain.session import Session
from ostiary.http.answers.accounts import AccountView
from ostiary.http.answers.common import Instant, instant
from ostiary.http.starred import Starred


class ClientView(Struct, frozen=True):
    """What a session runs on."""

    label: str
    ip: str


class SessionView(Struct, frozen=True, omit_defaults=True):
    """A session; never a secret. `account_id` only where it is not the caller's."""

    id: str
    kind: str
    created_at: Instant
    last_seen_at: Instant
    expires_at: Instant
    idle_expires_at: Instant
    auth_time: Instant
    client: ClientView
    binding: str
    current: bool
    account_id: str | UnsetType = UNSET


class SessionsAnswer(Struct, frozen=True):
    """A page of sessions."""

    sessions: list[SessionView]
    next: str | None


class MeAnswer(Struct, frozen=True):
    """Who is calling."""

    account: AccountView
    session: SessionView
    kind: str
    expires_at: Instant


class CsrfAnswer(Starred, frozen=True):
    """For the header `X-CSRF-Token`."""

    csrf_token: str


def session_view(
    session: Session,
    *,
    current_id: str | None = None,
    last_seen_at: float | None = None,
    with_account: bool = False,
) -> SessionView:
    """See `SessionView`. `last_seen_at`: if this process saw it later than the store was told."""
    seen = session.last_seen_at if last_seen_at is None else max(last_seen_at, session.last_seen_at)
    return SessionView(
        id=session.id,
        kind=session.kind.value,
        created_at=instant(session.created_at),
        last_seen_at=instant(seen),
        expires_at=instant(session.expires_at),
        idle_expires_at=instant(min(seen + session.idle_lifetime, session.expires_at)),
        auth_time=instant(session.auth_time),
        client=ClientView(label=session.client_label, ip=session.client_ip),
        binding=session.binding,
        current=session.id == current_id,
        account_id=session.account_id if with_account else UNSET,
    )
