"""`Verifier`: from a request's headers to its caller, with nothing but the issuer's public keys.

A token that was seen before costs a dictionary look-up and no wait. One seen for the first time costs a signature. Keys
are fetched before they are needed, and only a token of a key that is not known, or keys that have grown too old, make a
request wait for them.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from ostiary import jose, limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.credentials.access_token import STATELESS_TYPE
from ostiary.domain.caller import Caller
from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.verifier.answers import Answer, answer_to
from ostiary.verifier.binding import Binding, bearer
from ostiary.verifier.cache import TokenCache
from ostiary.verifier.errors import RoleMissing, ScopeMissing
from ostiary.verifier.fetching import Fetch, HttpFetch
from ostiary.verifier.headers import Headers, presented
from ostiary.verifier.policy import policy_of
from ostiary.verifier.recognition import Recognition
from ostiary.verifier.remote_keys import RemoteKeys
from ostiary.verifier.sources import FixedKeys, KeySource, Revocations, following, status_lists
from ostiary.verifier.waiting import run, run_blocking

if TYPE_CHECKING:
    import ssl

    from ostiary.verifier.asgi import AsgiApp
    from ostiary.verifier.wsgi import WsgiApp

_PAUSE = 1.0  # seconds that the background refresh rests at least


class Verifier:
    """Checks access tokens of one `issuer` that are meant for `audience` (one name of this server's, or several).

    Where keys come from: by default the issuer's metadata (RFC 8414); `jwks_uri` names the key set itself; `keys` hands
    it in. `algorithm` is what keys are for that do not say it. `ssl_context` is for a private certificate authority,
    `fetch` for getting documents in another way.

    What is accepted: `token_type` is the header's `typ`; `leeway` in seconds counts for `nbf` and `iat`, never for
    `exp`; `roles_claim` names the claim that lists the caller's roles.

    What is remembered: verified tokens for `cache_seconds` at most, in `cache_bytes` (0: none). Keys are used for
    `max_stale` seconds at most while the issuer does not answer; `cooldown` is the time between fetches that unknown
    key ids may cause.

    `client` is who we are to the issuer, (id, secret) or (id, private key): with it the issuer's revocation feed is
    followed (at `feed_uri`, by default below the issuer; what a private key signs for it is meant for `feed_audience`,
    by default the issuer), and what was ended there is refused here within its bound; while that cannot be known,
    `Unavailable`. `revocations` hands in somebody else who knows. With neither, a token lives until its `exp`.

    `check_status`: a token that names a status list of the issuer's is looked up there, for those who can follow no
    feed; while the list cannot be had, `Unavailable`. A token that names none is not looked up; `require_status`, which
    says `check_status` too, refuses it.

    A token that is bound to a key (`cnf.jkt`, RFC 9449) is taken under the scheme `DPoP` with a proof that was made for
    this very request: `origins` are the origins under which clients call this service, by default those of the names in
    `audience` that are addresses. With `dpop_nonce_key`, a secret of 32 bytes that all processes of the service share,
    a proof must carry a nonce of this service's.

    Raises Misconfigured.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Sequence[str],
        client: object = None,
        keys: jose.KeySet | jose.Key | None = None,
        jwks_uri: str | None = None,
        algorithm: str | None = None,
        token_type: str = STATELESS_TYPE,
        roles_claim: str = "roles",
        leeway: float = 30.0,
        revocations: Revocations | None = None,
        feed_uri: str | None = None,
        feed_audience: str | None = None,
        cache_seconds: float = limits.VERIFIED_SECONDS,
        cache_bytes: int = limits.VERIFIED_BYTES,
        max_stale: float = limits.KEY_SET_STALE_SECONDS,
        cooldown: float = limits.KEY_SET_COOLDOWN,
        ssl_context: "ssl.SSLContext | None" = None,
        fetch: Fetch | None = None,
        origins: Sequence[str] = (),
        dpop_nonce_key: bytes | None = None,
        check_status: bool = False,
        require_status: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if client is not None:
            if revocations is not None:
                raise Misconfigured("Hand in a client, or revocations, not both.")
            revocations = following(issuer, client, feed_uri, feed_audience, ssl_context, clock)
        if not all(seconds >= 0 for seconds in (cache_seconds, max_stale, cooldown)):
            raise Misconfigured("cache_seconds, max_stale and cooldown are seconds, and not negative.")
        self._policy = policy_of(issuer, audience, token_type, leeway, revocable=revocations is not None)
        self._source: KeySource
        if keys is not None:
            self._source = FixedKeys(keys if isinstance(keys, jose.KeySet) else jose.KeySet((keys,)))
        else:
            self._source = RemoteKeys(
                issuer,
                fetch or HttpFetch(ssl_context),
                clock=clock,
                jwks_uri=jwks_uri,
                algorithm=algorithm,
                cooldown=cooldown,
                max_stale=max_stale,
            )
        self._revocations = revocations
        self._recognition = Recognition(
            self._policy,
            self._source,
            roles_claim=roles_claim,
            revocations=revocations,
            status=status_lists(issuer, fetch, ssl_context, clock, leeway, required=require_status)
            if check_status or require_status
            else None,
            cache=TokenCache(size=cache_bytes),
            cache_seconds=cache_seconds,
            clock=clock,
        )
        self._binding = Binding(
            self._policy.audience, origins=origins, nonce_key=dpop_nonce_key, leeway=leeway, clock=clock
        )
        self._refreshing: asyncio.Task[None] | None = None

    # --- Lifetime -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Fetch the keys, and keep them fresh in the background. Raises Unavailable if they cannot be had now; it may
        be called again, and requests try by themselves."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._keep_fresh(), name="ostiary-verifier")
        if self._revocations is not None:
            await self._revocations.start()
        await run(self._source.keys())

    def start_blocking(self) -> None:
        """Fetch the keys, for a server without an event loop. Raises Unavailable."""
        run_blocking(self._source.keys())

    async def stop(self) -> None:
        """End what runs in the background. The verifier can still be used."""
        task, self._refreshing = self._refreshing, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._revocations is not None:
            await self._revocations.stop()

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(min(max(_PAUSE, self._source.due_in()), limits.KEY_SET_SECONDS_MAX))
            with contextlib.suppress(Unavailable):  # logged where it happened
                await run(self._source.keys())

    # --- Requests -----------------------------------------------------------------------------------------------------

    async def authenticate(
        self,
        headers: Headers,
        *,
        role: str | None = None,
        scope: str | Iterable[str] | None = None,
        method: str | None = None,
        url: str | None = None,
    ) -> Caller:
        """Who sent a request with these headers, if allowed (see `require`). `method` and `url` are the request's, for
        a token that is bound to a key; of `url` only the path counts. Raises Refused, Unavailable."""
        sent = presented(headers)
        caller = await self._recognition.caller_of(sent.token)
        if caller.key_thumbprint is not None or sent.proofs is not None:
            self._binding.check(caller, sent, method, url)
        if role is not None or scope:
            self.require(caller, role=role, scope=scope)
        return caller

    def authenticate_sync(
        self,
        headers: Headers,
        *,
        role: str | None = None,
        scope: str | Iterable[str] | None = None,
        method: str | None = None,
        url: str | None = None,
    ) -> Caller:
        """The same without an event loop; in one, it would block it while keys are fetched."""
        sent = presented(headers)
        caller = self._recognition.caller_of_blocking(sent.token)
        if caller.key_thumbprint is not None or sent.proofs is not None:
            self._binding.check(caller, sent, method, url)
        if role is not None or scope:
            self.require(caller, role=role, scope=scope)
        return caller

    async def verify(self, token: str) -> Caller:
        """Whose bearer token this is. Raises CredentialRefused, Unavailable."""
        return bearer(await self._recognition.caller_of(token))

    def verify_sync(self, token: str) -> Caller:
        """The same, blocking this thread while keys are fetched."""
        return bearer(self._recognition.caller_of_blocking(token))

    @staticmethod
    def require(caller: Caller, *, role: str | None = None, scope: str | Iterable[str] | None = None) -> None:
        """`scope`: names, all of which are needed, in one string with spaces or several. Raises RoleMissing,
        ScopeMissing."""
        if role is not None and role not in caller.roles:
            raise RoleMissing(private="the role is not among the caller's")
        needed = _names(scope)
        if not caller.scope.issuperset(needed):
            raise ScopeMissing(needed)

    @staticmethod
    def answer(error: OstiaryError) -> Answer:
        """The response to an error that one of these calls raised."""
        return answer_to(error)

    def resource(self, resource: str, *, scopes: Sequence[str] = (), name: str = "", documentation: str = "") -> Answer:
        """What to answer at `/.well-known/oauth-protected-resource` (RFC 9728): `resource` is this service's URL."""
        from ostiary.verifier.resource import resource_answer, resource_metadata

        issuer = self._policy.issuer
        return resource_answer(
            resource_metadata(resource, issuer=issuer, scopes=scopes, name=name, documentation=documentation)
        )

    def asgi(self, app: "AsgiApp", *, role: str | None = None, scope: str | Iterable[str] | None = None) -> "AsgiApp":
        """`app` behind this verifier: see `ostiary.verifier.asgi`."""
        from ostiary.verifier.asgi import Guarded

        authenticate = partial(self.authenticate, role=role, scope=_names(scope))
        return Guarded(app, authenticate=authenticate, start=self.start, stop=self.stop)

    def wsgi(self, app: "WsgiApp", *, role: str | None = None, scope: str | Iterable[str] | None = None) -> "WsgiApp":
        """`app` behind this verifier: see `ostiary.verifier.wsgi`."""
        from ostiary.verifier.wsgi import Guarded

        return Guarded(app, authenticate=partial(self.authenticate_sync, role=role, scope=_names(scope)))

    def __repr__(self) -> str:
        return f"<Verifier of {self._policy.issuer} for {', '.join(self._policy.audience)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a verifier is made where it is used; it cannot be copied to another process")


def _names(scope: str | Iterable[str] | None) -> tuple[str, ...]:
    return tuple(scope.split() if isinstance(scope, str) else scope or ())
