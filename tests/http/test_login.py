"""Contract section 5: login, what may be asked for, what it answers."""

from typing import Any

import pytest
from tests.http.harness import (
    API,
    ISSUER,
    KINDS,
    OTHER_PASSWORD,
    PASSWORD,
    REFRESH,
    REPORTS,
    SESSION,
    TRANSPORTS,
    Site,
    decoded,
    open_site,
    problem,
    set_cookies,
)  # fmt: skip

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

LIVES = {"session": 43_200, "stateful": 900, "stateless": 300}


async def attempt(site: Site, **body: Any) -> Any:
    """A login as ann."""
    return await site.post("/v1/login", json={"username": "ann", "password": PASSWORD, **body})


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_what_a_login_answers(site: Site, kind: str, transport: str) -> None:
    """`{kind, account, session}` and, unless in a cookie, the credential with its lifetime (section 5)."""
    await site.account()
    response = await attempt(site, kind=kind, transport=transport)
    body = response.json()
    expected = {"kind", "account", "session"}
    if transport != "cookie":
        expected |= {"access_token", "token_type", "expires_in"}
        assert body["token_type"] == "Bearer"
        assert body["expires_in"] == LIVES[kind]
    if transport == "bearer" and kind != "session":
        expected |= {"refresh_token", "refresh_expires_in"}
        assert body["refresh_expires_in"] == 604_800
    assert set(body) == expected
    assert body["kind"] == kind
    assert body["session"]["current"] is True
    assert body["session"]["binding"] == "off"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "kind", "cookies"),
    [
        ({}, "session", {SESSION}), ({"transport": "cookie"}, "session", {SESSION}),
        ({"kind": "session", "transport": None}, "session", {SESSION}),
        ({"kind": "stateful"}, "stateful", set()), ({"kind": "stateless"}, "stateless", set()),
    ],
)  # fmt: skip
async def test_defaults(site: Site, asked: dict[str, Any], kind: str, cookies: set[str]) -> None:
    """`session` by cookie is the default; the other two travel in the body by default (section 5)."""
    await site.account()
    response = await attempt(site, **asked)
    assert response.json()["kind"] == kind
    assert set(set_cookies(response)) & {SESSION, REFRESH} == cookies
    assert ("access_token" in response.json()) == (not cookies)


async def test_split_is_not_for_sessions(site: Site) -> None:
    """`split` with `session` is 422, since there is no refresh token (section 5)."""
    await site.account()
    for asked in ({"transport": "split"}, {"transport": "split", "kind": "session"}):
        assert problem(await attempt(site, **asked)) == (422, "invalid_request")


async def test_failures_look_alike(site: Site) -> None:
    """401 `invalid_credentials` with the same body and headers whether the account exists, is disabled, or the password
    is wrong (section 5)."""
    await site.account("ann")
    await site.account("root", roles=("admin",))
    dora = await site.account("dora")
    root = await site.log_in("root")
    assert (await site.patch(f"/v1/admin/accounts/{dora}", json={"disabled": True}, **root.use)).status_code == 200
    answers = [
        await site.post("/v1/login", json={"username": username, "password": password})
        for username, password in (
            ("ann", OTHER_PASSWORD), ("nobody", PASSWORD), ("dora", PASSWORD), ("dora", OTHER_PASSWORD), ("", PASSWORD),
            ("not a name\u0000", PASSWORD), ("ann", ""), (dora, PASSWORD),
        )
    ]  # fmt: skip
    assert all(problem(answer) == (401, "invalid_credentials") for answer in answers)
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.multi_items())) for answer in answers}) == 1


async def test_the_same_failures_are_throttled_alike(site: Site) -> None:
    """An account that does not exist is throttled as one that does: 429 at the same attempt, the same body (section
    5)."""
    await site.account()
    seen = {}
    for peer, username in (("203.0.113.1", "ann"), ("192.0.2.1", "nobody")):
        body = {"username": username, "password": OTHER_PASSWORD}
        answers = [await site.post("/v1/login", json=body, peer=peer) for _ in range(7)]
        seen[username] = [(answer.status_code, answer.headers.get("retry-after"), answer.text) for answer in answers]
    assert seen["ann"] == seen["nobody"]
    assert [status for status, _, _ in seen["ann"]] == [401] * 5 + [429] * 2


async def test_too_many_attempts(site: Site) -> None:
    """429 `too_many_attempts` with Retry-After, also for the right password; after that time it is looked at again."""
    await site.account()
    for _ in range(5):
        assert problem(await attempt(site, password=OTHER_PASSWORD)) == (401, "invalid_credentials")
    response = await attempt(site)
    assert problem(response) == (429, "too_many_attempts")
    assert response.json()["retry_after"] == int(response.headers["retry-after"]) == 1
    site.clock.advance(1)
    assert (await attempt(site)).status_code == 200


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
@pytest.mark.parametrize(
    ("asked", "aud"),
    [
        (None, ISSUER), (ISSUER, ISSUER), (API, API), ([API], API), ([API, REPORTS], [API, REPORTS]),
        ([ISSUER, API], [ISSUER, API]), ([API, API], API), ([], ISSUER),
    ],
)  # fmt: skip
async def test_audience(site: Site, kind: str, asked: Any, aud: Any) -> None:
    """`audience`, a string or a list, is what tokens name; default the issuer; a string if it is one (sections 4,
    5)."""
    await site.account()
    login = await site.log_in(kind=kind, **({} if asked is None else {"audience": asked}))
    assert decoded(login.access_token)[1]["aud"] == aud
    renewed = (await site.refresh(login)).json()["access_token"]
    assert decoded(renewed)[1]["aud"] == aud


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "asked",
    ["https://evil.example", "", "https://api.example/", "HTTPS://API.EXAMPLE", [API, "x"], [""], "*", ISSUER + "/"],
)
async def test_an_audience_that_is_not_ours_is_invalid_target(site: Site, kind: str, asked: Any) -> None:
    """400 `invalid_target`, before the password is looked at (section 5)."""
    await site.account()
    for password in (PASSWORD, OTHER_PASSWORD):
        response = await attempt(site, kind=kind, audience=asked, password=password)
        assert problem(response) == (400, "invalid_target")
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("roles", "asked", "granted"),
    [
        (("user",), None, {"notes:read", "notes:write"}),
        (("user",), "notes:read", {"notes:read"}),
        (("user",), "notes:read accounts:write", {"notes:read"}),
        (("user",), "accounts:write", set()),
        (("user",), "", set()),
        (("admin", "user"), None, {"notes:read", "notes:write", "accounts:write"}),
        ((), None, set()),
    ],
)
async def test_scope_only_narrows(site: Site, roles: tuple[str, ...], asked: str | None, granted: set[str]) -> None:
    """`scope` only narrows what `role_scopes` grants to the roles; default all of it (section 5)."""
    await site.account(roles=roles)
    login = await site.log_in(kind="stateless", **({} if asked is None else {"scope": asked}))
    assert set(decoded(login.access_token)[1]["scope"].split()) == granted
    renewed = (await site.refresh(login)).json()
    assert set(decoded(renewed["access_token"])[1]["scope"].split()) == granted


@pytest.mark.parametrize("scope", [" ", "a  b", " a", 'a"', "a\\b", "a\n", "ä", "a\u0000"])
async def test_a_scope_that_is_none_is_422(site: Site, scope: str) -> None:
    """RFC 6749 section 3.3 says what a scope may consist of."""
    await site.account()
    assert problem(await attempt(site, kind="stateless", scope=scope)) == (422, "invalid_request")


async def test_every_login_is_new(site: Site) -> None:
    """A credential that the client brought is never adopted: each login has its own session and secret (M-09)."""
    await site.account()
    planted = "ost_st_" + "A" * 43
    response = await site.post("/v1/login", json={"username": "ann", "password": PASSWORD}, cookies={SESSION: planted})
    assert set_cookies(response)[SESSION].value != planted
    first, second = await site.log_in(), await site.log_in()
    assert first.id != second.id
    assert first.access_token != second.access_token


async def test_a_second_login_in_the_same_browser_ends_the_first(site: Site) -> None:
    """The session whose cookie is overwritten would be nobody's: it ends, and the answer says so (M-33)."""
    await site.account()
    first = await site.log_in()
    response = await site.post("/v1/login", json={"username": "ann", "password": PASSWORD}, **first.use)
    assert response.json()["ended"] == 1
    assert not await site.alive(first)


async def test_a_bearer_login_in_the_same_browser_ends_nothing(site: Site) -> None:
    """A login that overwrites no cookie leaves the browser's session alone (section 5)."""
    await site.account()
    first = await site.log_in()
    for kind in KINDS:
        body = {"username": "ann", "password": PASSWORD, "kind": kind, "transport": "bearer"}
        assert (await site.post("/v1/login", json=body, **first.use)).status_code == 200
    assert await site.alive(first)


async def test_the_cap_ends_the_oldest_and_says_so(anyio_backend: str) -> None:
    """`max_sessions`: one more login ends the session that was the oldest, and answers how many (M-45)."""
    async with open_site(FakeClock(), max_sessions=2) as site:
        await site.account()
        first = await site.log_in()
        site.clock.advance(1)
        second = await site.log_in(kind="stateless")
        site.clock.advance(1)
        response = await attempt(site)
        assert response.json()["ended"] == 1
        assert response.json()["bound"] == 0
        assert not await site.alive(first)
        assert await site.alive(second)


async def test_remember_lives_longer(site: Site) -> None:
    """A remembered session lives `remember_lifetime`, whether idle or not (sections 3 and 7)."""
    await site.account()
    plain, remembered = await site.log_in(), await site.log_in(remember=True)
    site.clock.advance(1799)
    assert await site.alive(plain)
    site.clock.advance(1800)
    assert not await site.alive(plain)
    site.clock.advance(29 * 86_400)
    assert await site.alive(remembered)
    site.clock.advance(86_400)
    assert not await site.alive(remembered)


async def test_a_login_is_two_commits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt is counted, then session, event and forgiveness are one write: what a login costs beside its hash."""
    await site.account()
    store = site.auth.system.store
    write = type(store).write
    written: list[list[str]] = []

    async def counted(self: Any, *changes: Any, **more: Any) -> bool:
        written.append(sorted(type(change.record).__name__ for change in changes))
        return await write(self, *changes, **more)

    monkeypatch.setattr(type(store), "write", counted)
    await site.log_in()
    assert written == [["Throttle", "Throttle"], ["Account", "AuditEvent", "Session", "Throttle", "Throttle"]]
