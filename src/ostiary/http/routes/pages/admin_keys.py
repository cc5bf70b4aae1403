"""Signing keys: their states, and what each of them signed that may still be alive."""

from starlette.responses import Response

from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.http.call import Call
from ostiary.http.routes.pages.admin_common import act, done, see, show

_ORDER = (KeyState.ACTIVE, KeyState.UPCOMING, KeyState.RETIRING, KeyState.REVOKED, KeyState.RETIRED)


async def keys(call: Call) -> Response:
    """GET /admin/keys"""
    found = await call.services.signing_keys.all()
    lifetimes = call.services.context.policy.lifetimes
    longest = max(lifetimes.access_token, lifetimes.stateful_token)
    return show(
        call,
        "admin_keys.html",
        at="/admin/keys",
        keys=sorted(found, key=lambda key: (_ORDER.index(key.state), -key.created_at)),
        alive_until={key.id: _alive_until(key, call.now, longest) for key in found},
    )


def _alive_until(key: SigningKey, now: float, longest: float) -> float | None:
    """When the last token that it signed expires; None if none can be alive."""
    if key.state is KeyState.ACTIVE:
        return now + longest
    if key.state is KeyState.RETIRING and key.retiring_at is not None and key.retiring_at + longest > now:
        return key.retiring_at + longest
    return None


async def rotate(call: Call) -> Response:
    """POST /admin/keys/rotate"""
    await call.services.signing_keys.rotate(actor=call.me.account_id)
    return done(call, "/admin/keys", "key_rotated")


async def retire(call: Call) -> Response:
    """POST /admin/keys/{kid}/retire"""
    await call.services.signing_keys.retire(call.path("kid"), actor=call.me.account_id)
    return done(call, "/admin/keys", "key_retired")


async def revoke(call: Call) -> Response:
    """POST /admin/keys/{kid}/revoke"""
    ended = await call.services.signing_keys.revoke(call.path("kid"), actor=call.me.account_id)
    return done(call, "/admin/keys", "key_revoked", ended)


ENDPOINTS = (
    see("/admin/keys", keys, "Signing keys"),
    act("/admin/keys/rotate", rotate, "Sign with the next key"),
    act("/admin/keys/{kid}/retire", retire, "Retire a key"),
    act("/admin/keys/{kid}/revoke", revoke, "Emergency: revoke a key"),
)
