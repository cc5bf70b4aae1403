"""Signing keys: their states, and what depends on each of them."""

from dataclasses import replace

from starlette.responses import Response

from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.http.call import Call
from ostiary.http.routes.pages.admin_common import act, done, see, show

_ORDER = (KeyState.ACTIVE, KeyState.UPCOMING, KeyState.RETIRING, KeyState.REVOKED, KeyState.RETIRED)


async def keys(call: Call) -> Response:
    """GET /admin/keys"""
    found, uses = await call.services.signing_keys.all(), await call.services.signing_keys.uses()
    known = [key for key in found if key.id in uses]
    return show(
        call,
        "admin_keys.html",
        at="/admin/keys",
        keys=sorted(known, key=lambda key: (_ORDER.index(key.state), -key.created_at)),
        uses=uses,
        rotates_at=_rotates_at(known, call.services.context.policy.signing_key_lifetime),
    )


def _rotates_at(keys: list[SigningKey], lifetime: float) -> float | None:
    """When the next one takes over by itself; None if never."""
    signing = [key for key in keys if key.state is KeyState.ACTIVE and not key.encrypts]
    return (signing[-1].activated_at or signing[-1].created_at) + lifetime if lifetime and signing else None


async def _renewals(call: Call, kid: str) -> int:
    """How many logins must renew if this key's tokens are refused."""
    use = (await call.services.signing_keys.uses()).get(kid)
    return use.logins if use is not None else 0


async def rotate(call: Call) -> Response:
    """POST /admin/keys/rotate"""
    await call.services.signing_keys.rotate(actor=call.as_admin)
    return done(call, "/admin/keys", "key_rotated")


async def retire(call: Call) -> Response:
    """POST /admin/keys/{kid}/retire"""
    kid = call.path("kid")
    renewing = await _renewals(call, kid)
    await call.services.signing_keys.retire(kid, actor=call.as_admin)
    return done(call, "/admin/keys", "key_retired", call.services.context.ended(renewing))


async def revoke(call: Call) -> Response:
    """POST /admin/keys/{kid}/revoke"""
    kid = call.path("kid")
    renewing = await _renewals(call, kid)
    ended = await call.services.signing_keys.revoke(kid, actor=call.as_admin)
    if not ended.ended:
        return done(call, "/admin/keys", "key_revoked_already")
    return done(call, "/admin/keys", "key_revoked", replace(ended, ended=renewing))


ENDPOINTS = (
    see("/admin/keys", keys, "Signing keys"),
    act("/admin/keys/rotate", rotate, "Sign with the next key"),
    act("/admin/keys/{kid}/retire", retire, "Retire a key"),
    act("/admin/keys/{kid}/revoke", revoke, "Emergency: revoke a key"),
)
