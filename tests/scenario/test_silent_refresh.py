"""Renewing without anybody noticing: by a script that holds the access token, and in passing where it is a cookie."""

import asyncio
from collections.abc import Mapping

import pytest
from tests.scenario.world import (
    ISSUER,
    REFRESH_COOKIE,
    SESSION_COOKIE,
    WITH_REFRESH_TOKENS,
    Carrier,
    Device,
    Server,
    StartServer,
    statuses,
)

from ostiary.domain.audit import Event
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

SPLIT = tuple(carrier for carrier in WITH_REFRESH_TOKENS if carrier.transport == "split")
IN_PASSING = tuple(carrier for carrier in WITH_REFRESH_TOKENS if carrier.transport == "cookie")
LIFE = {"stateful": 900, "stateless": 300}


async def test_expires_in_tells_when_to_renew(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """The answer says the life that the token has, to the second in which it was issued (M-40)."""
    phone = await server.log_in("alice", renewing)
    for _ in range(4):
        clock.advance(0.3)
        told = (await phone.renew()).json["expires_in"]
        assert told == LIFE[renewing.kind]
        issued = phone.copy()
        clock.advance(told - 1)
        assert (await issued.me()).headers.get_list("set-cookie") == []
        assert (await issued.me()).status == 200
        clock.advance(1)
        phone.cookies.pop(SESSION_COOKIE, None)
        issued.cookies.pop(REFRESH_COOKIE, None)
        assert (await issued.look()).status == 401


@pytest.mark.parametrize("carrier", SPLIT, ids=str)
async def test_a_reloaded_page_is_still_logged_in(server: Server, carrier: Carrier) -> None:
    """The script's memory is gone with the page; the cookie, which no script can read, brings it back (M-44)."""
    page = await server.log_in("alice", carrier)
    reloaded = page.copy()
    reloaded.access = None
    assert (await reloaded.me()).code == "not_authenticated"

    renewed = await reloaded.renew()

    assert renewed.json["access_token"]
    assert "refresh_token" not in renewed.json
    assert REFRESH_COOKIE in renewed.headers["set-cookie"]
    assert "HttpOnly" in renewed.headers["set-cookie"]
    assert (await reloaded.me()).json["session"]["id"] == page.session_id


@pytest.mark.parametrize("carrier", SPLIT, ids=str)
async def test_logging_out_in_one_tab_logs_out_the_others(server: Server, carrier: Carrier) -> None:
    """Tabs share a session: the other one's access token is dead at once, and the cookie renews nothing (M-44)."""
    tab = await server.log_in("alice", carrier)
    other = tab.copy()
    await other.renew()

    await tab.log_out()

    assert (await other.look()).status == 401
    assert (await other.renew()).code == "invalid_grant"


@pytest.mark.parametrize("carrier", SPLIT, ids=str)
@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {}], ids=str)
async def test_another_site_cannot_use_the_refresh_cookie(
    server: Server, carrier: Carrier, headers: Mapping[str, str]
) -> None:
    """A cookie refresh passes the CSRF rule, or nothing is rotated (M-50)."""
    page = await server.log_in("alice", carrier)
    before = page.refresh_token
    page.site = "cross-site"

    refused = await page.send(
        "POST", "/oauth/token", form={"grant_type": "refresh_token"}, credential=False, headers=headers
    )

    assert (refused.status, refused.code) == (403, "csrf_rejected")
    assert page.refresh_token == before
    page.site = "same-origin"
    assert (await page.renew()).status == 200


@pytest.mark.parametrize("carrier", IN_PASSING, ids=str)
async def test_an_expired_cookie_is_renewed_in_passing(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """The request that finds its access token expired succeeds, and its answer sets both cookies (M-40)."""
    page = await server.log_in("alice", carrier)
    old_access, old_refresh = page.credential, page.refresh_token
    clock.advance(LIFE[carrier.kind])

    reply = await page.me()

    assert reply.status == 200
    lines = reply.headers.get_list("set-cookie")
    assert {line.partition("=")[0] for line in lines} == {SESSION_COOKIE, REFRESH_COOKIE}
    assert all("Secure; HttpOnly" in line and "Max-Age" not in line for line in lines)
    assert reply.headers["cache-control"] == "no-store"
    assert page.credential != old_access
    assert page.refresh_token != old_refresh
    assert (await page.me()).status == 200
    assert (await page.me()).headers.get_list("set-cookie") == []


@pytest.mark.parametrize("carrier", IN_PASSING, ids=str)
async def test_parallel_requests_of_a_page_are_all_renewed(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """A page that loads fifty things at once with an expired cookie gets all of them (M-42)."""
    page = await server.log_in("alice", carrier)
    clock.advance(LIFE[carrier.kind])
    requests = [page.copy() for _ in range(50)]

    replies = await asyncio.gather(*(request.me() for request in requests))

    assert statuses(replies) == [200] * 50
    assert len({request.refresh_token for request in requests}) == 1
    assert not await server.events(Event.REFRESH_REUSED)


@pytest.mark.parametrize("carrier", IN_PASSING, ids=str)
async def test_renewal_in_passing_of_a_change_needs_the_csrf_rule(
    server: Server, clock: FakeClock, carrier: Carrier
) -> None:
    """An unsafe request from another site is refused before anything is renewed; from here it goes through (M-50)."""
    page = await server.log_in("alice", carrier)
    before = dict(page.cookies)
    clock.advance(LIFE[carrier.kind])
    page.site = "cross-site"

    refused = await page.patch("/v1/me", {"display_name": "Mallory"})

    assert (refused.status, refused.code) == (403, "csrf_rejected")
    assert page.cookies == before
    page.site = "same-origin"
    assert (await page.patch("/v1/me", {"display_name": "Alice"})).status == 200
    assert page.cookies != before


@pytest.mark.parametrize("carrier", IN_PASSING, ids=str)
async def test_a_refused_change_keeps_the_browser_logged_in(
    start: StartServer, clock: FakeClock, carrier: Carrier
) -> None:
    """Where X-CSRF-Token is demanded, a request without it renews nothing that the browser is not told of."""
    async with start(csrf_token="session") as server:
        await server.account("alice")
        page = await server.log_in("alice", carrier)
        clock.advance(LIFE[carrier.kind])
        assert (await page.patch("/v1/me", {"display_name": "A"})).code == "csrf_rejected"
        clock.advance(60.0)

        assert (await page.me()).status == 200
        token = (await page.get("/v1/csrf")).json["csrf_token"]
        assert (await page.patch("/v1/me", {"display_name": "A"}, headers={"X-CSRF-Token": token})).status == 200


@pytest.mark.parametrize("carrier", IN_PASSING, ids=str)
async def test_nothing_is_renewed_in_passing_for_an_ended_session(
    server: Server, clock: FakeClock, carrier: Carrier
) -> None:
    """Expired or not, ended is ended (M-06)."""
    page = await server.log_in("alice", carrier)
    kept = page.copy()
    await page.log_out()
    clock.advance(LIFE[carrier.kind])

    assert (await kept.look()).code == "invalid_token"


@pytest.mark.parametrize("carrier", IN_PASSING, ids=str)
async def test_an_altered_cookie_is_not_renewed(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """Only a genuine access token that has merely expired stands for its refresh cookie."""
    page = await server.log_in("alice", carrier)
    clock.advance(LIFE[carrier.kind])
    head, payload, signature = page.credential.split(".")
    page.cookies[SESSION_COOKIE] = (
        f"{head}.{payload}.{signature[:10]}{'A' if signature[10] != 'A' else 'B'}{signature[11:]}"
    )

    assert (await page.look()).code == "invalid_token"


async def test_an_expired_bearer_token_is_never_renewed_by_a_cookie(server: Server, clock: FakeClock) -> None:
    """What a script holds, the script renews: a header-borne request stays free of cookies."""
    for carrier in SPLIT:
        page: Device = await server.log_in("alice", carrier)
        clock.advance(LIFE[carrier.kind])

        refused = await page.look()

        assert (refused.status, refused.code) == (401, "invalid_token")
        assert refused.headers.get_list("set-cookie") == []
        assert (await page.renew()).status == 200
        assert (await page.me()).status == 200


async def test_an_application_on_a_trusted_origin_may_renew(start: StartServer) -> None:
    """`trusted_origins` pass the CSRF rule by their exact name only (M-51)."""
    async with start(trusted_origins=("https://app.example",)) as server:
        await server.account("alice")
        page = await server.log_in("alice", SPLIT[0])
        page.site = "cross-site"
        form = {"grant_type": "refresh_token"}
        for origin, status in (
            ("https://app.example", 200),
            ("https://app.example.evil.example", 403),
            ("http://app.example", 403),
            (ISSUER, 200),
        ):
            reply = await page.send("POST", "/oauth/token", form=form, credential=False, headers={"Origin": origin})
            assert reply.status == status, origin
