"""The revocation log in the SQLite file, and its nodes in the folder beside it.

A probe writes nothing into the database: one file on one machine has no second primary that could answer it (decision
16). That a node is alive, and what it has acknowledged, stands in its process's presence file, on the same machine.
"""

import asyncio
import math
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

from ostiary import limits
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import Unavailable
from ostiary.revocation.entry import LOOK, Cursor, Entry, Hint, LogItem, Node, Probe, Scope, bulk
from ostiary.stores.sqlite.calls import Calls
from ostiary.stores.sqlite.lanes import Lane
from ostiary.stores.sqlite.parts import Lanes, Part
from ostiary.stores.sqlite.presence import Presence

# ruff: noqa: S608 - the texts below are joined from our own names of tables and columns, and from nothing else

P = TypeVar("P", bound=Probe | None)
_Row = tuple[int, int, str, str, int, float]
_Seen = tuple[object, int, Cursor]  # by one who listens: a count of all writes, the log's generation and newest item
_LARGEST = 2**63 - 1
_SCOPES = {scope.value: scope for scope in Scope}
_BEGINNING = Cursor()
_LOOK_INTERVAL = (
    0.01  # seconds between looks at whether anybody wrote, if nobody can call; one takes some ten microseconds
)
_LOOK_INTERVAL_CALLED = 0.25  # and if everybody can: beside hashes a look takes a quarter of a millisecond
_ANSWER_INTERVAL = 0.003  # seconds between looks at who is behind, if nobody says that he has come along
_MOST_HINTED = 64  # entries; whoever has missed more reads the log
_LOOK_INTERVAL_MAX = 0.05
_LOOK_REST = 400  # times as long as a look took, if that is longer: where hashes have swept the caches, it takes 70
_ITEMS = "SELECT position, nonce, scope, entry_id, value, until FROM revocations "
_AFTER = _ITEMS + "WHERE position > ? ORDER BY position LIMIT ?"
_REACHED = (
    "SELECT generation, position, nonce FROM revocation_logs "
    "LEFT JOIN revocations ON position = (SELECT max(position) FROM revocations)"
)
_HEAD = "SELECT position, nonce FROM revocations WHERE position = (SELECT max(position) FROM revocations)"
_ENDED = (
    f"(scope = 's' AND value = {ENDED_VERSION} AND length(entry_id) = 26 AND substr(entry_id, 1, 4) = 'ses_' "
    "AND until BETWEEN 0 AND 1e15)"
)
_COUNT = "SELECT count(*), max(position) FROM (SELECT position FROM revocations WHERE position > ? LIMIT ?)"
_PACKED = (
    "SELECT count(*), max(until), group_concat(substr(entry_id, 5), '') FROM revocations "
    f"WHERE position > ? AND position <= ? AND {_ENDED}"
)
_NOT_PACKED = f"{_ITEMS}WHERE position > ? AND position <= ? AND NOT {_ENDED} ORDER BY position"


class Revocations(Part):
    """See the port. `watching` is a connection for the event loop: whether the file has changed, and how. `uptime` is
    the machine's: seconds, the same in all of its processes."""

    def __init__(
        self,
        lanes: Lanes,
        watching: sqlite3.Connection,
        presence: Presence,
        calls: Calls,
        path: Path,
        uptime: Callable[[], float],
    ) -> None:
        super().__init__(lanes)
        self._watching = watching
        self._presence = presence
        self._calls = calls
        self._path = str(path)
        self._inode = inode_of(path)
        self._uptime = uptime

    @property
    def _lane(self) -> Lane:
        return self._lanes.log

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        def ask(connection: sqlite3.Connection, limit: int = limit) -> Probe:
            self._check_file()
            if node:
                # known before the log is read: whoever waits for the nodes after a commit that this answer misses
                # finds it
                holds = _holds(connection, cursor)[1]
                self._presence.alive(node, self._uptime(), acknowledged=cursor.position if holds else 0)
                self._calls.is_applied()
            return _probe(connection, cursor, limit)

        if self._presence.is_small:
            probe = await self._lanes.probes.submit(lambda connection: ask(connection, min(limit, _MOST_HINTED)))
            if probe.complete or not probe.matches or limit <= _MOST_HINTED:
                return probe
        return await self._lane.submit(ask)

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        def ask(connection: sqlite3.Connection) -> Probe | None:
            self._check_file()
            return _packed(connection, cursor)

        return await self._lane.submit(ask)

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        def note(connection: sqlite3.Connection) -> bool:
            self._check_file()
            noted = _head(connection) == cursor and self._presence.acknowledge(node, cursor.position)
            if noted:
                self._calls.is_applied()
            return noted

        return await self._lanes.probes.submit(note)

    def _check_file(self) -> None:
        if inode_of(self._path) != self._inode:
            raise Unavailable(private="sqlite: the file was replaced by another one; restart")

    async def hints(self) -> AsyncIterator[Hint]:
        seen: _Seen | None = None
        nudged = asked = 0
        hint: Hint | None
        while True:
            called = self._calls.listen()
            looked, now_asked, now_nudged = self._calls.looked, self._calls.asked, nudged
            began = self._uptime()
            try:
                now_nudged = self._presence.nudged()
                seen, hint = self._news(seen)
            except (sqlite3.Error, OSError):
                seen, hint = None, LOOK
            taken = self._uptime() - began
            if hint is not None:
                yield hint
            if hint is not LOOK and (now_nudged != nudged or now_asked != asked):
                yield LOOK
            nudged, asked = now_nudged, now_asked
            rest = min(max(_LOOK_INTERVAL, _LOOK_REST * taken), _LOOK_INTERVAL_MAX)
            await self._calls.called(looked, within=_LOOK_INTERVAL_CALLED if called else rest)

    def _news(self, seen: _Seen | None) -> tuple[_Seen, Hint | None]:
        """What was seen of the log; and what was appended since, if that is little, `LOOK` if something else has
        happened. Raises sqlite3.Error.

        Asked on the loop itself: it reads a counter in memory that is shared with the other processes and waits for no
        lock; only where anybody has written at all, the log is looked at.
        """
        version = self._watching.execute("PRAGMA data_version").fetchone()
        if seen is not None:
            before, generation, reached = seen
            if version == before:
                return seen, None
            now_generation, holds = _holds(self._watching, reached)
            if holds and now_generation == generation:
                rows = self._watching.execute(_AFTER, (reached.position, _MOST_HINTED + 1)).fetchall()
                if not rows:
                    return (version, generation, reached), None
                if len(rows) <= _MOST_HINTED:
                    now = Cursor(position=rows[-1][0], nonce=rows[-1][1])
                    hint = Hint(entries=tuple(map(_entry, rows)), after=reached, reached=now)
                    return (version, generation, now), hint
        generation, position, nonce = self._watching.execute(_REACHED).fetchone()
        return (version, generation, Cursor(position=position or 0, nonce=nonce or 0)), LOOK

    async def head(self) -> Cursor:
        return await self._lanes.probes.submit(_head)

    async def nudge(self) -> None:
        self._calls.listen()  # to those who answer

        def nudge(_: sqlite3.Connection) -> None:
            try:
                self._presence.nudge()
            finally:
                self._calls.tell()

        self._calls.will_tell()
        await self._lanes.probes.submit(nudge)

    async def pause(self, seconds: float, *, nodes: int) -> None:
        if self._calls.listen():
            await self._calls.done(nodes, within=max(seconds, _ANSWER_INTERVAL))
        else:
            await asyncio.sleep(seconds)

    async def behind(self, cursor: Cursor, *, within: float) -> int | None:
        def look(connection: sqlite3.Connection) -> int | None:
            if cursor != Cursor() and not _holds(connection, cursor)[1]:
                return None
            return self._presence.behind(cursor.position, since=self._uptime() - within)

        where = self._lanes.probes if self._presence.others_are_few else self._lane
        return await where.submit(look)

    async def describe(self, node: str, description: str) -> None:
        await self._lane.submit(lambda _: self._presence.describe(node, description))

    async def nodes(self, *, within: float, limit: int) -> list[Node]:
        def look(_: sqlite3.Connection) -> list[Node]:
            return self._presence.known(now=self._uptime(), within=within)[:limit]

        return await self._lane.submit(look)

    async def leave(self, node: str) -> None:
        await self._lane.submit(lambda _: self._presence.forget(node))

    async def purge(self, *, before: float) -> int:
        where = "until < ? AND position < (SELECT max(position) FROM revocations)"
        return await self.purge_portions("revocations", where, before, key="position")


def inode_of(path: str | Path) -> int:
    """Which file it is. Raises Unavailable if it is gone."""
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - asked for every probe
    except OSError as error:
        raise Unavailable(private=f"sqlite: the file is gone: {error.strerror}") from error


def _head(connection: sqlite3.Connection) -> Cursor:
    found = connection.execute(_HEAD).fetchone()
    return Cursor() if found is None else Cursor(position=found[0], nonce=found[1])


def _holds(connection: sqlite3.Connection, cursor: Cursor) -> tuple[int, bool]:
    """The log's generation, and whether the cursor's item is in it."""
    position = cursor.position if 0 <= cursor.position <= _LARGEST else 0  # no item stands at 0
    generation, at_cursor = connection.execute(
        "SELECT generation, (SELECT nonce FROM revocations WHERE position = ?) FROM revocation_logs", (position,)
    ).fetchone()
    return generation, cursor == _BEGINNING or at_cursor == cursor.nonce


def _probe(connection: sqlite3.Connection, cursor: Cursor, limit: int) -> Probe:
    generation, holds = _holds(connection, cursor)
    if not holds:
        return Probe(generation=generation, matches=False, items=(), complete=False)
    rows = connection.execute(_AFTER, (cursor.position, limit + 1)).fetchall()
    items = tuple(map(_item, rows[:limit]))
    return Probe(generation=generation, matches=True, items=items, complete=len(rows) <= limit)


def _packed(connection: sqlite3.Connection, cursor: Cursor) -> Probe | None:
    """A stretch of the log is one group, which is kept as long as its last: what ended together expires together."""
    connection.execute("BEGIN")  # one view of the log for all that is asked
    try:
        if not _probe(connection, cursor, 0).matches:
            return None
        count, last = connection.execute(_COUNT, (cursor.position, limits.CATCH_UP_ITEMS)).fetchone()
        if count < limits.CATCH_UP_LEAST:
            return None
        stretch = (cursor.position, last)
        packed, until, ids = connection.execute(_PACKED, stretch).fetchone()
        rest = [_item(row) for row in connection.execute(_NOT_PACKED, stretch)] if packed < count else []
        generation, nonce = connection.execute(
            "SELECT generation, (SELECT nonce FROM revocations WHERE position = ?) FROM revocation_logs", (last,)
        ).fetchone()
    finally:
        connection.execute("ROLLBACK")
    reached = Cursor(position=last, nonce=nonce)
    return bulk(generation, reached, [(math.ceil(until), ids.encode())] if packed else [], rest)


def _item(row: _Row) -> LogItem:
    return LogItem(position=row[0], nonce=row[1], entry=_entry(row))


def _entry(row: _Row) -> Entry:
    return Entry(scope=_SCOPES[row[2]], id=row[3], value=row[4], until=row[5])
