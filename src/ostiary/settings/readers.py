"""How the value of one setting is read: from text (environment, flags) or from what TOML and JSON give.

A reader returns the value in its final form or raises ``ValueError`` whose text says what to write instead. It never
repeats what was written: that may be a secret. Reading a value that has been read before changes nothing.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ostiary.domain.account import check_roles
from ostiary.domain.client import is_service_name
from ostiary.domain.scope import is_scope_token
from ostiary.errors import InvalidRequest
from ostiary.limits import SCOPES_PER_TOKEN
from ostiary.stores import postgres_url, valkey_url

_LONGEST = 10 * 365 * 86_400.0  # seconds; a longer life is a typing error
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([smhd]?)")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Reader:
    """``read`` as the module says; ``schema`` is the JSON Schema of what a TOML file may hold."""

    read: Callable[[object], Any]
    schema: Mapping[str, Any]


def duration(minimum: float = 0.0, *, zero: bool = False, maximum: float = _LONGEST) -> Reader:
    """Seconds as a float, from a number or ``90s``, ``5m``, ``12h``, ``30d``."""
    words = f"at least {minimum:g} seconds" if minimum else "more than 0 seconds"
    words = "0 seconds or more" if zero else words
    hint = f'write {words} and at most {_said(maximum)}, as a number of seconds or as "90s", "5m", "12h", "30d"'

    def read(value: object) -> float:
        if isinstance(value, str):
            match = _DURATION.fullmatch(value.strip())
            seconds: float = float(match[1]) * _UNITS[match[2]] if match else -1.0
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value  # compared as it is: a whole number may be too large for a float
        else:
            seconds = -1.0
        if not (minimum <= seconds <= maximum and (seconds > 0 or (zero and seconds == 0))):
            raise ValueError(hint)
        return float(seconds)

    number = {"type": "number", "minimum" if minimum or zero else "exclusiveMinimum": minimum, "maximum": maximum}
    return Reader(read, {"anyOf": [number, {"type": "string", "pattern": f"^{_DURATION.pattern}$"}]})


def _said(seconds: float) -> str:
    return f"{seconds / 86_400:g} days" if seconds >= 86_400 else f"{seconds:g} seconds"


def integer(minimum: int, maximum: int) -> Reader:
    """A whole number between two bounds, both allowed."""
    hint = f"write a whole number from {minimum} to {maximum}"

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise ValueError(hint)
        return value

    return Reader(read, {"type": "integer", "minimum": minimum, "maximum": maximum})


def truth() -> Reader:
    """True or false."""

    def read(value: object) -> bool:
        if isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in _TRUE | _FALSE:
            raise ValueError("write true or false")
        return word in _TRUE

    return Reader(read, {"type": "boolean"})


def choice(*names: str) -> Reader:
    """One of a few words, exactly as they stand here."""
    hint = "write " + (", ".join(names[:-1]) + f" or {names[-1]}")

    def read(value: object) -> str:
        word = value.strip() if isinstance(value, str) else ""
        if word not in names:
            raise ValueError(hint)
        return word

    return Reader(read, {"enum": list(names)})


def text(check: Callable[[str], str]) -> Reader:
    """Text that ``check`` accepts."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("write text")
        return check(value.strip())

    return Reader(read, {"type": "string"})


def optional(reader: Reader) -> Reader:
    """As ``reader``; nothing and empty text are ``None``."""
    return Reader(lambda value: None if value is None or value == "" else reader.read(value), reader.schema)


def many(check: Callable[[str], str]) -> Reader:
    """A tuple without repetition, in the order given; text is taken apart at its commas."""

    def read(value: object) -> tuple[str, ...]:
        items = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise ValueError("write a list of texts, in the environment with commas between them")
        return tuple(dict.fromkeys(check(item.strip()) for item in items))

    return Reader(read, {"type": "array", "items": {"type": "string"}, "uniqueItems": True})


def secret() -> Reader:
    """The bytes of a key: of text its UTF-8, of a file what it holds, of a variable what the environment holds."""
    hint = "write at least 32 random bytes, such as the output of: openssl rand -base64 48"

    def read(value: object) -> bytes:
        try:
            # a variable may hold any bytes; those that are not UTF-8 stand in its text as Python's escapes
            key = value.encode(errors="surrogateescape") if isinstance(value, str) else value
        except UnicodeEncodeError:
            raise ValueError(hint) from None
        if not isinstance(key, bytes) or not 32 <= len(key) <= 4096:
            raise ValueError(hint)
        return key

    return Reader(read, {"type": "string", "minLength": 32})


def scopes_of_roles() -> Reader:
    """Role to scopes: a table, or a JSON object in text."""
    hint = 'write a table of roles, each with a list of scopes, such as {"admin": ["notes:read", "notes:write"]}'

    def read(value: object) -> dict[str, tuple[str, ...]]:
        if isinstance(value, str):
            try:
                value = json.loads(value or "{}")
            except (ValueError, RecursionError):
                raise ValueError(hint) from None
        if not isinstance(value, Mapping) or not all(isinstance(role, str) for role in value):
            raise ValueError(hint)
        try:
            check_roles(tuple(value)[:1])
            for role in value:
                check_roles((role,))
        except InvalidRequest as refusal:
            raise ValueError(f"{str(refusal)[0].lower()}{str(refusal)[1:].rstrip('.')}") from None
        table = {role: scopes.read(granted) for role, granted in value.items()}
        if any(len(granted) > SCOPES_PER_TOKEN for granted in table.values()):
            raise ValueError(f"give a role at most {SCOPES_PER_TOKEN} scopes")
        return table

    scopes = many(scope)
    return Reader(read, {"type": "object", "additionalProperties": scopes.schema})


def scope(value: str) -> str:
    """One scope token (RFC 6749 section 3.3)."""
    if not is_scope_token(value):
        raise ValueError("write scopes as ASCII words without spaces, quotes and backslashes")
    return value


def audience(value: str) -> str:
    """What a service is called in `aud`: best its URL."""
    if not is_service_name(value):
        raise ValueError("write the names of services, best their URLs, without spaces and of at most 256 characters")
    return value


def listen_host(value: str) -> str:
    """A name or an address to listen on."""
    bare = value.strip("[]")
    usable = bool(bare) and bare.isascii() and all(char.isalnum() or char in ".-:%_" for char in bare)
    if ":" in bare:
        try:
            ipaddress.IPv6Address(bare)
        except ValueError:
            usable = False
    if not usable:
        raise ValueError("write a host name or an address, such as 127.0.0.1 or 0.0.0.0, without a port")
    return bare.lower()


def host_and_maybe_port(value: str) -> str:
    """As it stands in a `Host` header."""
    if not _HOST.fullmatch(value.lower()) or not _port_is_possible(value):
        raise ValueError('write "host" or "host:port", without a scheme, a path or a wildcard')
    return value.lower()


def host_and_port(value: str) -> str:
    """An address to listen on, port included."""
    name = host_and_maybe_port(value)
    if not re.search(r":[0-9]+$", name):
        raise ValueError('write "host:port", such as "127.0.0.1:9464"')
    return name


def _port_is_possible(value: str) -> bool:
    match = re.search(r":([0-9]+)$", value)
    return match is None or value.endswith("]") or 0 < int(match[1]) < 65_536


def network(value: str) -> str:
    """A network or one address, in CIDR notation."""
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(
            "write networks as 10.0.0.0/8, with no bits set beyond the prefix, or single addresses"
        ) from None


def origin(value: str) -> str:
    """Scheme, host and port, and nothing else (RFC 6454)."""
    base = _base(value, "write origins as https://app.example.com or http://localhost:3000, without path or wildcard")
    if base.count("/") != 2:
        raise ValueError("write origins without a path, as https://app.example.com")
    return base


def issuer(value: str) -> str:
    """An `http` or `https` URL without query and fragment (RFC 8414 section 2); a slash at its end is taken off."""
    return (
        _base(value, "write a URL such as https://auth.example.com, without query, fragment and user name")
        if value
        else ""
    )


def _base(value: str, hint: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(hint) from None
    host = (parts.hostname or "").lower()
    name = f"[{host}]" if ":" in host else host
    plain = value.isascii() and value.isprintable() and not any(char in value for char in " ?#@*\\%")
    if parts.scheme not in _DEFAULT_PORTS or not plain or not _HOST.fullmatch(name) or port == 0:
        raise ValueError(hint)
    path = parts.path.rstrip("/").removeprefix("/")
    if path and any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(hint)
    shown = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{name}{shown}{parts.path.rstrip('/')}"


def database(value: str) -> str:
    """`sqlite:///path` (relative) or `sqlite:////path` (absolute), `postgresql://…`, or `memory:`."""
    if value in ("memory:", "memory://"):
        return "memory:"
    if postgres_url.is_postgres(value):
        postgres_url.parse(value)
        return value
    path = value.removeprefix("sqlite:///")
    if path == value or not path or path.startswith((":memory:", "file:")) or path.endswith("/"):
        raise ValueError(
            "write sqlite:///path for a file, sqlite:////path from the root, postgresql://user@host/name, or memory:"
        )
    if "?" in path or "#" in path or not path.isprintable():
        raise ValueError("write a path without '?', '#' and control characters")
    return value


def valkey(value: str) -> str:
    """See `ostiary.stores.valkey_url`, which reads it again where it is used."""
    try:
        valkey_url.parse(value)
    except ValueError as wrong:
        raise ValueError(f"the URL {wrong}") from None
    return value
