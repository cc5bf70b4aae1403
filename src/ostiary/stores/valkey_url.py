"""Where Valkey is: what the URL of the setting `valkey` says. Text only: nothing is imported that talks to it.

    valkey://[user:password@]host[:6379][/db]               one server
    valkeys://...                                           the same over TLS
    valkey+unix:///path/to/socket[?db=0]                    one server on this machine
    valkey+sentinel://[user:password@]host[:26379],.../service[/db]
    valkey+cluster://[user:password@]host[:6379],...

`valkeys+sentinel` and `valkeys+cluster` are the last two over TLS; `redis` may stand wherever `valkey` does. Options
follow as a query: `prefix` (what all keys begin with; two installations in one server need two), `timeout` (seconds in
which a command is answered or given up), `replicas` (that must have a change before it counts as made), `ca`, `cert`
and `key` (files for TLS), `sentinel_username` and `sentinel_password`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

PORT = 6379
SENTINEL_PORT = 26379
DATABASES = 16_384
"""Numbers of databases that a server may be configured to have; ours are refused by the server, if it has fewer."""

_STARS = "********"
_SCHEMES = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}


class Form(StrEnum):
    """How the servers stand to each other."""

    ONE = ""
    UNIX = "unix"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`hosts` are sentinels, members of the cluster, or the one server; `path` its socket."""

    form: Form = Form.ONE
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    prefix: str = "ostiary"
    timeout: float = 0.9
    replicas: int = 0
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def key_prefix(self) -> str:
        """What every key begins with. The braces put them all into one slot of a cluster."""
        return f"{{{self.prefix}}}:"

    @property
    def channel(self) -> str:
        """Where entries of the log are told. Channels know no databases, so the number is part of the name."""
        return f"{self.key_prefix}log@{self.db}"


def parse(url: str) -> Address:
    """Raises ValueError with a sentence that names what is wrong and repeats nothing of the URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("has a host or a port that cannot be one") from None
    scheme, _, form_name = parts.scheme.partition("+")
    if scheme not in _SCHEMES or form_name not in set(Form):
        raise ValueError(
            "must start with valkey://, valkeys://, valkey+sentinel://, valkey+cluster:// or valkey+unix://"
        )
    if parts.fragment:
        raise ValueError("must not have a fragment")
    form, tls = Form(form_name), _SCHEMES[scheme]
    options = _options(parts.query)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    path = [unquote(part) for part in parts.path.split("/") if part]
    values: dict[str, Any] = {}
    if form is Form.UNIX:
        if hosts or not path or tls:
            raise ValueError("must be valkey+unix:///path/to/socket")
        values["path"], path = unquote(parts.path), []
    else:
        values["hosts"] = _hosts(hosts, SENTINEL_PORT if form is Form.SENTINEL else PORT, many=form is not Form.ONE)
    if form is Form.SENTINEL:
        if not path:
            raise ValueError("must name the service that the sentinels watch: valkey+sentinel://host,host/service")
        values["service"] = path.pop(0)
    if path:
        if len(path) > 1 or "db" in options:
            raise ValueError("must end with at most one database number")
        options["db"] = _db(path[0])
    if form is Form.CLUSTER and options.get("db"):
        raise ValueError("must not name a database: a cluster has one")
    if not tls and {"ca", "cert", "key"} & options.keys():
        raise ValueError("must start with valkeys for `ca`, `cert` and `key` to count")
    if form is not Form.SENTINEL and {"sentinel_username", "sentinel_password"} & options.keys():
        raise ValueError("must be a sentinel form for sentinels' credentials to count")
    return Address(
        form=form,
        tls=tls,
        username=unquote(username) or None,
        password=unquote(password) or None,
        **values,
        **options,
    )


def without_passwords(url: str) -> str:
    """The same URL, fit to be shown."""
    url = re.sub(r"(://[^/?#@]*?:)[^/?#]*@", rf"\1{_STARS}@", url)
    return re.sub(r"(sentinel_password=)[^&]*", rf"\1{_STARS}", url)


def _options(query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError("has a query that cannot be read") from None
    for name, value in pairs:
        reader = _OPTIONS.get(name)
        if reader is None:
            raise ValueError(f"has an unknown option; there are {', '.join(_OPTIONS)}")
        if name in options:
            raise ValueError(f"has the option `{name}` twice")
        options[name] = reader(value)
    return options


def _hosts(text: str, port: int, *, many: bool) -> tuple[tuple[str, int], ...]:
    named = text.split(",") if text else []
    if not named or (len(named) > 1 and not many):
        raise ValueError("must name a host" if not named else "must name one host, or be a sentinel or cluster form")
    return tuple(_host(one, port) for one in named)


def _host(text: str, default_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("has a host or a port that cannot be one") from None
    if not host or parts.path or port == 0:
        raise ValueError("has a host or a port that cannot be one")
    return host, default_port if port is None else port


def _db(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < DATABASES):
        raise ValueError("has a database that is not a number")
    return int(text)


def _prefix(text: str) -> str:
    if not (0 < len(text) <= 64 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()):
        raise ValueError("has a `prefix` that is not 1 to 64 letters, digits, '-' or '_'")
    return text


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 60.0:
        raise ValueError("has a `timeout` that is not 0.05 to 60 seconds")
    return seconds


def _replicas(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 16):
        raise ValueError("has `replicas` that are not a number up to 16")
    return int(text)


def _text(text: str) -> str:
    if not text:
        raise ValueError("has an empty option")
    return text


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "db": _db,
    "prefix": _prefix,
    "timeout": _timeout,
    "replicas": _replicas,
    "ca": _text,
    "cert": _text,
    "key": _text,
    "sentinel_username": _text,
    "sentinel_password": _text,
}
