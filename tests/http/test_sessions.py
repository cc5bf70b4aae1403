"""Contract section 5: the list of sessions, ending them, and the ways to log out."""

from typing import Any

import pytest
from tests.http.harness import (
    KINDS,
    PASSWORD,
    REFRESH,
    SESSION,
    TRANSPORTS,
    Login,
    Site,
    problem,
    set_cookies,
)  # fmt: skip

pytestmark = pytest.mark.anyio

VIEW = {
    "id", "kind", "created_at", "last_seen_at", "expires_at", "idle_expires_at", "auth_time", "client", "binding",
    "current",
}  # fmt: skip


async def test_the_list(site: Site) -> None:
    """GET /v1/sessions: every live session of the caller and nobody else's, the own one `current`, never a secret."""
    await site.account()
    await site.account("eve")
    mine = [await site.log_in(kind=kind) for kind in KINDS]
    await site.log_in("eve")
    for login in mine:
        body = (await site.get("/v1/sessions", **login.use)).json()
        assert set(body) == {"sessions", "next"}
        assert body["next"] is None
        assert {one["id"] for one in body["sessions"]} == {one.id for one in mine}
        assert [one["id"] for one in body["sessions"] if one["current"]] == [login.id]
        for one in body["sessions"]:
            assert set(one) == VIEW
        assert not any(secret in str(body) for secret in (*(one.access_token for one in mine), "ost_rt_", "ost_st_"))


async def test_who_is_at_the_other_end(site: Site) -> None:
    """`client` is the label and the address of whoever logged in (section 5)."""
    await site.account()
    agent = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
    )
    login = await site.log_in(headers={"User-Agent": agent}, peer="203.0.113.77")
    client = (await site.get("/v1/me", **login.use)).json()["session"]["client"]
    assert client["ip"] == "203.0.113.77"
    assert "Chrome" in client["label"]
    assert "Windows" in client["label"]


@pytest.mark.parametrize("kind", KINDS)
async def test_end_another_session(site: Site, kind: str) -> None:
    """DELETE /v1/sessions/{id} ends it at once, in each kind, and answers how many and the bound (M-06, M-33)."""
    await site.account()
    login = await site.log_in()
    target = await site.log_in(kind=kind, transport="bearer")
    assert await site.alive(target)
    response = await site.delete(f"/v1/sessions/{target.id}", **login.use)
    assert response.status_code == 200
    assert response.json() == {"ended": 1, "bound": 0}
    assert "set-cookie" not in response.headers
    assert not await site.alive(target)
    assert await site.alive(login)
    if kind != "session":
        assert problem(await site.refresh(target)) == (400, "invalid_grant")
    assert problem(await site.delete(f"/v1/sessions/{target.id}", **login.use)) == (404, "not_found")


@pytest.mark.parametrize("kind", KINDS)
async def test_end_the_own_session(site: Site, kind: str) -> None:
    """Ending the session that asks is a logout: its cookies are cleared (section 5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    response = await site.delete(f"/v1/sessions/{login.id}", **login.use)
    assert response.json() == {"ended": 1, "bound": 0}
    assert set_cookies(response)[SESSION].cleared
    assert not await site.alive(login)


@pytest.mark.parametrize(
    "identifier", ["ses_AAAAAAAAAAAAAAAAAAAAAA", "x", "acc_x", "%00", "..%2F", "ses_é", "a" * 2000]
)
async def test_what_is_not_there_is_404(site: Site, identifier: str) -> None:
    """404 for a session that does not exist (section 5)."""
    await site.account()
    login = await site.log_in()
    assert problem(await site.delete(f"/v1/sessions/{identifier}", **login.use)) == (404, "not_found")


async def test_another_accounts_session_is_404(site: Site) -> None:
    """Somebody else's session looks as if it did not exist, to an administrator too (sections 1 and 5)."""
    await site.account()
    await site.account("root", roles=("admin",))
    target = await site.log_in()
    root = await site.log_in("root")
    missing = await site.delete("/v1/sessions/ses_AAAAAAAAAAAAAAAAAAAAAA", **root.use)
    response = await site.delete(f"/v1/sessions/{target.id}", **root.use)
    assert problem(response) == (404, "not_found")
    assert response.content == missing.content
    assert await site.alive(target)


async def test_end_others(site: Site) -> None:
    """All but the one that asks (section 5)."""
    await site.account()
    logins = [await site.log_in(kind=kind, transport="bearer") for kind in KINDS]
    for login in logins:
        assert await site.alive(login)
    response = await site.post("/v1/sessions/end-others", **logins[2].use)
    assert response.json() == {"ended": 2, "bound": 0}
    assert [await site.alive(login) for login in logins] == [False, False, True]
    assert (await site.post("/v1/sessions/end-others", **logins[2].use)).json() == {"ended": 0, "bound": 0}
    assert (await site.refresh(logins[2])).status_code == 200


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_end_all(site: Site, kind: str, transport: str) -> None:
    """Every session, the own one too, in every kind (section 5)."""
    await site.account()
    await site.account("eve")
    bystander = await site.log_in("eve")
    others = [await site.log_in(kind=other, transport="bearer") for other in KINDS]
    login = await site.log_in(kind=kind, transport=transport)
    response = await site.post("/v1/sessions/end-all", **login.use)
    assert response.json() == {"ended": 4, "bound": 0}
    for one in (login, *others):
        assert not await site.alive(one)
    assert await site.alive(bystander)
    if transport == "cookie":
        assert set_cookies(response)[SESSION].cleared
        assert "clear-site-data" in response.headers
    fresh = await site.log_in(kind=kind, transport=transport)
    assert await site.alive(fresh)


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
@pytest.mark.parametrize("which", ["own", "all", "account"])
async def test_a_refresh_cookie_goes_with_its_session(site: Site, kind: str, which: str) -> None:
    """Transport `split`: who ends the session that asks, or all, leaves no dead refresh token at the browser; one of
    somebody else who is logged in there stays (sections 3 and 5)."""
    await site.account()
    await site.account("eve")
    eve = await site.log_in("eve", kind=kind, transport="split")
    for theirs in (True, False):
        login = await site.log_in(kind=kind, transport="split")
        cookies = {REFRESH: (eve if theirs else login).cookies[REFRESH]}
        if which == "own":
            response = await site.delete(f"/v1/sessions/{login.id}", **login.use, cookies=cookies)
        elif which == "all" or theirs:
            response = await site.post("/v1/sessions/end-all", **login.use, cookies=cookies)
        else:
            response = await site.delete("/v1/me", json={"password": PASSWORD}, **login.use, cookies=cookies)
        assert response.json() == {"ended": 1, "bound": 0}
        cleared = {name for name, one in set_cookies(response).items() if one.cleared}
        assert cleared == (set() if theirs else {SESSION, REFRESH})
    assert (await site.refresh(eve)).status_code == 200


def _is_logged_out(response: Any) -> None:
    assert response.status_code == 200
    assert response.json() == {"ended": 1, "bound": 0}
    cookies = set_cookies(response)
    assert cookies[SESSION].cleared
    assert cookies[REFRESH].cleared
    assert all({"Path=/", "Secure", "HttpOnly"} <= set(one.attributes) for one in cookies.values())
    assert '"cookies"' in response.headers["clear-site-data"]
    assert '"storage"' in response.headers["clear-site-data"]


async def _is_over(site: Site, login: Login) -> None:
    assert not await site.alive(login)
    if login.kind != "session":
        assert problem(await site.refresh(login)) == (400, "invalid_grant")


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_logout(site: Site, kind: str, transport: str) -> None:
    """Logging out ends it on the server: who kept the old credential is refused (M-06)."""
    await site.account()
    other = await site.log_in()
    login = await site.log_in(kind=kind, transport=transport)
    _is_logged_out(await site.post("/v1/logout", **login.use))
    await _is_over(site, login)
    assert await site.alive(other)
    assert problem(await site.post("/v1/logout", **login.use)) == (401, "invalid_token")


@pytest.mark.parametrize(("kind", "transport"), [case for case in TRANSPORTS if case[0] != "session"])
async def test_logout_with_an_expired_access_token(site: Site, kind: str, transport: str) -> None:
    """An expired access token still logs out (section 5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    site.clock.advance(1000)
    how = {"cookies": {SESSION: login.access_token}} if transport == "cookie" else {"bearer": login.access_token}
    _is_logged_out(await site.post("/v1/logout", **how))
    await _is_over(site, login)


@pytest.mark.parametrize(
    ("kind", "transport"), [case for case in TRANSPORTS if case[1] != "bearer" and case[0] != "session"]
)
async def test_logout_with_the_refresh_cookie_alone(site: Site, kind: str, transport: str) -> None:
    """The refresh cookie alone logs out (section 5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    _is_logged_out(await site.post("/v1/logout", cookies={REFRESH: login.refresh_token}))
    await _is_over(site, login)


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_logout_with_a_refresh_token_in_the_body_alone(site: Site, kind: str) -> None:
    """A refresh token in the body alone logs out (section 5)."""
    await site.account()
    login = await site.log_in(kind=kind)
    _is_logged_out(await site.post("/v1/logout", json={"refresh_token": login.refresh_token}))
    await _is_over(site, login)


async def test_logout_with_a_refresh_token_that_was_rotated_away(site: Site) -> None:
    """A tab that slept holds an old refresh token: showing it ends the session, as using it would; one that a
    re-authentication replaced ends nothing (section 5, M-43)."""
    await site.account()
    for how in ("body", "cookie"):
        slept = await site.log_in(kind="stateless", transport="bearer" if how == "body" else "split")
        awake = slept
        for _ in range(3):
            awake = awake.renewed(await site.refresh(awake))
        sent = (
            {"json": {"refresh_token": slept.refresh_token}}
            if how == "body"
            else {"cookies": {REFRESH: slept.refresh_token}}
        )
        _is_logged_out(await site.post("/v1/logout", **sent))
        await _is_over(site, awake)
    before = await site.log_in(kind="stateless")
    after = before.renewed(await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **before.use))
    refused = await site.post("/v1/logout", json={"refresh_token": before.refresh_token})
    assert problem(refused) == (401, "invalid_token")
    assert await site.alive(after)


async def test_logout_with_a_dead_access_token_and_a_live_refresh_token(site: Site) -> None:
    """A credential that is refused does not stand in the way of one that is not (section 5)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="split")
    _is_logged_out(await site.post("/v1/logout", bearer="nonsense", cookies={REFRESH: login.refresh_token}))
    await _is_over(site, login)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({}, "not_authenticated"), ({"json": {}}, "not_authenticated"), ({"bearer": "x"}, "invalid_token"),
        ({"json": {"refresh_token": "ost_rt_x"}}, "invalid_token"),
        ({"cookies": {REFRESH: "ost_rt_x"}}, "invalid_token"), ({"cookies": {REFRESH: "x" * 5000}}, "invalid_token"),
        ({"json": {"refresh_token": None}}, "not_authenticated"),
        ({"cookies": {SESSION: "ost_st_x"}}, "invalid_token"),
    ],
)  # fmt: skip
async def test_logout_of_nobody_is_401(site: Site, how: dict[str, Any], code: str) -> None:
    """Logging out needs something to log out (section 5)."""
    assert problem(await site.post("/v1/logout", **how)) == (401, code)


async def test_an_access_token_of_an_ended_session_does_not_log_out(site: Site) -> None:
    """An expired token of a session that has moved on is dead here too (section 4)."""
    await site.account()
    login = await site.log_in(kind="stateless")
    response = await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **login.use)
    after = login.renewed(response)
    site.clock.advance(301)
    assert problem(await site.post("/v1/logout", **login.use)) == (401, "invalid_token")
    assert (await site.refresh(after)).status_code == 200


async def test_sessions_expire(site: Site) -> None:
    """A session ends when it lies idle and when its time is over, and leaves the list (section 7)."""
    await site.account()
    login = await site.log_in()
    idle = await site.log_in()
    for _ in range(24):
        site.clock.advance(1790)
        assert await site.alive(login)
        await site.auth.system.housekeeping.flush()
    assert not await site.alive(idle)
    listed = (await site.get("/v1/sessions", **login.use)).json()["sessions"]
    assert [one["id"] for one in listed] == [login.id]
    site.clock.advance(1790)
    assert not await site.alive(login)
