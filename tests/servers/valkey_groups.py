"""Several Valkey servers that belong together: a cluster, or a primary, a replica and their sentinels."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ports import free_port
from tests.servers.valkey import Server, folder

_LONGEST = 60.0
SERVICE = "ostiary"


def until(condition: Callable[[], bool]) -> None:
    """Wait for it, a minute at most."""
    deadline = time.monotonic() + _LONGEST
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


async def reached(items: Sized, count: int) -> None:
    """Wait until there are so many; half a minute at most."""
    async with asyncio.timeout(30):
        while len(items) < count:  # noqa: ASYNC110 - they come from several tasks
            await asyncio.sleep(0.001)


@dataclass
class Group:
    """`url` names them all."""

    servers: list[Server]
    form: str
    path: str = ""

    def url(self, **options: object) -> str:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"valkey+{self.form}://{hosts}{self.path}" + (f"?{query}" if query else "")

    def owner(self, key: str) -> Server:
        """Of a cluster: the member that has the key's slot."""
        slot = self.servers[0].ask("CLUSTER", "KEYSLOT", key)
        for (first, last), nodes in _slots(self.servers[0]):
            if first <= slot <= last:
                return next(server for server in self.servers if server.port == nodes)
        raise AssertionError("nobody has the slot")

    def move(self, key: str, to: Server) -> None:
        """Move the key's slot, with everything in it, and return when all members know."""
        source = self.owner(key)
        slot = source.ask("CLUSTER", "KEYSLOT", key)
        source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", to.ask("CLUSTER", "MYID"))
        until(lambda: all(_owner(server, slot) == to.port for server in self.servers))


def _slots(server: Server) -> list[tuple[tuple[int, int], int]]:
    return [((first, last), int(primary[1])) for first, last, primary, *_ in _raw_slots(server)]


def _raw_slots(server: Server) -> list[list]:  # type: ignore[type-arg]
    import redis

    with redis.Redis(port=server.port, decode_responses=True, socket_timeout=30, protocol=2) as client:
        client.response_callbacks.clear()
        return list(client.execute_command("CLUSTER SLOTS"))


def _owner(server: Server, slot: int) -> int:
    return next(port for (first, last), port in _slots(server) if first <= slot <= last)


@contextlib.contextmanager
def cluster(*, silence: int = 15_000) -> Iterator[Group]:
    """Three primaries, of which one that says nothing for so many milliseconds is taken for dead."""
    with folder() as path, contextlib.ExitStack() as stack:
        servers = []
        for number in range(3):
            server = Server(
                path / str(number), cluster_enabled="yes", cluster_node_timeout=silence, cluster_port=free_port()
            )
            server.start()
            stack.callback(server.stop)
            servers.append(server)
        edges = [0, 5461, 10923, 16384]
        for server, first, end in zip(servers, edges, edges[1:], strict=False):
            server.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for server in servers[1:]:
            servers[0].ask("CLUSTER", "MEET", "127.0.0.1", server.port, server.settings["cluster-port"])
        until(lambda: all("cluster_state:ok" in _state(server) for server in servers))
        yield Group(servers, "cluster")


def add_replica(group: Group, of: Server, folder: Path) -> Server:
    """Of a cluster: one more member, which has what `of` has when this returns."""
    silence = of.settings["cluster-node-timeout"]
    server = Server(folder, cluster_enabled="yes", cluster_node_timeout=silence, cluster_port=free_port())
    server.start()
    server.ask("CLUSTER", "MEET", "127.0.0.1", of.port, of.settings["cluster-port"])
    primary = of.ask("CLUSTER", "MYID")
    until(lambda: primary in str(server.ask("CLUSTER", "NODES")) and "cluster_state:ok" in _state(server))
    server.ask("CLUSTER", "REPLICATE", primary)
    until(lambda: server.info("replication").get("master_link_status") == "up")
    name = server.ask("CLUSTER", "MYID")
    until(lambda: all(name in str(one.ask("CLUSTER", "NODES")) for one in group.servers))
    return server


def _state(server: Server) -> str:
    return str(server.ask("CLUSTER", "INFO"))


@dataclass
class Watched:
    """A primary, its replica, and the sentinels."""

    primary: Server
    replica: Server
    sentinels: Group

    def fail_over(self) -> None:
        """Return when the sentinels name the other one."""
        self.sentinels.servers[0].ask("SENTINEL", "FAILOVER", SERVICE)
        self.until_named(self.replica)

    def until_named(self, server: Server) -> None:
        until(lambda: all(_named(sentinel) == server.port for sentinel in self.sentinels.servers))
        until(lambda: server.info("replication")["role"] == "master")
        self.primary, self.replica = server, self.primary if server is self.replica else self.replica


def _named(sentinel: Server) -> int:
    import redis

    with redis.Redis(port=sentinel.port, decode_responses=True, socket_timeout=30, protocol=2) as client:
        client.response_callbacks.clear()
        return int(client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])


@contextlib.contextmanager
def watched(primary: Server, *, seen_at: int | None = None, **settings: object) -> Iterator[Watched]:
    """A running primary with a replica, watched by three sentinels that give it up after three seconds. `seen_at` is
    the port at which these reach it."""
    with folder() as path, contextlib.ExitStack() as stack:
        port = seen_at or primary.port
        replica = Server(path / "replica", replicaof=f"127.0.0.1 {port}", **settings)
        replica.start()
        stack.callback(replica.stop)
        until(lambda: replica.info("replication")["master_link_status"] == "up")
        sentinels = []
        for number in range(3):
            sentinel = Server(path / f"sentinel-{number}", mode="sentinel")
            for name in ("save", "appendonly", "repl-diskless-sync-delay", "repl-ping-replica-period"):
                del sentinel.settings[name]
            sentinel.settings |= {
                "sentinel monitor": f"{SERVICE} 127.0.0.1 {port} 2",
                "sentinel down-after-milliseconds": f"{SERVICE} 3000",
                "sentinel failover-timeout": f"{SERVICE} 6000",
            }
            sentinel.start()
            stack.callback(sentinel.stop)
            sentinels.append(sentinel)
        until(lambda: all(_others(sentinel) == 2 and _replicas(sentinel) == 1 for sentinel in sentinels))
        yield Watched(primary, replica, Group(sentinels, "sentinel", f"/{SERVICE}"))


def _others(sentinel: Server) -> int:
    return len(sentinel.ask("SENTINEL", "SENTINELS", SERVICE))


def _replicas(sentinel: Server) -> int:
    return len(sentinel.ask("SENTINEL", "REPLICAS", SERVICE))
