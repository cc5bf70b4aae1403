"""The store in Valkey, for any number of nodes."""

import asyncio

from ostiary import limits
from ostiary.domain.account import Issuer
from ostiary.errors import Misconfigured, Unavailable
from ostiary.stores import port
from ostiary.stores.port import Add, Append, Change, Expect, Remove, Swap
from ostiary.stores.valkey import records as of
from ostiary.stores.valkey import scripts
from ostiary.stores.valkey.facts import Facts, facts_of
from ostiary.stores.valkey.lanes import Argument, Lane
from ostiary.stores.valkey.log import Revocations, encode_item, new_nonce
from ostiary.stores.valkey.parts import Accounts, Audit, Clients, Lanes, Sessions, SigningKeys, SpentOnce, Throttles
from ostiary.stores.valkey.records import revision_bytes
from ostiary.stores.valkey.topology import Topology
from ostiary.stores.valkey_url import Address, parse

FORMAT = b"1"
"""How records and indexes are laid out: what stands in the key `format`."""


class ValkeyStore:
    """Made by `open`. Four connections: one writes, one looks up, one lists, one asks the log."""

    def __init__(self, address: Address) -> None:
        topology = Topology(address)
        confirm: tuple[Argument, ...] = ()
        if address.replicas:
            confirm = ("WAIT", address.replicas, int(address.timeout * 500))
        self.address = address
        self._lanes = lanes = Lanes(
            prefix=address.key_prefix.encode(),
            quick=Lane("quick", topology, batch=limits.STORE_BATCH),
            slow=Lane("slow", topology, batch=1),
            log=Lane("log", topology, batch=1),
            writer=Lane("writer", topology, batch=limits.STORE_BATCH, confirm=confirm, confirmed=address.replicas),
        )
        self.accounts: port.Accounts = Accounts(lanes)
        self.sessions: port.Sessions = Sessions(lanes)
        self.throttles: port.Throttles = Throttles(lanes)
        self.signing_keys: port.SigningKeys = SigningKeys(lanes)
        self.clients: port.Clients = Clients(lanes)
        self.spent: port.SpentOnce = SpentOnce(lanes)
        self.audit: port.Audit = Audit(lanes)
        self.revocations: port.Revocations = Revocations(lanes, topology)

    @classmethod
    async def open(cls, address: str | Address) -> "ValkeyStore":
        """Connect, and make what must exist. Raises Misconfigured if the server may evict keys or holds another
        version's data; Unavailable if it cannot be used now."""
        if isinstance(address, str):
            try:
                address = parse(address)
            except ValueError as error:
                raise Misconfigured(f"The Valkey URL {error}.") from None
        store = cls(address)
        try:
            await store._prepare()
            await store._check_eviction()
        except BaseException:
            await store.close()
            raise
        return store

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
        value = await self._lanes.quick.command("GET", self._lanes.prefix + b"issuer:issuer")
        return of.ISSUERS.decode(value or await self._prepare())

    async def write(self, *changes: Change) -> bool:
        arguments: list[Argument] = [self.address.channel]
        for change in changes:
            arguments += _arguments(change)
        return bool(await self._lanes.writer.run(scripts.WRITE, *arguments) == 1)

    async def check(self) -> None:
        try:
            await self._prepare()
            await self._check_eviction()
        except Misconfigured as wrong:
            raise Unavailable(private=f"valkey: {wrong}") from wrong

    async def facts(self) -> Facts:
        """What the server says of itself."""
        return await facts_of(self._lanes.slow)

    async def close(self) -> None:
        lanes = self._lanes
        await asyncio.gather(*(lane.close() for lane in (lanes.quick, lanes.slow, lanes.log, lanes.writer)))

    async def _prepare(self) -> bytes:
        """Make what must exist, which is a write; the issuer's record as it is."""
        issuer, _ = of.ISSUERS.encode(Issuer(), 1)
        stored, found = await self._lanes.writer.run(scripts.PREPARE, issuer, new_nonce(), FORMAT)
        if found != FORMAT:
            raise Misconfigured("Valkey holds data of another version of this program.")
        return bytes(stored)

    async def _check_eviction(self) -> None:
        """An evicted session is a user logged out; an evicted revocation is one that comes back."""
        memory = (await self._lanes.slow.command("INFO", "memory")).decode()
        if "maxmemory_policy:noeviction" not in memory:
            raise Misconfigured("Valkey may evict keys; set its maxmemory-policy to noeviction.")


def _arguments(change: Change) -> list[Argument]:
    """One change as `scripts/write.lua` takes it."""
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
