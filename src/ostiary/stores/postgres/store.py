"""The store in one PostgreSQL schema, for any number of nodes."""

from functools import partial

from ostiary.domain.account import Issuer
from ostiary.errors import Unavailable, WrongSchema
from ostiary.stores import port
from ostiary.stores.port import Change, Standing
from ostiary.stores.postgres import schema_version
from ostiary.stores.postgres.connecting import Connector, first_connection
from ostiary.stores.postgres.gathering import Gathering
from ostiary.stores.postgres.log import Revocations
from ostiary.stores.postgres.parts import (
    Accounts,
    Audit,
    Clients,
    Pools,
    Sessions,
    SigningKeys,
    SpentOnce,
    Throttles,
    can_be_stored,
)
from ostiary.stores.postgres.pool import Pool, Watch
from ostiary.stores.postgres.statements import Schema
from ostiary.stores.postgres.writing import Writing
from ostiary.stores.postgres_url import PostgresUrl, parse

_QUICK_SECONDS = 5.0  # that a look-up or a write may take, waiting for locks included
_SLOW_SECONDS = 30.0  # a listing, a count, one portion of a purge
_FIRST_SECONDS = 10.0  # the first connection of a start


class PostgresStore:
    """Made by `open`."""

    def __init__(self, connector: Connector, schema: Schema) -> None:
        self.connector = connector
        self._schema = schema
        quick, slow = (
            partial(connector.connect, longest=_QUICK_SECONDS),
            partial(connector.connect, longest=_SLOW_SECONDS),
        )
        self._pools = Pools(
            quick=Pool("quick", quick, size=connector.url.pool_size, longest=_QUICK_SECONDS),
            slow=Pool("slow", partial(slow, prepares=False), size=2, longest=_SLOW_SECONDS),
            log=Pool("log", quick, size=2, longest=_QUICK_SECONDS),
        )
        self._watch = Watch(quick, self._pools.quick, self._pools.slow, self._pools.log)
        self._writing = Writing(schema, self._pools.quick)
        self._closed = False
        self.accounts: port.Accounts = Accounts(schema, self._pools)
        self.sessions: port.Sessions = Sessions(schema, self._pools)
        self.throttles: port.Throttles = Throttles(schema, self._pools)
        self.signing_keys: port.SigningKeys = SigningKeys(schema, self._pools)
        self.clients: port.Clients = Clients(schema, self._pools)
        self.spent: port.SpentOnce = SpentOnce(schema, self._pools)
        self.audit: port.Audit = Audit(schema, self._pools)
        self.revocations: port.Revocations = Revocations(schema, self._pools, connector)
        self._issuer: Gathering[None, Issuer] = Gathering(self._read_issuer)

    @classmethod
    async def open(
        cls, url: str | PostgresUrl, *, migrate: bool = True, fingerprint: str | None = None
    ) -> "PostgresStore":
        """Connect, and bring the schema up to date if `migrate`. `fingerprint`: of this node's secret key, which must
        be that of the first node that came with one.

        Raises Misconfigured if the server refuses this role, or its tables are not ours, are newer than this code can
        work with, or are older and may not be migrated; Unavailable if it cannot be reached now.
        """
        parsed = parse(url) if isinstance(url, str) else url
        async with first_connection(parsed, within=_FIRST_SECONDS) as (connector, connection):
            name = parsed.schema or schema_version.DEFAULT_SCHEMA
            await schema_version.prepare(connector, connection, name, migrate=migrate)
            if fingerprint is not None:
                await schema_version.agree(connection, name, fingerprint)
        store = cls(connector, Schema(name))
        store._watch.start()
        return store

    @property
    def immediate(self) -> bool:
        """False."""
        return False

    @property
    def shared(self) -> bool:
        """True: any number of nodes may write to it."""
        return True

    @property
    def fencing(self) -> float:
        """0: a primary whose standbys have left it cannot commit a probe."""
        return 0.0

    def announce(self) -> None:
        """The revocation log's probes say so."""

    def others_serve(self) -> bool:
        """True: another node may have started since anybody looked."""
        return True

    async def issuer(self) -> Issuer:
        found = await self._issuer.get(None)
        if found is None:
            raise Unavailable(private="postgres: the issuer's record is missing")
        return found

    async def standing(self, account_id: str) -> Standing:
        if not can_be_stored(account_id):
            return Standing((await self.issuer()).everything, 0)
        issuers, sessions = self._schema.issuers.name, self._schema.sessions.name
        text = (
            f"SELECT everything, (SELECT count(*) FROM {sessions} WHERE account_id = $1 AND ended_at IS NULL) "  # noqa: S608 - our own names
            f"FROM {issuers} LIMIT 1"
        )
        rows = await self._pools.quick.read(lambda c: c.fetch(text, account_id))
        if not rows:
            raise Unavailable(private="postgres: the issuer's record is missing")
        return Standing(*rows[0])

    async def _read_issuer(self, _keys: list[None]) -> list[tuple[None, Issuer]]:
        text = self._schema.issuers.select + "LIMIT 1"
        rows = await self._pools.quick.read(lambda c: c.fetch(text))
        return [(None, self._schema.issuers.record(row)) for row in rows]

    async def write(self, *changes: Change, durable: bool = True) -> bool:  # noqa: ARG002 - see the port
        if self._closed:
            raise Unavailable(private="postgres: the store is closed")
        return await self._writing.write(changes) if changes else True

    async def check(self) -> None:
        if self._closed:
            raise Unavailable(private="postgres: the store is closed")
        text = f"UPDATE {self._schema.log} SET generation = generation WHERE FALSE RETURNING 1"  # noqa: S608 - our own name
        found = await self._pools.quick.read(lambda c: schema_version.read(c, self._schema.name))
        if not schema_version.will_do(found):
            raise WrongSchema(private="postgres: the schema is not one that this program can work with")
        await self._pools.quick.run(lambda c: c.execute(text))

    async def close(self) -> None:
        self._closed = True
        for pool in (self._pools.quick, self._pools.slow, self._pools.log):
            await pool.close()
        await self._watch.stop()
