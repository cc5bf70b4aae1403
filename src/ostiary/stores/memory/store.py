"""Writing to memory all or nothing.

No method awaits anything, so whatever happens between entering and leaving one is atomic on the event loop.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ostiary.clock import SYSTEM_CLOCK
from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import Throttle
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Entry
from ostiary.stores import port
from ostiary.stores.memory import tables
from ostiary.stores.memory.log import MemoryLog
from ostiary.stores.port import Add, Append, Change, Expect, Record, Remove, Standing, Swap, any_awaited


class MemoryStore:
    """See the module. `issuer()` and everything else begin anew with each object. `uptime`: seconds, by a clock that is
    never set."""

    def __init__(self, *, uptime: Callable[[], float] = SYSTEM_CLOCK.monotonic) -> None:
        self.accounts: port.Accounts
        self.accounts = accounts = tables.Accounts()
        self.sessions: port.Sessions
        self.sessions = sessions = tables.Sessions()
        self.throttles: port.Throttles
        self.throttles = throttles = tables.Throttles()
        self.signing_keys: port.SigningKeys
        self.signing_keys = signing_keys = tables.SigningKeys()
        self.clients: port.Clients
        self.clients = clients = tables.Clients()
        self.spent: port.SpentOnce
        self.spent = spent = tables.SpentOnce()
        self.audit: port.Audit
        self.audit = audit = tables.Audit()
        self.revocations: port.Revocations
        self.revocations = log = MemoryLog(uptime)
        issuers = tables.Table[Issuer]()
        issuers.put(Issuer(revision=1))
        self._log = log
        self._issuers = issuers
        self._tables: dict[type[Record], Any] = {
            Account: accounts,
            Session: sessions,
            Throttle: throttles,
            SigningKey: signing_keys,
            AuditEvent: audit,
            Issuer: issuers,
            Client: clients,
            Spent: spent,
        }
        self._closed = False

    @property
    def immediate(self) -> bool:
        """True."""
        return True

    @property
    def shared(self) -> bool:
        """False: no other process can see it."""
        return False

    @property
    def fencing(self) -> float:
        """0: there is no other."""
        return 0.0

    def announce(self) -> None:
        """Nobody else can open it."""

    def others_serve(self) -> bool:
        return False

    async def issuer(self) -> Issuer:
        return next(iter(self._issuers.by_id.values()))

    async def standing(self, account_id: str) -> Standing:
        return Standing((await self.issuer()).everything, len(await self.sessions.of_account(account_id)))

    async def write(self, *changes: Change, durable: bool = True) -> bool:  # noqa: ARG002 - see the port
        await self.check()
        undo: list[Callable[[], object]] = []
        entries: list[Entry] = []
        for change in changes:
            if isinstance(change, Append):
                entries.append(change.entry)
            elif not self._apply(change, undo):
                for step in reversed(undo):
                    step()
                return False
        if entries:
            self._log.tell(self._log.append(*entries))
            if any_awaited(changes):
                await self._log.nudge()
        return True

    def _apply(self, change: Add | Swap | Expect | Remove, undo: list[Callable[[], object]]) -> bool:
        """Do one change, and note how to undo it; False, and nothing done, if its condition does not hold."""
        record = change.record
        table = self._tables[type(record)]
        stored = table.by_id.get(record.id)
        if isinstance(change, Add):
            if stored is not None or not table.put(replace(record, revision=1)):
                return False
            undo.append(lambda: table.drop(record.id))
            return True
        if stored is None or stored.revision != record.revision:
            return False
        if isinstance(change, Swap):
            if not table.put(replace(record, revision=record.revision + 1)):
                return False
        elif isinstance(change, Remove):
            table.drop(record.id)
        undo.append(lambda: table.put(stored))
        return True

    async def check(self) -> None:
        if self._closed:
            raise Unavailable(private="the memory store is closed")

    async def close(self) -> None:
        self._closed = True
