"""Clients as they are met again and again: found without asking the store each time.

What is remembered holds until the replica hears that something about a client, or everything, has changed.
"""

from dataclasses import dataclass

from ostiary import jose, limits
from ostiary.domain.account import authorization_epoch
from ostiary.domain.client import Client
from ostiary.services.context import Context
from ostiary.services.recognition import Recognition


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownClient:
    """A registered client as this process remembers it. `epoch` is what its own tokens say in `ep`, and those that it
    gets by exchange in `cep`."""

    client: Client
    epoch: int
    keys: jose.KeySet | None = None


class KnownClients:
    """One for each process."""

    def __init__(self, context: Context, recognition: Recognition) -> None:
        self._context = context
        self._recognition = recognition
        self._remembered: dict[str, KnownClient] = {}
        self._remembered_at = -1
        self._floor = 0

    def remembered(self, client_id: str) -> KnownClient | None:
        """The client, if this process remembers it and nothing was said of clients since. Never waits."""
        replica = self._context.replica
        if self._remembered_at != replica.client_changes or self._floor != replica.floor:
            return None
        if self._context.clock.monotonic() >= replica.lease_until:
            return None
        return self._remembered.get(client_id)

    async def find(self, client_id: str) -> KnownClient | None:
        """The client, None if there is none. Raises Unavailable if this process cannot know."""
        known = self.remembered(client_id)
        if known is not None:
            return known
        if not (client_id.isascii() and client_id.isprintable() and len(client_id) <= limits.CLIENT_ID_CHARS):
            return None  # no store is asked for what cannot be one
        await self._recognition.check_lease()
        replica = self._context.replica
        seen = (replica.client_changes, replica.floor)
        client = await self._context.store.clients.get(client_id)
        if client is None:
            return None
        issuer = await self._context.store.issuer()
        known = KnownClient(
            client=client,
            epoch=authorization_epoch(client.epoch, issuer.everything),
            keys=jose.KeySet.from_jwks(client.jwks) if client.jwks else None,
        )
        if seen == (replica.client_changes, replica.floor):  # else what was read may be from before the change
            self._remember(known, seen)
        return known

    def _remember(self, known: KnownClient, seen: tuple[int, int]) -> None:
        if seen != (self._remembered_at, self._floor) or len(self._remembered) >= limits.REMEMBERED_CLIENTS:
            self._remembered.clear()
            self._remembered_at, self._floor = seen
        self._remembered[known.client.id] = known
