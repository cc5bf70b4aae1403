"""One-time tokens: the right to do one thing, once, at another service that shares nothing with this one but our
public keys. Nothing is written: whoever honours the token remembers that it was spent."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from ostiary import jose
from ostiary.credentials.one_time import ONE_TIME_TYPE, OneTimeToken, one_time_claims, token_id_of
from ostiary.domain import one_time
from ostiary.domain.caller import Caller
from ostiary.errors import InvalidTarget
from ostiary.services.context import Context
from ostiary.services.signing_keys import SigningKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedOneTime:
    """`url` is what to open, where the audience's name is the address of a download server."""

    token: str = field(repr=False)
    expires_in: int
    url: str | None = field(default=None, repr=False)


class OneTimeTokens:
    """Use cases of one-time tokens."""

    def __init__(self, context: Context, keys: SigningKeys) -> None:
        self._context = context
        self._keys = keys

    def issue(
        self,
        caller: Caller,
        *,
        audience: str,
        action: str,
        resource: str,
        expires_in: int | None = None,
        confirm: bool = False,
        now: float | None = None,
    ) -> IssuedOneTime:
        """For `caller`, whom the application has found to be allowed it. Raises InvalidTarget, InvalidRequest."""
        context = self._context
        if audience not in context.policy.audiences or audience == context.policy.issuer:
            raise InvalidTarget
        action = one_time.check_action(action)
        resource = one_time.normal_resource(resource)
        life = one_time.life(expires_in, context.policy.lifetimes.one_time)
        issued_at = int(context.now() if now is None else now)
        token = jose.sign(
            one_time_claims(
                OneTimeToken(
                    issuer=context.policy.issuer,
                    audience=audience,
                    account_id=caller.account_id,
                    session_id=caller.session_id,
                    issued_at=issued_at,
                    expires_at=issued_at + life,
                    token_id=token_id_of(context.random(16), version=caller.version, epoch=caller.epoch),
                    action=action,
                    resource=resource,
                    confirm=confirm,
                )
            ),
            self._keys.ring.signer,
            typ=ONE_TIME_TYPE,
        )
        url = _url(audience, resource, token) if action == one_time.DOWNLOAD else None
        return IssuedOneTime(token=token, expires_in=life, url=url)


def _url(audience: str, resource: str, token: str) -> str | None:
    parts = urlsplit(audience)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        return None
    return f"{audience.rstrip('/')}/files/{quote(resource, safe='/')}?token={token}"
