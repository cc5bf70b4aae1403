"""What a token says and whether it is live, for a service that it is meant for (RFC 7662).

Only what may be presented to a service is told of: access credentials. A refresh token, a one-time token, a token of
somebody else's, an ended one and no token at all look alike.
"""

from typing import Any

from ostiary import jose
from ostiary.credentials.access_token import actor_claim
from ostiary.domain.caller import Caller
from ostiary.domain.session import Kind
from ostiary.errors import InvalidToken
from ostiary.services.context import Context
from ostiary.services.known_clients import KnownClient
from ostiary.services.recognition import Recognition
from ostiary.services.signing_keys import SigningKeys

RESPONSE_TYPE = "token-introspection+jwt"
_INACTIVE: dict[str, Any] = {"active": False}


class Introspection:
    """Use case of asking about tokens."""

    def __init__(self, context: Context, recognition: Recognition, keys: SigningKeys) -> None:
        self._context = context
        self._recognition = recognition
        self._keys = keys

    async def introspect(self, known: KnownClient, token: str, now: float) -> dict[str, Any]:
        """The members of RFC 7662 section 2.2 (and `sid`, `roles`, `act`), or `active` false alone. Raises
        Unavailable."""
        audiences = known.client.audiences
        try:
            caller = await self._recognition.recognise(token, now, audience=audiences)
        except InvalidToken:
            return _INACTIVE
        if not set(audiences).intersection(caller.audience):
            return _INACTIVE
        try:
            return self._said(caller, token)
        except jose.JoseError:
            return _INACTIVE  # it is remembered, and the key that hid it has been revoked since

    def _said(self, caller: Caller, token: str) -> dict[str, Any]:
        members: dict[str, Any] = {
            "active": True,
            "iss": self._context.policy.issuer,
            "sub": caller.account_id,
            "aud": caller.audience[0] if len(caller.audience) == 1 else list(caller.audience),
            "client_id": caller.client_id,
            "token_type": "DPoP" if caller.key_thumbprint else "Bearer",
            "exp": int(caller.expires_at),
            "auth_time": int(caller.auth_time),
            "sid": caller.session_id,
            "roles": sorted(caller.roles),
        }
        if caller.scope:
            members["scope"] = " ".join(sorted(caller.scope))
        if caller.act:
            members["act"] = actor_claim(caller.act)
        if caller.key_thumbprint:
            members["cnf"] = {"jkt": caller.key_thumbprint}
        if caller.kind is not Kind.SESSION:
            members |= self._of_token(token)
        return members

    def _of_token(self, token: str) -> dict[str, Any]:
        """What stands in a token that was just verified, and that its caller does not say."""
        shown = self._keys.ring.show(token) if jose.is_encrypted(token) else token
        claims = jose.decode_unverified(shown).claims
        return {name: claims[name] for name in ("iat", "jti") if name in claims}

    def signed(self, known: KnownClient, members: dict[str, Any], now: float) -> str | None:
        """The same as a JWT for this client alone (RFC 9701 section 5); None where no other could check it, because
        this server signs with a secret of its own."""
        signer = self._keys.ring.signer
        if signer.symmetric:
            return None
        claims = {
            "iss": self._context.policy.issuer,
            "aud": known.client.id,
            "iat": int(now),
            "token_introspection": members,
        }
        return jose.sign(claims, signer, typ=RESPONSE_TYPE)
