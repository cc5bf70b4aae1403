"""Contract section 2: presenting a credential."""

from typing import Any

import pytest
from tests.http.harness import API, ISSUER, KINDS, REFRESH, SESSION, TRANSPORTS, Site, open_site, problem

from ostiary.http.endpoints import Dialect
from ostiary.http.routes import ENDPOINTS
from ostiary.http.routes.openapi import openapi_endpoints

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_scheme_is_case_insensitive(site: Site, kind: str, scheme: str) -> None:
    """`Authorization: Bearer` takes all three kinds, in any case (section 2, B-50)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    response = await site.get("/v1/me", headers={"Authorization": f"{scheme} {login.access_token}"})
    assert response.status_code == 200
    assert response.json()["kind"] == kind


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_every_transport_is_recognised(site: Site, kind: str, transport: str) -> None:
    """One login carries many later requests, whatever the kind and however it travels (M-01)."""
    account = await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    for _ in range(3):
        me = (await site.get("/v1/me", **login.use)).json()
        assert me["account"]["id"] == account
        assert me["session"]["id"] == login.id
        assert me["session"]["current"] is True
        assert me["kind"] == kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/v1/me", "/v1/sessions", "/v1/admin/stats"])
async def test_header_and_session_cookie_together_are_400(site: Site, kind: str, path: str) -> None:
    """One method a request: Authorization beside the session cookie is 400, though both are good (section 2)."""
    await site.account(roles=("admin",))
    cookie = await site.log_in(kind=kind, transport="cookie")
    bearer = await site.log_in(kind=kind, transport="bearer")
    response = await site.get(path, bearer=bearer.access_token, cookies={SESSION: cookie.cookies[SESSION]})
    assert problem(response) == (400, "invalid_request")


async def test_header_and_session_cookie_together_change_nothing(site: Site) -> None:
    """A contradictory request ends nothing (section 2)."""
    await site.account()
    cookie, bearer = await site.log_in(), await site.log_in(transport="bearer")
    for path in ("/v1/sessions/end-all", "/v1/logout"):
        response = await site.post(path, bearer=bearer.access_token, cookies={SESSION: cookie.cookies[SESSION]})
        assert problem(response) == (400, "invalid_request")
    assert await site.alive(cookie)
    assert await site.alive(bearer)


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_the_refresh_cookie_may_come_along(site: Site, kind: str) -> None:
    """The refresh cookie beside Authorization is no contradiction (section 2)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="split")
    response = await site.get("/v1/me", bearer=login.access_token, cookies={REFRESH: login.refresh_token})
    assert response.status_code == 200
    assert "set-cookie" not in response.headers


async def test_a_repeated_session_cookie_is_400(site: Site) -> None:
    """Two session cookies: one was planted (section 2, B-121)."""
    await site.account()
    login = await site.log_in()
    value = login.cookies[SESSION]
    for lines in (
        [("Cookie", f"{SESSION}={value}; {SESSION}={value}")],
        [("Cookie", f"{SESSION}={value}"), ("Cookie", f"{SESSION}={value}")],
        [("Cookie", f"{SESSION}=ost_st_planted; a=b; {SESSION}={value}")],
    ):
        for method, path in (("GET", "/v1/me"), ("POST", "/v1/logout"), ("POST", "/v1/sessions/end-all")):
            assert problem(await site.call(method, path, headers=lines)) == (400, "invalid_request")
    assert await site.alive(login)


async def test_a_repeated_session_cookie_is_400_on_pages_and_at_login(site: Site) -> None:
    """Pages and login look at the session cookie too (section 2)."""
    await site.account()
    twice = {"Cookie": f"{SESSION}=a; {SESSION}=b"}
    for path in ("/", "/account"):
        assert (await site.get(path, headers=twice)).status_code == 400
    for path in ("/logout", "/login"):
        assert (await site.post(path, form={"username": "ann", "password": "x"}, headers=twice)).status_code == 400
    body = {"username": "ann", "password": "eleven quiet lanterns"}
    assert problem(await site.post("/v1/login", json=body, headers=twice)) == (400, "invalid_request")


async def test_a_repeated_session_cookie_is_400_at_every_endpoint(site: Site) -> None:
    """One rule, also where nobody asks whose cookie it is: 400, in the words of the place, and nothing is done (section
    2, M-08)."""
    await site.account()
    refresh = (await site.log_in(kind="stateful", transport="bearer")).answer["refresh_token"]
    lines = ({"Cookie": f"{SESSION}=a; {SESSION}=b"}, {"Cookie": f"{SESSION}=a; x=y; {SESSION}=a"})
    taken = {endpoint.path: endpoint for endpoint in (*ENDPOINTS, *openapi_endpoints(ENDPOINTS))}
    for endpoint in taken.values():
        for twice in lines:
            answered = await site.call(endpoint.method, endpoint.path.replace("{name}", "site.css"), headers=twice)
            assert answered.status_code == 400, f"{endpoint.method} {endpoint.path}"
            if endpoint.dialect is Dialect.OAUTH:
                assert answered.json()["error"] == "invalid_request", endpoint.path
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    for twice in lines:
        assert (await site.post("/oauth/token", form=form, headers=twice)).json()["error"] == "invalid_request"
        assert (await site.post("/oauth/revoke", form={"token": refresh}, headers=twice)).status_code == 400
        body = {"username": "bob", "password": "eleven quiet lanterns"}
        assert problem(await site.post("/v1/accounts", json=body, headers=twice)) == (400, "invalid_request")
        assert (await site.post("/signup", form=body, headers=twice)).status_code == 400
    assert (await site.post("/oauth/token", form=form)).status_code == 200, "the refresh token was not spent"
    body = {"username": "bob", "password": "eleven quiet lanterns"}
    assert (await site.post("/v1/accounts", json=body)).status_code == 201, "the name is free"


async def test_cookie_names_are_exact(site: Site) -> None:
    """Cookies of other names, or of ours in another case, are not ours (B-121)."""
    await site.account()
    value = (await site.log_in()).cookies[SESSION]
    for name in ("__host-ostiary_session", "ostiary_session", "__Secure-ostiary_session", "x__Host-ostiary_session"):
        assert problem(await site.get("/v1/me", cookies={name: value})) == (401, "not_authenticated")


@pytest.mark.parametrize(
    "path", ["/v1/me", "/v1/login", "/v1/admin/stats", "/oauth/token", "/healthz", "/account", "/.well-known/jwks.json"]
)
async def test_a_repeated_authorization_is_400(site: Site, path: str) -> None:
    """Two Authorization headers are 400 wherever they arrive (section 2, B-56)."""
    await site.account(roles=("admin",))
    token = (await site.log_in(transport="bearer")).access_token
    lines = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert problem(await site.get(path, headers=lines)) == (400, "invalid_request")


async def test_a_comma_joined_pair_is_400(site: Site) -> None:
    """Two credentials that a proxy joined to one line are 400 (B-56)."""
    await site.account()
    token = (await site.log_in(transport="bearer")).access_token
    response = await site.get("/v1/me", headers={"Authorization": f"Bearer {token}, Bearer {token}"})
    assert problem(response) == (400, "invalid_request")


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Digest x", "Negotiate", "Token x"])
async def test_other_schemes_are_no_credential(site: Site, value: str) -> None:
    """A scheme that is not ours is as if nothing had been sent (section 2)."""
    response = await site.get("/v1/me", headers={"Authorization": value})
    assert problem(response) == (401, "not_authenticated")


@pytest.mark.parametrize("kind", KINDS)
async def test_the_dpop_scheme_needs_a_bound_credential(site: Site, kind: str) -> None:
    """A credential that is bound to no key is refused under the DPoP scheme, in any case of letters (RFC 9449 7.1)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    for scheme in ("DPoP", "dpop"):
        response = await site.get("/v1/me", headers={"Authorization": f"{scheme} {login.access_token}"})
        assert problem(response) == (401, "invalid_token")
        assert response.headers["www-authenticate"].startswith("DPoP ")


@pytest.mark.parametrize("name", ["access_token", "token", "session", "refresh_token", "ticket", "jwt"])
async def test_credentials_in_the_query_are_not_read(site: Site, name: str) -> None:
    """A credential in a URL is ignored: 401 as if nothing had been sent (M-04, B-51)."""
    await site.account()
    token = (await site.log_in(transport="bearer")).access_token
    response = await site.get(f"/v1/me?{name}={token}")
    assert problem(response) == (401, "not_authenticated")
    assert "error" not in response.headers["www-authenticate"]


async def test_a_token_in_a_body_is_not_read(site: Site) -> None:
    """RFC 6750 section 2.2 (a token in a form) is not offered."""
    await site.account()
    token = (await site.log_in(transport="bearer")).access_token
    response = await site.post("/v1/sessions/end-all", json={"access_token": token})
    assert problem(response) == (401, "not_authenticated")


WRONG = {
    "refresh token": lambda logins: logins["stateless"].refresh_token,
    "cut short": lambda logins: logins["session"].access_token[:-1],
    "longer": lambda logins: logins["session"].access_token + "A",
    "other prefix": lambda logins: "ost_cs_" + logins["session"].access_token[7:],
    "no prefix": lambda logins: logins["session"].access_token[7:],
    "session id": lambda logins: logins["session"].id,
    "account id": lambda logins: logins["session"].account_id,
    "signature gone": lambda logins: logins["stateless"].access_token.rsplit(".", 1)[0] + ".",
    "no signature": lambda logins: logins["stateless"].access_token.rsplit(".", 1)[0],
    "foreign bytes": lambda logins: "é\x80ü",
    "dots": lambda logins: "..",
    "two": lambda logins: logins["session"].access_token + " " + logins["session"].access_token,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("by_cookie", [False, True])
async def test_what_is_not_an_access_credential_is_401(site: Site, name: str, *, by_cookie: bool) -> None:
    """The kind is told by the credential's form; one type is refused where another is expected (sections 2 and 4)."""
    await site.account()
    logins = {kind: await site.log_in(kind=kind, transport="bearer") for kind in KINDS}
    value = WRONG[name](logins).encode("utf-8")
    line: tuple[Any, Any] = (
        (b"Cookie", SESSION.encode() + b"=" + value) if by_cookie else (b"Authorization", b"Bearer " + value)
    )
    response = await site.get("/v1/me", headers=[line])
    assert problem(response) == (401, "invalid_token")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/me"), ("GET", "/v1/sessions"), ("GET", "/v1/csrf"), ("PATCH", "/v1/me"), ("POST", "/v1/logout"),
        ("POST", "/v1/sessions/end-all"), ("POST", "/v1/sessions/end-others"), ("GET", "/v1/admin/stats"),
    ],
)  # fmt: skip
async def test_a_token_for_another_audience_is_refused_here(site: Site, kind: str, method: str, path: str) -> None:
    """Our own API takes only what is meant for the issuer; a session has its audience in its record (section 4)."""
    await site.account(roles=("admin",))
    login = await site.log_in(kind=kind, transport="bearer", audience=API)
    body = {"display_name": "x"} if method == "PATCH" else None
    response = await site.call(method, path, json=body, bearer=login.access_token)
    assert problem(response) == (401, "invalid_token")
    both = await site.log_in(kind=kind, transport="bearer", audience=[API, ISSUER])
    assert (await site.get("/v1/me", bearer=both.access_token)).status_code == 200


async def test_cookies_without_the_prefix_where_cookies_are_not_secure() -> None:
    """`cookie_secure = false` drops `__Host-` and Secure; then only the short names are read (section 3)."""
    async with open_site(issuer="http://dev.example:8000", cookie_secure=False) as site:
        await site.account()
        login = await site.log_in(kind="stateful", transport="cookie")
        assert set(login.cookies) >= {"ostiary_session", "ostiary_refresh"}
        value = login.cookies["ostiary_session"]
        assert (await site.get("/v1/me", cookies={"ostiary_session": value})).status_code == 200
        assert problem(await site.get("/v1/me", cookies={SESSION: value})) == (401, "not_authenticated")
        twice = {"Cookie": f"ostiary_session={value}; ostiary_session={value}"}
        assert problem(await site.get("/v1/me", headers=twice)) == (400, "invalid_request")
