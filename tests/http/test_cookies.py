"""Contract section 3: the cookies themselves, and renewal in passing."""

import anyio
import pytest
from tests.http.harness import (
    API,
    KINDS,
    OTHER_PASSWORD,
    PASSWORD,
    REFRESH,
    SESSION,
    TRANSPORTS,
    Login,
    Site,
    open_site,
    problem,
    set_cookies,
)  # fmt: skip

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

LAX = ("Path=/", "Secure", "HttpOnly", "SameSite=Lax")
STRICT = ("Path=/", "Secure", "HttpOnly", "SameSite=Strict")


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_which_cookies_a_login_sets(site: Site, kind: str, transport: str) -> None:
    """Session cookie with `cookie`, refresh cookie with `cookie` and `split` where there is one, none with `bearer`;
    exact attributes, no Domain, no Max-Age (section 3, M-08)."""
    await site.account()
    response = await site.post(
        "/v1/login", json={"username": "ann", "password": PASSWORD, "kind": kind, "transport": transport}
    )
    cookies = set_cookies(response)
    expected = {}
    if transport == "cookie":
        expected[SESSION] = LAX
        if kind != "session":
            expected[REFRESH] = LAX
    if transport == "split":
        expected[REFRESH] = STRICT
    ours = {name: one.attributes for name, one in cookies.items() if name in (SESSION, REFRESH)}
    assert ours == expected
    if transport == "bearer":
        assert cookies == {}
    assert all("Domain" not in line for line in response.headers.get_list("set-cookie"))


@pytest.mark.parametrize(("kind", "transport"), [case for case in TRANSPORTS if case[1] != "bearer"])
async def test_max_age_only_when_remembered(site: Site, kind: str, transport: str) -> None:
    """Cookies outlive the browser only with `remember`, and then as long as the session (section 3)."""
    await site.account()
    body = {"username": "ann", "password": PASSWORD, "kind": kind, "transport": transport, "remember": True}
    cookies = set_cookies(await site.post("/v1/login", json=body))
    for name in (SESSION, REFRESH):
        if name in cookies:
            assert cookies[name].max_age == 2_592_000
    plain = set_cookies(await site.post("/v1/login", json={**body, "remember": False}))
    assert all(one.max_age is None for name, one in plain.items() if name in (SESSION, REFRESH))


async def test_a_remembered_session_keeps_its_max_age_when_renewed(site: Site) -> None:
    """A renewed cookie lasts to the end of the remembered session, no longer (section 3)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="cookie", remember=True)
    site.clock.advance(1000)
    cookies = set_cookies(await site.refresh(login))
    assert cookies[REFRESH].max_age == cookies[SESSION].max_age == 2_592_000 - 1000


async def test_cookies_over_plain_http(site: Site) -> None:
    """`cookie_secure = false` drops `__Host-` and Secure, nothing else (section 3)."""
    async with open_site(issuer="http://dev.example:8000", cookie_secure=False) as dev:
        await dev.account()
        body = {"username": "ann", "password": PASSWORD, "kind": "stateful", "transport": "split"}
        cookies = set_cookies(await dev.post("/v1/login", json=body))
        assert cookies["ostiary_refresh"].attributes == ("Path=/", "HttpOnly", "SameSite=Strict")
        assert all(not name.startswith("__") for name in cookies)


async def test_all_cookies_fit(site: Site) -> None:
    """All cookies of a login together stay below 4096 bytes (M-08)."""
    await site.account(roles=("admin", "user", *(f"role-{n}" for n in range(20))))
    response = await site.post(
        "/v1/login", json={"username": "ann", "password": PASSWORD, "kind": "stateless", "transport": "cookie"}
    )
    assert sum(len(line) for line in response.headers.get_list("set-cookie")) < 4096


async def test_the_access_jwt_is_the_session_cookie(site: Site) -> None:
    """With `cookie` the access JWT travels in the session cookie and not in the body (section 3)."""
    await site.account()
    for kind in ("stateful", "stateless"):
        login = await site.log_in(kind=kind, transport="cookie")
        assert login.cookies[SESSION].count(".") == 2
        assert login.cookies[REFRESH].startswith("ost_rt_")
        assert not {"access_token", "refresh_token", "token_type", "expires_in"} & login.answer.keys()


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_renewed_in_passing(site: Site, kind: str, method: str) -> None:
    """An expired access cookie beside a live refresh cookie: it succeeds and sets both cookies (section 3)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    site.clock.advance(901)
    path = "/v1/me" if method == "GET" else "/v1/sessions/end-others"
    response = await site.call(method, path, **login.use)
    assert response.status_code == 200
    cookies = set_cookies(response)
    assert cookies[SESSION].attributes == cookies[REFRESH].attributes == LAX
    assert cookies[SESSION].value != login.cookies[SESSION]
    assert cookies[REFRESH].value != login.cookies[REFRESH]
    assert response.headers["cache-control"] == "no-store"
    renewed = {name: cookies[name].value for name in (SESSION, REFRESH)}
    again = await site.get("/v1/me", cookies=renewed)
    assert again.status_code == 200
    assert "set-cookie" not in again.headers


async def test_parallel_requests_are_all_renewed(site: Site) -> None:
    """Parallel requests with the same expired cookie all succeed and get the same refresh token (section 3, M-42)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="cookie")
    site.clock.advance(301)
    refresh_tokens: set[str] = set()

    async def one() -> None:
        response = await site.get("/v1/me", **login.use)
        assert response.status_code == 200
        refresh_tokens.add(set_cookies(response)[REFRESH].value)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(one)
    assert len(refresh_tokens) == 1


async def test_renewal_of_an_unsafe_request_is_under_the_csrf_rule(site: Site) -> None:
    """Another site cannot have a session renewed: 403, and the refresh token is not spent (section 3)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="cookie")
    site.clock.advance(301)
    response = await site.post("/v1/sessions/end-others", **login.use, headers={"Sec-Fetch-Site": "cross-site"})
    assert problem(response) == (403, "csrf_rejected")
    assert "set-cookie" not in response.headers
    site.clock.advance(60)
    assert (await site.get("/v1/me", **login.use)).status_code == 200


async def test_renewal_needs_the_refresh_cookie(site: Site) -> None:
    """An expired access cookie alone, or beside a dead refresh cookie, is 401 (section 3)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="cookie")
    site.clock.advance(301)
    only_access = {SESSION: login.cookies[SESSION]}
    assert problem(await site.get("/v1/me", cookies=only_access)) == (401, "invalid_token")
    assert problem(await site.get("/v1/me", cookies={**only_access, REFRESH: "ost_rt_x"})) == (401, "invalid_token")
    assert (await site.post("/oauth/revoke", form={"token": login.refresh_token})).status_code == 200
    assert problem(await site.get("/v1/me", **login.use)) == (401, "invalid_token")


async def test_an_expired_bearer_token_is_not_renewed(site: Site) -> None:
    """Renewal in passing is for transport `cookie`: a header that has expired is 401 (section 3)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="split")
    site.clock.advance(301)
    response = await site.get("/v1/me", bearer=login.access_token, cookies={REFRESH: login.refresh_token})
    assert problem(response) == (401, "invalid_token")
    assert "set-cookie" not in response.headers
    assert (await site.refresh(login)).status_code == 200


@pytest.mark.parametrize("transport", ["bearer", "split"])
@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_what_did_not_come_in_cookies_is_not_renewed_in_them(site: Site, kind: str, transport: str) -> None:
    """Renewal in passing is for transport `cookie`: tokens of another one, put into cookies, are 401, and nothing is
    spent whose successor nobody would get (section 3)."""
    await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    site.clock.advance(901)
    cookies = {SESSION: login.access_token, REFRESH: login.refresh_token}
    for _ in range(2):
        response = await site.get("/v1/me", cookies=cookies)
        assert problem(response) == (401, "invalid_token")
        assert "set-cookie" not in response.headers
        site.clock.advance(11)
    assert (await site.refresh(login)).status_code == 200


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_bearers_refresh_token_in_a_cookie_loses_nothing(site: Site, kind: str) -> None:
    """Whoever keeps it in the cookie gets its successor by the transport of the login: in the body (section 5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    form = {"grant_type": "refresh_token"}
    response = await site.post("/oauth/token", form=form, cookies={REFRESH: login.refresh_token})
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    assert (await site.refresh(login.renewed(response))).status_code == 200


async def test_the_refresh_cookie_of_another_session_renews_nothing(site: Site) -> None:
    """The refresh cookie must be of the session whose access token expired (section 3)."""
    await site.account()
    await site.account("eve")
    ann = await site.log_in("ann", kind="stateless", transport="cookie")
    eve = await site.log_in("eve", kind="stateless", transport="cookie")
    site.clock.advance(301)
    mixed = {SESSION: ann.cookies[SESSION], REFRESH: eve.cookies[REFRESH]}
    assert problem(await site.get("/v1/me", cookies=mixed)) == (401, "invalid_token")


async def test_renewal_for_another_audience_spends_nothing(site: Site) -> None:
    """What our own API would refuse anyway is refused before the refresh token is spent (section 4)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="cookie", audience=API)
    site.clock.advance(301)
    response = await site.get("/v1/me", **login.use)
    assert problem(response) == (401, "invalid_token")
    assert "set-cookie" not in response.headers
    site.clock.advance(60)
    assert (await site.refresh(login)).status_code == 200


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/logout", None),
        ("POST", "/v1/sessions/end-all", None),
        ("DELETE", "/v1/sessions/{own}", None),
        ("DELETE", "/v1/me", {"password": PASSWORD}),
    ],
)
async def test_ending_oneself_with_an_expired_cookie_clears_both(
    site: Site, kind: str, method: str, path: str, body: dict[str, str] | None
) -> None:
    """A call that ends its own session leaves no cookie behind, also when renewed in passing (section 3)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    site.clock.advance(901)
    response = await site.call(method, path.replace("{own}", login.id), json=body, **login.use)
    assert response.status_code == 200
    cookies = set_cookies(response)
    assert cookies[SESSION].cleared
    assert cookies[REFRESH].cleared
    assert cookies[SESSION].attributes[:3] == ("Path=/", "Secure", "HttpOnly")


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
@pytest.mark.parametrize("path", ["/v1/password", "/v1/reauthenticate"])
async def test_new_credentials_win_over_a_renewal(site: Site, kind: str, path: str) -> None:
    """A password change by a request that was also renewed in passing leaves the browser with cookies that work."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    site.clock.advance(901)
    body = (
        {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        if path == "/v1/password"
        else {"password": PASSWORD}
    )
    response = await site.post(path, json=body, **login.use)
    assert response.status_code == 200
    after: Login = login.renewed(response)
    assert (await site.get("/v1/me", **after.use)).status_code == 200
    assert (await site.refresh(after)).status_code == 200


async def test_static_files_renew_nothing() -> None:
    """What caches may keep never sets a cookie (section 1)."""
    async with open_site(FakeClock()) as site:
        await site.account()
        login = await site.log_in(kind="stateless", transport="cookie")
        site.clock.advance(301)
        page = await site.get("/login")
        name = page.text.split('href="/static/')[1].split('"')[0]
        response = await site.get(f"/static/{name}", **login.use)
        assert response.status_code == 200
        assert "set-cookie" not in response.headers
        assert "immutable" in response.headers["cache-control"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_login_leaves_nothing_behind_in_a_browser(site: Site, kind: str) -> None:
    """M-06: whoever signs in over another account's cookies ends the login that the browser loses with them, and the
    owner is told; a failed login, one of transport `bearer` and a cookie that was replaced since end nothing."""
    await site.account("ann")
    await site.account("bob")
    ann = await site.log_in("ann", kind=kind, transport="cookie")
    over = {"cookies": ann.use["cookies"]}
    body = {"username": "bob", "password": PASSWORD}
    for refused in ({**body, "password": OTHER_PASSWORD}, {**body, "transport": "bearer"}):
        await site.post("/v1/login", json=refused, **over)
        assert (await site.get("/v1/me", **ann.use)).status_code == 200
    answer = await site.post("/v1/login", json=body, **over)
    assert (answer.json()["ended"], answer.json()["bound"]) == (1, 0.0)
    assert problem(await site.get("/v1/me", **ann.use)) == (401, "invalid_token")
    again = await site.log_in("ann", transport="bearer")
    told = (await site.get("/v1/me/activity", **again.use)).json()["events"]
    ended = [event for event in told if event["event"] == "session.ended"]
    assert [(event["session_id"], event["by"], event["detail"]["reason"]) for event in ended] == [
        (ann.id, "unknown", "replaced_by_login")
    ]
    assert "ended" not in (await site.post("/v1/login", json=body, **over)).json()


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_login_over_an_expired_cookie_ends_its_session_too(site: Site, kind: str) -> None:
    """M-06: that the access token has expired makes no difference; that it was replaced does."""
    await site.account("ann")
    await site.account("bob")
    old = await site.log_in("ann", kind=kind, transport="cookie")
    ann = old.renewed(await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **old.use))
    site.clock.advance(901)
    body = {"username": "bob", "password": PASSWORD}
    assert "ended" not in (await site.post("/v1/login", json=body, cookies={SESSION: old.access_token})).json()
    assert (await site.post("/v1/login", json=body, cookies={SESSION: ann.access_token})).json()["ended"] == 1
    assert (await site.refresh(ann)).status_code == 400
