"""Sessions at the edge, tokens inside: a recognised caller becomes a short token for one service behind the proxy.

Nothing is looked up: what is recognised says everything that the token says, and the replica has just been asked
whether it still holds.
"""

from ostiary import jose, limits
from ostiary.credentials import access_token, opaque
from ostiary.credentials.access_token import STATELESS_TYPE, Grant
from ostiary.domain.caller import Caller
from ostiary.errors import InvalidTarget
from ostiary.services.context import Context
from ostiary.services.signing_keys import SigningKeys


class TargetRefused(InvalidTarget):
    """The proxy asks for a token for somebody whom this issuer does not issue for (403: a proxy knows no 400)."""

    status = 403


class ForwardAuth:
    """Use cases of a reverse proxy that asks."""

    def __init__(self, context: Context, keys: SigningKeys) -> None:
        self._context = context
        self._keys = keys

    def internal_token(self, caller: Caller, audience: str, now: float) -> str:
        """The caller for `audience`, under the same session, version and epoch, so that whatever ends those ends it.
        Never encrypted: the service behind has public keys alone. Raises TargetRefused."""
        context = self._context
        if audience not in context.policy.audiences or audience == context.policy.issuer:
            raise TargetRefused
        issued_at = int(now)
        grant = Grant(
            issuer=context.policy.issuer,
            audience=(audience,),
            account_id=caller.account_id,
            session_id=caller.session_id,
            version=caller.version,
            epoch=caller.epoch,
            client_id=caller.client_id,
            auth_time=int(caller.auth_time),
            issued_at=issued_at,
            # no longer than what it was made of, which is live and so has a part of a second at least
            expires_at=max(issued_at + 1, min(issued_at + limits.INTERNAL_TOKEN_SECONDS, int(caller.expires_at))),
            token_id=opaque.encode(context.random(16)),
            roles=tuple(sorted(caller.roles)),
            scope=tuple(sorted(caller.scope)),
        )
        claims = access_token.stateless_claims(grant)
        return jose.sign(claims, self._keys.ring.signer, typ=STATELESS_TYPE)
