"""What the server says of itself, as far as promises depend on it."""

from dataclasses import dataclass
from typing import Any

from ostiary.stores.postgres.connecting import first_connection
from ostiary.stores.postgres.schema_version import DEFAULT_SCHEMA, Found, read
from ostiary.stores.postgres_url import PostgresUrl, hosts_of

_SECONDS = 10.0
_ASKED = (
    *("server_version", "synchronous_commit", "fsync", "full_page_writes", "synchronous_standby_names"),
    *("max_connections", "autovacuum"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`settings` are the server's own words; `synchronous_commit` is what this role gets. `time` is Unix seconds by the
    server's clock. `fingerprint` is that of the secret key with which the first node came."""

    version_number: int
    settings: dict[str, str]
    standby: bool
    standbys: int
    time: float
    encrypted: bool
    away: bool
    pooled: bool
    can_listen: bool
    found: Found
    fingerprint: str | None


async def facts_of(url: PostgresUrl) -> Facts:
    """Raises Misconfigured or Unavailable."""
    name = url.schema or DEFAULT_SCHEMA
    async with first_connection(url, within=_SECONDS) as (connector, connection):
        rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])", _ASKED)
        found = await read(connection, name)
        known = await _fingerprint(connection, name) if found.version is not None else None
        number, standby, standbys, encrypted = (
            await connection.fetch(
                "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), "
                "(SELECT count(*) FROM pg_stat_replication), "
                "coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE)"
            )
        )[0]
        if connector.pooled:  # what matters is the way to the pooler
            encrypted = connection._transport.get_extra_info("ssl_object") is not None  # noqa: SLF001 - the only place
        time = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::double precision")
    return Facts(
        version_number=number,
        settings={row["name"]: row["setting"] for row in rows},
        standby=standby,
        standbys=standbys,
        time=time,
        encrypted=encrypted,
        away=any(_is_away(host) for host in hosts_of(url.dsn)),
        pooled=connector.pooled,
        can_listen=connector.can_listen,
        found=found,
        fingerprint=known,
    )


async def _fingerprint(connection: Any, name: str) -> str | None:
    found: str | None = await connection.fetchval(f'SELECT fingerprint FROM "{name}".secret_keys')  # noqa: S608 - ours
    return found


def _is_away(host: str) -> bool:
    return not host.startswith("/") and host not in ("localhost", "127.0.0.1", "::1")
