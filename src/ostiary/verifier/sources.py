"""What a verifier is built from: where keys come from, and who knows what has been revoked.

What only some verifiers need is imported where it is made.
"""

from typing import TYPE_CHECKING, Protocol

from ostiary.clock import Clock
from ostiary.errors import Unavailable
from ostiary.jose import KeySet
from ostiary.revocation.replica import Replica
from ostiary.verifier.waiting import Steps

if TYPE_CHECKING:
    import ssl

    from ostiary.verifier.fetching import Fetch
    from ostiary.verifier.status_lists import StatusLists


class KeySource(Protocol):
    """`RemoteKeys` keeps these promises; so does `FixedKeys`."""

    def ready(self) -> KeySet | None: ...
    def keys(self) -> Steps[KeySet]: ...
    def keys_beyond(self, known: KeySet) -> Steps[KeySet]: ...
    def due_in(self) -> float: ...


class FixedKeys:
    """Keys that were handed in and never change."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    def ready(self) -> KeySet | None:
        return self._keys

    def keys(self) -> Steps[KeySet]:
        yield from ()
        return self._keys

    def keys_beyond(self, known: KeySet) -> Steps[KeySet]:
        yield from ()
        return known

    def due_in(self) -> float:
        return float("inf")


class Revocations(Protocol):
    """Whoever keeps a replica of what has been revoked, and its lease. `ask` returns once the replica holds everything
    that was committed before the call, or raises Unavailable; `ask_blocking`, where there is one, does so too."""

    @property
    def replica(self) -> Replica: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def ask(self) -> None: ...


class Asking:
    """A question to the revocations under way: an event loop can wait for it, and a thread if they offer it."""

    def __init__(self, revocations: Revocations) -> None:
        self._revocations = revocations

    async def wait(self) -> None:
        await self._revocations.ask()

    def wait_blocking(self) -> None:
        ask = getattr(self._revocations, "ask_blocking", None)
        if ask is not None:
            ask()
            return
        raise Unavailable(private="the revocation lease is gone, and only an event loop can ask for a new one")


def following(
    issuer: str,
    client: object,
    feed_uri: str | None,
    feed_audience: str | None,
    ssl_context: "ssl.SSLContext | None",
    clock: Clock,
) -> Revocations:
    """Who follows the issuer's feed as `client`: (id, secret) or (id, private key). Raises Misconfigured."""
    from ostiary.verifier.following import Following
    from ostiary.verifier.issuer_client import client_of
    from ostiary.verifier.urls import check_issuer

    check_issuer(issuer)
    return Following(
        issuer, client_of(client), clock=clock, url=feed_uri, audience=feed_audience, ssl_context=ssl_context
    )


def status_lists(
    issuer: str,
    fetch: "Fetch | None",
    ssl_context: "ssl.SSLContext | None",
    clock: Clock,
    leeway: float,
    *,
    required: bool = False,
) -> "StatusLists":
    """Who looks tokens up in the status lists of the issuer."""
    from ostiary import limits
    from ostiary.verifier.fetching import HttpFetch
    from ostiary.verifier.status_lists import StatusLists

    default = HttpFetch(ssl_context, accept="application/statuslist+jwt", max_bytes=limits.STATUS_LIST_CHARS)
    return StatusLists(issuer, fetch or default, clock=clock, leeway=leeway, required=required)
