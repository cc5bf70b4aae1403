"""Records that are complete and plausible; name only what the test is about."""

from typing import Any

from ostiary.domain.account import Account
from ostiary.domain.audit import AuditEvent, Event
from ostiary.domain.client import Client
from ostiary.domain.refresh import RefreshState
from ostiary.domain.session import Kind, Session, default_transport
from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.revocation.entry import Entry, Scope

NOW = 1_800_000_000.0
"""When everything here was made: 15 January 2027, and where a `FakeClock` starts."""


def account(account_id: str = "account-1", /, **changes: Any) -> Account:
    """An enabled ordinary user whose user name is the id."""
    values: dict[str, Any] = {
        "id": account_id,
        "username": account_id,
        "username_key": account_id.casefold(),
        "password_hash": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$bm9ib2R5cyBwYXNzd29yZA",
        "created_at": NOW,
        "password_changed_at": NOW,
    }
    return Account(**(values | changes))


def session(session_id: str = "session-1", /, **changes: Any) -> Session:
    """A live session of `account-1`, just begun; with a token digest or refresh state, as its kind wants."""
    kind = Kind(changes.get("kind", Kind.SESSION))
    by_kind: dict[str, Any]
    if kind is Kind.SESSION:
        by_kind = {"token_digest": b"digest of " + session_id.encode()}
    else:
        by_kind = {"refresh": refresh_state(), "credential_expires_at": NOW + 300.0}
    values: dict[str, Any] = {
        "id": session_id,
        "account_id": "account-1",
        "kind": kind,
        "transport": default_transport(kind),
        "created_at": NOW,
        "auth_time": NOW,
        "last_seen_at": NOW,
        "idle_lifetime": 1800.0,
        "expires_at": NOW + 43_200.0,
        "everything": 0,
    }
    return Session(**(values | by_kind | changes))


def refresh_state(**changes: Any) -> RefreshState:
    """The first generation, rotated never."""
    values: dict[str, Any] = {"generation": 1, "digest": b"\x01" * 32, "rotated_at": NOW}
    return RefreshState(**(values | changes))


def throttle(throttle_id: str = "throttle-1", /, **changes: Any) -> Throttle:
    """One failure, now."""
    values: dict[str, Any] = {"id": throttle_id, "failures": 1, "last_failure_at": NOW, "window_started_at": NOW}
    return Throttle(**(values | changes))


def signing_key(kid: str = "key-1", /, **changes: Any) -> SigningKey:
    """An active key. Neither of its halves is one."""
    values: dict[str, Any] = {
        "id": kid,
        "algorithm": "ES256",
        "state": KeyState.ACTIVE,
        "public_jwk": '{"kty":"EC"}',
        "sealed": b"sealed",
        "created_at": NOW,
        "activated_at": NOW,
    }
    return SigningKey(**(values | changes))


def client(client_id: str = "client-1", /, **changes: Any) -> Client:
    """A service with a secret that may do nothing."""
    values: dict[str, Any] = {
        "id": client_id,
        "name": client_id,
        "secret_digest": b"digest of " + client_id.encode(),
        "created_at": NOW,
    }
    return Client(**(values | changes))


def spent(spent_id: str = "spent-1", /, **changes: Any) -> Spent:
    """Used just now, and to be remembered beyond any test's real time: a backend may forget by itself."""
    values: dict[str, Any] = {"id": spent_id, "until": 2 * NOW}
    return Spent(**(values | changes))


def audit_event(event_id: str = "event-1", /, **changes: Any) -> AuditEvent:
    """Somebody logged in."""
    values: dict[str, Any] = {
        "id": event_id,
        "at": NOW,
        "event": Event.LOGIN_SUCCEEDED.value,
        "account_id": "account-1",
    }
    return AuditEvent(**(values | changes))


def entry(entry_id: str = "session-1", /, **changes: Any) -> Entry:
    """A session was ended; the last of its tokens expires in five minutes."""
    values: dict[str, Any] = {"scope": Scope.SESSION, "id": entry_id, "value": 2, "until": NOW + 300.0}
    return Entry(**(values | changes))
