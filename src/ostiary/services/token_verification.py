"""Access JWTs of this issuer: signature, type, issuer, audience and times. What has been revoked is no matter here."""

from ostiary import jose, limits
from ostiary.credentials.access_token import AccessToken
from ostiary.credentials.kinds import KIND_OF_TYPE
from ostiary.errors import InvalidToken
from ostiary.services.context import Policy
from ostiary.services.signing_keys import SigningKeys


class Expired(InvalidToken):
    """The credential was genuine and is past its `exp`. Outside it looks like any other invalid token."""

    def __init__(self, token: AccessToken) -> None:
        super().__init__(private="expired")
        self.token = token


class UnknownSigningKey(InvalidToken):
    """No key of ours has this `kid`, as far as this process knows. Outside it looks like any other invalid token."""


class Verification:
    """Reads and checks tokens. One for each process."""

    def __init__(self, policy: Policy, keys: SigningKeys) -> None:
        self._policy = policy
        self._keys = keys
        self._audience = (policy.issuer, *policy.audiences)
        self._rules: dict[tuple[str, tuple[str, ...]], jose.Policy] = {}

    def verify(self, credential: str, now: float, audience: tuple[str, ...] = ()) -> tuple[AccessToken, str]:
        """An access JWT of this issuer, read, and the id of the key that signed it; signature, type, issuer and times
        hold, of the token inside if it is encrypted. Says nothing about revocation, or about whom it is meant for.
        Raises InvalidToken or Expired."""
        ring = self._keys.ring
        try:
            token = ring.show(credential) if jose.is_encrypted(credential) else credential
            verified = ring.verify_signature(token)
            row = KIND_OF_TYPE.get(verified.header.type or "")
            if row is None:
                raise InvalidToken(private="not an access token")
            rules = self._rules.get((row.typ, audience)) or self._rules_for(row.typ, audience)
            try:
                return row.read(jose.check_claims(verified, rules, now)), verified.header.kid or ""
            except jose.Expired:
                expired_at = float(jose.decode_unverified(token).claims["exp"])
                claims = jose.check_claims(verified, rules, expired_at - 1.0)
                raise Expired(row.read(claims)) from None
        except jose.UnknownKey as error:
            raise UnknownSigningKey(private=error.code) from None
        except jose.JoseError as error:
            raise InvalidToken(private=error.code) from None

    def _rules_for(self, typ: str, audience: tuple[str, ...]) -> jose.Policy:
        if len(self._rules) >= limits.REMEMBERED_CLIENTS:
            self._rules.clear()
        rules = jose.Policy(
            issuer=self._policy.issuer,
            audience=(*self._audience, *audience),
            type=typ,
            leeway=self._policy.clock_leeway,
        )
        self._rules[typ, audience] = rules
        return rules


def claimed_audience(credential: str) -> tuple[str, ...]:
    """Whom an unverified token says that it is meant for; empty if it cannot be read."""
    try:
        audience = jose.decode_unverified(credential).claims.get("aud")
    except jose.JoseError:
        return ()
    names = audience if isinstance(audience, list) else [audience]
    return tuple(name for name in names[: limits.AUDIENCES_PER_TOKEN] if isinstance(name, str) and name)
