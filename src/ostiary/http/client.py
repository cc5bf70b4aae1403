"""Who is at the other end: its address, and what it says that it is."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ostiary import limits

_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):[0-9]{1,5}")
"""As some proxies write an address into `X-Forwarded-For`."""

Headers = Iterable[tuple[bytes, bytes]]
Networks = tuple[IPv4Network | IPv6Network, ...]


def address_of(peer: str, headers: Headers, trusted: Networks) -> str:
    """The client's address. `X-Forwarded-For` counts only as far as trusted proxies wrote it: from the right, the first
    address that is not one of theirs."""
    if not trusted:
        return peer
    address = _parse(peer)
    if address is None or not _is_in(address, trusted):
        return peer
    hops = [hop.strip() for name, value in headers if name == b"x-forwarded-for" for hop in value.split(b",")]
    for hop in reversed(hops):
        written = hop.decode("latin-1")
        with_port = _WITH_PORT.fullmatch(written)
        forwarded = _parse(with_port[1] or with_port[2] if with_port else written)
        if forwarded is None:
            break
        address = forwarded
        if not _is_in(address, trusted):
            break
    return str(address)


def is_near_or_trusted(peer: str, trusted: Networks) -> bool:
    """True for this machine itself and for trusted proxies, by the connection's own address."""
    address = _parse(peer)
    return address is not None and (address.is_loopback or _is_in(address, trusted))


def user_agent_of(headers: Headers) -> str:
    """What the client says that it is, cut to `limits.USER_AGENT_CHARS`."""
    for name, value in headers:
        if name == b"user-agent":
            return value[: limits.USER_AGENT_CHARS].decode("latin-1")
    return ""


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: IPv4Address | IPv6Address, networks: Networks) -> bool:
    return any(address.version == network.version and address in network for network in networks)
