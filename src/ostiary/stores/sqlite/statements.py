"""The statements of every table, made once from the tables' descriptions, and what a write does."""

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from typing import Any, Generic, TypeVar

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.revocation.entry import Entry
from ostiary.stores import rows
from ostiary.stores.port import Add, Append, Change, Expect, Record, Remove, Swap

R = TypeVar("R")
_UNIQUE = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
_EXPECTED_AT_ONCE = 4  # records, by the statement of a swap: more would be a statement for each number of them
_NONCES = 2**53 - 1  # what JSON carries everywhere

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else


@dataclass(frozen=True, slots=True, eq=False)
class Statements(Generic[R]):
    """Of one table. `select` wants a WHERE appended; `swap` takes a whole row, then id and revision, and may have
    `and_expect` of other tables appended."""

    table: rows.Table[R]
    revision_at: int
    select: str
    add: str
    swap: str
    raise_revision: str
    expect: str
    and_expect: str
    remove: str

    def one(self, connection: sqlite3.Connection, where: str, *values: Any) -> R | None:
        """The record that `where` finds."""
        row = connection.execute(self.select + where, values).fetchone()
        return None if row is None else self.table.from_row(row)

    def many(self, connection: sqlite3.Connection, where: str, *values: Any) -> list[R]:
        """All the records that `where` finds, in its order."""
        return [self.table.from_row(row) for row in connection.execute(self.select + where, values)]


@lru_cache(maxsize=256)
def _swap_of(statements: Statements[Any], differs: tuple[bool, ...]) -> str:
    """As `swap`, for these of the columns: indexes of others are left alone."""
    return _swap_text(statements.table.name, compress(statements.table.columns, differs))


def _swap_text(table: str, columns: Iterable[str]) -> str:
    return f"UPDATE {table} SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ? AND revision = ?"


def _statements(table: rows.Table[R]) -> Statements[R]:
    columns = table.columns
    return Statements(
        table=table,
        revision_at=columns.index("revision"),
        select=f"SELECT {', '.join(table.stored)} FROM {table.name} ",
        add=f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        "ON CONFLICT DO NOTHING",
        swap=_swap_text(table.name, columns),
        raise_revision=_swap_text(table.name, ["revision"]),
        expect=f"SELECT 1 FROM {table.name} WHERE id = ? AND revision = ?",
        and_expect=f" AND EXISTS (SELECT 1 FROM {table.name} AS e WHERE e.id = ? AND e.revision = ?)",
        remove=f"DELETE FROM {table.name} WHERE id = ? AND revision = ?",
    )


ACCOUNTS = _statements(rows.ACCOUNTS)
SESSIONS = _statements(rows.SESSIONS)
THROTTLES = _statements(rows.THROTTLES)
SIGNING_KEYS = _statements(rows.SIGNING_KEYS)
AUDIT_EVENTS = _statements(rows.AUDIT_EVENTS)
ISSUERS = _statements(rows.ISSUERS)
CLIENTS = _statements(rows.CLIENTS)
SPENT = _statements(rows.SPENT)
_OF: dict[type[Record], Statements[Any]] = {
    Account: ACCOUNTS,
    Session: SESSIONS,
    Throttle: THROTTLES,
    SigningKey: SIGNING_KEYS,
    AuditEvent: AUDIT_EVENTS,
    Issuer: ISSUERS,
    Client: CLIENTS,
    Spent: SPENT,
}
_APPEND = "INSERT INTO revocations (nonce, scope, entry_id, value, until) VALUES (?, ?, ?, ?, ?)"


class Batch:
    """One write of the port, as a job for the writer. `durable` False: a later commit may bring it to the disk."""

    __slots__ = ("_changes", "_expected", "durable", "is_one_change")

    def __init__(self, changes: tuple[Change, ...], *, durable: bool = True) -> None:
        self._expected = [change.record for change in changes if isinstance(change, Expect)]
        self._changes = [change for change in changes if not isinstance(change, Expect)]
        self.durable = durable
        self.is_one_change = len(self._changes) <= 1

    def __call__(self, connection: sqlite3.Connection) -> bool:
        """Do them in turn; False at the first whose condition does not hold: the caller undoes what went before. What
        is only expected is looked at first, so that nothing has to be undone for it; by the statement of the change
        itself, if that is one swap."""
        only = self._changes[0] if len(self._changes) == 1 else None
        if isinstance(only, Swap) and len(self._expected) <= _EXPECTED_AT_ONCE:
            return _swap(connection, only, self._expected)
        return all(_is_as_read(connection, record) for record in self._expected) and all(
            _apply(connection, change) for change in self._changes
        )


def _is_as_read(connection: sqlite3.Connection, record: Record) -> bool:
    found = connection.execute(_OF[type(record)].expect, (record.id, record.revision))
    return found.fetchone() is not None


def _apply(connection: sqlite3.Connection, change: Append | Add | Swap | Remove) -> bool:
    match change:
        case Append(entry):
            return _append(connection, entry)
        case Add(record):
            statements = _OF[type(record)]
            row = _with_revision(statements, record, 1)
            return connection.execute(statements.add, row).rowcount == 1
        case Swap():
            return _swap(connection, change)
        case Remove(record):
            return connection.execute(_OF[type(record)].remove, (record.id, record.revision)).rowcount == 1


def _swap(connection: sqlite3.Connection, swap: Swap, expected: Sequence[Record] = ()) -> bool:
    record = swap.record
    statements = _OF[type(record)]
    if swap.was is record:
        text, row = statements.raise_revision, [record.revision + 1]
    else:
        text, row = statements.swap, _with_revision(statements, record, record.revision + 1)
        if swap.was is not None:
            differs = [*statements.table.differs(record, swap.was)]
            differs[statements.revision_at] = True
            text, row = _swap_of(statements, tuple(differs)), [*compress(row, differs)]
    values = [*row, record.id, record.revision]
    for one in expected:
        text += _OF[type(one)].and_expect
        values += (one.id, one.revision)
    try:
        return connection.execute(text, values).rowcount == 1
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode in _UNIQUE:
            return False  # another account has the new user name
        raise


def _with_revision(statements: Statements[Any], record: Record, revision: int) -> list[Any]:
    row = statements.table.to_row(record)
    row[statements.revision_at] = revision
    return row


def _append(connection: sqlite3.Connection, entry: Entry) -> bool:
    nonce = 1 + secrets.randbelow(_NONCES)
    connection.execute(_APPEND, (nonce, entry.scope.value, entry.id, entry.value, entry.until))
    return True
