"""Is this a one-time token of our issuer, for us, and still live? With public keys alone."""

import hashlib

from ostiary import jose, limits
from ostiary.clock import Clock
from ostiary.credentials.one_time import ONE_TIME_TYPE, OneTimeToken, read_one_time
from ostiary.errors import InvalidToken, Misconfigured, Unavailable
from ostiary.revocation.knowledge import Verdict
from ostiary.verifier.errors import CredentialRefused
from ostiary.verifier.reading import header_of
from ostiary.verifier.sources import KeySource, Revocations
from ostiary.verifier.waiting import Steps, run

_REQUIRED = ("sub", "sid", "iat", "jti", "act_on")


class OneTimeTokens:
    """Checks signature, type, issuer, audience and times; whether it was spent is the state's to say."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        source: KeySource,
        leeway: float,
        clock: Clock,
        revocations: Revocations | None = None,
    ) -> None:
        try:
            self._policy = jose.Policy(
                issuer=issuer, audience=audience, type=ONE_TIME_TYPE, leeway=leeway, required=_REQUIRED
            )
        except (jose.InvalidPolicy, TypeError) as wrong:
            raise Misconfigured(f"issuer or audience cannot be used: {wrong}") from None
        self._source = source
        self._clock = clock
        self._revocations = revocations

    async def keys(self) -> None:
        """Fetch the issuer's keys if they are due. Raises Unavailable."""
        await run(self._source.keys())

    async def verify(self, token: str) -> OneTimeToken:
        """Raises CredentialRefused, Unavailable."""
        read, kid = await run(self._verify(token))
        if self._revocations is not None and self._judge(self._revocations, read, kid) is not Verdict.ACCEPTED:
            if self._judge(self._revocations, read, kid) is Verdict.UNKNOWN:
                await self._revocations.ask()
            match self._judge(self._revocations, read, kid):
                case Verdict.REFUSED:
                    raise CredentialRefused(private="its session has ended, or what it was issued under is void")
                case Verdict.UNKNOWN:
                    raise Unavailable(private="the revocation lease is gone")
                case Verdict.ACCEPTED:
                    pass
        return read

    def _judge(self, revocations: Revocations, token: OneTimeToken, kid: str) -> Verdict:
        return revocations.replica.judge(
            token.session_id, token.version, token.account_id, token.epoch, kid, self._clock.monotonic()
        )

    def _verify(self, token: str) -> Steps[tuple[OneTimeToken, str]]:
        """With the id of the key that signed it."""
        keys = yield from self._source.keys()
        try:
            claims = self._claims(token, keys)
        except (jose.UnknownKey, jose.AlgorithmNotAllowed) as unknown:
            kid = header_of(token).get("kid")
            newer = keys if kid is None or keys.get(kid) is not None else (yield from self._source.keys_beyond(keys))
            if newer is keys:
                raise CredentialRefused(private=unknown.code) from None
            try:
                claims = self._claims(token, newer)
            except jose.TokenRejected as final:
                raise CredentialRefused(private=final.code) from None
        except jose.TokenRejected as refused:
            raise CredentialRefused(private=refused.code) from None
        try:
            return read_one_time(claims), claims.header.kid or ""
        except InvalidToken as wrong:
            raise CredentialRefused(private=wrong.private) from None

    def _claims(self, token: str, keys: jose.KeySet) -> jose.Claims:
        if not len(keys):
            raise Unavailable(private="the issuer publishes no key that can be used")
        return jose.verify(token, keys, self._policy, now=self._clock.wall())


def spent_key(token: OneTimeToken) -> bytes:
    """What a spent token is known by: its issuer and its id, never its text, which can be written in several ways."""
    return hashlib.sha256(f"{token.issuer}\0{token.token_id}".encode()).digest()


def kept_until(token: OneTimeToken) -> float:
    """How long the mark must stay: as long as any server could take the token for live, if their clocks differ."""
    return token.expires_at + limits.SPENT_MARGIN_SECONDS


def handle_digest(handle: str) -> bytes:
    """What is kept of a transfer's handle."""
    return hashlib.sha256(handle.encode()).digest()
