"""Internal tokens: a recognised caller, for one service behind this server.

Nothing is looked up: what is recognised says everything that the token says. It has the caller's session, version and
epoch, so that whatever ends those ends it, and the place in a status list that the caller's credential names, which is
kept for longer than this lives. It is never bound to the caller's key, which only the caller has.
"""

from ostiary.credentials import opaque
from ostiary.credentials.access_token import Grant
from ostiary.domain.caller import Caller
from ostiary.services.context import Context
from ostiary.services.issuing import Issuing


class InternalTokens:
    """Makes them. Whom they may be for is for the use case to judge."""

    def __init__(self, context: Context, issuing: Issuing) -> None:
        self._context = context
        self._issuing = issuing

    def make(
        self,
        caller: Caller,
        *,
        audience: str,
        scope: tuple[str, ...],
        issued_at: int,
        expires_at: int,
        client_id: str,
        client_epoch: int | None = None,
        actors: tuple[str, ...] = (),
        thumbprint: str | None = None,
    ) -> str:
        """Issued to `client_id`, whose epoch is `client_epoch` if it is a registered service; `actors` act for the
        caller; `thumbprint` is of the key that it is bound to. Raises Misconfigured, InvalidRequest (too large)."""
        return self._issuing.sign_for_service(
            Grant(
                issuer=self._context.policy.issuer,
                audience=(audience,),
                account_id=caller.account_id,
                session_id=caller.session_id,
                version=caller.version,
                epoch=caller.epoch,
                client_id=client_id,
                auth_time=int(caller.auth_time),
                issued_at=issued_at,
                expires_at=expires_at,
                token_id=opaque.encode(self._context.random(16)),
                roles=tuple(sorted(caller.roles)),
                scope=scope,
                actors=actors,
                client_epoch=client_epoch,
                key_thumbprint=thumbprint,
                status=caller.status,
            )
        )
