"""Sessions at the edge, tokens inside: a recognised caller becomes a short token for one service behind the proxy."""

from ostiary import limits
from ostiary.domain.caller import Caller
from ostiary.errors import Forbidden, InvalidRequest, InvalidTarget
from ostiary.services.context import Context
from ostiary.services.internal_tokens import InternalTokens


class TargetRefused(InvalidTarget):
    """The proxy asks for a token for somebody whom this issuer does not issue for (403: a proxy knows no 400)."""

    status = 403


class ForwardAuth:
    """Use cases of a reverse proxy that asks."""

    def __init__(self, context: Context, tokens: InternalTokens) -> None:
        self._context = context
        self._tokens = tokens

    def internal_token(self, caller: Caller, audience: str, now: float) -> str:
        """The caller for `audience`, who has just been recognised. Never encrypted: the service behind has public keys
        alone. Raises TargetRefused; Forbidden if the token would be too large."""
        policy = self._context.policy
        if audience not in policy.audiences or audience == policy.issuer:
            raise TargetRefused
        issued_at = int(now)
        try:
            return self._tokens.make(
                caller,
                audience=audience,
                scope=tuple(sorted(caller.scope)),
                issued_at=issued_at,
                # no longer than what it was made of, which is live and so has a part of a second at least
                expires_at=max(issued_at + 1, min(issued_at + limits.INTERNAL_TOKEN_SECONDS, int(caller.expires_at))),
                client_id=caller.client_id,
            )
        except InvalidRequest as error:
            raise Forbidden(
                "The token for the service behind would be too large: log in with fewer scopes.", private=str(error)
            ) from None
