"""Whose token this is: one that was seen before, or one that is verified now. Each time, whether it still holds."""

from typing import TYPE_CHECKING

from ostiary import jose
from ostiary.clock import Clock
from ostiary.domain.caller import Caller
from ostiary.errors import Unavailable
from ostiary.revocation.knowledge import Verdict
from ostiary.verifier.cache import TokenCache
from ostiary.verifier.errors import CredentialRefused
from ostiary.verifier.reading import header_of, read_caller, refusal
from ostiary.verifier.sources import Asking, KeySource, Revocations
from ostiary.verifier.waiting import Steps, run, run_blocking

if TYPE_CHECKING:
    from ostiary.verifier.status_lists import Reference, StatusLists


class Recognition:
    """Says so of tokens under one policy, with the keys of one source. Whether a token came as it must is not its
    question: see `binding.py`."""

    def __init__(
        self,
        policy: jose.Policy,
        source: KeySource,
        *,
        roles_claim: str,
        revocations: Revocations | None,
        status: "StatusLists | None",
        cache: TokenCache,
        cache_seconds: float,
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._source = source
        self._roles_claim = roles_claim
        self._revocations = revocations
        self._replica = revocations.replica if revocations is not None else None
        self._status = status
        self._cache = cache
        self._cached_with: jose.KeySet | None = None
        self._cache_seconds = cache_seconds
        self._clock = clock

    async def caller_of(self, token: str) -> Caller:
        """Raises CredentialRefused, Unavailable."""
        keys = self._source.ready()
        caller = self._known(token, keys) if keys is not None else None
        return caller if caller is not None else await run(self._recognise(token))

    def caller_of_blocking(self, token: str) -> Caller:
        """The same, blocking this thread while something has to be waited for."""
        keys = self._source.ready()
        caller = self._known(token, keys) if keys is not None else None
        return caller if caller is not None else run_blocking(self._recognise(token))

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
