"""Sessions that are bound to a place: a network prefix and a browser. M-52."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from tests.http.harness import KINDS, PASSWORD, REFRESH, SESSION, Login, Site, open_site

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FIREFOX_UPDATED = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
HOME, NEXT_DOOR, ABROAD = "198.51.100.7", "198.51.100.99", "203.0.113.5"
ELSEWHERE = {"another network": (ABROAD, FIREFOX), "another browser": (HOME, CHROME), "no browser": (HOME, "")}


def bound(binding: str) -> AbstractAsyncContextManager[Site]:
    """A server with this setting."""
    return open_site(FakeClock(), binding=binding)


@pytest.fixture(params=["observe", "step-up", "end"])
async def any_binding(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Site]:
    """Each policy that compares."""
    async with bound(request.param) as site:
        await site.account()
        yield site


async def log_in(site: Site, kind: str, transport: str = "bearer") -> Login:
    """At home, with Firefox."""
    return await site.log_in(kind=kind, transport=transport, headers={"User-Agent": FIREFOX}, peer=HOME)


async def me(site: Site, login: Login, peer: str = HOME, browser: str = FIREFOX) -> tuple[int, str]:
    """Status and code of a request from there."""
    response = await site.get("/v1/me", **login.use, headers={"User-Agent": browser} if browser else {}, peer=peer)
    return response.status_code, response.json().get("code", "")


async def moves(site: Site) -> list[Any]:
    """What the audit trail says of them, once housekeeping has been round."""
    await site.auth.system.housekeeping.flush()
    return await site.auth.system.store.audit.page(event="session.moved", limit=100)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_place_is_no_move(any_binding: Site, kind: str) -> None:
    """A neighbour's address in the same network and a newer version of the same browser change nothing."""
    login = await log_in(any_binding, kind)
    assert login.answer["session"]["binding"] != "off"
    for peer, browser in ((HOME, FIREFOX), (NEXT_DOOR, FIREFOX), (HOME, FIREFOX_UPDATED)):
        assert await me(any_binding, login, peer, browser) == (200, "")
    assert await moves(any_binding) == []


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("kind", KINDS)
async def test_observing_tells_and_refuses_nothing(anyio_backend: str, kind: str, where: str) -> None:
    """`observe`: every request goes through, and the audit trail tells of each new place once."""
    async with bound("observe") as site:
        await site.account()
        login = await log_in(site, kind)
        for _ in range(3):
            assert await me(site, login, *ELSEWHERE[where]) == (200, "")
        found = await moves(site)
        assert [(event.session_id, event.client_ip) for event in found] == [(login.id, ELSEWHERE[where][0])]
        assert await moves(site) == found


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("kind", KINDS)
async def test_stepping_up_wants_the_password_there(anyio_backend: str, kind: str, where: str) -> None:
    """`step-up`: from elsewhere only proving the password works; then that place is the session's own, and the former
    one, with the former credential, is not."""
    async with bound("step-up") as site:
        await site.account()
        login = await log_in(site, kind)
        peer, browser = ELSEWHERE[where]
        headers = {"User-Agent": browser} if browser else {}
        assert await me(site, login, peer, browser) == (403, "reauthentication_required")
        assert await me(site, login) == (200, "")
        response = await site.post(
            "/v1/reauthenticate", json={"password": PASSWORD}, **login.use, headers=headers, peer=peer
        )
        assert response.status_code == 200, response.text
        there = login.renewed(response)
        assert await me(site, there, peer, browser) == (200, "")
        assert await me(site, login) == (401, "invalid_token")
        if browser:
            assert await me(site, there) == (403, "reauthentication_required")
        assert len(await moves(site)) >= 1


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("kind", KINDS)
async def test_ending_ends(anyio_backend: str, kind: str, where: str) -> None:
    """`end`: the first request from elsewhere ends the session, at home too, and says why in the audit trail."""
    async with bound("end") as site:
        await site.account()
        login = await log_in(site, kind)
        other = await log_in(site, kind)
        assert await me(site, login) == (200, "")
        assert await me(site, login, *ELSEWHERE[where]) == (401, "invalid_token")
        assert await me(site, login) == (401, "invalid_token")
        assert await me(site, other) == (200, "")
        [event] = await site.auth.system.store.audit.page(event="session.ended", session_id=login.id, limit=10)
        assert '"moved"' in event.detail


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_stolen_refresh_token_is_no_way_around(anyio_backend: str, kind: str) -> None:
    """`end`: a refresh from elsewhere ends the session, too."""
    async with bound("end") as site:
        await site.account()
        login = await log_in(site, kind)
        response = await site.refresh(login, headers={"User-Agent": CHROME}, peer=ABROAD)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
        assert await me(site, login) == (401, "invalid_token")


async def test_a_cookie_that_is_renewed_in_passing_stays_at_home(anyio_backend: str) -> None:
    """The renewal compares the place as any request does, reading ones too."""
    async with bound("end") as site:
        await site.account()
        login = await log_in(site, "stateless", "cookie")
        site.clock.advance(301.0)
        response = await site.get("/v1/me", **login.use, headers={"User-Agent": FIREFOX}, peer=NEXT_DOOR)
        assert response.status_code == 200
        renewed = login.renewed(response)
        site.clock.advance(301.0)
        assert renewed.cookies[SESSION] != login.cookies[SESSION]
        assert renewed.cookies[REFRESH] != login.cookies[REFRESH]
        assert (await me(site, renewed, ABROAD))[0] == 401
        assert (await me(site, renewed))[0] == 401


async def test_protected_applications_see_it_too(anyio_backend: str) -> None:
    """`auth.protect` compares like our own API."""
    async with bound("end") as site:
        await site.account()
        login = await log_in(site, "session")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"in"})

        guarded = site.auth.protect(app)
        statuses = []
        for peer in (HOME, ABROAD, HOME):
            sent: list[Any] = []

            async def send(message: Any, into: list[Any] = sent) -> None:
                into.append(message)

            headers = [
                (b"authorization", f"Bearer {login.access_token}".encode()), (b"user-agent", FIREFOX.encode()),
            ]  # fmt: skip
            scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "client": (peer, 1)}
            await guarded(scope, None, send)  # type: ignore[arg-type]
            statuses.append(sent[0]["status"])
        assert statuses == [200, 401, 401]


async def test_off_compares_nothing(site: Site) -> None:
    """The default."""
    await site.account()
    login = await log_in(site, "session")
    for peer, browser in ELSEWHERE.values():
        assert await me(site, login, peer, browser) == (200, "")
    assert await moves(site) == []


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_stepping_up_after_the_access_token_expired(anyio_backend: str, kind: str) -> None:
    """`step-up`: whoever comes back elsewhere with an access cookie that has expired is asked for the password, and the
    refresh token is not spent on a refusal that brings no cookies: however long typing takes, the proof is taken."""
    async with bound("step-up") as site:
        await site.account()
        login = await log_in(site, kind, "cookie")
        site.clock.advance(901.0)
        for _ in range(2):
            assert await me(site, login, ABROAD) == (403, "reauthentication_required")
            site.clock.advance(30.0)
        headers = {"User-Agent": FIREFOX, "Sec-Fetch-Site": "same-origin"}
        response = await site.post(
            "/v1/reauthenticate", json={"password": PASSWORD}, **login.use, headers=headers, peer=ABROAD
        )
        assert response.status_code == 200, response.text
        assert await me(site, login.renewed(response), ABROAD) == (200, "")
