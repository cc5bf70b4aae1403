"""What answers say, and how records become answers. The OpenAPI document is made from these types."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ostiary.domain.account import Account
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.services.context import Ended
from ostiary.services.issuing import Issued

Instant = Annotated[str, Meta(description="RFC 3339, UTC.", examples=["2026-11-23T22:35:33.120Z"])]
Lifetime = Annotated[int, Meta(ge=0, description="Seconds.")]
Bound = Annotated[
    float, Meta(ge=0, description="Seconds after this answer until no node accepts any more what was ended.")
]


class AccountView(Struct, frozen=True):
    """An account, as anyone who may see it sees it."""

    id: str
    username: str
    display_name: str | None
    email: str | None
    roles: list[str]
    disabled: bool
    created_at: Instant


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


class AccountAnswer(Struct, frozen=True):
    """One account."""

    account: AccountView


class OneTimeAnswer(Struct, frozen=True, omit_defaults=True):
    """A one-time token; `url` where the audience's name is the address of a download server."""

    token: str
    expires_in: Lifetime
    url: str | UnsetType = UNSET


class EndedAnswer(Struct, frozen=True):
    """What an ending call did."""

    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


class ChangedAccountAnswer(Struct, frozen=True):
    """An account after a change, and what the change ended."""

    account: AccountView
    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


class LoginAnswer(Struct, frozen=True, omit_defaults=True):
    """New credentials. What travels in a cookie is not repeated in the body."""

    kind: str
    account: AccountView
    session: SessionView
    access_token: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    expires_in: Lifetime | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    refresh_expires_in: Lifetime | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    ended: int | UnsetType = UNSET
    bound: Bound | UnsetType = UNSET


class TokenAnswer(Struct, frozen=True, omit_defaults=True):
    """RFC 6749 section 5.1, RFC 8693 section 2.2.1. What travels in a cookie is not repeated in the body."""

    token_type: str
    expires_in: Lifetime
    access_token: str | UnsetType = UNSET
    refresh_token: str | UnsetType = UNSET
    refresh_expires_in: Lifetime | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    issued_token_type: str | UnsetType = UNSET


class RegisteredClientView(Struct, frozen=True):
    """A registered service; never its secret. `token_endpoint_auth_method` says how it proves itself (RFC 7591)."""

    id: str
    name: str
    grants: list[str]
    audiences: list[str]
    targets: list[str]
    scopes: list[str]
    jwks: dict[str, Any] | None
    token_endpoint_auth_method: str
    created_at: Instant


class RegisteredClientAnswer(Struct, frozen=True):
    """One client."""

    client: RegisteredClientView


class RegisteredClientsAnswer(Struct, frozen=True):
    """A page of clients."""

    clients: list[RegisteredClientView]
    next: str | None


class NewClientAnswer(Struct, frozen=True):
    """A client and its secret, which is never shown again; null where it proves itself by its keys."""

    client: RegisteredClientView
    client_secret: str | None


class ReplacedSecretAnswer(Struct, frozen=True):
    """A client with a new secret. What was issued to it before is refused."""

    client: RegisteredClientView
    client_secret: str | None
    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


class ChangedClientAnswer(Struct, frozen=True):
    """A client after a change; `ended` is 1 if what was issued to it before is refused."""

    client: RegisteredClientView
    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


class FeedItemView(Struct, frozen=True):
    """One line of the revocation log: `value` is the lowest that is still accepted of a session's version (`scope` s),
    an account's (u) or client's (c) epoch, everybody's count (g); for a key (k) 1 means revoked. Entries merge by
    maximum, and may be forgotten at `until` (Unix seconds)."""

    cursor: str
    scope: Literal["s", "u", "c", "k", "g"]
    id: str
    value: int
    until: float


class FeedAnswerView(Struct, frozen=True):
    """What follows the cursor. If it does not match, or `generation` is another one, read again from the start. Goes
    for `lease` seconds from when the question was sent, less `age`."""

    generation: int
    everything: int
    lease: float
    age: float
    matches: bool
    complete: bool
    cursor: str
    items: list[FeedItemView]


class MeAnswer(Struct, frozen=True):
    """Who is calling."""

    account: AccountView
    session: SessionView
    kind: str
    expires_at: Instant


class SessionsAnswer(Struct, frozen=True):
    """A page of sessions."""

    sessions: list[SessionView]
    next: str | None


class AccountsAnswer(Struct, frozen=True):
    """A page of accounts."""

    accounts: list[AccountView]
    next: str | None


class CsrfAnswer(Struct, frozen=True):
    """For the header `X-CSRF-Token`."""

    csrf_token: str


class KeyView(Struct, frozen=True):
    """A signing key; never its private part."""

    kid: str
    algorithm: str
    state: str
    created_at: Instant
    activated_at: Instant | None
    retiring_at: Instant | None
    ended_at: Instant | None


class KeysAnswer(Struct, frozen=True):
    """All signing keys, the oldest first."""

    keys: list[KeyView]


class RotatedAnswer(Struct, frozen=True):
    """The key that signs from now on."""

    key: KeyView
    ended: int
    bound: Bound


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


class CheckView(Struct, frozen=True, omit_defaults=True):
    """One check of readiness. `ok` is null where another check that failed keeps this one from being made."""

    name: str
    ok: bool | None


class RevocationsView(Struct, frozen=True):
    """What this process knows of revocations, in seconds and entries. `lease_left` is null where no other
    process can revoke; `bound`: how long this process may not know of what others end."""

    lease_left: float | None
    age: float | None
    entries: int
    bound: float


class ReadyAnswer(Struct, frozen=True):
    """Whether this process should get requests. `worker`: which of `serve --workers` answered."""

    ready: bool
    checks: list[CheckView]
    worker: int
    revocations: RevocationsView


class HealthAnswer(Struct, frozen=True):
    """The process lives."""

    status: Literal["ok"] = "ok"


class ReasonView(Struct, frozen=True):
    """Why a password was rejected."""

    code: str
    message: str


class PasswordCheckAnswer(Struct, frozen=True):
    """Whether a new password would be taken, and how strong it is: 0 (trivial) to 4 (strong)."""

    acceptable: bool
    strength: Annotated[int, Meta(ge=0, le=4)]
    label: str
    reasons: list[ReasonView]


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457. `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    reasons: list[ReasonView] | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET


class OAuthProblem(Struct, frozen=True):
    """RFC 6749 section 5.2."""

    error: str
    error_description: str


@lru_cache(maxsize=4096)
def instant(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(math.floor(seconds * 1000) / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def account_view(account: Account) -> AccountView:
    """See `AccountView`."""
    return AccountView(
        id=account.id,
        username=account.username,
        display_name=account.display_name,
        email=account.email,
        roles=list(account.roles),
        disabled=account.disabled,
        created_at=instant(account.created_at),
    )


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


def client_view(client: Client) -> RegisteredClientView:
    """See `RegisteredClientView`."""
    return RegisteredClientView(
        id=client.id,
        name=client.name,
        grants=list(client.grants),
        audiences=list(client.audiences),
        targets=list(client.targets),
        scopes=list(client.scopes),
        jwks=msgspec.json.decode(client.jwks, type=dict[str, Any]) if client.jwks else None,
        token_endpoint_auth_method="private_key_jwt" if client.jwks else "client_secret_basic",
        created_at=instant(client.created_at),
    )


def key_view(key: SigningKey) -> KeyView:
    """See `KeyView`."""

    def maybe(moment: float | None) -> str | None:
        return None if moment is None else instant(moment)

    return KeyView(
        kid=key.id,
        algorithm=key.algorithm,
        state=key.state.value,
        created_at=instant(key.created_at),
        activated_at=maybe(key.activated_at),
        retiring_at=maybe(key.retiring_at),
        ended_at=maybe(key.ended_at),
    )


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


def ended_answer(ended: Ended) -> EndedAnswer:
    """See `EndedAnswer`."""
    return EndedAnswer(ended=ended.ended, bound=ended.bound)


def token_type_of(session: Session) -> str:
    """How its access tokens are to be presented (RFC 6749 section 7.1, RFC 9449 section 5)."""
    return "DPoP" if session.key_thumbprint else "Bearer"


def login_answer(issued: Issued, *, bound: float | None = None, asked_scope: bool = False) -> LoginAnswer:
    """What a login, a password change (with `bound`) and a re-authentication answer."""
    session = issued.session
    in_cookie = session.transport.value == "cookie"
    refresh_in_body = session.transport.value == "bearer" and issued.refresh_token is not None
    tells_ended = bound is not None or issued.ended > 0
    return LoginAnswer(
        kind=session.kind.value,
        account=account_view(issued.account),
        session=session_view(session, current_id=session.id),
        access_token=UNSET if in_cookie else issued.access_token,
        token_type=UNSET if in_cookie else token_type_of(session),
        expires_in=UNSET if in_cookie else issued.expires_in,
        refresh_token=issued.refresh_token if refresh_in_body and issued.refresh_token else UNSET,
        refresh_expires_in=issued.refresh_expires_in
        if refresh_in_body and issued.refresh_expires_in is not None
        else UNSET,
        scope=" ".join(issued.scope) if asked_scope and not in_cookie else UNSET,
        ended=issued.ended if tells_ended else UNSET,
        bound=(bound or 0.0) if tells_ended else UNSET,
    )
