"""Logging out ends the session on the server too: what a client kept opens nothing."""

import pytest
from tests.scenario.world import IN_COOKIES, ISSUER, PASSWORD, Carrier, Device, Server

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


async def _is_dead(device: Device) -> None:
    refused = await device.look()
    assert (refused.status, refused.code) == (401, "invalid_token")
    if device.carrier.renews:
        assert (await device.renew()).code == "invalid_grant"


async def test_a_kept_credential_is_refused(server: Server, carrier: Carrier) -> None:
    """A copy of the cookie or token, made before the logout, is refused after it (M-06)."""
    phone = await server.log_in("alice", carrier)
    kept = phone.copy()

    left = await phone.log_out()

    assert (left.status, left.json) == (200, {"ended": 1, "bound": 0.0})
    assert left.headers["clear-site-data"]
    assert not {name for name in phone.cookies if "device" not in name}
    await _is_dead(kept)


async def test_logging_out_twice_is_refused(server: Server, carrier: Carrier) -> None:
    """There is nothing left to log out of."""
    phone = await server.log_in("alice", carrier)
    kept = phone.copy()
    await phone.log_out()

    assert (await kept.log_out()).status == 401


async def test_logout_with_an_expired_access_token(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """An access token that has expired still says whose logout it is (contract section 5)."""
    phone = await server.log_in("alice", renewing)
    kept = phone.copy()
    clock.advance(1000.0)

    left = await phone.log_out()

    assert (left.status, left.json["ended"]) == (200, 1)
    await _is_dead(kept)


async def test_logout_with_the_refresh_token_alone(server: Server, renewing: Carrier) -> None:
    """A page that was reloaded holds no access token: the refresh token, in body or cookie, is enough."""
    phone = await server.log_in("alice", renewing)
    kept = phone.copy()
    phone.access = None
    phone.cookies.pop("__Host-ostiary_session", None)

    body = {"refresh_token": phone.refresh} if phone.refresh else None
    left = await phone.post("/v1/logout", body)

    assert (left.status, left.json["ended"]) == (200, 1)
    await _is_dead(kept)


async def test_revoking_any_token_logs_out(server: Server, carrier: Carrier) -> None:
    """RFC 7009: whoever holds a token may end its session, and is told 200 also when there is nothing to end."""
    for which in ("credential", "refresh_token") if carrier.renews else ("credential",):
        phone = await server.log_in("alice", carrier)
        token = getattr(phone, which)
        revoker = server.device()

        for _ in range(2):
            assert (await revoker.send("POST", "/oauth/revoke", form={"token": token})).status == 200

        await _is_dead(phone)


@pytest.mark.parametrize("carrier", IN_COOKIES, ids=str)
async def test_another_site_cannot_log_a_browser_out(server: Server, carrier: Carrier) -> None:
    """What travels in a cookie by itself proves nothing about who asks (M-50)."""
    phone = await server.log_in("alice", carrier)
    phone.site = "cross-site"

    assert (await phone.log_out()).code == "csrf_rejected"

    assert (await phone.me()).status == 200


@pytest.mark.parametrize("carrier", IN_COOKIES, ids=str)
async def test_logging_in_again_in_the_same_browser_leaves_nothing_behind(server: Server, carrier: Carrier) -> None:
    """The cookie that a login overwrites belongs to a session that nobody could end any more: it ends (M-09)."""
    phone = await server.log_in("alice", carrier)
    kept = phone.copy()

    again = await phone.log_in("alice", PASSWORD)

    assert again.json["ended"] == 1
    assert kept.credential != phone.credential
    await _is_dead(kept)
    assert (await phone.me()).status == 200


async def test_a_credential_is_never_read_from_the_query(server: Server, carrier: Carrier) -> None:
    """What stands in an address ends up in logs (M-04)."""
    phone = await server.log_in("alice", carrier)
    query = f"?access_token={phone.credential}&token={phone.credential}"

    reply = await server.send("GET", "/v1/me" + query, headers=[("Origin", ISSUER)])

    assert (reply.status, reply.code) == (401, "not_authenticated")
    assert (await server.send("GET", "/v1/login", headers=[])).status == 405
