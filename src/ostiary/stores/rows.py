"""Records as rows: one description of each table's columns, made from the record's own fields, for every SQL backend.

A field becomes a column of the same name. Text lists become JSON text (None stays NULL, apart from an empty list),
enums their text, a session's refresh state one column a field. Derived columns follow: they are computed here, from the
record alone, and are never read back; they exist to be indexed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.refresh import RefreshState
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.throttle import Throttle

R = TypeVar("R")
_TEXTS = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class _Codec:
    """How one field's value enters its column and leaves it again."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _codec(kind: Any) -> _Codec | None:
    """None if the database carries the type as it is."""
    if kind == tuple[str, ...]:
        return _Codec(_texts_to_json, _TEXTS.decode)
    if kind == tuple[str, ...] | None:
        return _Codec(
            lambda value: None if value is None else _texts_to_json(value),
            lambda value: None if value is None else _TEXTS.decode(value),
        )
    if kind is bool:
        return _Codec(bool, bool)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _Codec(str, kind)
    return None


def _texts_to_json(value: tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()


class Table(Generic[R]):
    """One table: `columns` in the order in which `to_row` gives values and `from_row` expects the first of them.

    `stored` are the columns to select; `columns` are those and the derived ones.
    """

    def __init__(self, name: str, record: type[R], derived: Mapping[str, Callable[[R], object]] | None = None) -> None:
        hints = get_type_hints(record)
        names = [field.name for field in fields(record)]  # type: ignore[arg-type]  # every record is a dataclass
        self.name = name
        self.record = record
        self._nested = next((name for name in names if RefreshState in get_args(hints[name])), None)
        self._plain = [name for name in names if name != self._nested]
        self._inner = [field.name for field in fields(RefreshState)] if self._nested else []
        self._derived = dict(derived or {})
        self.stored: tuple[str, ...] = (*self._plain, *(f"{self._nested}_{inner}" for inner in self._inner))
        self.columns: tuple[str, ...] = (*self.stored, *self._derived)
        self._codecs = [(name, codec) for name in self._plain if (codec := _codec(hints[name])) is not None]
        self._get_plain = attrgetter(*self._plain)
        self._get_inner = attrgetter(*self._inner) if self._inner else None

    def to_row(self, record: R) -> tuple[Any, ...]:
        """One value for each of `columns`."""
        values = dict(zip(self._plain, self._get_plain(record), strict=True))
        for name, codec in self._codecs:
            values[name] = codec.encode(values[name])
        row = [*values.values()]
        if self._nested is not None and self._get_inner is not None:
            inner = getattr(record, self._nested)
            row.extend(self._get_inner(inner) if inner is not None else [None] * len(self._inner))
        row.extend(derive(record) for derive in self._derived.values())
        return tuple(row)

    def from_row(self, row: Sequence[Any]) -> R:
        """The record of one row of `stored`."""
        values = dict(zip(self._plain, row, strict=False))
        for name, codec in self._codecs:
            values[name] = codec.decode(values[name])
        if self._nested is not None:
            inner = row[len(self._plain) :]
            state = None if inner[0] is None else RefreshState(**dict(zip(self._inner, inner, strict=True)))
            values[self._nested] = state
        return self.record(**values)


def folded(text: str | None) -> str | None:
    """What two texts share that differ in case only."""
    return None if text is None else text.casefold()


def prefix_end(prefix: str) -> str | None:
    """The smallest text above every text that starts with `prefix`; None if there is none. For range scans."""
    for cut in range(len(prefix), 0, -1):
        last = ord(prefix[cut - 1])
        if last < 0x10FFFF:
            following = 0xE000 if last + 1 == 0xD800 else last + 1  # surrogates are not text
            return prefix[: cut - 1] + chr(following)
    return None


ACCOUNTS = Table(
    "accounts",
    Account,
    {
        "email_folded": lambda account: folded(account.email),
        "enabled_admin": lambda account: account.is_enabled_admin,
    },
)
SESSIONS = Table("sessions", Session, {"idle_expires_at": lambda session: session.idle_expires_at})
THROTTLES = Table("throttles", Throttle)
SIGNING_KEYS = Table("signing_keys", SigningKey)
AUDIT_EVENTS = Table("audit_events", AuditEvent)
ISSUERS = Table("issuers", Issuer)
TABLES: tuple[Table[Any], ...] = (ACCOUNTS, SESSIONS, THROTTLES, SIGNING_KEYS, AUDIT_EVENTS, ISSUERS)
