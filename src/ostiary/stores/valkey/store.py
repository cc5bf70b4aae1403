"""The store in Valkey, for any number of nodes."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from ostiary import limits
from ostiary.domain.account import Issuer
from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores import port
from ostiary.stores.port import Add, Append, Change, Expect, Remove, Standing, Swap, any_awaited
from ostiary.stores.valkey import records as of
from ostiary.stores.valkey import scripts
from ostiary.stores.valkey.facts import Facts, facts_of
from ostiary.stores.valkey.lanes import Argument, Lane
from ostiary.stores.valkey.log import Revocations, encode_item, new_nonce
from ostiary.stores.valkey.parts import Accounts, Audit, Clients, Lanes, Sessions, SigningKeys, SpentOnce, Throttles
from ostiary.stores.valkey.records import revision_bytes, text
from ostiary.stores.valkey.topology import Topology
from ostiary.stores.valkey_url import Address, Form, parse

log = logging.getLogger("ostiary.valkey")

FORMAT = b"2"
"""How records and indexes are laid out: what stands in the key `format`."""
_USUAL_LAG = 10.0  # seconds: what min-replicas-max-lag is where nobody set it


@dataclass(frozen=True, slots=True, kw_only=True)
class Pledge:
    """The name of a promise to make changes: see `ostiary.stores.mixed`."""

    name: str


class ValkeyStore:
    """Made by `open`. Four connections: one writes, one looks up, one lists, one asks the log."""

    def __init__(self, address: Address) -> None:
        topology = Topology(address)
        confirm: tuple[Argument, ...] = ()
        if address.replicas:
            confirm = ("WAIT", address.replicas, int(address.timeout * 500))
        self.address = address
        self.fencing = 0.0
        self.lanes = lanes = Lanes(
            prefix=address.key_prefix.encode(),
            quick=Lane("quick", topology, batch=limits.STORE_BATCH),
            slow=Lane("slow", topology, batch=1),
            # a lease, too, counts only if the replicas have heard that it was asked for: an old primary is alone
            log=Lane("log", topology, batch=1, confirm=confirm, confirmed=address.replicas),
            writer=Lane("writer", topology, batch=limits.STORE_BATCH, confirm=confirm, confirmed=address.replicas),
        )
        self.accounts: port.Accounts = Accounts(lanes)
        self._sessions = Sessions(lanes)
        self.sessions: port.Sessions = self._sessions
        self.throttles: port.Throttles = Throttles(lanes)
        self.signing_keys: port.SigningKeys = SigningKeys(lanes)
        self.clients: port.Clients = Clients(lanes)
        self.spent: port.SpentOnce = SpentOnce(lanes)
        self.audit: port.Audit = Audit(lanes)
        self.revocations: port.Revocations = Revocations(lanes, topology)

    @classmethod
    async def open(cls, address: str | Address, *, fingerprint: str | None = None) -> "ValkeyStore":
        """Connect, and make what must exist. `fingerprint`: of this node's secret key, which must be that of all nodes.

        Raises Misconfigured if it is not, if the server may evict keys or if it holds another version's data;
        Unavailable if it cannot be used now."""
        if isinstance(address, str):
            try:
                address = parse(address)
            except ValueError as error:
                raise Misconfigured(f"The Valkey URL {error}.") from None
        store = cls(address)
        try:
            await store._prepare()
            await store._check_eviction()
            await store._read_fencing()
            await store._agree(fingerprint)
        except BaseException:
            await store.close()
            raise
        return store

    @property
    def immediate(self) -> bool:
        """False."""
        return False

    @property
    def shared(self) -> bool:
        """True: that is what it is for."""
        return True

    def announce(self) -> None:
        """Nodes are known by their probes."""

    def others_serve(self) -> bool:
        """Whether they do cannot be known without asking: so they may."""
        return True

    async def issuer(self) -> Issuer:
        value = await self.lanes.quick.command("GET", self.lanes.prefix + b"issuer:issuer")
        return of.ISSUERS.decode(value or await self._prepare())

    async def standing(self, account_id: str) -> Standing:
        issuer, sessions = await asyncio.gather(self.issuer(), self._sessions.count_of_account(account_id))
        return Standing(issuer.everything, sessions)

    async def write(self, *changes: Change, durable: bool = True) -> bool:  # noqa: ARG002 - see the port
        answer = await self.try_write(*changes)
        if isinstance(answer, Pledge):
            raise Unavailable(private="valkey: a change of a store beside this one is under way")
        return answer

    async def try_write(self, *changes: Change) -> "bool | Pledge":
        """As `write`; or the pledge, of whoever keeps accounts elsewhere, that must be settled before."""
        writing = self.lanes.writer.run(scripts.WRITE, self.address.channel, *_arguments(changes))
        if not any_awaited(changes):
            return _answer(await writing)
        nudging = self.lanes.writer.command("SPUBLISH", self.address.channel, b"")
        answer: Any  # they travel together
        answer, _ = await asyncio.gather(writing, nudging, return_exceptions=True)
        if isinstance(answer, BaseException):
            raise answer
        return _answer(answer)

    async def pledge(self, pledge: "Pledge", *changes: Change) -> "bool | Pledge":
        """Make sure that these changes can be made, and keep them so, until the pledge is settled; nothing is changed
        yet. False if a condition does not hold; or another pledge that must be settled before."""
        return _answer(await self.lanes.writer.run(scripts.PLEDGE, pledge.name, *_arguments(changes)))

    async def fulfil(self, pledge: "Pledge", *, of_another: bool = False) -> bool:
        """Do what was pledged; True also if somebody else has, for the one who made it. False if it is lost."""
        answer = await self.lanes.writer.run(scripts.SETTLE, pledge.name, self.address.channel, int(of_another))
        return bool(answer == 1)

    async def has(self, pledge: "Pledge") -> bool:
        """Whether it is not settled yet."""
        return bool(await self.lanes.quick.command("EXISTS", self.lanes.prefix + b"pledge:" + pledge.name.encode()))

    async def drop(self, pledge: "Pledge") -> None:
        """Forget what was pledged. May be repeated."""
        await self.lanes.writer.run(scripts.SETTLE, pledge.name, "", 0)

    async def pledges(self, *, older: float) -> list["Pledge"]:
        """Those that were made more than so many seconds ago, by the server's clock."""
        until = await self.time() - older
        key = self.lanes.prefix + b"pledges"
        names = await self.lanes.quick.command("ZRANGEBYSCORE", key, "-inf", until, "LIMIT", 0, 1000)
        return [Pledge(name=name.decode()) for name in names]

    async def pledge_on(self, account_id: str) -> "Pledge | None":
        """The one, if there is one, that adds or changes a session of this account."""
        key = self.lanes.prefix + b"pledged:sessions-of:" + text(account_id)
        name = await self.lanes.quick.command("GET", key)
        return None if name is None else Pledge(name=name.decode())

    async def time(self) -> float:
        """Unix seconds, by the server's clock."""
        seconds, micros = await self.lanes.quick.command("TIME")
        return int(seconds) + int(micros) / 1e6

    async def check(self) -> None:
        try:
            await self._prepare()
            await self._check_eviction()
        except Misconfigured as wrong:
            raise Unavailable(private=f"valkey: {wrong}") from wrong

    async def facts(self) -> Facts:
        """What the server says of itself."""
        return await facts_of(self.lanes.slow, self.lanes.prefix + b"fingerprint")

    async def _agree(self, fingerprint: str | None) -> None:
        key = self.lanes.prefix + b"fingerprint"
        if fingerprint is not None and not await self.lanes.writer.command("SET", key, fingerprint, "NX"):
            known = await self.lanes.writer.command("GET", key)
            if known is None or known.decode() != fingerprint:
                raise Misconfigured("The nodes of this Valkey have another secret_key; give this one the same.")

    async def close(self) -> None:
        lanes = self.lanes
        await asyncio.gather(*(lane.close() for lane in (lanes.quick, lanes.slow, lanes.log, lanes.writer)))

    async def _prepare(self) -> bytes:
        """Make what must exist, which is a write; the issuer's record as it is."""
        issuer, _ = of.ISSUERS.encode(Issuer(), 1)
        stored, found = await self.lanes.writer.run(scripts.PREPARE, issuer, new_nonce(), FORMAT)
        if found != FORMAT:
            raise Misconfigured("Valkey holds data of another version of this program.")
        return bytes(stored)

    async def _check_eviction(self) -> None:
        """An evicted session is a user logged out; an evicted revocation is one that comes back."""
        memory = (await self.lanes.slow.command("INFO", "memory")).decode()
        if "maxmemory_policy:noeviction" not in memory:
            raise Misconfigured("Valkey may evict keys; set its maxmemory-policy to noeviction.")

    async def _read_fencing(self) -> None:
        """A primary that is cut off from its replicas grants leases until it notices; none where each probe waits
        for the replicas."""
        if self.address.replicas:
            return
        facts = await self.facts()
        if facts.replicas or self.address.form is Form.SENTINEL:
            self.fencing = (facts.replica_lag or _USUAL_LAG) + 1.0
            if facts.replicas_demanded == 0:
                log.warning(
                    "Valkey does not fence a primary that was cut off: no bound holds then; see `ostiary doctor`"
                )


def _answer(told: int | bytes) -> bool | Pledge:
    return Pledge(name=told.decode()) if isinstance(told, bytes) else told == 1


def _arguments(changes: tuple[Change, ...]) -> list[Argument]:
    """As `scripts/judge.lua` takes them."""
    return [argument for change in changes for argument in _argument(change)]


def _argument(change: Change) -> list[Argument]:
    if isinstance(change, Append):
        return ["L", *encode_item(change.entry)]
    record = change.record
    kind = of.KINDS[type(record)]
    key = kind.key(record.id)
    match change:
        case Add():
            return ["A", key, *kind.encode(record, 1)]
        case Swap():
            return ["S", key, revision_bytes(record.revision), *kind.encode(record, record.revision + 1)]
        case Expect():
            return ["E", key, revision_bytes(record.revision)]
        case Remove():
            return ["R", key, revision_bytes(record.revision)]
