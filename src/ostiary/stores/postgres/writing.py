"""Writes: at once where their changes do not depend on each other, otherwise one after the other in a transaction."""

import secrets
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import asyncpg

from ostiary.errors import InvalidRequest, Unavailable
from ostiary.stores.port import Add, Append, Change, Expect, Remove, Swap, any_awaited
from ostiary.stores.postgres.batches import DURABLE, Batch, Writer, batch_of, needed
from ostiary.stores.postgres.errors import WORTH_ANOTHER_TRY
from ostiary.stores.postgres.listening import place, told
from ostiary.stores.postgres.pool import Connection, Pool
from ostiary.stores.postgres.statements import Schema

_TRIES = 32  # of a write that the server undid because of another one
_NONCES = 2**53 - 1  # what JSON carries everywhere

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else


class Writing:
    """The `write` of one store."""

    def __init__(self, schema: Schema, pool: Pool) -> None:
        self._schema = schema
        self._pool = pool
        self._writer = Writer(schema)

    async def write(self, changes: Sequence[Change]) -> bool:
        """See the port."""
        try:
            batch = batch_of(self._schema, changes)
            if batch is None:
                changes = needed(changes)
                batch = batch_of(self._schema, changes)
            return await self._write(changes, batch)
        except (UnicodeEncodeError, OverflowError) as error:
            raise InvalidRequest("A text or a number cannot be stored.") from error

    async def _write(self, changes: Sequence[Change], batch: Batch | None) -> bool:
        for left in reversed(range(_TRIES)):
            try:
                done = None if batch is None else await self._pool.run(lambda c: self._at_once(c, batch))
                if done is None and (batch is None or batch.may_contend):
                    done = await self._pool.run(lambda c: self._in_order(c, changes))
                return bool(done)
            except Unavailable as error:
                if not left or not isinstance(error.__cause__, WORTH_ANOTHER_TRY):
                    raise
        raise AssertionError  # the last try returned or raised

    async def _at_once(self, connection: Connection, batch: Batch) -> bool | None:
        """None if a value was taken already."""
        nonces = [_nonce() for _ in batch.entries]
        arguments = self._writer.arguments(batch, nonces, told(batch.entries, nonces))
        connection.warned = False
        try:
            rows = await connection.fetch(self._writer.statement(batch), *arguments)
        except asyncpg.UniqueViolationError:
            return None
        check_warning(connection)
        return bool(rows[0][0])

    async def _in_order(self, connection: Connection, changes: Sequence[Change]) -> bool:
        connection.warned = False
        try:
            async with connection.transaction(isolation="read_committed", readonly=False):
                await connection.execute(DURABLE)
                for text, arguments in _steps(self._schema, changes):
                    if len(await connection.fetchmany(text, arguments)) != len(arguments):
                        raise _Refused
        except (_Refused, asyncpg.UniqueViolationError):
            return False
        check_warning(connection)
        return True


class _Refused(Exception):
    """A condition does not hold: the transaction is undone."""


def _nonce() -> int:
    return 1 + secrets.randbelow(_NONCES)


def check_warning(connection: Connection) -> None:
    """A server that was told to stop waiting for its standby has committed here alone, and warns."""
    if connection.warned:
        raise Unavailable(private="postgres: the server warned at the commit: it may not be on the standby")


def _steps(schema: Schema, changes: Sequence[Change]) -> Iterator[tuple[str, list[list[Any]]]]:
    """Statements that give one row for each of their arguments that found what it needs; the log comes last."""
    by_kind = groupby(
        (change for change in changes if not isinstance(change, Append)), lambda c: (type(c), schema.of[type(c.record)])
    )
    for (kind, table), group in by_kind:
        records = [change.record for change in group]
        if kind is Add:
            text = f"INSERT INTO {table.name} ({table.columns}) VALUES ({table.values(1)}) ON CONFLICT DO NOTHING"
            arguments = [table.row(record, 1) for record in records]
        elif kind is Swap:
            last = len(table.types)
            text = f"UPDATE {table.name} SET {table.assignments(1)} WHERE id = ${last + 1} AND revision = ${last + 2}"
            arguments = [[*table.row(r, r.revision + 1), r.id, r.revision] for r in records]
        elif kind is Remove:
            text = f"DELETE FROM {table.name} WHERE id = $1 AND revision = $2"
            arguments = [[record.id, record.revision] for record in records]
        else:
            assert kind is Expect  # noqa: S101 - there is no other
            text = f"SELECT 1 FROM {table.name} WHERE id = $1 AND revision = $2"
            text = text if table.only_seen else f"{text} FOR SHARE"
            arguments = [[record.id, record.revision] for record in records]
        yield (text if kind is Expect else f"{text} RETURNING 1"), arguments
    entries = [change.entry for change in changes if isinstance(change, Append)]
    if entries:
        text = (
            f"WITH c AS (UPDATE {schema.log} SET position = position + 1 RETURNING position) "
            f"INSERT INTO {schema.revocations} (position, nonce, scope, entry_id, value, until) "
            "SELECT position, $1::bigint, $2::text, $3::text, $4::bigint, $5::double precision FROM c RETURNING 1"
        )
        nonces = [_nonce() for _ in entries]
        yield text, [[n, e.scope.value, e.id, e.value, e.until] for n, e in zip(nonces, entries, strict=True)]
        before = f"(SELECT position - $3::bigint AS position FROM {schema.log}) c"
        text = f"SELECT pg_notify($1, {place(schema.revocations, 'c.position', '$2')}) FROM {before}"
        yield text, [[schema.channel, told(entries, nonces), len(entries)]]
        if any_awaited(changes):
            yield "SELECT pg_notify($1, '')", [[schema.channel]]
