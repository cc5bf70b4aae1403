"""Did another site send this request? Contract section 3; Fetch Metadata, RFC 6454.

Pure: the rule is in `allowed`, and there is no second one.
"""

from collections.abc import Iterable

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_OURS = frozenset((b"same-origin", b"none"))


def allowed(headers: Iterable[tuple[bytes, bytes]], trusted: frozenset[bytes]) -> bool:
    """True if a request with these headers may act on a cookie. `trusted` holds the issuer's origin and the
    `trusted_origins`, exactly as browsers write them; `null` is never among them.

    A browser always sends one of the two headers with a request that changes something; a client that sends neither
    is not a browser, and nobody can make it carry somebody else's cookies.
    """
    sites: list[bytes] = []
    origins: list[bytes] = []
    for name, value in headers:
        if name == b"sec-fetch-site":
            sites.append(value.strip())
        elif name == b"origin":
            origins.append(value.strip())
    if len(sites) == 1 and sites[0] in _OURS:
        return True
    if len(origins) == 1 and origins[0] in trusted:
        return True
    return not sites and not origins
