"""All settings together: every value read, every rule that ties two of them, every problem in one message."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ostiary.errors import Misconfigured
from ostiary.settings.readers import Reader

_WILDCARDS = frozenset({"0.0.0.0", "::", "0:0:0:0:0:0:0:0"})  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands beside the type of one setting: how it is read and what it is for."""

    reader: Reader
    about: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of the table: its name and default, and what is annotated."""

    name: str
    default: Any
    setting: Setting


@dataclass(frozen=True, slots=True)
class Problem:
    """``source`` says where the value came from, ``hint`` what to write instead. Neither holds the value."""

    name: str
    source: str
    hint: str

    def __str__(self) -> str:
        return f"{self.name} ({self.source}): {self.hint}" if self.source else f"{self.name}: {self.hint}"


Table = Mapping[str, Row]
Values = dict[str, Any]


def check(table: Table, raw: Mapping[str, object], sources: Mapping[str, str]) -> tuple[Values, list[Problem]]:
    """Read what was given, fill in the defaults, then apply the rules to whatever could be read."""
    values: Values = {name: row.default for name, row in table.items()}
    problems: list[Problem] = []
    unreadable: set[str] = set()
    for name, value in raw.items():
        try:
            values[name] = table[name].setting.reader.read(value)
        except ValueError as wrong:
            unreadable.add(name)
            problems.append(Problem(name, sources.get(name, ""), str(wrong)))
    for name, names, hint in _broken_rules(values):
        if not unreadable & names:
            problems.append(Problem(name, sources.get(name, ""), hint))
    if not unreadable & {"host", "port", "issuer"}:
        values["issuer"] = values["issuer"] or _issuer_of(values["host"], values["port"])
        values["allowed_hosts"] = values["allowed_hosts"] or _hosts_of(values["issuer"])
        values["audiences"] = tuple(name for name in values["audiences"] if name != values["issuer"])
    return values, problems


def misconfigured(problems: list[Problem]) -> Misconfigured:
    """One message: a single line for one problem, a line each for several."""
    if len(problems) == 1:
        return Misconfigured(str(problems[0]))
    return Misconfigured("\n".join([f"{len(problems)} settings cannot be used", *(f"  - {p}" for p in problems)]))


def warnings_of(table: Table, values: Mapping[str, Any]) -> Iterator[str]:
    """What works, and what somebody should know about at every start."""
    for lower, upper in _NO_MORE_THAN:
        # A default that is too much for what was chosen gives way silently.
        if values[lower] != table[lower].default and values[lower] > values[upper]:
            yield f"{lower} is more than {upper}, which comes first: {upper} alone counts."
    http = values["issuer"].startswith("http://")
    near = is_loopback(urlsplit(values["issuer"]).hostname or "")
    if not values["cookie_secure"]:
        yield "cookie_secure is false: anyone on the way can take the cookies. For development only."
    elif http and not near:
        yield (
            "issuer is plain http on a host that is not loopback: browsers will not keep its cookies. Serve it over "
            "https, or for development set cookie_secure = false."
        )
    if values["signing_algorithm"].startswith("HS"):
        yield "signing_algorithm is symmetric: only this process can verify its tokens, no other service can."


def is_loopback(host: str) -> bool:
    """True for addresses and names that never leave this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _issuer_of(host: str, port: int) -> str:
    name = "127.0.0.1" if host in _WILDCARDS else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}" if port == 80 else f"http://{name}:{port}"


def _hosts_of(issuer: str) -> tuple[str, ...]:
    """The issuer's own; of a loopback issuer, every name by which this machine calls itself."""
    parts = urlsplit(issuer)
    names = [parts.netloc]
    if is_loopback(parts.hostname or ""):
        port = f":{parts.port}" if parts.port else ""
        names += [f"{name}{port}" for name in ("localhost", "127.0.0.1", "[::1]")]
    return tuple(dict.fromkeys(names))


def _broken_rules(values: Values) -> Iterator[tuple[str, frozenset[str], str]]:
    """(the setting to name, all that the rule looks at, what to write)."""
    if not values["cookie_secure"] and values["issuer"].startswith("https://"):
        yield (
            "cookie_secure",
            frozenset({"cookie_secure", "issuer"}),
            "write true, or leave it out: the issuer is https",
        )
    if values["valkey"] is not None and values["database"] == "memory:":
        hint = "name a database that outlives the process, or leave it out: then Valkey keeps everything"
        yield "database", frozenset({"valkey", "database"}), hint
    if values["workers"] > 1 and values["database"] == "memory:" and values["valkey"] is None:
        hint = "write 1: a store in memory belongs to one process"
        yield "workers", frozenset({"workers", "database"}), hint
    if values["metrics_bind"] is not None:
        last = int(values["metrics_bind"].rpartition(":")[2]) + values["workers"] - 1
        if last > 65_535:
            hint = f"choose a lower port: worker {values['workers'] - 1} takes port {last}, and 65535 is the last"
            yield "metrics_bind", frozenset({"metrics_bind", "workers"}), hint


_NO_MORE_THAN = (
    ("session_idle_lifetime", "session_lifetime"),
    ("refresh_idle_lifetime", "refresh_lifetime"),
    ("access_token_lifetime", "refresh_lifetime"),
    ("stateful_token_lifetime", "refresh_lifetime"),
    ("refresh_grace", "refresh_lifetime"),
    ("login_free_failures", "login_hard_limit"),
)
