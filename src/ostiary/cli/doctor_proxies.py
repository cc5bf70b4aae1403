"""The check of `ostiary doctor` of what stands between clients and this server: whose address does it see?

Attempts, sign-ups and moves to another network are counted by the client's address. Behind a proxy that is not among
`trusted_proxies` every client has the proxy's, so one of them uses up what all have.
"""

from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from ostiary.cli.doctor_check import Check, ok, warning
from ostiary.settings import Settings
from ostiary.settings.checks import is_loopback

_NAME = "trusted_proxies"
_ENOUGH = 20  # logins that all come from one address of a local network, before that is a hint at a proxy
_HERE = "127.0.0.1,::1"
_SO_HERE = "failed logins of all clients count as one's, and sign-ups not at all"
_SO = "failed logins and sign-ups of all clients count as one network's"


def proxies_check(settings: Settings, addresses: Sequence[str]) -> Check:
    """`addresses`: where the latest logins came from, as this server saw it."""
    trusted = settings.trusted_proxies
    if settings.issuer_is_loopback:
        return ok(_NAME, ", ".join(trusted) or "none, and none is needed on this machine alone")
    hint = f"set trusted_proxies = {_HERE}, and let the proxy set X-Forwarded-For"
    if is_loopback(settings.host) and not _is_trusted("127.0.0.1", trusted) and not _is_trusted("::1", trusted):
        found = f"clients reach {settings.issuer} by a proxy on this machine, which is not among them: {_SO_HERE}"
        return warning(_NAME, found, hint)
    from_one = _one_of(addresses)
    if from_one and not _is_trusted(from_one, trusted):
        here = is_loopback(from_one)
        so = _SO_HERE if here else _SO
        found = f"the last {len(addresses)} logins all came from {from_one}: if that is a proxy, {so}"
        return warning(_NAME, found, hint if here else hint.replace(_HERE, from_one))
    if from_one:
        found = f"the last {len(addresses)} logins all came from the proxy {from_one} itself: {_SO}"
        return warning(_NAME, found, "let the proxy set X-Forwarded-For to the client's address")
    if not trusted and settings.issuer.startswith("https://"):
        found = f"none: if something ends TLS for {settings.issuer} before this server, {_SO}"
        return warning(_NAME, found, "set trusted_proxies to that proxy's address, and let it set X-Forwarded-For")
    return ok(_NAME, ", ".join(trusted) or "none")


def _one_of(addresses: Sequence[str]) -> str:
    """The only one, if it is of this machine or a local network; "" if there are several, or too few to tell."""
    counted = Counter(addresses)
    if len(addresses) < _ENOUGH or len(counted) > 1:
        return ""
    (address,) = counted
    try:
        return address if ip_address(address).is_private else ""
    except ValueError:
        return ""


def _is_trusted(address: str, networks: Sequence[str]) -> bool:
    where = ip_address(address)
    found = (ip_network(network, strict=False) for network in networks)
    return any(where.version == network.version and where in network for network in found)
