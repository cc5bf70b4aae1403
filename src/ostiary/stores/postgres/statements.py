"""The texts of the statements, made once from the tables' descriptions."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.refresh import RefreshState
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.stores import rows
from ostiary.stores.port import Record

R = TypeVar("R")

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else

_CHANNEL_CHARS = 63
_TYPES: dict[type, str] = {str: "text", int: "bigint", float: "double precision", bool: "boolean", bytes: "bytea"}
_DERIVED = {"email_folded": "text", "enabled_admin": "boolean", "idle_expires_at": "double precision"}


@dataclass(frozen=True)
class Statements(Generic[R]):
    """Of one table, whose `name` is written with its schema. `order`: tables are locked in the order of this number,
    so that no two writes wait for each other. `only_seen`: who expects its row unchanged sees that it is, and does not
    lock it."""

    table: rows.Table[R]
    name: str
    order: int
    types: tuple[str, ...]
    unique: bool
    only_seen: bool = False

    @cached_property
    def revision_at(self) -> int:
        """Which of the columns is the revision."""
        return self.table.columns.index("revision")

    @cached_property
    def id_at(self) -> int:
        """Which of the columns is the id."""
        return self.table.columns.index("id")

    @cached_property
    def select(self) -> str:
        """Wants a WHERE appended."""
        return f"SELECT {', '.join(self.table.stored)} FROM {self.name} "

    @cached_property
    def columns(self) -> str:
        """All of them, with commas."""
        return ", ".join(self.table.columns)

    def values(self, first: int) -> str:
        """Placeholders of one row, the first of which has this number."""
        return ", ".join(f"${first + at}::{kind}" for at, kind in enumerate(self.types))

    def arrays(self, first: int) -> str:
        """A table of rows, made of one array a column, as `v`."""
        arrays = ", ".join(f"${first + at}::{kind}[]" for at, kind in enumerate(self.types))
        return f"unnest({arrays}) AS v({self.columns})"

    def assignments(self, first: int) -> str:
        """For UPDATE, of one row of placeholders."""
        return ", ".join(
            f"{name} = ${first + at}::{kind}"
            for at, (name, kind) in enumerate(zip(self.table.columns, self.types, strict=True))
        )

    @cached_property
    def assignments_of_v(self) -> str:
        """For UPDATE, of the columns of `v`."""
        return ", ".join(f"{name} = v.{name}" for name in self.table.columns)

    def row(self, record: Any, revision: int) -> list[Any]:
        """One value a column."""
        row = self.table.to_row(record)
        row[self.revision_at] = revision
        return row

    def record(self, row: Any) -> R:
        """Of one row of `select`."""
        return self.table.from_row(tuple(row))


class Schema:
    """All tables of one schema, whose `name` may be empty: then they are found on the search path."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.prefix = f'"{name}".' if name else ""
        self.channel = _channel_of(name)
        self.issuers = self._of(rows.ISSUERS, Issuer, 0, only_seen=True)
        self.accounts = self._of(rows.ACCOUNTS, Account, 1, unique=True)
        self.clients = self._of(rows.CLIENTS, Client, 2)
        self.sessions = self._of(rows.SESSIONS, Session, 3, unique=True)
        self.throttles = self._of(rows.THROTTLES, Throttle, 4)
        self.signing_keys = self._of(rows.SIGNING_KEYS, SigningKey, 5)
        self.spent = self._of(rows.SPENT, Spent, 6)
        self.audit_events = self._of(rows.AUDIT_EVENTS, AuditEvent, 7)
        self.revocations = f"{self.prefix}revocations"
        self.log = f"{self.prefix}revocation_logs"
        self.nodes = f"{self.prefix}nodes"
        self.of: dict[type[Record], Statements[Any]] = {
            Issuer: self.issuers,
            Account: self.accounts,
            Client: self.clients,
            Session: self.sessions,
            Throttle: self.throttles,
            SigningKey: self.signing_keys,
            Spent: self.spent,
            AuditEvent: self.audit_events,
        }

    def _of(
        self, table: rows.Table[R], record: type[R], order: int, *, unique: bool = False, only_seen: bool = False
    ) -> Statements[R]:
        types = tuple(_DERIVED.get(name) or _type_of(record, name) for name in table.columns)
        return Statements(table, self.prefix + table.name, order, types, unique, only_seen)


def _channel_of(schema: str) -> str:
    """Where the entries of this schema's log are told. Every schema of a database needs its own, as what is heard there
    is applied; and the server takes 63 characters."""
    name = f"ostiary_{schema}"
    return name if len(name) <= _CHANNEL_CHARS else f"ostiary_{sha256(schema.encode()).hexdigest()[:48]}"


def _type_of(record: type[Any], column: str) -> str:
    hints = get_type_hints(record)
    if column not in hints:
        hints, column = get_type_hints(RefreshState), column.removeprefix("refresh_")
    hint = hints[column]
    for kind in (hint, *get_args(hint)):
        if kind in _TYPES:
            return _TYPES[kind]
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return "text"
    return "text"  # a list of texts, as JSON
