"""Records as rows: one description of each table's columns, made from the record's own fields, for every SQL backend.

A field becomes a column of the same name. Text lists become JSON text (None stays NULL, apart from an empty list),
enums their text, a session's refresh state one column a field. Derived columns follow: they are computed here, from the
record alone, and are never read back; they exist to be indexed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter, is_not
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.copies import maker, names_of
from ostiary.domain.refresh import RefreshState
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
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

    `stored` are the columns to select; `columns` are those and the derived ones. `moving`: columns that
    are also changed where the revision stays.
    """

    def __init__(
        self,
        name: str,
        record: type[R],
        derived: Mapping[str, Callable[[R], object]] | None = None,
        moving: Sequence[str] = (),
    ) -> None:
        hints = get_type_hints(record)
        names = names_of(record)
        nested = next((name for name in names if RefreshState in get_args(hints[name])), None)
        plain = [name for name in names if name != nested]
        inner = names_of(RefreshState)
        self.name = name
        self.stored: tuple[str, ...] = (*plain, *(f"{nested}_{inner_name}" for inner_name in inner if nested))
        self.columns: tuple[str, ...] = (*self.stored, *(derived or ()))
        self._derive = list((derived or {}).values())
        self._codecs = [(at, codec) for at, name in enumerate(plain) if (codec := _codec(hints[name])) is not None]
        self._width = len(plain)
        self._get = attrgetter(*plain)
        self._make = maker(record, plain if nested is None else [*plain, nested])
        self._get_nested = attrgetter(nested) if nested else None
        self._get_inner = attrgetter(*inner)
        self._make_inner = maker(RefreshState, inner)
        self._no_inner = [None] * len(inner)
        self._always = [plain.index(name) for name in moving]

    def to_row(self, record: R) -> list[Any]:
        """One value for each of `columns`."""
        row = [*self._get(record)]
        for at, codec in self._codecs:
            row[at] = codec.encode(row[at])
        if self._get_nested is not None:
            inner = self._get_nested(record)
            row.extend(self._no_inner if inner is None else self._get_inner(inner))
        row.extend([derive(record) for derive in self._derive])
        return row

    def differs(self, record: R, was: R) -> tuple[bool, ...]:
        """Which of `columns` may be another in the row of `record` than in the one that `was` was read from."""
        found = [*map(is_not, self._get(record), self._get(was))]
        for at in self._always:
            found[at] = True
        if self._get_nested is not None:
            found += [self._get_nested(record) is not self._get_nested(was)] * len(self._no_inner)
        return (*found, *([any(found)] * len(self._derive)))

    def from_row(self, row: Sequence[Any]) -> R:
        """The record of one row of `stored`."""
        values = [*row[: self._width]]
        for at, codec in self._codecs:
            values[at] = codec.decode(values[at])
        if self._get_nested is not None:
            inner = row[self._width :]
            values.append(None if inner[0] is None else self._make_inner(inner))
        return self._make(values)


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
SESSIONS = Table(
    "sessions", Session, {"idle_expires_at": lambda session: session.idle_expires_at}, moving=("last_seen_at",)
)
THROTTLES = Table("throttles", Throttle)
SIGNING_KEYS = Table("signing_keys", SigningKey)
AUDIT_EVENTS = Table("audit_events", AuditEvent)
ISSUERS = Table("issuers", Issuer)
CLIENTS = Table("clients", Client)
SPENT = Table("spent", Spent)
TABLES: tuple[Table[Any], ...] = (ACCOUNTS, SESSIONS, THROTTLES, SIGNING_KEYS, AUDIT_EVENTS, ISSUERS, CLIENTS, SPENT)
