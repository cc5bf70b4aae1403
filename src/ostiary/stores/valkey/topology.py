"""Which server to talk to. All keys are in one slot, so at any moment that is a single one: the server itself, the
primary that the sentinels name, or the member of the cluster that has the slot."""

import asyncio
import contextlib
from collections import Counter
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

from ostiary.errors import Unavailable
from ostiary.stores.valkey_url import Address, Form

Host = tuple[str, int]
_ASK = 0.4
"""How much of the time for a command may be spent on asking where to send it."""


class Topology:
    """Found when first needed, kept until somebody says `forget`."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._primary: Host | None = None
        self._once: Host | None = None
        self._known: list[Host] = list(address.hosts)
        self._finding = asyncio.Lock()
        self._slot = key_slot(address.key_prefix.encode())

    def forget(self) -> None:
        """It may be another one now."""
        self._primary = None

    def moved(self, host: str, port: int, *, once: bool = False) -> None:
        """A server has said where to go: from now on, or `once` for the next connection only."""
        if once:
            self._once = host, port
        else:
            self._primary = host, port

    def is_current(self, connection: AbstractConnection) -> bool:
        """Whether a new connection would, as far as is known, go to the same server."""
        there = getattr(connection, "host", None), getattr(connection, "port", None)
        return self._primary is None or self.address.form is Form.UNIX or there == self._primary

    async def connect(self) -> AbstractConnection:
        """A new connection to the server that is the right one now. Raises RedisError, OSError, Unavailable."""
        if self.address.form is Form.UNIX:
            return await _opened(UnixDomainSocketConnection(path=self.address.path, **self._common()))
        once, self._once = self._once, None
        return await self.connect_to(once or await self._found())

    async def connect_to(self, host: Host) -> AbstractConnection:
        """A new connection to one server."""
        return await _opened(self._connection(host, **self._common()))

    async def _found(self) -> Host:
        async with self._finding:
            if self._primary is None:
                self._primary = await self._find()
            return self._primary

    async def _find(self) -> Host:
        match self.address.form:
            case Form.SENTINEL:
                return await self._ask_all(self.address.hosts, self._ask_sentinel)
            case Form.CLUSTER:
                return await self._ask_all(tuple(self._known), self._ask_member)
            case _:
                return self.address.hosts[0]

    async def _ask_all(self, hosts: tuple[Host, ...], ask: Any) -> Host:
        """What most of those say that say anything in time: one that was cut off may still believe in the past."""
        tasks = [asyncio.create_task(ask(host)) for host in hosts]
        answers: Counter[Host] = Counter()
        try:
            async with asyncio.timeout(self.address.timeout * _ASK):
                for done in asyncio.as_completed(tasks):
                    with contextlib.suppress(RedisError, OSError, Unavailable):
                        answers[await done] += 1
                    if answers and max(answers.values()) * 2 > len(hosts):
                        break
        except TimeoutError:
            pass  # who has not answered yet is not counted
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not answers:
            raise Unavailable(private="valkey: nobody says which server is the primary")
        return answers.most_common(1)[0][0]

    async def _ask_sentinel(self, sentinel: Host) -> Host:
        address = self.address
        common = self._common(username=address.sentinel_username, password=address.sentinel_password)
        found = await _asked(
            self._connection(sentinel, **common), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service
        )
        if not found:
            raise Unavailable(private="valkey: the sentinels do not know the service")
        return found[0].decode(), int(found[1])

    async def _ask_member(self, member: Host) -> Host:
        ranges = await _asked(self._connection(member, **self._common()), "CLUSTER", "SLOTS")
        found: Host | None = None
        known: list[Host] = []
        for first, last, *nodes in ranges:
            hosts = [(host.decode() or member[0], int(port)) for host, port, *_ in nodes]
            known += hosts  # the primary, then its replicas, one of which may be asked when it is gone
            if first <= self._slot <= last:
                found = hosts[0]
        self._known = list(dict.fromkeys([*known, *self.address.hosts]))
        if found is not None:
            return found
        raise Unavailable(private="valkey: no member of the cluster has our keys")

    def _connection(self, host: Host, **common: Any) -> AbstractConnection:
        address = self.address
        if address.tls:
            return SSLConnection(
                host=host[0],
                port=host[1],
                ssl_ca_certs=address.ca,
                ssl_certfile=address.cert,
                ssl_keyfile=address.key,
                ssl_check_hostname=True,
                **common,
            )
        return Connection(host=host[0], port=host[1], **common)

    def _common(self, **credentials: str | None) -> dict[str, Any]:
        address = self.address
        ours = {"username": address.username, "password": address.password, "db": address.db}
        return {
            **(credentials or ours),
            "protocol": 2,
            "client_name": "ostiary",
            "driver_info": None,
            "socket_timeout": None,  # lanes have a deadline for the whole
            "socket_connect_timeout": address.timeout,
            "retry": Retry(NoBackoff(), 0),
        }


async def _opened(connection: AbstractConnection) -> AbstractConnection:
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


async def _asked(connection: AbstractConnection, *command: str) -> Any:
    await _opened(connection)
    try:
        await connection.send_command(*command, check_health=False)
        return await connection.read_response(disable_decoding=True)
    finally:
        await connection.disconnect(nowait=True)
