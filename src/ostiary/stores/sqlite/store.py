"""The store in one SQLite file, for any number of processes on one machine."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ostiary import limits
from ostiary.clock import SYSTEM_CLOCK
from ostiary.domain.account import Issuer
from ostiary.errors import Misconfigured, Unavailable, WrongSchema
from ostiary.stores import migrations, port
from ostiary.stores.port import Append, Change, Standing, any_awaited
from ostiary.stores.sqlite import statements as of
from ostiary.stores.sqlite.calls import Calls
from ostiary.stores.sqlite.lanes import Lane, Writes, run_reads
from ostiary.stores.sqlite.log import Revocations, inode_of
from ostiary.stores.sqlite.look_ups import LookUps
from ostiary.stores.sqlite.parts import (
    Accounts,
    Audit,
    Clients,
    Lanes,
    Sessions,
    SigningKeys,
    SpentOnce,
    Throttles,
)
from ostiary.stores.sqlite.presence import Presence, folder_of
from ostiary.stores.sqlite_file import connect, translated

_STANDING = (
    "SELECT everything, (SELECT count(*) FROM sessions WHERE account_id = ? AND ended_at IS NULL) FROM issuers LIMIT 1"
)
_BUSY_TIMEOUT = 5.0  # seconds that a write waits for another process's transaction


class SqliteStore:
    """Made by `open`. Four threads with a connection each: one writes, one lists, one reads the log, one looks up what
    the event loop should not (`look_ups`)."""

    def __init__(self, path: Path, lanes: Lanes, watching: sqlite3.Connection, uptime: Callable[[], float]) -> None:
        self._path = path
        self._inode = inode_of(path)
        self._lanes = lanes
        self._watching = watching
        self._presence = Presence(path, self._inode)
        self._calls = Calls(folder_of(path))
        self.accounts: port.Accounts = Accounts(lanes)
        self.sessions: port.Sessions = Sessions(lanes)
        self.throttles: port.Throttles = Throttles(lanes)
        self.signing_keys: port.SigningKeys = SigningKeys(lanes)
        self.clients: port.Clients = Clients(lanes)
        self.spent: port.SpentOnce = SpentOnce(lanes)
        self.audit: port.Audit = Audit(lanes)
        self.revocations: port.Revocations = Revocations(lanes, watching, self._presence, self._calls, path, uptime)

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        migrate: bool = True,
        busy_timeout: float = _BUSY_TIMEOUT,
        uptime: Callable[[], float] = SYSTEM_CLOCK.monotonic,
    ) -> "SqliteStore":
        """Open the file, making it if it does not exist and bringing its schema up to date if `migrate`.

        `busy_timeout`: seconds to wait for another process's write. `uptime`: the machine's, in seconds. Raises
        Misconfigured if the file is not ours, is damaged, is newer than this code, or is older and may not be migrated;
        Unavailable if it cannot be used now.
        """
        connections = await asyncio.to_thread(cls._connections, Path(path), migrate, busy_timeout)
        watching, at_once, quick, slow, log, writer = connections
        log_lane = Lane("log", log, run_reads, batch=1)
        lanes = Lanes(
            quick=LookUps(Lane("quick", quick, run_reads, batch=limits.STORE_BATCH), at_once, SYSTEM_CLOCK.monotonic),
            slow=Lane("slow", slow, run_reads, batch=1),
            log=log_lane,
            probes=LookUps(log_lane, watching, SYSTEM_CLOCK.monotonic),
            writer=Lane("writer", writer, Writes(), batch=limits.STORE_BATCH),
        )
        return cls(Path(path), lanes, watching, uptime)

    @staticmethod
    def _connections(path: Path, migrate: bool, busy_timeout: float) -> list[sqlite3.Connection]:
        if migrate:
            migrations.upgrade(path, busy_timeout=busy_timeout)
        elif not migrations.is_current(path):
            raise Misconfigured("The database has another schema than this program; run `ostiary db upgrade`.")
        with translated(), contextlib.ExitStack() as opened:
            connections = [
                opened.enter_context(contextlib.closing(connect(path, busy_timeout=busy_timeout, read_only=read_only)))
                for read_only in (True, True, True, True, True, False)
            ]
            for on_the_loop in connections[:2]:
                on_the_loop.execute("PRAGMA busy_timeout = 0")
            opened.pop_all()
        return connections

    @property
    def immediate(self) -> bool:
        """True: they are made on the event loop itself, mostly."""
        return True

    @property
    def shared(self) -> bool:
        """True: the command line may write to the file while the server runs."""
        return True

    @property
    def fencing(self) -> float:
        """0: there is one file."""
        return 0.0

    def announce(self) -> None:
        self._presence.announce()

    def others_serve(self) -> bool:
        return self._presence.others()

    async def issuer(self) -> Issuer:
        found = await self._lanes.quick.submit(lambda connection: of.ISSUERS.one(connection, "LIMIT 1"))
        if found is None:
            raise Unavailable(private="sqlite: the issuer's record is missing")
        return found

    async def standing(self, account_id: str) -> Standing:
        found = await self._lanes.quick.submit(lambda c: c.execute(_STANDING, (account_id,)).fetchone())
        if found is None:
            raise Unavailable(private="sqlite: the issuer's record is missing")
        return Standing(*found)

    async def write(self, *changes: Change, durable: bool = True) -> bool:
        done = await self._lanes.writer.submit(of.Batch(changes, durable=durable))
        if done and any(isinstance(change, Append) for change in changes):
            self._calls.look_soon()
            if any_awaited(changes):
                with contextlib.suppress(Unavailable):  # it is written: whoever waits nudges again
                    await self.revocations.nudge()
        return done

    async def check(self) -> None:
        await self._lanes.writer.submit(self._check)

    def _check(self, connection: sqlite3.Connection) -> None:
        if migrations.read_version(connection) != migrations.HEAD:
            raise WrongSchema(private="sqlite: the schema is not the one that this program expects")
        connection.execute("UPDATE revocation_logs SET generation = generation")  # a write that changes nothing
        if inode_of(self._path) != self._inode:
            raise Unavailable(private="sqlite: the file was replaced by another one; restart")

    async def close(self) -> None:
        self._calls.close()
        lanes = (self._lanes.quick, self._lanes.slow, self._lanes.probes, self._lanes.writer)
        try:
            for lane in lanes:
                lane.stop()
            for lane in lanes:
                await asyncio.to_thread(lane.join)
        finally:
            self._presence.leave()  # after the last probe, which would announce it again
        self._watching.close()
