"""What the server says of itself, as far as promises depend on it."""

from dataclasses import dataclass
from typing import Any

from ostiary.errors import Unavailable
from ostiary.stores.valkey.lanes import Lane

_ASKED = ("appendonly", "appendfsync", "min-replicas-to-write", "min-replicas-max-lag", "save")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`time` is Unix seconds by the server's clock. What the server would not tell (managed ones forbid CONFIG) is
    None. `fingerprint` is that of the secret key with which the first node came."""

    version: str
    role: str
    cluster: bool
    replicas: int
    eviction: str
    persists: bool
    write_error: bool
    time: float
    fsync: str | None
    replicas_demanded: int | None
    replica_lag: int | None
    fingerprint: str | None


async def facts_of(lane: Lane, fingerprint_key: bytes) -> Facts:
    """Raises Unavailable."""
    info: dict[str, str] = {}
    for section in ("server", "memory", "persistence", "replication", "cluster"):
        told: bytes = await lane.command("INFO", section)
        pairs = (line.partition(":") for line in told.decode().splitlines())
        info.update({name: value for name, colon, value in pairs if colon})
    seconds, micros = await lane.command("TIME")
    config: dict[str, str] = {}
    for name in _ASKED:
        try:
            found: list[Any] = await lane.command("CONFIG", "GET", name)
        except Unavailable:
            continue  # forbidden: not known
        config.update({name: found[1].decode()} if found else {})
    fingerprint: bytes | None = await lane.command("GET", fingerprint_key)
    return Facts(
        version=info.get("valkey_version") or info.get("redis_version", ""),
        role=info.get("role", ""),
        cluster=info.get("cluster_enabled") == "1",
        replicas=_number(info.get("connected_slaves")) or 0,
        eviction=info.get("maxmemory_policy", ""),
        persists=info.get("aof_enabled") == "1",
        write_error=info.get("aof_last_write_status", "ok") != "ok",
        time=int(seconds) + int(micros) / 1e6,
        fsync=config.get("appendfsync"),
        replicas_demanded=_number(config.get("min-replicas-to-write")),
        replica_lag=_number(config.get("min-replicas-max-lag")),
        fingerprint=None if fingerprint is None else fingerprint.decode(),
    )


def _number(text: str | None) -> int | None:
    return None if text is None or not text.isdigit() else int(text)
