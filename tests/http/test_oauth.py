"""Contract section 5: refresh, revocation, metadata, keys."""

import json
from typing import Any

import anyio
import pytest
from tests.http.harness import (
    ISSUER,
    KINDS,
    PASSWORD,
    REFRESH,
    SESSION,
    Login,
    Site,
    decoded,
    open_site,
    problem,
    set_cookies,
)  # fmt: skip

from ostiary import limits
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

JWTS = ("stateful", "stateless")
BASIC = {"Authorization": "Basic Y2xpX3g6b3N0X2NzX3g="}


def renewed(login: Login, response: Any) -> Login:
    """The login after a refresh."""
    assert response.status_code == 200, response.text
    return login.renewed(response)


@pytest.mark.parametrize("kind", JWTS)
async def test_refresh_by_body(site: Site, kind: str) -> None:
    """A token in the body gives a new pair in the body, and no cookie (section 5, M-40)."""
    await site.account()
    login = await site.log_in(kind=kind)
    site.clock.advance(30)
    response = await site.refresh(login)
    body = response.json()
    assert {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"} <= set(body)
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == {"stateful": 900, "stateless": 300}[kind]
    assert "set-cookie" not in response.headers
    assert response.headers["cache-control"] == "no-store"
    after = renewed(login, response)
    assert await site.alive(after)
    assert await site.alive(login)
    claims = decoded(after.access_token)[1]
    assert claims["sid"] == login.id
    assert claims["sv"] == decoded(login.access_token)[1]["sv"]


@pytest.mark.parametrize("kind", JWTS)
async def test_refresh_by_cookie_with_split(site: Site, kind: str) -> None:
    """With `split` the access token is in the body, the refresh token in its Strict cookie (sections 3 and 5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="split")
    response = await site.refresh(login)
    assert "access_token" in response.json()
    assert "refresh_token" not in response.json()
    cookies = set_cookies(response)
    assert set(cookies) == {REFRESH}
    assert cookies[REFRESH].attributes == ("Path=/", "Secure", "HttpOnly", "SameSite=Strict")
    assert await site.alive(renewed(login, response))


@pytest.mark.parametrize("kind", JWTS)
async def test_refresh_by_cookie_with_cookie(site: Site, kind: str) -> None:
    """With `cookie` both come in cookies and neither in the body (sections 3 and 5)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    response = await site.refresh(login)
    assert not {"access_token", "refresh_token"} & set(response.json())
    assert set(set_cookies(response)) == {SESSION, REFRESH}
    assert (await site.get("/v1/me", **renewed(login, response).use)).status_code == 200


async def test_refresh_beside_an_expired_access_cookie(site: Site) -> None:
    """The session cookie that comes along, live or expired, does not matter (section 5)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport="cookie")
    site.clock.advance(301)
    response = await site.post("/oauth/token", form={"grant_type": "refresh_token"}, **login.use)
    assert response.status_code == 200


@pytest.mark.parametrize("transport", ["bearer", "split", "cookie"])
async def test_the_predecessor_gets_the_same_successor(site: Site, transport: str) -> None:
    """Within the grace window the immediate predecessor gets the same successor; parallel renewals all succeed and
    leave one live refresh token (section 5, M-42)."""
    await site.account()
    login = await site.log_in(kind="stateless", transport=transport)
    tokens: set[str] = set()

    async def one() -> None:
        tokens.add(renewed(login, await site.refresh(login)).refresh_token)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(one)
    site.clock.advance(9)
    tokens.add(renewed(login, await site.refresh(login)).refresh_token)
    assert len(tokens) == 1


@pytest.mark.parametrize("kind", JWTS)
async def test_an_older_refresh_token_ends_the_session(site: Site, kind: str) -> None:
    """`invalid_grant`, and the session is over for thief and owner alike, access tokens too (section 5, M-43)."""
    await site.account()
    first = await site.log_in(kind=kind)
    second = renewed(first, await site.refresh(first))
    third = renewed(second, await site.refresh(second))
    assert await site.alive(third)
    assert problem(await site.refresh(first)) == (400, "invalid_grant")
    for login in (first, second, third):
        assert not await site.alive(login)
        assert problem(await site.refresh(login)) == (400, "invalid_grant")


async def test_the_predecessor_after_the_grace_window_ends_the_session(site: Site) -> None:
    """After `refresh_grace` the predecessor is as old as any (section 5)."""
    await site.account()
    first = await site.log_in(kind="stateless")
    second = renewed(first, await site.refresh(first))
    site.clock.advance(10)
    assert problem(await site.refresh(first)) == (400, "invalid_grant")
    assert not await site.alive(second)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "ost_rt_nonsense"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x" * 5000}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "é\u0000"}, "invalid_grant"),
        ({"grant_type": "password", "username": "ann", "password": PASSWORD}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"grant_type": "Refresh_Token", "refresh_token": "x"}, "unsupported_grant_type"),
        ({"refresh_token": "ost_rt_x"}, "invalid_request"),
    ],
)
async def test_refusals(site: Site, form: dict[str, str], error: str) -> None:
    """400 with the code of RFC 6749 section 5.2; a parameter without a value counts as absent (section 3.2)."""
    await site.account()
    assert problem(await site.post("/oauth/token", form=form)) == (400, error)


async def test_a_token_of_another_type_is_no_grant(site: Site) -> None:
    """Access credentials are refused where a refresh token is expected (section 4)."""
    await site.account()
    for kind in KINDS:
        token = (await site.log_in(kind=kind, transport="bearer")).access_token
        form = {"grant_type": "refresh_token", "refresh_token": token}
        assert problem(await site.post("/oauth/token", form=form)) == (400, "invalid_grant")


async def test_a_changed_refresh_token_is_refused_and_ends_nothing(site: Site) -> None:
    """Only a token that was issued can count as reused: a guess ends nobody's session (section 5)."""
    await site.account()
    login = await site.log_in(kind="stateless")
    token = login.refresh_token
    for wrong in (token[:-1], token + "A", token[:40] + ("B" if token[40] == "A" else "A") + token[41:], token.upper()):
        form = {"grant_type": "refresh_token", "refresh_token": wrong}
        assert problem(await site.post("/oauth/token", form=form)) == (400, "invalid_grant")
    assert await site.alive(login)
    assert (await site.refresh(login)).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_a_parameter_twice_is_400(site: Site, path: str) -> None:
    """RFC 6749 section 3.2: parameters must not be repeated."""
    await site.account()
    login = await site.log_in(kind="stateless")
    pairs = [
        ("grant_type", "refresh_token"), ("token", login.refresh_token), ("refresh_token", login.refresh_token),
    ]  # fmt: skip
    for repeated in pairs:
        assert problem(await site.post(path, form=[*pairs, repeated])) == (400, "invalid_request")
    assert await site.alive(login)


@pytest.mark.parametrize(
    "content",
    [b"grant_type", b"&", b"a=b&&c=d", b"grant_type=refresh_token&refresh_token=%ff", b"\xff=1", b"a=1;b=2&c"],
)
async def test_what_is_no_form_is_400(site: Site, content: bytes) -> None:
    """A body that is not a form in UTF-8 is 400 `invalid_request` (RFC 6749 section 5.2)."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert problem(await site.post("/oauth/token", content=content, headers=headers)) == (400, "invalid_request")


async def test_too_many_fields_are_400(site: Site) -> None:
    """A form of a thousand fields is not taken apart (section 1)."""
    pairs = [(f"f{n}", "") for n in range(1000)]
    assert problem(await site.post("/oauth/token", form=pairs)) == (400, "invalid_request")


async def test_unknown_parameters_are_passed_over(site: Site) -> None:
    """RFC 6749 section 3.2: unrecognised parameters are ignored."""
    await site.account()
    login = await site.log_in(kind="stateless")
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token, "resource": "x", "nonce": "y"}
    assert (await site.post("/oauth/token", form=form)).status_code == 200


async def test_scope_at_refresh(anyio_backend: str) -> None:
    """The scope of the login may be asked for again; more is `invalid_scope`, and spends nothing (RFC 6749 section
    6)."""
    async with open_site(FakeClock(), role_scopes={"user": ("a", "b")}) as site:
        await site.account()
        login = await site.log_in(kind="stateless")
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        for scope in ("a b c", "admin"):
            assert problem(await site.post("/oauth/token", form={**form, "scope": scope})) == (400, "invalid_scope")
        assert problem(await site.post("/oauth/token", form={**form, "scope": 'a "'})) == (400, "invalid_scope")
        site.clock.advance(60)
        response = await site.post("/oauth/token", form={**form, "scope": "b a"})
        assert response.status_code == 200
        assert set(response.json()["scope"].split()) == {"a", "b"}


async def test_a_part_of_the_scope_at_refresh(anyio_backend: str) -> None:
    """RFC 6749 section 6: a stateless token may say less than the login, and the next one all of it again; of a
    reference the scope is on the server, so that asking for less is `invalid_scope`."""
    async with open_site(FakeClock(), role_scopes={"user": ("a", "b", "c")}) as site:
        await site.account()
        login = await site.log_in(kind="stateless", scope="a b")
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        assert problem(await site.post("/oauth/token", form={**form, "scope": "a c"})) == (400, "invalid_scope")
        less = (await site.post("/oauth/token", form={**form, "scope": "b"})).json()
        assert less["scope"] == decoded(less["access_token"])[1]["scope"] == "b"
        again = (await site.post("/oauth/token", form={**form, "refresh_token": less["refresh_token"]})).json()
        assert again["scope"] == decoded(again["access_token"])[1]["scope"] == "a b"
        login = await site.log_in(kind="stateful", scope="a b")
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        assert problem(await site.post("/oauth/token", form={**form, "scope": "b"})) == (400, "invalid_scope")
        assert (await site.post("/oauth/token", form={**form, "scope": "b a"})).status_code == 200


async def test_refresh_rereads_roles(site: Site) -> None:
    """Renewal re-reads roles; after a role change an old stateless token is 401 and a refresh helps (section 4,
    M-41)."""
    account = await site.account(roles=("admin", "user"))
    await site.account("root", roles=("admin",))
    root = await site.log_in("root")
    logins = [await site.log_in(kind=kind, transport="bearer") for kind in KINDS]
    for login in logins:
        assert (await site.get("/v1/admin/stats", **login.use)).status_code == 200
    change = await site.patch(f"/v1/admin/accounts/{account}", json={"roles": ["user"]}, **root.use)
    assert change.status_code == 200
    assert change.json()["ended"] == 0
    session, stateful, stateless = logins
    for login in (session, stateful):
        assert problem(await site.get("/v1/admin/stats", **login.use)) == (403, "forbidden")
        assert await site.alive(login)
    assert problem(await site.get("/v1/me", **stateless.use)) == (401, "invalid_token")
    after = renewed(stateless, await site.refresh(stateless))
    assert decoded(after.access_token)[1]["roles"] == ["user"]
    assert problem(await site.get("/v1/admin/stats", **after.use)) == (403, "forbidden")


async def test_refreshes_are_limited(anyio_backend: str) -> None:
    """`refreshes_per_minute` a session: 429 with Retry-After, and the token is not spent (section 7)."""
    async with open_site(FakeClock(), refreshes_per_minute=3) as site:
        await site.account()
        login = await site.log_in(kind="stateless")
        for _ in range(3):
            login = renewed(login, await site.refresh(login))
        response = await site.refresh(login)
        assert response.status_code == 429
        site.clock.advance(int(response.headers["retry-after"]))
        assert (await site.refresh(login)).status_code == 200


@pytest.mark.parametrize("correction", [-86_400.0, -3_600.0, 61.0])
async def test_the_limit_of_refreshes_keeps_its_minute_when_the_clock_is_set(
    anyio_backend: str, correction: float
) -> None:
    """A machine's time that is corrected, back or forwards, neither lifts the limit nor locks anybody out for longer
    than its minute (section 7)."""
    async with open_site(FakeClock(), refreshes_per_minute=3) as site:
        await site.account()
        login = await site.log_in(kind="stateless")
        for _ in range(3):
            login = renewed(login, await site.refresh(login))
        site.clock.set_wall(site.clock.wall + correction)
        response = await site.refresh(login)
        assert response.status_code == 429
        assert 1 <= int(response.headers["retry-after"]) <= 61
        site.clock.advance(int(response.headers["retry-after"]))
        assert (await site.refresh(login)).status_code == 200


async def test_the_counts_of_refreshes_take_a_bounded_place(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process counts the refreshes of so many sessions at most. The one whose minute began first may then begin
    another one; what is no matter of counting, an old token, ends its session all the same (M-43)."""
    monkeypatch.setattr(limits, "REFRESHING_SESSIONS", 4)
    async with open_site(FakeClock(), refreshes_per_minute=2) as site:
        await site.account()
        first = await site.log_in(kind="stateless")
        later = renewed(first, await site.refresh(first))
        later = renewed(later, await site.refresh(later))
        assert (await site.refresh(later)).status_code == 429
        for number in range(12):
            await site.refresh(await site.log_in(kind="stateless"))
            assert len(site.auth.system.refresh._rates) == min(number + 2, 4)
        assert (await site.refresh(later)).status_code == 200
        site.clock.advance(11)
        assert problem(await site.refresh(first)) == (400, "invalid_grant")
        assert not await site.alive(later)


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
async def test_wrong_client_credentials(site: Site, path: str) -> None:
    """Wrong client credentials, if sent, are 401 `invalid_client` with `Basic`, and nothing is done (section 5)."""
    await site.account()
    login = await site.log_in(kind="stateless")
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token, "token": login.refresh_token}
    for headers, more in (
        (BASIC, {}), ({"Authorization": "basic x"}, {}), ({"Authorization": "Basic"}, {}),
        ({}, {"client_id": "cli_x", "client_secret": "ost_cs_x"}),
        ({}, {"client_assertion": "a.b.c",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}),
    ):  # fmt: skip
        response = await site.post(path, form={**form, **more}, headers=headers)
        assert problem(response) == (401, "invalid_client")
        assert response.headers["www-authenticate"].startswith("Basic ")
    assert await site.alive(login)
    site.clock.advance(60)
    assert (await site.refresh(login)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "which"),
    [("session", "access"), *((k, w) for k in JWTS for w in ("access", "refresh", "expired", "predecessor", "older"))],
)
async def test_revoke(site: Site, kind: str, which: str) -> None:
    """Any credential or refresh token ends its session; holding it is enough; 200 and nothing else (RFC 7009)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    token = login.refresh_token if which in ("refresh", "predecessor", "older") else login.access_token
    if which == "expired":
        site.clock.advance(1000)
    for _ in range({"predecessor": 1, "older": 3}.get(which, 0)):
        login = renewed(login, await site.refresh(login))
    for _ in range(2):
        response = await site.post("/oauth/revoke", form={"token": token, "token_type_hint": "nonsense"})
        assert response.status_code == 200
        assert response.content == b""
        assert "set-cookie" not in response.headers
    assert not await site.alive(login)
    if kind != "session":
        assert problem(await site.refresh(login)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "token", ["x", "ost_rt_" + "A" * 91, "ost_st_" + "A" * 43, "a.b.c", "é\u0000", "x" * 5000, "ses_x"]
)
async def test_revoking_the_unknown_is_200(site: Site, token: str) -> None:
    """200 whether or not the token was known (section 5)."""
    response = await site.post("/oauth/revoke", form={"token": token})
    assert response.status_code == 200
    assert response.content == b""


async def test_revoke_needs_a_token(site: Site) -> None:
    """Nothing to revoke is 400 (RFC 7009 section 2.1)."""
    for form in ({}, {"token": ""}, {"token_type_hint": "refresh_token"}):
        assert problem(await site.post("/oauth/revoke", form=form)) == (400, "invalid_request")


async def test_metadata(site: Site) -> None:
    """RFC 8414: the issuer exactly, and endpoints that work (section 5)."""
    response = await site.get("/.well-known/oauth-authorization-server")
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert body["issuer"] == ISSUER
    for name in ("token_endpoint", "revocation_endpoint"):
        path = body[name].removeprefix(ISSUER)
        assert (await site.post(path, form={})).status_code == 400
    assert "refresh_token" in body["grant_types_supported"]
    assert (await site.get(body["jwks_uri"].removeprefix(ISSUER))).status_code == 200
    assert "max-age=" in response.headers["cache-control"]


async def test_key_set(site: Site) -> None:
    """The key set is public, cacheable, verifies what is issued, and holds the next key before use (section 5)."""
    from ostiary import jose

    response = await site.get("/.well-known/jwks.json")
    assert "max-age=" in response.headers["cache-control"]
    assert "public" in response.headers["cache-control"]
    keys = response.json()["keys"]
    assert len(keys) == 2
    for key in keys:
        assert {"kty", "kid", "use", "alg"} <= set(key)
        assert not {"d", "p", "q", "k"} & set(key)
    await site.account(roles=("admin",))
    root = await site.log_in()
    login = await site.log_in(kind="stateless")
    assert (await site.post("/v1/admin/keys/rotate", **root.use)).status_code == 200
    later = await site.log_in(kind="stateless")
    for one in (login, later):
        header, _ = decoded(one.access_token)
        (key,) = [key for key in keys if key["kid"] == header["kid"]]
        jose.verify_signature(one.access_token, jose.KeySet([jose.Key.from_jwk(key, alg=key["alg"])]))
    after = {key["kid"] for key in json.loads((await site.get("/.well-known/jwks.json")).content)["keys"]}
    assert {key["kid"] for key in keys} < after
