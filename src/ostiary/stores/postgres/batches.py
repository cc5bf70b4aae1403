"""A write as one statement: all of its changes in one round trip, and one commit.

What a statement looks like depends on the *shape* of a write alone (which changes to which tables, one row or many),
so there are few of them, each is prepared once on every connection, and a batch of 500 accounts is the same statement
as one of two.

    WITH l0 AS (SELECT … FOR SHARE),            -- 1. lock the rows that must still be what was read, tables and rows
         m0 AS (UPDATE … WHERE … l0 …),         --    always in the same order; where there is one to change, changing
         m1 AS (INSERT …  WHERE … m0 …),        --    it is the lock. 2. the other changes, if all were found
         c  AS (UPDATE revocation_logs …),      -- 3. the log's position last: whoever has it commits next, so that
         a  AS (INSERT INTO revocations …)      --    positions are in commit order
    SELECT …                                    -- whether it was done

A row that was changed since it was read is not found, and nothing happens: a lost race is not even an error in the
server's log. A value that is taken already is an error of the server's, and undoes the statement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ostiary.revocation.entry import Entry
from ostiary.stores.port import Add, Append, Change, Expect, Record, Remove, Swap
from ostiary.stores.postgres.listening import place
from ostiary.stores.postgres.statements import Schema, Statements

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else

DURABLE = (
    "SELECT CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') "
    "THEN set_config('synchronous_commit', 'on', true) END"
)
"""For this transaction, whatever role and database were told. What waits for more (`remote_apply`) is left alone."""
AT_ONCE = "SELECT set_config('synchronous_commit', 'off', true)"
"""For this transaction: everybody sees it, and nobody waits for a disk or a standby."""


@dataclass(frozen=True, slots=True)
class Group:
    """Changes of one kind to one table: `verb` is add, swap or remove; expect stands among `Locks` alone."""

    verb: str
    table: Statements[Any]
    records: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Locks:
    """Rows of one table that must have the revision that was read; changed by this write if `exclusive`."""

    table: Statements[Any]
    records: list[Any] = field(default_factory=list)
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the text of the statement."""

    locks: tuple[tuple[int, bool, bool], ...]  # order of the table, exclusive, many
    groups: tuple[tuple[str, int, bool], ...]  # verb, order of the table, many
    appends: bool
    awaited: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """A write whose changes do not depend on each other, sorted."""

    locks: list[Locks]
    groups: list[Group]
    entries: list[Entry]
    awaited: bool = False

    @property
    def shape(self) -> Shape:
        """See the class."""
        return Shape(
            locks=tuple((lock.table.order, lock.exclusive, len(lock.records) > 1) for lock in self.locks),
            groups=tuple((group.verb, group.table.order, len(group.records) > 1) for group in self.groups),
            appends=bool(self.entries),
            awaited=self.awaited,
        )

    @property
    def may_contend(self) -> bool:
        """Whether one change may want a value that another one gives up: then their order matters."""
        unique = [group for group in self.groups if group.table.unique]
        tables = [group.table.order for group in unique for _ in group.records]
        return len(tables) > len(set(tables)) and any(group.verb != "add" for group in unique)


def batch_of(schema: Schema, changes: Iterable[Change]) -> Batch | None:
    """None if a record is named twice: then its changes are made one after the other."""
    groups: dict[tuple[str, int], Group] = {}
    locks: dict[int, tuple[Statements[Any], list[Record], bool]] = {}
    entries: list[Entry] = []
    awaited = False
    seen: set[tuple[int, str]] = set()
    for change in changes:
        if isinstance(change, Append):
            entries.append(change.entry)
            awaited = awaited or change.awaited
            continue
        record = change.record
        table = schema.of[type(record)]
        if (table.order, record.id) in seen:
            return None
        seen.add((table.order, record.id))
        if not isinstance(change, Expect):
            verb = _VERBS[type(change)]
            groups.setdefault((verb, table.order), Group(verb, table)).records.append(record)
        if not isinstance(change, Add):
            _, records, exclusive = locks.get(table.order, (table, [], False))
            records.append(record)
            locks[table.order] = (table, records, exclusive or not isinstance(change, Expect))
    for group in groups.values():
        group.records.sort(key=_id)
    return Batch(
        locks=[
            Locks(table, sorted(records, key=_id), exclusive)
            for _, (table, records, exclusive) in sorted(locks.items(), key=_first)
        ],
        groups=[groups[key] for key in sorted(groups, key=lambda key: (key[1], key[0]))],
        entries=entries,
        awaited=awaited,
    )


def needed(changes: Sequence[Change]) -> list[Change]:
    """Without what is expected of a record that the next change to it expects anyway. Two who only share what both of
    them change afterwards would wait for each other until the server ends one."""
    kept: list[Change] = []
    later: dict[tuple[type, str], int] = {}
    for change in reversed(changes):
        if not isinstance(change, Append):
            record = change.record
            key = (type(record), record.id)
            if isinstance(change, Expect) and later.get(key) == record.revision:
                continue
            later[key] = record.revision if isinstance(change, Swap | Remove) else -1
        kept.append(change)
    return kept[::-1]


_VERBS: dict[type, str] = {Add: "add", Swap: "swap", Remove: "remove"}


def _id(record: Record) -> str:
    return record.id


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


class Writer:
    """Texts and arguments for one schema. Texts are kept by shape."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._texts: dict[Shape, str] = {}

    def statement(self, batch: Batch) -> str:
        """Takes `arguments`; gives one value: whether it was done."""
        shape = batch.shape
        text = self._texts.get(shape)
        if text is None:
            text = self._texts[shape] = _Text(self._schema, batch).text()
        return text

    def arguments(self, batch: Batch, nonces: Sequence[int], told: str) -> list[Any]:
        """In the order in which `statement` numbers them. `told` is what listeners get."""
        given: list[Any] = []
        direct = _direct(batch)
        for lock in batch.locks:
            if direct is not None and lock is batch.locks[-1]:
                continue
            given += _ids(lock.records)
        for group in batch.groups:
            if group.verb == "remove":
                given += _ids(group.records)
                continue
            raised = 1 if group.verb == "swap" else 0
            rows = [group.table.row(r, r.revision + 1 if raised else 1) for r in group.records]
            given += rows[0] if len(rows) == 1 else map(list, zip(*rows, strict=True))
        if batch.entries:
            given += [
                len(batch.entries),
                list(nonces),
                [entry.scope.value for entry in batch.entries],
                [entry.id for entry in batch.entries],
                [entry.value for entry in batch.entries],
                [entry.until for entry in batch.entries],
                self._schema.channel,
                told,
            ]
        return given


def _ids(records: Sequence[Any]) -> list[Any]:
    if len(records) == 1:
        return [records[0].id, records[0].revision]
    return [[record.id for record in records], [record.revision for record in records]]


def _direct(batch: Batch) -> Group | None:
    """The one change of the last table to be locked, if it is one: making it is its own lock."""
    if not batch.locks or not batch.locks[-1].exclusive or len(batch.locks[-1].records) > 1:
        return None
    table = batch.locks[-1].table
    return next(group for group in batch.groups if group.table is table and group.verb != "add")


class _Text:
    """Writes one statement. Each step names, as `done`, the condition on which the next one depends."""

    def __init__(self, schema: Schema, batch: Batch) -> None:
        self._schema = schema
        self._batch = batch
        self._next = 1
        self._steps = [f"d(is_on) AS MATERIALIZED ({DURABLE})"]
        self._done = "TRUE"

    def text(self) -> str:
        direct = _direct(self._batch)
        locks = self._batch.locks if direct is None else self._batch.locks[:-1]
        for at, lock in enumerate(locks):
            self._lock(f"l{at}", lock)
        names = [(f"m{at}", group) for at, group in enumerate(self._batch.groups)]
        numbers = self._numbers()
        for name, group in sorted(names, key=lambda pair: pair[1] is not direct):
            self._next = numbers[name]
            self._change(name, group)
            if group is direct:
                self._done = f"(SELECT count(*) FROM {name}) = 1"
        if self._batch.entries:
            self._next = numbers["append"]
            self._append([name for name, _ in names])
        tell = ""
        if self._batch.entries:
            text = place(self._schema.revocations, "c.position", f"${self._next + 1}")
            tell = f", (SELECT pg_notify(${self._next}, {text}) FROM c)"
            if self._batch.awaited:
                tell += f", (SELECT pg_notify(${self._next}, '') FROM c)"
        return f"WITH {', '.join(self._steps)} SELECT {self._done}, (SELECT count(is_on) FROM d){tell}"

    def _numbers(self) -> dict[str, int]:
        """The first placeholder of each group: arguments stand in the order of the groups, whatever is done first."""
        numbers, first = {}, self._next
        for at, group in enumerate(self._batch.groups):
            numbers[f"m{at}"] = first
            first += 2 if group.verb == "remove" else len(group.table.types)
        numbers["append"] = first
        return numbers

    def _lock(self, name: str, lock: Locks) -> None:
        table = lock.table.name
        found = _found(self._next, len(lock.records) > 1)
        self._next += 2
        if len(lock.records) == 1:
            source, order, count = f"{table} t", "", "1"
        else:
            source, order = f"{table} t, {_V.format(self._next - 2, self._next - 1)}", "ORDER BY t.id "
            count = f"cardinality(${self._next - 2}::text[])"
        tail = f"{found} AND {self._done} {order}{_strength(lock)}"
        self._steps.append(f"{name} AS MATERIALIZED (SELECT 1 FROM {source} WHERE {tail})")
        self._done = f"(SELECT count(*) FROM {name}) = {count}"

    def _change(self, name: str, group: Group) -> None:
        table, many, first = group.table, len(group.records) > 1, self._next
        if group.verb == "add":
            source = f"FROM {table.arrays(first)} WHERE" if many else "WHERE"
            values = table.columns if many else table.values(first)
            text = f"INSERT INTO {table.name} ({table.columns}) SELECT {values} {source} {self._done}"
        elif group.verb == "remove":
            using = f" USING {_V.format(first, first + 1)}" if many else ""
            text = f"DELETE FROM {table.name} t{using} WHERE {_found(first, many)} AND {self._done}"
        elif many:
            where = f"t.id = v.id AND t.revision = v.revision - 1 AND {self._done}"
            text = f"UPDATE {table.name} t SET {table.assignments_of_v} FROM {table.arrays(first)} WHERE {where}"
        else:
            where = f"id = ${first + table.id_at} AND revision = ${first + table.revision_at} - 1 AND {self._done}"
            text = f"UPDATE {table.name} SET {table.assignments(first)} WHERE {where}"
        self._steps.append(f"{name} AS ({text} RETURNING 1)")

    def _append(self, before: list[str]) -> None:
        n = self._next
        after = "".join(f" AND (SELECT count(*) FROM {name}) >= 0" for name in before)
        self._steps.append(
            f"c AS (UPDATE {self._schema.log} SET position = position + ${n}::bigint WHERE {self._done}{after} "
            f"RETURNING position - ${n}::bigint AS position)"
        )
        self._steps.append(
            f"a AS (INSERT INTO {self._schema.revocations} (position, nonce, scope, entry_id, value, until) "
            "SELECT c.position + e.at, e.nonce, e.scope, e.entry_id, e.value, e.until FROM c, "
            f"unnest(${n + 1}::bigint[], ${n + 2}::text[], ${n + 3}::text[], ${n + 4}::bigint[], "
            f"${n + 5}::double precision[]) WITH ORDINALITY AS e(nonce, scope, entry_id, value, until, at))"
        )
        self._next += 6


def _strength(lock: Locks) -> str:
    """Every refresh expects the issuer's one row. Locked by all of them, it would be rewritten by each; and nobody who
    changes it looks at what they change."""
    if lock.exclusive:
        return "FOR UPDATE OF t"
    return "" if lock.table.only_seen else "FOR SHARE OF t"


_V = "unnest(${}::text[], ${}::bigint[]) AS v(id, revision)"


def _found(first: int, many: bool) -> str:
    if many:
        return "t.id = v.id AND t.revision = v.revision"
    return f"t.id = ${first}::text AND t.revision = ${first + 1}::bigint"
