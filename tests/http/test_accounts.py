"""Contract section 5: sign-up, the own profile, the own password, leaving."""

from typing import Any

import pytest
from tests.http.harness import (
    KINDS,
    OTHER_PASSWORD,
    PASSWORD,
    REFRESH,
    SESSION,
    TRANSPORTS,
    Site,
    open_site,
    problem,
    set_cookies,
)  # fmt: skip

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

ACCOUNT = {"id", "username", "display_name", "email", "roles", "disabled", "created_at"}


async def test_sign_up(site: Site) -> None:
    """201 with exactly the members of an account, no credential and no cookie (section 5)."""
    body = {"username": "Ann", "password": PASSWORD, "email": "ann@example.com", "display_name": "Ann A."}
    response = await site.post("/v1/accounts", json=body)
    assert response.status_code == 201
    assert set(response.json()) == {"account"}
    account = response.json()["account"]
    assert set(account) == ACCOUNT
    assert account["username"] == "Ann"
    assert account["email"] == "ann@example.com"
    assert account["display_name"] == "Ann A."
    assert account["roles"] == ["user"]
    assert account["disabled"] is False
    assert "set-cookie" not in response.headers
    assert PASSWORD not in response.text
    await site.log_in("ANN")


async def test_sign_up_without_the_optional_members(site: Site) -> None:
    """`email` and `display_name` are optional, and null without (section 5)."""
    for username, more in (("ann", {}), ("bob", {"email": None, "display_name": None})):
        account = (await site.post("/v1/accounts", json={"username": username, "password": PASSWORD, **more})).json()
        assert account["account"]["email"] is None
        assert account["account"]["display_name"] is None


@pytest.mark.parametrize("username", ["ann", "ANN", "Ａｎｎ"])
async def test_a_taken_name_is_409(site: Site, username: str) -> None:
    """A user name that is taken, in any spelling, is 409 `username_taken` (section 5)."""
    await site.account("Ann")
    response = await site.post("/v1/accounts", json={"username": username, "password": PASSWORD})
    assert problem(response) == (409, "username_taken")


@pytest.mark.parametrize("password", ["short", "password1234567", "", "a" * 1025, "a" * 20000])
async def test_a_poor_password_is_422_with_reasons(site: Site, password: str) -> None:
    """422 `password_rejected` with `reasons`: a list, each with a stable code and a sentence (section 5)."""
    response = await site.post("/v1/accounts", json={"username": "ann", "password": password})
    assert problem(response) == (422, "password_rejected")
    reasons = response.json()["reasons"]
    assert reasons
    assert all(set(reason) == {"code", "message"} and reason["code"] and reason["message"] for reason in reasons)
    if len(password) > 8:
        assert password not in response.text


async def test_all_reasons_at_once(site: Site) -> None:
    """Every reason is told at once (section 5)."""
    response = await site.post("/v1/accounts", json={"username": "annabelle", "password": "annabelle1"})
    assert len(response.json()["reasons"]) >= 2


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "ann\u0000", "ann\n", "a" * 129, "-", "pаypal", "\u200bann", "a" * 1025]
)
async def test_a_bad_user_name_is_422(site: Site, name: str) -> None:
    """What is no user name is 422 `invalid_request`, and is not echoed (section 1)."""
    response = await site.post("/v1/accounts", json={"username": name, "password": PASSWORD})
    assert problem(response) == (422, "invalid_request")
    if len(name) > 3:
        assert name not in response.text


@pytest.mark.parametrize(
    "more",
    [
        {"email": "nobody"},
        {"email": "a@b\nc"},
        {"email": 7},
        {"email": "a@b@c"},
        {"email": "a@b,c@d"},
        {"email": "<a@b>"},
        {"display_name": "x" * 201},
        {"display_name": "a\u0000"},
    ],
)
async def test_a_bad_profile_is_422(site: Site, more: dict[str, Any]) -> None:
    """E-mail and display name are looked at, at sign-up and later (section 5)."""
    response = await site.post("/v1/accounts", json={"username": "ann", "password": PASSWORD, **more})
    assert problem(response) == (422, "invalid_request")
    await site.account()
    login = await site.log_in()
    assert problem(await site.patch("/v1/me", json=more, **login.use)) == (422, "invalid_request")


async def test_registration_closed(anyio_backend: str) -> None:
    """With `registration = "closed"` sign-up is 403 `registration_closed`, and nothing else is said (section 5)."""
    async with open_site(registration="closed") as site:
        await site.account("ann")
        for body in ({"username": "ann", "password": PASSWORD}, {"username": "bob", "password": "x"}):
            assert problem(await site.post("/v1/accounts", json=body)) == (403, "registration_closed")
        assert (await site.post("/signup", form={"username": "bob", "password": PASSWORD})).status_code == 403
        assert (await site.get("/signup")).status_code == 200


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_me(site: Site, kind: str, transport: str) -> None:
    """GET /v1/me: account, session, kind, expires_at, for each kind (section 5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    body = (await site.get("/v1/me", **login.use)).json()
    assert set(body) == {"account", "session", "kind", "expires_at"}
    assert set(body["account"]) == ACCOUNT
    assert body["kind"] == kind == body["session"]["kind"]
    assert set(body["session"]) == {
        "id", "kind", "created_at", "last_seen_at", "expires_at", "idle_expires_at", "auth_time", "client", "binding",
        "current",
    }  # fmt: skip
    assert {"label", "ip"} <= set(body["session"]["client"])
    assert login.access_token not in str(body)


async def test_change_profile(site: Site) -> None:
    """PATCH /v1/me changes what is named, and only that; null empties (section 5)."""
    await site.account(email="ann@example.com", display_name="Ann")
    login = await site.log_in()
    for body, expected in (
        ({"display_name": "Anna"}, ("Anna", "ann@example.com")),
        ({"email": "a@example.org"}, ("Anna", "a@example.org")),
        ({}, ("Anna", "a@example.org")),
        ({"display_name": None}, (None, "a@example.org")),
        ({"email": None, "display_name": "Ann"}, ("Ann", None)),
    ):
        response = await site.patch("/v1/me", json=body, **login.use)
        assert response.status_code == 200
        assert set(response.json()) == {"account"}
        account = response.json()["account"]
        assert (account["display_name"], account["email"]) == expected
        assert (await site.get("/v1/me", **login.use)).json()["account"] == account


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_delete_me(site: Site, kind: str, transport: str) -> None:
    """DELETE /v1/me with the password: account and every session are gone (section 5, M-33)."""
    await site.account()
    others = [await site.log_in(kind=other) for other in KINDS]
    login = await site.log_in(kind=kind, transport=transport)
    wrong = await site.delete("/v1/me", json={"password": OTHER_PASSWORD}, **login.use)
    assert problem(wrong) == (403, "invalid_credentials")
    assert await site.alive(login)
    response = await site.delete("/v1/me", json={"password": PASSWORD}, **login.use)
    assert response.status_code == 200
    assert response.json() == {"ended": 4, "bound": 0}
    for one in (login, *others):
        assert not await site.alive(one)
    body = {"username": "ann", "password": PASSWORD}
    assert problem(await site.post("/v1/login", json=body)) == (401, "invalid_credentials")
    if transport == "cookie":
        assert set_cookies(response)[SESSION].cleared


async def test_delete_me_needs_a_body(site: Site) -> None:
    """Without a password nothing is deleted (section 5)."""
    await site.account()
    login = await site.log_in()
    assert problem(await site.delete("/v1/me", **login.use)) == (400, "invalid_request")
    assert problem(await site.delete("/v1/me", json={}, **login.use)) == (422, "invalid_request")
    assert await site.alive(login)


async def test_the_last_administrator_cannot_leave(site: Site) -> None:
    """409 `last_admin` (section 5)."""
    await site.account(roles=("admin",))
    login = await site.log_in()
    response = await site.delete("/v1/me", json={"password": PASSWORD}, **login.use)
    assert problem(response) == (409, "last_admin")
    assert await site.alive(login)


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_change_password(site: Site, kind: str, transport: str) -> None:
    """All other sessions end, the own one goes on under new credentials as a login gives them, the old ones of it are
    dead in every kind (sections 4 and 5, M-31)."""
    await site.account()
    others = [await site.log_in(kind=other) for other in KINDS]
    login = await site.log_in(kind=kind, transport=transport)
    site.clock.advance(20)
    response = await site.post(
        "/v1/password", json={"current_password": PASSWORD, "new_password": OTHER_PASSWORD}, **login.use
    )
    assert response.status_code == 200
    body = response.json()
    assert body["ended"] == 3
    assert body["bound"] == 0
    assert body["kind"] == kind
    assert body["session"]["id"] == login.id
    assert body["session"]["auth_time"] > login.answer["session"]["auth_time"]
    after = login.renewed(response)
    assert set(set_cookies(response)) & {SESSION, REFRESH} == set(login.cookies) & {SESSION, REFRESH}
    assert ("access_token" in body) == (transport != "cookie")
    assert ("refresh_token" in body) == (transport == "bearer" and kind != "session")
    assert await site.alive(after)
    for dead in (login, *others):
        assert not await site.alive(dead)
    if kind != "session":
        assert problem(await site.refresh(login)) == (400, "invalid_grant")
        assert (await site.refresh(after)).status_code == 200
    old = {"username": "ann", "password": PASSWORD}
    assert problem(await site.post("/v1/login", json=old)) == (401, "invalid_credentials")
    await site.log_in(password=OTHER_PASSWORD)


async def test_change_password_refusals(site: Site) -> None:
    """A wrong current password is 403, a poor new one 422 with reasons; nothing ends (section 5)."""
    await site.account()
    login, other = await site.log_in(), await site.log_in()
    for current, new, expected in (
        (OTHER_PASSWORD, OTHER_PASSWORD, (403, "invalid_credentials")),
        (PASSWORD, "short", (422, "password_rejected")),
        (PASSWORD, "a" * 1025, (422, "password_rejected")),
    ):
        body = {"current_password": current, "new_password": new}
        response = await site.post("/v1/password", json=body, **login.use)
        assert problem(response) == expected
        assert "www-authenticate" not in response.headers
    assert await site.alive(login)
    assert await site.alive(other)


@pytest.mark.parametrize("path", ["/v1/password", "/v1/reauthenticate"])
async def test_guessing_with_a_stolen_session_is_throttled(site: Site, path: str) -> None:
    """429 with Retry-After, and the owner can still log in (section 5)."""
    await site.account()
    thief = await site.log_in()
    body = {"password": OTHER_PASSWORD}
    if path == "/v1/password":
        body = {"current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}
    seen = [problem(await site.post(path, json=body, **thief.use)) for _ in range(8)]
    assert seen[0] == (403, "invalid_credentials")
    assert seen[-1] == (429, "too_many_attempts")
    await site.log_in(peer="203.0.113.9")


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_reauthenticate(site: Site, kind: str, transport: str) -> None:
    """200 with the session and new credentials, `auth_time` renewed; the former credentials are dead (sections 4,
    5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    other = await site.log_in()
    site.clock.advance(100)
    assert problem(await site.post("/v1/reauthenticate", json={"password": OTHER_PASSWORD}, **login.use)) == (
        403, "invalid_credentials",
    )  # fmt: skip
    response = await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **login.use)
    assert response.status_code == 200
    body = response.json()
    assert body["session"]["id"] == login.id
    assert body["session"]["expires_at"] == login.answer["session"]["expires_at"]
    assert body["session"]["auth_time"] > login.answer["session"]["auth_time"]
    after = login.renewed(response)
    assert after.access_token != login.access_token
    assert await site.alive(after)
    assert await site.alive(other)
    assert not await site.alive(login)
    if kind != "session":
        assert problem(await site.refresh(login)) == (400, "invalid_grant")
        assert await site.alive(after)
        assert (await site.refresh(after)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/me", None), ("PATCH", "/v1/me", {}), ("DELETE", "/v1/me", {"password": PASSWORD}),
        ("POST", "/v1/password", {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}),
        ("POST", "/v1/reauthenticate", {"password": PASSWORD}), ("GET", "/v1/sessions", None),
        ("DELETE", "/v1/sessions/ses_x", None), ("POST", "/v1/sessions/end-others", None),
        ("POST", "/v1/sessions/end-all", None), ("POST", "/v1/logout", None), ("GET", "/v1/csrf", None),
    ],
)  # fmt: skip
async def test_nobody_is_401(site: Site, method: str, path: str, body: Any) -> None:
    """Without a credential each of these is 401 `not_authenticated` (section 5)."""
    assert problem(await site.call(method, path, json=body)) == (401, "not_authenticated")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_disabled_account_is_out(kind: str, anyio_backend: str) -> None:
    """Disabling refuses every credential of the account, refresh too (section 4)."""
    async with open_site(FakeClock()) as site:
        await site.account("root", roles=("admin",))
        account = await site.account()
        login = await site.log_in(kind=kind, transport="bearer")
        root = await site.log_in("root")
        response = await site.patch(f"/v1/admin/accounts/{account}", json={"disabled": True}, **root.use)
        assert response.json()["ended"] == 1
        assert not await site.alive(login)
        if kind != "session":
            assert problem(await site.refresh(login)) == (400, "invalid_grant")
