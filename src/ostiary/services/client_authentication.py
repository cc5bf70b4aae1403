"""Who is this client? By its secret, or by an assertion that it signed. Nobody else is told why it was not believed.

A secret has 256 random bits, so nothing is won by guessing; what is counted here, in this process, keeps a client in a
loop or a scanner from costing more than a few look-ups. A client that is right is never held up by those who are wrong,
once this process has seen it.
"""

import hmac
import math
from dataclasses import dataclass, field

from ostiary import limits
from ostiary.credentials import opaque
from ostiary.credentials.client_assertion import Assertion, claimed_client, read_assertion
from ostiary.credentials.derived_keys import digest
from ostiary.domain.spent import Spent
from ostiary.domain.throttle import network_of
from ostiary.errors import InvalidClient, TooManyAttempts
from ostiary.services.context import Context
from ostiary.services.known_clients import KnownClient, KnownClients
from ostiary.stores.port import Add

_NOBODY = b"\0" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """What came by HTTP Basic."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAssertion:
    """What came as `client_assertion`. `client_id`: what came beside it, "" if nothing did."""

    assertion: str = field(repr=False)
    client_id: str = ""


class ClientAuthentication:
    """Use case. `audience`: the names of this server that an assertion may be meant for."""

    def __init__(self, context: Context, clients: KnownClients, *, audience: tuple[str, ...]) -> None:
        self._context = context
        self._clients = clients
        self._audience = frozenset(audience)
        self._policy = context.policy.throttle
        self._failures: dict[str, tuple[float, int]] = {}

    def remembered(self, shown: ClientSecret) -> KnownClient | None:
        """The client, if this process remembers it and the secret is right. Never waits."""
        known = self._clients.remembered(shown.client_id)
        return known if known is not None and self._is_right(known, shown.secret) else None

    async def authenticate(self, shown: ClientSecret | ClientAssertion, *, address: str, now: float) -> KnownClient:
        """Raises InvalidClient, TooManyAttempts, Unavailable."""
        if isinstance(shown, ClientSecret):
            known = self.remembered(shown)
            if known is not None:
                return known
        network = network_of(address)
        self._hold_up(network)
        try:
            if isinstance(shown, ClientSecret):
                return await self._by_secret(shown)
            return await self._by_assertion(shown, now)
        except InvalidClient:
            self._count(network)
            raise

    async def _by_secret(self, shown: ClientSecret) -> KnownClient:
        known = await self._clients.find(shown.client_id)
        if not self._is_right(known, shown.secret) or known is None:
            raise InvalidClient(private="no such client" if known is None else "wrong secret")
        return known

    def _is_right(self, known: KnownClient | None, secret: str) -> bool:
        """The same work whether there is such a client or not."""
        expected = known.client.secret_digest if known is not None else None
        shown = opaque.client_secret_digest(self._context.derived, secret)
        return hmac.compare_digest(shown, expected or _NOBODY) and expected is not None

    async def _by_assertion(self, shown: ClientAssertion, now: float) -> KnownClient:
        client_id = claimed_client(shown.assertion)
        if shown.client_id and shown.client_id != client_id:
            raise InvalidClient(private="client_id and the assertion name two clients")
        known = await self._clients.find(client_id)
        if known is None or known.keys is None:
            raise InvalidClient(private="no such client" if known is None else "the client has no keys")
        assertion = read_assertion(
            shown.assertion,
            client_id,
            known.keys,
            audience=self._audience,
            now=now,
            leeway=self._context.policy.clock_leeway,
        )
        await self._spend(assertion)
        return known

    async def _spend(self, assertion: Assertion) -> None:
        """Once, in whatever process: adding the record is what counts."""
        name = digest(self._context.derived.token_digest, f"assertion {assertion.client_id} {assertion.token_id}")
        if not await self._context.write(Add(Spent(id=f"assertion:{name.hex()}", until=assertion.expires_at))):
            raise InvalidClient(private="the assertion was used before")

    def _hold_up(self, network: str) -> None:
        now = self._context.clock.monotonic()
        started, count = self._failures.get(network, (now, 0))
        left = started + self._policy.address_window - now
        if count >= self._policy.address_failures and left > 0:
            raise TooManyAttempts(math.ceil(left))

    def _count(self, network: str) -> None:
        now = self._context.clock.monotonic()
        started, count = self._failures.get(network, (now, 0))
        if now - started >= self._policy.address_window:
            started, count = now, 0
        if len(self._failures) >= limits.REMEMBERED_CLIENTS and network not in self._failures:
            self.forget_old_counts()
        if len(self._failures) < limits.REMEMBERED_CLIENTS or network in self._failures:
            self._failures[network] = (started, count + 1)

    def forget_old_counts(self) -> None:
        """Housekeeping."""
        since = self._context.clock.monotonic() - self._policy.address_window
        self._failures = {network: value for network, value in self._failures.items() if value[0] > since}
