"""Records as bytes: what lies under a key, and which indexes it is in. `scripts/memberships.lua` has the layout.

Fields are a MessagePack map by name, as far as they have a value: a program that is a version older or newer can read
it. The revision and what activity moves stand before it, where scripts can reach them.
"""

import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.errors import InvalidRequest, Unavailable
from ostiary.stores import rows
from ostiary.stores.port import Record
from ostiary.stores.rows import folded

R = TypeVar("R")
_REVISION = struct.Struct(">q")
_ACTIVITY = struct.Struct(">dddd")  # last seen, idle lifetime, expiry, expiry of the last credential
_LENGTH = struct.Struct(">H")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Membership(NamedTuple):
    """One index that a record is in. Tags: see the layout. `key` and `score`: as what, and where, it stands there."""

    tag: str
    name: bytes
    key: bytes
    score: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[R]):
    """How one type of records is kept. `prefix` begins its keys, `memberships` its place in indexes."""

    prefix: bytes
    table: rows.Table[R]
    memberships: Callable[[R], Iterable[Membership]]
    defaults: dict[str, Any]
    has_activity: bool = False

    def key(self, record_id: str) -> bytes:
        """Without the installation's prefix."""
        return self.prefix + text(record_id)

    def encode(self, record: R, revision: int) -> tuple[bytes, str]:
        """The value, and the scores of its sorted sets. Raises InvalidRequest for what cannot be stored."""
        try:
            return self._encode(record, revision)
        except (UnicodeEncodeError, OverflowError, struct.error):
            raise InvalidRequest("A text or a number cannot be stored.") from None

    def _encode(self, record: R, revision: int) -> tuple[bytes, str]:
        values = zip(self.table.stored, self.table.to_row(record), strict=False)  # derived columns follow
        kept = {name: value for name, value in values if value is not None or name in self.defaults}
        del kept["revision"]
        activity = b""
        if self.has_activity:
            activity = _ACTIVITY.pack(
                kept.pop("last_seen_at"), kept["idle_lifetime"], kept["expires_at"], kept["credential_expires_at"]
            )
        packed, scores = b"", list[str]()
        for tag, index, member, score in self.memberships(record):
            packed += tag.encode() + _LENGTH.pack(len(index)) + index + _LENGTH.pack(len(member)) + member
            if tag != "u":
                scores.append(score)
        head = b"%b%c%b%b" % (_REVISION.pack(revision), len(activity), activity, _LENGTH.pack(len(packed)))
        return b"%b%b%b" % (head, packed, _encode(kept)), " ".join(scores)

    def decode(self, value: bytes) -> R:
        """The record of a value. Raises Unavailable if it is not one of ours."""
        try:
            kept = dict(self.defaults)
            kept["revision"] = _REVISION.unpack_from(value)[0]
            at = 9 + value[8]
            if value[8]:
                kept["last_seen_at"] = _ACTIVITY.unpack_from(value, 9)[0]
            at += 2 + _LENGTH.unpack_from(value, at)[0]
            kept.update(_decode(memoryview(value)[at:]))
            return self.table.from_row([kept.get(name) for name in self.table.stored])
        except (struct.error, msgspec.MsgspecError, IndexError, ValueError, TypeError) as error:
            raise Unavailable(private=f"valkey: a record cannot be read: {type(error).__name__}") from error


def revision_bytes(revision: int) -> bytes:
    """As a value begins. Raises InvalidRequest beyond 64 bits."""
    try:
        return _REVISION.pack(revision)
    except struct.error:
        raise InvalidRequest("A text or a number cannot be stored.") from None


def text(value: str) -> bytes:
    """UTF-8: its bytes sort as its code points do. Raises InvalidRequest for what is no Unicode text."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("A text or a number cannot be stored.") from None


def number(value: float) -> str:
    """A score, exact to the last bit. Raises InvalidRequest for what is not a number."""
    if math.isnan(value):
        raise InvalidRequest("A text or a number cannot be stored.")
    return repr(value)


def named(name: str | None, record_id: bytes) -> bytes:
    """How a text stands in an index that is sorted by it: with the id behind it."""
    return text(name or "") + b"\0" + record_id


def open_sessions(everything: int, kind: str) -> bytes:
    """The index of open sessions of one kind and one count of "everything", by when they lie idle out."""
    return b"sessions-open:%d:%b" % (everything, text(kind))


def seen_sessions(everything: int, kind: str) -> bytes:
    """The index of the same sessions, by when they were last seen."""
    return b"sessions-seen:%d:%b" % (everything, text(kind))


def _of_account(account: Account) -> Iterable[Membership]:
    record_id = text(account.id)
    yield Membership("u", b"username:" + text(account.username_key), record_id)
    name = named(account.username_key, record_id)
    yield Membership("z", b"accounts-by-name", name)
    if account.email is not None:
        yield Membership("z", b"accounts-by-email", named(folded(account.email), record_id))
    if account.is_enabled_admin:
        yield Membership("z", b"accounts-in-charge", name)
    if account.disabled:
        yield Membership("z", b"accounts-disabled", name)


def _of_session(session: Session) -> Iterable[Membership]:
    record_id = text(session.id)
    if session.token_digest is not None:
        yield Membership("u", b"session-by-token:" + session.token_digest, record_id)
    over = max(session.idle_expires_at if session.ended_at is None else session.ended_at, session.credential_expires_at)
    if session.ended_at is None:
        yield Membership("z", b"sessions", record_id)
        yield Membership("z", b"sessions-of:" + text(session.account_id), record_id)
        yield Membership("z", b"sessions-kind:" + text(session.kind), record_id)
        yield Membership(
            "i", open_sessions(session.everything, session.kind), record_id, number(session.idle_expires_at)
        )
        yield Membership("s", seen_sessions(session.everything, session.kind), record_id, number(session.last_seen_at))
    yield Membership("o", b"sessions-over", record_id, number(over))


def _of_throttle(throttle: Throttle) -> Iterable[Membership]:
    yield Membership("z", b"throttles-last", text(throttle.id), number(throttle.last_failure_at))


def _of_spent(spent: Spent) -> Iterable[Membership]:
    yield Membership("z", b"spent-until", text(spent.id), number(spent.until))


def _of_client(client: Client) -> Iterable[Membership]:
    yield Membership("z", b"clients", text(client.id))


def _of_key(key: SigningKey) -> Iterable[Membership]:
    yield Membership("z", b"keys", text(key.id))


def _of_event(event: AuditEvent) -> Iterable[Membership]:
    record_id, at = text(event.id), number(event.at)
    yield Membership("z", b"events", record_id)
    yield Membership("z", b"events-named:" + text(event.event), record_id)
    if event.account_id is not None:
        yield Membership("z", b"events-of:" + text(event.account_id), record_id)
    if event.session_id is not None:
        yield Membership("z", b"events-in:" + text(event.session_id), record_id)
    yield Membership("z", b"events-at", record_id, at)
    yield Membership("z", b"events-at:" + text(event.event), record_id, at)


def _defaults(record: type[Any], stored: tuple[str, ...]) -> dict[str, Any]:
    """What stands in the columns of fields that a record of an earlier version does not have."""
    given = {field.name: field.default for field in fields(record) if field.default is not MISSING}
    return {
        name: msgspec.json.encode(value).decode() if isinstance(value, tuple) else value
        for name, value in given.items()
        if name in stored and value is not None
    }


def _kind(
    prefix: bytes,
    record: type[R],
    table: rows.Table[R],
    memberships: Callable[[R], Iterable[Membership]],
    *,
    has_activity: bool = False,
) -> Kind[R]:
    return Kind(
        prefix=prefix,
        table=table,
        memberships=memberships,
        defaults=_defaults(record, table.stored),
        has_activity=has_activity,
    )


ACCOUNTS = _kind(b"account:", Account, rows.ACCOUNTS, _of_account)
SESSIONS = _kind(b"session:", Session, rows.SESSIONS, _of_session, has_activity=True)
THROTTLES = _kind(b"throttle:", Throttle, rows.THROTTLES, _of_throttle)
SIGNING_KEYS = _kind(b"key:", SigningKey, rows.SIGNING_KEYS, _of_key)
AUDIT_EVENTS = _kind(b"event:", AuditEvent, rows.AUDIT_EVENTS, _of_event)
ISSUERS = _kind(b"issuer:", Issuer, rows.ISSUERS, lambda _: ())
CLIENTS = _kind(b"client:", Client, rows.CLIENTS, _of_client)
SPENT = _kind(b"spent:", Spent, rows.SPENT, _of_spent)
KINDS: dict[type[Record], Kind[Any]] = {
    Account: ACCOUNTS,
    Session: SESSIONS,
    Throttle: THROTTLES,
    SigningKey: SIGNING_KEYS,
    AuditEvent: AUDIT_EVENTS,
    Issuer: ISSUERS,
    Client: CLIENTS,
    Spent: SPENT,
}
