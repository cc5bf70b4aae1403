"""Contract section 3: the CSRF rule, over HTTP, for every way in which a request can be authenticated."""

from typing import Any

import pytest
from tests.http.harness import (
    ISSUER,
    OTHER_PASSWORD,
    PASSWORD,
    REFRESH,
    SESSION,
    Login,
    Site,
    open_site,
    problem,
    set_cookies,
)  # fmt: skip

pytestmark = pytest.mark.anyio

TRUSTED = "https://app.example"
HEADERS: list[tuple[dict[str, str] | list[tuple[str, str]], bool]] = [
    # neither header: not a browser
    ({}, True),
    # Fetch Metadata alone
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": ""}, False),
    ({"Sec-Fetch-Site": "Same-Origin"}, False),
    ({"Sec-Fetch-Site": "same-origin, cross-site"}, False),
    ({"Sec-Fetch-Site": "nonsense"}, False),
    # Origin alone
    ({"Origin": ISSUER}, True),
    ({"Origin": TRUSTED}, True),
    ({"Origin": "null"}, False),
    ({"Origin": ""}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "http://id.example"}, False),
    ({"Origin": "https://id.example:443"}, False),
    ({"Origin": "https://id.example:8443"}, False),
    ({"Origin": "https://id.example/"}, False),
    ({"Origin": "https://id.example.evil.example"}, False),
    ({"Origin": "https://sub.id.example"}, False),
    ({"Origin": "HTTPS://ID.EXAMPLE"}, False),
    ({"Origin": f"{ISSUER} https://evil.example"}, False),
    ({"Origin": "https://api.example"}, False),
    # both: an exact Origin counts whatever Sec-Fetch-Site says, and the other way round
    ({"Sec-Fetch-Site": "cross-site", "Origin": ISSUER}, True),
    ({"Sec-Fetch-Site": "cross-site", "Origin": TRUSTED}, True),
    ({"Sec-Fetch-Site": "same-site", "Origin": TRUSTED}, True),
    ({"Sec-Fetch-Site": "same-site", "Origin": "https://sub.id.example"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, False),
    ({"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}, True),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
    ({"Sec-Fetch-Site": "none", "Origin": "https://evil.example"}, True),
    # a header that comes twice says nothing
    ([("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], False),
    ([("Origin", ISSUER), ("Origin", "https://evil.example")], False),
    ([("Origin", "https://evil.example"), ("Origin", ISSUER)], False),
    # Referer decides nothing
    ({"Referer": "https://evil.example/"}, True),
    ({"Sec-Fetch-Site": "cross-site", "Referer": f"{ISSUER}/"}, False),
]


def lines(headers: dict[str, str] | list[tuple[str, str]]) -> list[tuple[str, str]]:
    """As a list."""
    return list(headers.items()) if isinstance(headers, dict) else headers


async def ways(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    """Every call that the rule is for: by session cookie of each kind, login, sign-up, cookie refresh, logout by the
    refresh cookie, and the pages' forms."""
    cookie = await site.log_in()
    stateful = await site.log_in(kind="stateful", transport="cookie")
    stateless = await site.log_in(kind="stateless", transport="cookie")
    split = await site.log_in(kind="stateless", transport="split")
    who = {"username": "ann", "password": PASSWORD}
    return [
        ("POST", "/v1/sessions/end-others", cookie.use),
        ("PATCH", "/v1/me", {"json": {"display_name": "New"}, **stateful.use}),
        ("DELETE", "/v1/me", {"json": {"password": PASSWORD}, **stateless.use}),
        ("POST", "/v1/password", {"json": {"current_password": PASSWORD, "new_password": OTHER_PASSWORD},
        **cookie.use}),
        ("POST", "/v1/reauthenticate", {"json": {"password": PASSWORD}, **cookie.use}),
        ("DELETE", f"/v1/sessions/{split.id}", cookie.use),
        ("POST", "/v1/sessions/end-all", cookie.use),
        ("POST", "/v1/logout", cookie.use),
        ("POST", "/v1/logout", {"cookies": {REFRESH: split.refresh_token}}),
        ("POST", "/oauth/token", {"form": {"grant_type": "refresh_token"}, "cookies": {REFRESH: split.refresh_token}}),
        ("POST", "/v1/login", {"json": who}),
        ("POST", "/v1/login", {"json": {**who, "kind": "stateless"}}),
        ("POST", "/v1/accounts", {"json": {"username": "bob", "password": PASSWORD}}),
        ("POST", "/v1/admin/keys/rotate", cookie.use),
        ("POST", "/v1/admin/end-everything", cookie.use),
        ("POST", "/login", {"form": who}),
        ("POST", "/signup", {"form": {"username": "bob", "password": PASSWORD}}),
        ("POST", "/logout", {"form": {}, **cookie.use}),
        ("POST", "/account/sessions/end-others", {"form": {}, **cookie.use}),
        ("POST", f"/account/sessions/{split.id}/end", {"form": {}, **cookie.use}),
        ("POST", "/account/password",
         {"form": {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}, **cookie.use}),
    ]  # fmt: skip


async def state(site: Site) -> object:
    """What a change would show in."""
    store = site.auth.system.store
    accounts = await store.accounts.page(limit=100)
    sessions = [await store.sessions.of_account(account.id) for account in accounts]
    return accounts, sessions, await store.issuer(), await store.signing_keys.all()


@pytest.mark.parametrize(("headers", "accepted"), HEADERS)
async def test_the_rule_at_a_session_cookie(
    headers: dict[str, str] | list[tuple[str, str]], accepted: bool, anyio_backend: str
) -> None:
    """The truth table of section 3, where a session cookie authenticates (M-50, B-130, B-131)."""
    async with open_site(trusted_origins=(TRUSTED,)) as site:
        await site.account()
        login = await site.log_in()
        before = await state(site)
        response = await site.post("/v1/sessions/end-all", headers=lines(headers), **login.use)
        if accepted:
            assert response.status_code == 200
        else:
            assert problem(response) == (403, "csrf_rejected")
            assert await state(site) == before


async def test_the_rule_is_everywhere(anyio_backend: str) -> None:
    """Each call that a cookie authenticates, each login, sign-up and cookie refresh: another site's request is 403 and
    changes nothing, sets nothing; from our own origin it succeeds (section 3, B-132)."""
    async with open_site(trusted_origins=(TRUSTED,)) as site:
        await site.account(roles=("admin", "user"))
        calls = await ways(site)
        before = await state(site)
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}):
            for method, path, how in calls:
                response = await site.call(method, path, headers=headers, **how)
                assert response.status_code == 403, path
                assert problem(response)[1] in ("csrf_rejected", "page"), path
                assert "set-cookie" not in response.headers, path
                assert "clear-site-data" not in response.headers, path
        assert await state(site) == before


@pytest.mark.parametrize("number", range(21))
@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": TRUSTED}, {}])
async def test_our_own_requests_pass(number: int, headers: dict[str, str], anyio_backend: str) -> None:
    """The same calls from our own origin, a trusted one, or a client that is no browser succeed (section 3)."""
    async with open_site(trusted_origins=(TRUSTED,)) as site:
        await site.account(roles=("admin", "user"))
        await site.account("root", roles=("admin",))
        method, path, how = (await ways(site))[number]
        response = await site.call(method, path, headers=headers, **how)
        assert response.status_code in (200, 201, 303), path


@pytest.mark.parametrize("kind", ["session", "stateful", "stateless"])
async def test_authorization_needs_none_of_this(site: Site, kind: str) -> None:
    """A request authenticated by Authorization is not under the rule, whatever cookies come along (section 3, M-50)."""
    await site.account()
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    split = await site.log_in(kind="stateless", transport="split")
    for path in ("/v1/sessions/end-others", "/v1/logout"):
        login = await site.log_in(kind=kind, transport="bearer")
        cookies = {REFRESH: split.refresh_token, "other": "x"}
        response = await site.post(path, headers=headers, bearer=login.access_token, cookies=cookies)
        assert response.status_code == 200


async def test_a_refresh_token_in_the_body_needs_none_of_this(site: Site) -> None:
    """Only the cookie is under the rule: a refresh token in the body is not sent by itself (section 5)."""
    await site.account()
    login = await site.log_in(kind="stateless")
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    response = await site.refresh(login, headers=headers)
    assert response.status_code == 200
    token = response.json()["refresh_token"]
    ended = await site.post("/v1/logout", json={"refresh_token": token}, headers=headers)
    assert ended.status_code == 200


async def test_safe_methods_are_not_under_the_rule(site: Site) -> None:
    """A link from another site still shows who is logged in: GET and HEAD change nothing (section 3)."""
    await site.account()
    login = await site.log_in()
    for method in ("GET", "HEAD"):
        for path in ("/v1/me", "/v1/sessions", "/v1/csrf", "/account", "/"):
            response = await site.call(method, path, headers={"Sec-Fetch-Site": "cross-site"}, **login.use)
            assert response.status_code == 200


async def test_the_rule_comes_before_the_password(site: Site) -> None:
    """Another site cannot use up an account's attempts (section 3)."""
    await site.account()
    body = {"username": "ann", "password": "wrong wrong wrong"}
    for _ in range(20):
        response = await site.post("/v1/login", json=body, headers={"Sec-Fetch-Site": "cross-site"})
        assert problem(response) == (403, "csrf_rejected")
    await site.log_in()


async def token_of(site: Site, login: Login) -> str:
    """From GET /v1/csrf."""
    response = await site.get("/v1/csrf", **login.use)
    assert response.status_code == 200
    assert set(response.json()) == {"csrf_token"}
    return str(response.json()["csrf_token"])


@pytest.mark.parametrize("kind", ["session", "stateful", "stateless"])
async def test_the_session_bound_token(kind: str, anyio_backend: str) -> None:
    """`csrf_token = "session"` additionally demands X-CSRF-Token, bound to the session, of whatever a cookie
    authenticates (section 3, B-133)."""
    async with open_site(csrf_token="session") as site:
        await site.account()
        await site.account("eve")
        login = await site.log_in(kind=kind, transport="cookie")
        foreign = await token_of(site, await site.log_in("eve"))
        token = await token_of(site, login)
        assert token != foreign
        for path in ("/v1/sessions/end-others", "/v1/logout"):
            for headers in (
                {}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": foreign}, {"X-CSRF-Token": token[:-1]},
                {"X-CSRF-Token": token + "A"}, {"Sec-Fetch-Site": "same-origin"},
            ):  # fmt: skip
                assert problem(await site.post(path, headers=headers, **login.use)) == (403, "csrf_rejected")
            response = await site.post(
                path, headers={"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}, **login.use
            )
            assert problem(response) == (403, "csrf_rejected")
            assert (await site.post(path, headers={"X-CSRF-Token": token}, **login.use)).status_code == 200


async def test_forms_take_the_token_in_a_field_or_the_header(anyio_backend: str) -> None:
    """What a page posts carries the token in its field, what a script posts there in `X-CSRF-Token` (section 3)."""
    async with open_site(csrf_token="session") as site:
        await site.account()
        login = await site.log_in(transport="cookie")
        token = await token_of(site, login)
        for path in ("/account/sessions/end-others", "/logout"):
            for form, headers in (
                ({}, {}),
                ({"csrf_token": "x"}, {"X-CSRF-Token": token}),
                ({}, {"X-CSRF-Token": "x"}),
            ):
                response = await site.post(path, form={"a": "b", **form}, headers=headers, **login.use)
                assert response.status_code == 403
        by_field = await site.post("/account/sessions/end-others", form={"csrf_token": token}, **login.use)
        by_header = await site.post(
            "/account/sessions/end-others", form={"a": "b"}, headers={"X-CSRF-Token": token}, **login.use
        )
        out = await site.post("/logout", form={"a": "b"}, headers={"X-CSRF-Token": token}, **login.use)
        assert [by_field.status_code, by_header.status_code, out.status_code] == [303, 303, 303]
        assert not await site.alive(login)


async def test_the_session_bound_token_is_for_cookies_only(anyio_backend: str) -> None:
    """Authorization, login and sign-up need no token, since no cookie of ours authenticates them (section 3)."""
    async with open_site(csrf_token="session") as site:
        made = await site.post("/v1/accounts", json={"username": "ann", "password": PASSWORD})
        assert made.status_code == 201
        login = await site.log_in(transport="bearer")
        assert (await site.post("/v1/sessions/end-others", **login.use)).status_code == 200
        split = await site.log_in(kind="stateless", transport="split")
        assert (await site.get("/v1/me", **split.use)).status_code == 200


async def test_renewal_in_passing_needs_the_token_before_anything_is_spent(anyio_backend: str) -> None:
    """Without the token nothing is changed: the refresh token is still the current one (section 3)."""
    async with open_site(csrf_token="session", access_token_lifetime=1.0, refresh_grace=1.0) as site:
        await site.account()
        login = await site.log_in(kind="stateless", transport="cookie")
        before = await state(site)
        expired = {SESSION: await _expired(site, login), REFRESH: login.refresh_token}
        response = await site.post("/v1/sessions/end-others", cookies=expired)
        assert problem(response) == (403, "csrf_rejected")
        assert await state(site) == before


@pytest.mark.parametrize("transport", ["split", "cookie"])
async def test_a_cookie_refresh_needs_the_token_and_can_get_it(anyio_backend: str, transport: str) -> None:
    """A page that was reloaded holds the refresh cookie alone: with it GET /v1/csrf hands out the session's token, and
    the refresh is refused without that, with nothing spent (section 3, M-44, M-50)."""
    async with open_site(csrf_token="session") as site:
        await site.account()
        login = await site.log_in(kind="stateless", transport=transport)
        other = await site.log_in(kind="stateless", transport=transport)
        form, cookies = {"grant_type": "refresh_token"}, {REFRESH: login.refresh_token}
        token = (await site.get("/v1/csrf", cookies=cookies)).json()["csrf_token"]
        wrong = (await site.get("/v1/csrf", cookies={REFRESH: other.refresh_token})).json()["csrf_token"]
        before = await state(site)
        for headers in ({}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": wrong}):
            response = await site.post("/oauth/token", form=form, cookies=cookies, headers=headers)
            assert (response.status_code, response.json()["error"]) == (403, "csrf_rejected")
            assert problem(await site.post("/v1/logout", cookies=cookies, headers=headers)) == (403, "csrf_rejected")
        assert await state(site) == before
        response = await site.post("/oauth/token", form=form, cookies=cookies, headers={"X-CSRF-Token": token})
        assert response.status_code == 200
        renewed = {REFRESH: set_cookies(response)[REFRESH].value}
        assert (await site.get("/v1/csrf", cookies=renewed)).json()["csrf_token"] == token
        ended = await site.post("/v1/logout", cookies=renewed, headers={"X-CSRF-Token": token})
        assert ended.status_code == 200
        assert problem(await site.get("/v1/csrf", cookies=renewed)) == (401, "not_authenticated")


async def test_a_refresh_token_in_the_body_needs_no_csrf_token(anyio_backend: str) -> None:
    """No cookie authenticates it (section 3)."""
    async with open_site(csrf_token="session") as site:
        await site.account()
        login = await site.log_in(kind="stateful", transport="bearer")
        assert (await site.refresh(login)).status_code == 200


async def _expired(site: Site, login: Login) -> str:
    import time

    from ostiary import jose

    claims = dict(jose.decode_unverified(login.access_token).claims)
    claims["exp"] = int(time.time()) - 10
    claims["iat"] = int(time.time()) - 20
    return jose.sign(claims, site.auth.system.signing_keys.ring.signer, typ="at+jwt")


async def test_page_forms_carry_the_token(anyio_backend: str) -> None:
    """With `csrf_token = "session"` the pages' own forms carry it in a field, and are refused without it."""
    async with open_site(csrf_token="session") as site:
        await site.account()
        login = await site.log_in()
        token = await token_of(site, login)
        page = await site.get("/account", **login.use)
        assert f'name="csrf_token" value="{token}"' in page.text
        passwords = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        for path, fields in (
            ("/account/sessions/end-others", {}), ("/account/password", passwords), ("/logout", {}),
        ):  # fmt: skip
            assert (await site.post(path, form=fields, **login.use)).status_code == 403
            assert (await site.post(path, form={**fields, "csrf_token": "x"}, **login.use)).status_code == 403
            response = await site.post(path, form={**fields, "csrf_token": token}, **login.use)
            assert response.status_code == 303
            if path == "/account/password":
                login = Login(answer=login.answer, kind="session", transport="cookie", cookies={
                    name: one.value for name, one in set_cookies(response).items()
                })  # fmt: skip


async def test_csrf_token_needs_a_login(site: Site) -> None:
    """GET /v1/csrf is for callers (section 5)."""
    assert problem(await site.get("/v1/csrf")) == (401, "not_authenticated")
    assert problem(await site.get("/v1/csrf", cookies={REFRESH: "ost_rt_x"})) == (401, "not_authenticated")
    assert problem(await site.get("/v1/csrf", bearer="ost_st_x")) == (401, "invalid_token")
