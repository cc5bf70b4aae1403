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
from ostiary.credentials.access_token import STATEFUL_TYPE, STATELESS_TYPE
from ostiary.domain.caller import Caller
from ostiary.errors import Misconfigured, OstiaryError, Unavailable
from ostiary.jose.header import comparable_type
from ostiary.revocation.replica import Verdict
from ostiary.verifier.answers import Answer, answer_to
from ostiary.verifier.cache import TokenCache
from ostiary.verifier.errors import CredentialRefused, ProofRefused, RoleMissing, SchemeRefused, ScopeMissing
from ostiary.verifier.fetching import Fetch, HttpFetch
from ostiary.verifier.headers import Headers, Presented, presented
from ostiary.verifier.reading import PROFILE, REVOCABLE, header_of, read_caller, refusal
from ostiary.verifier.remote_keys import RemoteKeys
from ostiary.verifier.sources import Asking, FixedKeys, KeySource, Revocations, following
from ostiary.verifier.waiting import Steps, run, run_blocking

if TYPE_CHECKING:
    import ssl

    from ostiary.verifier.asgi import AsgiApp
    from ostiary.verifier.possession import Possession
    from ostiary.verifier.status_lists import Reference, StatusLists
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
    followed (at `feed_uri`, by default below the issuer), and what was ended there is refused here within its bound;
    while that cannot be known, `Unavailable`. `revocations` hands in somebody else who knows. With neither, a token
    lives until its `exp`.

    `check_status`: a token that names a status list of the issuer's is looked up there, for those who can follow no
    feed; while the list cannot be had, `Unavailable`. A token that names none is not looked up.

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
        cache_seconds: float = limits.VERIFIED_SECONDS,
        cache_bytes: int = limits.VERIFIED_BYTES,
        max_stale: float = limits.KEY_SET_STALE_SECONDS,
        cooldown: float = limits.KEY_SET_COOLDOWN,
        ssl_context: "ssl.SSLContext | None" = None,
        fetch: Fetch | None = None,
        origins: Sequence[str] = (),
        dpop_nonce_key: bytes | None = None,
        check_status: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if client is not None:
            if revocations is not None:
                raise Misconfigured("Hand in a client, or revocations, not both.")
            revocations = following(issuer, client, feed_uri, ssl_context, clock)
        if not all(seconds >= 0 for seconds in (cache_seconds, max_stale, cooldown)):
            raise Misconfigured("cache_seconds, max_stale and cooldown are seconds, and not negative.")
        self._policy = _policy(issuer, audience, token_type, leeway, revocable=revocations is not None)
        self._roles_claim = roles_claim
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
        self._status: StatusLists | None = None
        if check_status:
            self._status = _status_lists(issuer, fetch, ssl_context, clock, leeway)
        self._revocations = revocations
        self._replica = revocations.replica if revocations is not None else None
        self._cache = TokenCache(size=cache_bytes)
        self._cached_with: jose.KeySet | None = None
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._leeway = leeway
        self._origins = origins
        self._nonce_key = dpop_nonce_key
        self._possession: Possession | None = None
        if origins or dpop_nonce_key is not None:
            self._possession = self._make_possession()
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
        caller = await self._caller_of(sent.token)
        if caller.key_thumbprint is not None or sent.proofs is not None:
            self._check_possession(caller, sent, method, url)
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
        caller = self._caller_of_blocking(sent.token)
        if caller.key_thumbprint is not None or sent.proofs is not None:
            self._check_possession(caller, sent, method, url)
        if role is not None or scope:
            self.require(caller, role=role, scope=scope)
        return caller

    async def verify(self, token: str) -> Caller:
        """Whose bearer token this is. Raises CredentialRefused, Unavailable."""
        return _bearer(await self._caller_of(token))

    def verify_sync(self, token: str) -> Caller:
        """The same, blocking this thread while keys are fetched."""
        return _bearer(self._caller_of_blocking(token))

    async def _caller_of(self, token: str) -> Caller:
        keys = self._source.ready()
        caller = self._known(token, keys) if keys is not None else None
        return caller if caller is not None else await run(self._recognise(token))

    def _caller_of_blocking(self, token: str) -> Caller:
        keys = self._source.ready()
        caller = self._known(token, keys) if keys is not None else None
        return caller if caller is not None else run_blocking(self._recognise(token))

    def _check_possession(self, caller: Caller, sent: Presented, method: str | None, url: str | None) -> None:
        """RFC 9449 section 7: what is bound to a key is no bearer token, and the other way round."""
        if caller.key_thumbprint is None:
            raise SchemeRefused(private="bound to no key, and sent under the DPoP scheme")
        if sent.proofs is None:
            _bearer(caller)
            return
        if len(sent.proofs) != 1:
            raise ProofRefused(private="no proof" if not sent.proofs else "two proofs")
        if method is None or url is None:
            raise ProofRefused(private="nobody has said which method and URL the proof had to be made for")
        if self._possession is None:
            self._possession = self._make_possession()
        now = self._clock.wall()
        self._possession.check(sent.proofs[0], sent.token, caller.key_thumbprint, method=method, url=url, now=now)

    def _make_possession(self) -> "Possession":
        from ostiary.verifier.possession import Possession, origins_of

        origins = origins_of(self._origins, self._policy.audience)
        return Possession(origins, nonce_key=self._nonce_key, leeway=self._leeway)

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

    # --- How it is known ----------------------------------------------------------------------------------------------

    def _known(self, token: str, keys: jose.KeySet) -> Caller | None:
        """The caller, if the token was verified with these keys and nothing has changed since. Never waits."""
        entry = self._cache.get(token, keys, self._policy, self._clock.wall())
        if entry is None:
            return None
        if self._replica is not None and self._judge(entry.caller, entry.kid) is not Verdict.ACCEPTED:
            return None
        if self._status is not None and entry.status is not None:
            return entry.caller if self._status.judge(entry.status) is Verdict.ACCEPTED else None
        return entry.caller

    def _recognise(self, token: str) -> Steps[Caller]:
        keys = yield from self._source.keys()
        caller = self._known(token, keys)  # keys that are due for a refresh may still be the same
        if caller is not None:
            return caller
        self._cache.discard(token)
        try:
            claims = self._verified(token, keys)
        except (jose.UnknownKey, jose.AlgorithmNotAllowed) as error:
            newer = yield from self._keys_for(token, keys)
            if newer is keys:
                raise refusal(token, error) from None
            keys = newer
            try:
                claims = self._verified(token, keys)
            except jose.TokenRejected as final:
                raise refusal(token, final) from None
        except jose.TokenRejected as error:
            raise refusal(token, error) from None
        caller = read_caller(claims, self._roles_claim, self._cache)
        kid = claims.header.kid or ""
        if self._revocations is not None:
            verdict = self._judge(caller, kid)
            if verdict is Verdict.UNKNOWN:
                yield Asking(self._revocations)
                verdict = self._judge(caller, kid)
            self._accept_only(verdict)
        status = self._status.reference_of(claims) if self._status is not None else None
        if self._status is not None and status is not None:
            verdict = self._status.judge(status)
            if verdict is Verdict.UNKNOWN:
                yield self._status.fetching(status.uri, keys)
                verdict = self._status.judge(status)
            if verdict is Verdict.UNKNOWN:
                raise Unavailable(private="the status list could not be fetched")
            self._accept_only(verdict)
        self._remember(token, caller, kid, keys, status)
        return caller

    def _verified(self, token: str, keys: jose.KeySet) -> jose.Claims:
        if not len(keys):
            raise Unavailable(private="the issuer publishes no key that can be used")
        return jose.verify(token, keys, self._policy, now=self._clock.wall())

    def _keys_for(self, token: str, keys: jose.KeySet) -> Steps[jose.KeySet]:
        """Perhaps newer keys, for a token that names one that `keys` lack. The name is all that is read of it."""
        kid = header_of(token).get("kid")
        if kid is None or keys.get(kid) is not None:
            return keys
        return (yield from self._source.keys_beyond(keys))

    def _judge(self, caller: Caller, kid: str) -> Verdict:
        if self._replica is None:
            return Verdict.ACCEPTED
        if caller.client_epoch is not None and self._replica.client_refused(caller.client_id, caller.client_epoch):
            return Verdict.REFUSED
        return self._replica.judge(
            caller.session_id, caller.version, caller.account_id, caller.epoch, kid, self._clock.monotonic()
        )

    def _accept_only(self, verdict: Verdict) -> None:
        if verdict is Verdict.REFUSED:
            raise CredentialRefused(private="revoked")
        if verdict is Verdict.UNKNOWN:
            raise Unavailable(private="the revocation lease is gone")

    def _remember(self, token: str, caller: Caller, kid: str, keys: jose.KeySet, status: "Reference | None") -> None:
        if self._cached_with is not keys:
            self._cached_with = keys
            self._cache.clear()
        now = self._clock.wall()
        expires_at = min(caller.expires_at, now + self._cache_seconds)
        self._cache.put(
            token, caller, kid, keys=keys, policy=self._policy, expires_at=expires_at, now=now, status=status
        )

    def __repr__(self) -> str:
        return f"<Verifier of {self._policy.issuer} for {', '.join(self._policy.audience)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a verifier is made where it is used; it cannot be copied to another process")


def _bearer(caller: Caller) -> Caller:
    if caller.key_thumbprint is not None:
        raise SchemeRefused(private="bound to a key, and came without a proof of holding it")
    return caller


def _status_lists(
    issuer: str, fetch: Fetch | None, ssl_context: "ssl.SSLContext | None", clock: Clock, leeway: float
) -> "StatusLists":
    from ostiary.verifier.status_lists import StatusLists

    default = HttpFetch(ssl_context, accept="application/statuslist+jwt", max_bytes=limits.STATUS_LIST_CHARS)
    return StatusLists(issuer, fetch or default, clock=clock, leeway=leeway)


def _names(scope: str | Iterable[str] | None) -> tuple[str, ...]:
    return tuple(scope.split() if isinstance(scope, str) else scope or ())


def _policy(
    issuer: str, audience: str | Sequence[str], token_type: str, leeway: float, *, revocable: bool
) -> jose.Policy:
    if comparable_type(token_type) == STATEFUL_TYPE:
        raise Misconfigured("A stateful token can only be checked where the issuer's store is.")
    required = PROFILE if comparable_type(token_type) == STATELESS_TYPE else PROFILE[:1]
    try:
        return jose.Policy(
            issuer=issuer,
            audience=audience if isinstance(audience, str) else tuple(audience),
            type=token_type,
            leeway=leeway,
            required=(*required, *REVOCABLE) if revocable else required,
        )
    except (jose.InvalidPolicy, TypeError) as wrong:
        raise Misconfigured(f"issuer, audience, token_type or leeway cannot be used: {wrong}") from None
