"""The store that is two."""

import asyncio
import contextlib
import logging
import secrets

from ostiary.domain.account import Account, Issuer
from ostiary.domain.audit import AuditEvent
from ostiary.domain.client import Client
from ostiary.domain.session import Session
from ostiary.domain.signing_key import SigningKey
from ostiary.errors import InvalidRequest, OstiaryError, Overloaded, Unavailable
from ostiary.stores import port
from ostiary.stores.mixed.parts import Sessions, Throttles
from ostiary.stores.mixed.settling import Settling, decision
from ostiary.stores.port import Add, Append, Change, Expect, Standing, Store, any_awaited
from ostiary.stores.valkey.store import Pledge, ValkeyStore

log = logging.getLogger("ostiary.mixed")

_IN_THE_DATABASE = (Account, Issuer, SigningKey, Client, AuditEvent)
_LOOK_INTERVAL = 1.0  # seconds between looks for pledges that nobody has settled


class MixedStore:
    """Made by `open`. `database` must be shared by all nodes, as Valkey is."""

    def __init__(self, database: Store, valkey: ValkeyStore) -> None:
        self._database = database
        self._valkey = valkey
        self._settling = Settling(database, valkey)
        self._writes: set[asyncio.Task[bool]] = set()
        self._relay: asyncio.Task[None] | None = None
        self.accounts: port.Accounts = database.accounts
        self.signing_keys: port.SigningKeys = database.signing_keys
        self.clients: port.Clients = database.clients
        self.audit: port.Audit = database.audit
        self._sessions = Sessions(valkey, self._settling)
        self.sessions: port.Sessions = self._sessions
        self.throttles: port.Throttles = Throttles(valkey, self._settling)
        self.spent: port.SpentOnce = valkey.spent
        self.revocations: port.Revocations = valkey.revocations

    @classmethod
    async def open(cls, database: Store, valkey: ValkeyStore) -> "MixedStore":
        """Both open already; they are closed with this one. What others left half done is settled first."""
        store = cls(database, valkey)
        await store._settling.settle_old()
        store._relay = asyncio.create_task(store._look(), name="ostiary-pledges")
        return store

    @property
    def immediate(self) -> bool:
        """False."""
        return False

    @property
    def shared(self) -> bool:
        """True, whatever the database is: other nodes use the same Valkey."""
        return True

    @property
    def fencing(self) -> float:
        """The log's."""
        return self._valkey.fencing

    def announce(self) -> None:
        self._database.announce()

    def others_serve(self) -> bool:
        return self._valkey.others_serve()

    async def issuer(self) -> Issuer:
        return await self._database.issuer()

    async def standing(self, account_id: str) -> Standing:
        issuer, sessions = await asyncio.gather(self.issuer(), self._sessions.count_of_account(account_id))
        return Standing(issuer.everything, sessions)

    async def write(self, *changes: Change, durable: bool = True) -> bool:  # noqa: ARG002 - see the port
        """A caller that is cancelled stops waiting; a write that has begun goes on to its end."""
        task = asyncio.create_task(self._write(changes))
        self._writes.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: "asyncio.Task[bool]") -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has been told

    async def _write(self, changes: tuple[Change, ...]) -> bool:
        ours = tuple(change for change in changes if _is_in_the_database(change))
        theirs = tuple(change for change in changes if not _is_in_the_database(change))
        if not theirs:
            return await self._database.write(*ours)
        if all(isinstance(change, Expect) for change in ours) and not any(map(_adds_session, theirs)):
            # Nothing to decide. If what is expected changes in between, then either the change ends these sessions too,
            # and one of the two writes finds them changed; or it raises what the tokens of this one are too old for.
            return (not ours or await self._database.write(*ours)) and await self._in_valkey(theirs)
        done = await self._in_both(ours, theirs)
        if done and any_awaited(theirs):
            with contextlib.suppress(Unavailable):  # it is written: whoever waits nudges again
                await self.revocations.nudge()
        return done

    async def _in_valkey(self, changes: tuple[Change, ...]) -> bool:
        while isinstance(answer := await self._valkey.try_write(*changes), Pledge):
            await self._settling.settle(answer)
        return answer

    async def _in_both(self, ours: tuple[Change, ...], theirs: tuple[Change, ...]) -> bool:
        pledge = Pledge(name=secrets.token_hex(12))
        while isinstance(answer := await self._valkey.pledge(pledge, *theirs), Pledge):
            await self._settling.settle(answer)
        if not answer:
            return False
        done = Add(decision(pledge, at=await self._valkey.time(), done=True))
        try:
            decided = await self._database.write(*ours, done)
        except (InvalidRequest, Overloaded):  # nothing was done, and nobody should have to wait to find that out
            with contextlib.suppress(Unavailable):
                await self._valkey.drop(pledge)
            raise
        if not decided:
            await self._valkey.drop(pledge)
            return False
        if not await self._valkey.fulfil(pledge) and not await self._in_valkey(theirs):
            # Valkey has lost the pledge since, and somebody has changed what it kept.
            raise Unavailable(private="mixed: the database's half is done, Valkey's is not")
        return True

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_INTERVAL)
            try:
                await self._settling.settle_old()
            except OstiaryError as error:
                log.warning("pledges could not be settled: %s %s", error.code, error.private)
            except Exception:
                log.exception("pledges could not be settled")  # and the next look comes all the same

    async def check(self) -> None:
        await self._database.check()
        await self._valkey.check()

    async def close(self) -> None:
        relay, self._relay = self._relay, None
        if relay is not None:
            relay.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await relay
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._valkey.close()
        await self._database.close()


def _is_in_the_database(change: Change) -> bool:
    return not isinstance(change, Append) and isinstance(change.record, _IN_THE_DATABASE)


def _adds_session(change: Change) -> bool:
    return isinstance(change, Add) and isinstance(change.record, Session)
