"""Which addresses are ever asked: https, or plain http on this very machine; one spelling, no credentials in them."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from ostiary import limits
from ostiary.errors import Misconfigured


def check_url(url: object, what: str) -> SplitResult:
    """The parts of `url`; `what` it is, for the message. Raises Misconfigured."""
    if not isinstance(url, str) or not 0 < len(url) <= limits.URL_CHARS or not _is_plain(url):
        raise Misconfigured(f"The {what} is not a URL.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Misconfigured(f"The {what} is not a URL.") from None
    if not host or parts.fragment or "@" in parts.netloc or "%" in parts.netloc:
        raise Misconfigured(f"The {what} has no host, or has a fragment or a user name, which it must not.")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise Misconfigured(f"The {what} must begin with https:// (http:// only on a loopback address).")
    return parts


def check_issuer(issuer: str) -> SplitResult:
    """RFC 8414 section 2: no query either. Raises Misconfigured."""
    parts = check_url(issuer, "issuer")
    if parts.query:
        raise Misconfigured("The issuer has a query, which it must not.")
    return parts


def port_of(parts: SplitResult) -> int:
    """The port, also where the URL does not say it: `http.client` would take the end of an IPv6 address for one."""
    return parts.port if parts.port is not None else 443 if parts.scheme == "https" else 80


def is_loopback(host: str) -> bool:
    """`localhost` and the loopback addresses in their usual spelling."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_plain(url: str) -> bool:
    return url.isascii() and all("!" <= letter <= "~" and letter not in '\\"<>^`{|}' for letter in url)
