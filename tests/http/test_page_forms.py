"""Contract section 5, pages: plain forms that work without JavaScript."""

from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from tests.http.harness import ISSUER, OTHER_PASSWORD, PASSWORD, REFRESH, SESSION, Login, Site, open_site, set_cookies

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

GOOD_NEXT = [
    "/account",
    "/",
    "/notes/1?x=y&z=%20#top",
    "/a//b",
    "/~ann",
    "/ünï",
    "/a b",
    "/%2f%2fevil.example",
    "/@evil",
]
BAD_NEXT = [
    "", "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
    "\\/evil.example",
    "/a\\b", "/\t/evil.example", "\t//evil.example", "/\n/evil.example", "/\r\nSet-Cookie: a=b", " /account", "account",
    "javascript:alert(1)", "data:text/html,x", "?x", "#x", "/\x00", "/\x7f", "/\u2028x", "/\u202ex", "/" + "a" * 3000,
    "http:/evil.example", "%2f%2fevil.example",
]  # fmt: skip


def where(response: Any) -> str:
    """The Location of a 303."""
    assert response.status_code == 303, response.text
    return str(response.headers["location"])


async def test_log_in_by_form(site: Site) -> None:
    """`POST /login` is 303 with the session cookie, no Max-Age (section 5)."""
    await site.account()
    response = await site.post("/login", form={"username": "ann", "password": PASSWORD})
    assert where(response) == "/account"
    cookie = set_cookies(response)[SESSION]
    assert cookie.attributes == ("Path=/", "Secure", "HttpOnly", "SameSite=Lax")
    page = await site.get("/account", cookies={SESSION: cookie.value})
    assert page.status_code == 200
    assert "ann" in page.text
    assert cookie.value not in page.text


@pytest.mark.parametrize(
    ("value", "remembered"), [("on", True), ("1", True), ("true", True), ("", False), ("no", False)]
)
async def test_remember_by_form(site: Site, value: str, remembered: bool) -> None:
    """`remember` makes the cookie outlive the browser (section 5)."""
    await site.account()
    form = {"username": "ann", "password": PASSWORD, "remember": value}
    cookie = set_cookies(await site.post("/login", form=form))[SESSION]
    assert (cookie.max_age == 2_592_000) == remembered


@pytest.mark.parametrize("following", GOOD_NEXT)
async def test_next_is_followed(site: Site, following: str) -> None:
    """`next`, a path on this origin, is where a login leads (section 5)."""
    await site.account()
    response = await site.post("/login", form={"username": "ann", "password": PASSWORD, "next": following})
    location = where(response)
    assert location.startswith("/")
    assert urlsplit(ISSUER + location).netloc == "id.example"
    assert location == quote(following, safe=":/%#?=@[]!$&'()*+,;~")


@pytest.mark.parametrize("following", BAD_NEXT)
async def test_next_elsewhere_is_ignored(site: Site, following: str) -> None:
    """Anything but a path on this origin is ignored: no open redirect, no header injection (section 5)."""
    await site.account()
    response = await site.post("/login", form={"username": "ann", "password": PASSWORD, "next": following})
    assert where(response) == "/account"
    for path in ("/login", "/signup"):
        page = await site.get(f"{path}?next={quote(following)}")
        assert page.status_code == 200
        assert "evil" not in page.text
    signed_up = await site.post("/signup", form={"username": "bob", "password": PASSWORD, "next": following})
    assert "evil" not in where(signed_up)


async def test_next_survives_a_wrong_password(site: Site) -> None:
    """The form that comes back keeps `next` and the name, escaped, and never the password (section 5)."""
    await site.account()
    form = {"username": '"><script>x</script>', "password": OTHER_PASSWORD, "next": '/a"><script>'}
    response = await site.post("/login", form=form)
    assert response.status_code == 401
    assert "<script>x" not in response.text
    assert OTHER_PASSWORD not in response.text
    assert response.headers["www-authenticate"] == 'Bearer realm="ostiary"'
    assert "set-cookie" not in response.headers


async def test_too_many_attempts_by_form(site: Site) -> None:
    """The page says 429 and, as every 429, Retry-After (section 1)."""
    await site.account()
    for _ in range(5):
        assert (await site.post("/login", form={"username": "ann", "password": OTHER_PASSWORD})).status_code == 401
    response = await site.post("/login", form={"username": "ann", "password": PASSWORD})
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) == 1


@pytest.mark.parametrize(
    "form", [{}, {"username": "ann"}, {"password": PASSWORD}, {"username": "x" * 3000, "password": "y" * 3000}]
)
async def test_an_incomplete_login_is_a_page(site: Site, form: dict[str, str]) -> None:
    """Missing or absurd fields are a refusal in words, not an error of ours (section 1)."""
    response = await site.post("/login", form=form)
    assert response.status_code in (401, 422)
    assert response.headers["content-type"].startswith("text/html")


async def test_a_form_may_hold_utf8_as_it_is(site: Site) -> None:
    """Command-line clients do not escape what they send in a form (URL standard, section 5.1)."""
    await site.account("zoë")
    content = f"username=zoë&password={PASSWORD.replace(' ', '+')}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await site.post("/login", content=content, headers=headers)).status_code == 303


async def test_sign_up_by_form(site: Site) -> None:
    """`POST /signup` makes an account and leads to the login (section 5)."""
    response = await site.post("/signup", form={"username": "ann", "password": PASSWORD})
    assert where(response).startswith("/login")
    assert "set-cookie" not in response.headers
    await site.log_in()
    again = await site.post("/signup", form={"username": "Ann", "password": PASSWORD})
    assert again.status_code == 409
    poor = await site.post("/signup", form={"username": "bob", "password": "short"})
    assert poor.status_code == 422
    bad = await site.post("/signup", form={"username": "a b", "password": PASSWORD})
    assert bad.status_code == 422


async def test_sign_up_by_form_gives_no_role(site: Site) -> None:
    """Fields that the form does not have do nothing (section 1)."""
    await site.post("/signup", form={"username": "ann", "password": PASSWORD, "role": "admin", "roles": "admin"})
    assert (await site.log_in()).answer["account"]["roles"] == ["user"]


@pytest.mark.parametrize("with_type", [True, False])
async def test_log_out_by_form(site: Site, with_type: bool) -> None:
    """`POST /logout` ends the session on the server, clears the cookies, and is 303 (section 5)."""
    await site.account()
    login = await site.log_in()
    how: dict[str, Any] = {"form": {}} if with_type else {}
    response = await site.post("/logout", **how, **login.use)
    assert where(response).startswith("/login")
    cookies = set_cookies(response)
    assert cookies[SESSION].cleared
    assert cookies[REFRESH].cleared
    assert "clear-site-data" in response.headers
    assert not await site.alive(login)
    again = await site.post("/logout", **how, **login.use)
    assert where(again).startswith("/login")


async def test_log_out_by_form_with_an_expired_cookie(site: Site) -> None:
    """A JWT in the cookie that has expired logs out too, and nothing is renewed (section 5)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="cookie")
    site.clock.advance(301)
    response = await site.post("/logout", form={}, **login.use)
    assert all(one.cleared for one in set_cookies(response).values())
    assert (await site.refresh(login)).status_code == 400


async def test_log_out_by_link_is_405(site: Site) -> None:
    """GET changes nothing (ASVS 3.5.3)."""
    await site.account()
    login = await site.log_in()
    assert (await site.get("/logout", **login.use)).status_code == 405
    assert await site.alive(login)


async def test_end_sessions_by_form(site: Site) -> None:
    """`POST /account/sessions/{id}/end` and `/end-others`: 303 (section 5)."""
    await site.account()
    await site.account("eve")
    login, one, two, three = [await site.log_in() for _ in range(4)]
    foreign = await site.log_in("eve")
    response = await site.post(f"/account/sessions/{one.id}/end", **login.use)
    assert where(response).startswith("/account")
    assert [await site.alive(other) for other in (one, two, login)] == [False, True, True]
    assert (await site.post(f"/account/sessions/{foreign.id}/end", **login.use)).status_code == 404
    assert (await site.post("/account/sessions/ses_x/end", **login.use)).status_code == 404
    assert await site.alive(foreign)
    assert where(await site.post("/account/sessions/end-others", **login.use)).startswith("/account")
    assert [await site.alive(other) for other in (two, three, login)] == [False, False, True]


async def test_end_the_own_session_by_form(site: Site) -> None:
    """Ending the session that asks, from its own page, leaves no cookie behind (section 3)."""
    await site.account()
    login = await site.log_in()
    response = await site.post(f"/account/sessions/{login.id}/end", **login.use)
    assert response.status_code == 303
    assert set_cookies(response)[SESSION].cleared
    assert not await site.alive(login)


async def test_change_password_by_form(site: Site) -> None:
    """`POST /account/password`: 303, a new cookie, all other sessions over (section 5, M-31)."""
    await site.account()
    login, other = await site.log_in(), await site.log_in(kind="stateless")
    form = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    response = await site.post("/account/password", form=form, **login.use)
    assert where(response).startswith("/account")
    after = Login(
        answer=login.answer, kind="session", transport="cookie", cookies={SESSION: set_cookies(response)[SESSION].value}
    )
    assert await site.alive(after)
    assert not await site.alive(login)
    assert not await site.alive(other)
    await site.log_in(password=OTHER_PASSWORD)


async def test_change_password_by_form_refusals(site: Site) -> None:
    """A wrong current password 403, a poor new one 422, too many 429 with Retry-After; no password in the page."""
    await site.account()
    login = await site.log_in()
    for current, new, status in ((OTHER_PASSWORD, OTHER_PASSWORD, 403), (PASSWORD, "short", 422), ("", "", 403)):
        form = {"current_password": current, "new_password": new}
        response = await site.post("/account/password", form=form, **login.use)
        assert response.status_code == status
        assert PASSWORD not in response.text
        assert OTHER_PASSWORD not in response.text
    for _ in range(5):
        form = {"current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}
        response = await site.post("/account/password", form=form, **login.use)
    assert response.status_code == 429
    assert await site.alive(login)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/account"), ("POST", "/account/password"), ("POST", "/account/sessions/end-others"),
        ("POST", "/account/sessions/ses_x/end"),
    ],
)  # fmt: skip
async def test_a_page_for_callers_leads_to_the_login(site: Site, method: str, path: str) -> None:
    """Who is not logged in is led to the login, and back afterwards (section 5)."""
    for cookies in (None, {SESSION: "ost_st_" + "A" * 43}):
        response = await site.call(method, path, cookies=cookies)
        if response.status_code != 401:
            assert where(response).startswith("/login?")
            assert "next=%2Faccount" in where(response)


async def test_duplicate_fields_are_400(site: Site) -> None:
    """A form field twice is refused, not guessed (section 1)."""
    await site.account()
    pairs = [("username", "ann"), ("password", OTHER_PASSWORD), ("password", PASSWORD)]
    response = await site.post("/login", form=pairs)
    assert response.status_code == 400
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("path", ["/login", "/signup", "/account/password", "/logout"])
async def test_json_is_no_form(site: Site, path: str) -> None:
    """A form endpoint takes forms only (section 1)."""
    await site.account()
    login = await site.log_in()
    response = await site.post(path, json={"username": "ann", "password": PASSWORD}, **login.use)
    assert response.status_code == 415
    assert await site.alive(login)


@pytest.mark.parametrize("path", ["/", "/login", "/signup", "/account", "/docs", "/nothing-here"])
async def test_pages_are_strict(site: Site, path: str) -> None:
    """CSP without inline code, no framing, `Referrer-Policy: same-origin`, never kept (section 3, ASVS 3.4)."""
    await site.account()
    login = await site.log_in()
    response = await site.get(path, headers={"Accept": "text/html"}, **login.use)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert "base-uri 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-store"
    assert "style=" not in response.text
    assert "onclick=" not in response.text


async def test_static_files(site: Site) -> None:
    """Kept for ever under a name that changes with the content; nothing beside them is served (section 5)."""
    name = (await site.get("/login")).text.split('href="/static/')[1].split('"')[0]
    response = await site.get(f"/static/{name}")
    assert response.status_code == 200
    assert "immutable" in response.headers["cache-control"]
    again = await site.get(f"/static/{name}", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304
    for wrong in ("nothing.css", "..%2fapp.py", "%2e%2e%2fapp.py", "ostiary.css", "%00"):
        assert (await site.get(f"/static/{wrong}")).status_code == 404


@pytest.mark.parametrize("lang", ["en", "zh-CN", "xx", "%00", "<script>", "en" * 500])
async def test_languages(site: Site, lang: str) -> None:
    """`lang` chooses among the languages that there are, and is otherwise nothing."""
    response = await site.get(f"/login?lang={lang}", headers={"Accept-Language": "zh;q=0.5, xx, ,;;q=9"})
    assert response.status_code == 200
    assert "<script>" not in response.text


async def test_behind_a_path(anyio_backend: str) -> None:
    """Redirects of the pages stay below the issuer's own path (section 7)."""
    async with open_site(FakeClock(), issuer="https://id.example/auth") as site:
        await site.account()
        response = await site.post("https://id.example/login", form={"username": "ann", "password": PASSWORD})
        assert where(response) == "/auth/account"


async def test_with_the_issuers_path_and_without(anyio_backend: str) -> None:
    """A proxy may leave the issuer's path in the address or take it away; metadata is also where clients look for it
    (RFC 8414 section 3.1, RFC 9728 section 3.1); nothing else is anywhere else."""
    async with open_site(FakeClock(), issuer="https://id.example/auth") as site:
        await site.account()
        for base in ("", "/auth"):
            at = "https://id.example" + base
            response = await site.post(at + "/login", form={"username": "ann", "password": PASSWORD})
            assert where(response) == "/auth/account"
            cookies = {SESSION: set_cookies(response)[SESSION].value}
            assert (await site.get(at + "/v1/me", cookies=cookies)).status_code == 200
            assert (await site.get(at + "/account", cookies=cookies)).status_code == 200
            assert where(await site.get(at + "/account")).startswith("/auth/login?next=%2Fauth%2Faccount")
            assert (await site.get(at + "/.well-known/jwks.json")).headers["cache-control"].startswith("public")
            assert (await site.get(at + "/healthz", headers={"Host": "10.0.0.7"})).status_code == 200
        for name in ("oauth-authorization-server", "oauth-protected-resource"):
            places = (f"/.well-known/{name}/auth", f"/auth/.well-known/{name}", f"/.well-known/{name}")
            first, *others = [(await site.get("https://id.example" + place)).json() for place in places]
            assert others == [first, first]
        for path in ("/auth", "/authv1/me", "/auth/auth/v1/me", "/v1/me/auth", "/.well-known/jwks.json/auth", "//auth"):
            assert (await site.get("https://id.example" + path)).status_code == 404, path
        # a client behind a proxy that takes the path away could write it twice; the proxy itself asks without it
        for path, status in (("/auth/v1/forward-auth", 404), ("/v1/forward-auth", 401)):
            assert (await site.get("https://id.example" + path, peer="127.0.0.1")).status_code == status, path


@pytest.mark.parametrize("path", ["kept", "stripped"])
async def test_where_a_setting_says_what_a_proxy_does_the_other_form_is_404(path: str, anyio_backend: str) -> None:
    """`issuer_path`: who keeps one of our paths from clients keeps it under its one address. What machines beside this
    one ask by themselves has no path of the issuer's in front, and metadata stands before it (RFC 8414 section 3.1)."""
    origin, below = "https://id.example", "https://id.example/auth"
    right, wrong = (below, origin) if path == "kept" else (origin, below)
    async with open_site(FakeClock(), issuer=below, issuer_path=path) as site:
        await site.account()
        response = await site.post(right + "/login", form={"username": "ann", "password": PASSWORD})
        assert where(response) == "/auth/account"
        cookies = {SESSION: set_cookies(response)[SESSION].value}
        assert (await site.post(wrong + "/login", form={"username": "ann", "password": PASSWORD})).status_code == 404
        for place in ("/v1/me", "/account", "/", "/.well-known/jwks.json", "/docs"):
            assert (await site.get(right + place, cookies=cookies)).status_code == 200, place
            refused = await site.get(wrong + place, cookies=cookies)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), place
        for place in ("/healthz", "/v1/forward-auth"):
            asked = await site.get(origin + place, cookies=cookies, peer="127.0.0.1", headers={"Host": "id.example"})
            assert asked.status_code == 200, place
        # whatever a proxy does, the question is none that a client could ask with the issuer's path before it
        assert (await site.get(below + "/v1/forward-auth", cookies=cookies, peer="127.0.0.1")).status_code == 404
        for name in ("oauth-authorization-server", "oauth-protected-resource"):
            answers = [
                await site.get(address)
                for address in (f"{origin}/.well-known/{name}/auth", f"{right}/.well-known/{name}")
            ]
            assert answers[0].json() == answers[1].json()
            assert (await site.get(f"{wrong}/.well-known/{name}")).status_code == 404


async def test_another_host_is_421_whatever_the_path(anyio_backend: str) -> None:
    """`issuer_path`: also where the address has not the path that is kept (contract section 1)."""
    async with open_site(FakeClock(), issuer="https://id.example/auth", issuer_path="kept") as site:
        for path in ("/auth/v1/me", "/v1/me"):
            assert (await site.get("https://other.example" + path)).status_code == 421, path


async def test_an_issuers_path_that_is_one_of_ours_is_read_where_it_is_kept(anyio_backend: str) -> None:
    """`issuer_path`: the setting says what is meant, where the path alone could not."""
    async with open_site(FakeClock(), issuer="https://id.example/v1", issuer_path="kept") as site:
        assert (await site.get("https://id.example/v1/v1/me")).status_code == 401
        assert (await site.get("https://id.example/v1/me")).status_code == 404


async def test_an_issuers_path_that_is_one_of_ours_is_taken_away_by_a_proxy(anyio_backend: str) -> None:
    """Else nobody could say what is meant."""
    async with open_site(FakeClock(), issuer="https://id.example/v1") as site:
        assert (await site.get("https://id.example/v1/me")).status_code == 401
        assert (await site.get("https://id.example/v1/v1/me")).status_code == 404


async def test_the_audit_trail_names_whoever_logs_out(site: Site) -> None:
    """By the page or by the call: the account itself, under one name."""
    account_id = await site.account()
    by_page, by_call = await site.log_in(), await site.log_in()
    await site.post("/logout", form={}, **by_page.use)
    await site.post("/v1/logout", **by_call.use)
    trail = await site.auth.system.store.audit.page(event="session.logged_out", limit=10)
    assert {(event.session_id, event.actor) for event in trail} == {
        (by_page.id, account_id),
        (by_call.id, account_id),
    }


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
async def test_where_there_is_no_demonstration(site: Site, lang: str) -> None:
    """`/demo` is a page of every server (section 5); without the accounts and services of the demonstration, it says
    what starts them, and offers nothing that would not work. M-71."""
    response = await site.get(f"/demo?lang={lang}")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["referrer-policy"] == "same-origin"
    assert "ostiary demo" in response.text
    assert "<form" not in response.text
    assert (await site.post("/demo", form={})).status_code == 405
