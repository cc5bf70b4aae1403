"""A PostgreSQL URL, taken apart: what the driver takes, and what only this store means.

`postgresql://user:password@host:port/database?name=value&…`, as libpq has it: several hosts with commas between them,
an IPv6 address in brackets, a folder of a Unix socket as `?host=/run/postgresql` or as a percent-encoded host.

Of our own: `schema` (where the tables are; by default the first of the search path), `pool_size` (connections of one
process for look-ups and writes), `pooler=transaction` (a pooler that may give every transaction another connection
stands between; found out by itself where it can be), `listen=host:port` (the server itself, where the URL names such a
pooler: notifications do not pass through one).
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

POOL_SIZE = 10
"""Connections of one process for look-ups and writes. A server takes 100 unless it was told otherwise."""
POOL_SIZE_MAX = 1000

_SCHEMES = ("postgresql", "postgres")
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@/]+)(?::([0-9]{1,5}))?")
_DRIVERS = frozenset(
    {
        *("host", "port", "user", "password", "passfile", "dbname", "database", "service"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("target_session_attrs", "application_name", "krbsrvname", "gsslib"),
    }
)
_OURS = frozenset({"schema", "pool_size", "pooler", "listen"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """`dsn` is the URL with the driver's own parameters alone; `listen_dsn` that of the server itself."""

    dsn: str
    listen_dsn: str
    schema: str | None = None
    pool_size: int = POOL_SIZE
    pooled: bool = False

    def __repr__(self) -> str:
        return f"PostgresUrl({shown(self.dsn)!r})"


def is_postgres(url: str) -> bool:
    """Whether the setting `database` means PostgreSQL."""
    return url.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def parse(url: str) -> PostgresUrl:
    """Raises ValueError that says what to write instead; it repeats nothing, since a password may be anywhere."""
    parts = _split(url)
    given = _parameters(parts.query)
    _check_hosts(parts.netloc.rpartition("@")[2])
    ours = {name: value for name, value in given if name in _OURS}
    drivers = [(name, value) for name, value in given if name in _DRIVERS]
    if len(parts.netloc.rpartition("@")[2].split(",")) > 1 and "target_session_attrs" not in dict(drivers):
        drivers.append(("target_session_attrs", "read-write"))  # of several servers only the primary will do
    schema = ours.get("schema")
    if schema is not None and not _SCHEMA.fullmatch(schema):
        raise ValueError("write schema as letters, digits and underscores, at most 63")
    if ours.get("pooler", "transaction") != "transaction":
        raise ValueError("write pooler=transaction, or leave it out")
    size = ours.get("pool_size", str(POOL_SIZE))
    if not re.fullmatch("[0-9]{1,4}", size) or not 1 <= int(size) <= POOL_SIZE_MAX:
        raise ValueError(f"write pool_size as a whole number from 1 to {POOL_SIZE_MAX}")
    dsn = _joined(parts, parts.netloc, _query(drivers))
    return PostgresUrl(
        dsn=dsn,
        listen_dsn=_elsewhere(dsn, ours["listen"]) if "listen" in ours else dsn,
        schema=schema,
        pool_size=int(size),
        pooled="pooler" in ours,
    )


def shown(url: str) -> str:
    """The same URL with every password in it as stars, fit to be shown."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    netloc = f"{name}{colon}{'********' if colon else ''}{at}{hosts}"
    query = re.sub(r"(^|&)(password|sslpassword)=[^&]*", r"\1\2=********", parts.query)
    return _joined(parts, netloc, query)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("write an IPv6 address in brackets, as postgresql://user@[::1]:5432/database") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("write postgresql://user:password@host/database")
    if parts.fragment or not url.isprintable() or " " in url:
        raise ValueError("percent-encode '#', '?', '/', '@', spaces and control characters in user name and password")
    return parts


def _parameters(query: str) -> list[tuple[str, str]]:
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=64)
    except ValueError:
        raise ValueError("write parameters as name=value with & between them") from None
    names = [name for name, _ in given]
    unknown = sorted(set(names) - _DRIVERS - _OURS)
    if unknown:
        raise ValueError(f"parameters may be {', '.join(sorted(_DRIVERS | _OURS))}")
    if len(set(names)) != len(names) or not all(value for _, value in given):
        raise ValueError("give each parameter once, with a value")
    return given


def _check_hosts(hosts: str) -> None:
    for host in hosts.split(",") if hosts else ():
        match = _HOST_AND_PORT.fullmatch(host)
        if match is None or (match[2] and not 0 < int(match[2]) < 65_536):
            raise ValueError("write hosts as name:port or [IPv6 address]:port, several with commas between them")


def _elsewhere(dsn: str, place: str) -> str:
    """The same at another address: user, password, database and TLS stay."""
    if not _HOST_AND_PORT.fullmatch(place):
        raise ValueError("write listen=host:port, the address of the server itself")
    parts = urlsplit(dsn)
    user, at, _ = parts.netloc.rpartition("@")
    rest = [(n, v) for n, v in parse_qsl(parts.query) if n not in {"host", "port"}]
    return _joined(parts, f"{user}{at}{place}", _query(rest))


def _joined(parts: SplitResult, netloc: str, query: str) -> str:
    """`geturl` would drop the slashes where there is no host."""
    return f"postgresql://{netloc}{parts.path}" + (f"?{query}" if query else "")


def _query(parameters: list[tuple[str, str]]) -> str:
    return urlencode(parameters, quote_via=quote, safe="/:,")


def hosts_of(dsn: str) -> list[str]:
    """The hosts that a URL names, for telling whether the way there leaves this machine; folders start with a slash."""
    parts = urlsplit(dsn)
    named = [unquote(host) for host in parts.netloc.rpartition("@")[2].split(",") if host]
    named += [host for name, value in parse_qsl(parts.query) if name == "host" for host in value.split(",")]
    return [re.sub(r":[0-9]+$", "", host).strip("[]") if not host.startswith("/") else host for host in named]
