"""Contract section 5: `GET /v1/forward-auth`. That real proxies get along with it is in tests/proxies."""

from collections import Counter
from typing import Any

import pytest
from tests.http.harness import (
    API,
    ISSUER,
    KINDS,
    REFRESH,
    SESSION,
    TRANSPORTS,
    Site,
    decoded,
    open_site,
    problem,
    set_cookies,
)

from ostiary import jose
from ostiary.credentials import access_token
from ostiary.errors import Misconfigured
from ostiary.services.accounts import AccountPatch
from ostiary.stores.memory import MemoryStore
from ostiary.testing import FakeClock
from ostiary.verifier import Verifier

pytestmark = pytest.mark.anyio

NEAR = "127.0.0.1"
GET = {"X-Original-Method": "GET"}


async def ask(site: Site, path: str = "/v1/forward-auth", **how: Any) -> Any:
    """As a proxy on this machine."""
    return await site.get(path, **{"peer": NEAR, **how})


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_every_kind(site: Site, kind: str, transport: str) -> None:
    """A credential at the edge, of any kind, becomes a token for the service behind, under the same session (M-61)."""
    await site.account(roles=("user", "admin"))
    login = await site.log_in(kind=kind, transport=transport)
    answer = await ask(site, f"/v1/forward-auth?audience={API}", headers=GET, **login.use)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["x-auth-subject"] == login.account_id
    assert answer.headers["x-auth-session"] == login.id
    assert answer.headers["x-auth-roles"] == "admin,user"
    scheme, _, token = answer.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    header, claims = decoded(token)
    assert header["typ"] == "at+jwt"
    assert set(claims) == {
        "iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "sv", "auth_time", "scope", "roles", "ep",
    }  # fmt: skip
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, API, login.account_id)
    assert (claims["sid"], claims["sv"], claims["ep"]) == (login.id, 1, 0)
    assert claims["exp"] - claims["iat"] == 60
    assert claims["roles"] == ["admin", "user"]
    jwks = (await site.get("/.well-known/jwks.json")).text
    verifier = Verifier(issuer=ISSUER, audience=API, keys=jose.KeySet.from_jwks(jwks), clock=site.clock.clock)
    assert (await verifier.verify(token)).account_id == login.account_id


async def test_without_an_audience(site: Site) -> None:
    """Who it is, and no token."""
    await site.account()
    answer = await ask(site, headers=GET, **(await site.log_in()).use)
    assert answer.status_code == 200
    assert "authorization" not in answer.headers


async def test_nobody_and_somebody_who_is_out(site: Site) -> None:
    """401, with the challenge; also at once for what has been ended (M-06)."""
    assert problem(await ask(site, headers=GET)) == (401, "not_authenticated")
    await site.account()
    for kind in KINDS:
        login = await site.log_in(kind=kind, transport="bearer")
        assert (await ask(site, headers=GET, **login.use)).status_code == 200
        await site.post("/v1/logout", **login.use)
        assert problem(await ask(site, headers=GET, **login.use)) == (401, "invalid_token")


@pytest.mark.parametrize("audience", [ISSUER, "https://unknown.example", "", API + "/"])
async def test_for_whom(site: Site, audience: str) -> None:
    """For one of the setting `audiences`, never the issuer: 403, and no token."""
    await site.account()
    login = await site.log_in()
    refused = await ask(site, f"/v1/forward-auth?audience={audience}", headers=GET, **login.use)
    assert problem(refused) == (403, "invalid_target")
    assert "authorization" not in refused.headers


@pytest.mark.parametrize("kind", KINDS)
async def test_roles(site: Site, kind: str) -> None:
    """A role that the caller has not is 403; a new role counts, and one that was taken away no longer does (M-30)."""
    account_id = await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    assert (await ask(site, "/v1/forward-auth?role=user", headers=GET, **login.use)).status_code == 200
    for role in ("admin", "", "User", "user,admin"):
        refused = await ask(site, f"/v1/forward-auth?role={role}", headers=GET, **login.use)
        assert problem(refused) == (403, "forbidden"), role
    await site.auth.system.accounts.change(account_id, AccountPatch(roles=("guest",)), actor="test")
    again = await ask(site, "/v1/forward-auth?role=user", headers=GET, **login.use)
    assert problem(again) == ((401, "invalid_token") if kind == "stateless" else (403, "forbidden"))


async def test_contradicting_questions(site: Site) -> None:
    """A parameter that comes twice is no question."""
    await site.account()
    use = (await site.log_in()).use
    for query in (f"audience={API}&audience={API}", "role=user&role=admin"):
        assert (await ask(site, f"/v1/forward-auth?{query}", headers=GET, **use)).status_code == 400


@pytest.mark.parametrize("peer", ["198.51.100.7", "10.0.0.1", "", "::", "128.0.0.1", "testclient", "fe80::1%lo"])
async def test_strangers_may_not_ask(site: Site, peer: str) -> None:
    """Neither with nor without a login, whatever headers claim; also a peer without an address."""
    await site.account()
    use = (await site.log_in()).use
    for how in ({}, use):
        headers = {**GET, "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}
        assert problem(await ask(site, peer=peer, headers=headers, **how)) == (403, "forbidden")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.1.2.3"])
async def test_proxies_may_ask(peer: str, anyio_backend: str) -> None:
    """This machine, and whoever is among `trusted_proxies`."""
    async with open_site(trusted_proxies=("10.0.0.0/8",)) as site:
        await site.account()
        assert (await ask(site, peer=peer, headers=GET, **(await site.log_in()).use)).status_code == 200


FOREIGN = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("told", "safe"),
    [
        ({"X-Original-Method": "GET"}, True), ({"X-Forwarded-Method": "GET"}, True), ({"X-Forwarded-Method": "HEAD"},
        True),
        ({"X-Original-Method": "OPTIONS"}, True), ({"X-Original-Method": "GET", "X-Forwarded-Method": "GET"}, True),
        ({"X-Original-Method": "POST"}, False), ({"X-Forwarded-Method": "DELETE"}, False), ({}, False),
        ({"X-Original-Method": ""}, False), ({"X-Original-Method": "get"}, False), ({"X-Original-Method": "BREW"},
        False),
        ({"X-Original-Method": "GET", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}, False),
    ],
)  # fmt: skip
async def test_the_original_method_decides(site: Site, told: dict[str, str], safe: bool) -> None:
    """Cookie-borne and unsafe: the CSRF rule holds at the edge; no method told counts as unsafe, and so does the
    handshake of a WebSocket. A credential in the header needs none of it (M-50)."""
    await site.account()
    cookie, bearer = await site.log_in(), await site.log_in(kind="stateful")
    foreign = await ask(site, headers={**told, **FOREIGN}, **cookie.use)
    assert problem(foreign) == ((200, "none") if safe else (403, "csrf_rejected"))
    assert (await ask(site, headers={**told, **OWN}, **cookie.use)).status_code == 200
    assert (await ask(site, headers=told, **cookie.use)).status_code == 200, "not a browser"
    assert (await ask(site, headers={**told, **FOREIGN}, **bearer.use)).status_code == 200


@pytest.mark.parametrize(
    "told",
    [
        [("X-Original-Method", "GET"), ("X-Forwarded-Method", "POST")],
        [("X-Original-Method", "POST"), ("X-Forwarded-Method", "GET")],
        [("X-Original-Method", "GET"), ("X-Original-Method", "POST")],
        [("X-Original-Method", "GET"), ("X-Forwarded-Method", "")],
        [("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "HEAD")],
    ],
)
async def test_two_methods_are_one_too_many(site: Site, told: list[tuple[str, str]]) -> None:
    """One of the two was written by the client: 403, whoever asks."""
    await site.account()
    for use in ({}, (await site.log_in()).use, (await site.log_in(kind="stateless")).use):
        assert problem(await ask(site, headers=told, **use)) == (403, "forbidden")


async def test_the_session_bound_token_is_asked_for_too(anyio_backend: str) -> None:
    """With `csrf_token = "session"`, also at the edge."""
    async with open_site(csrf_token="session") as site:
        await site.account()
        use = (await site.log_in()).use
        headers = {"X-Original-Method": "POST", **OWN}
        assert problem(await ask(site, headers=headers, **use)) == (403, "csrf_rejected")
        token = (await site.get("/v1/csrf", **use)).json()["csrf_token"]
        assert (await ask(site, headers={**headers, "X-CSRF-Token": token}, **use)).status_code == 200


async def test_internal_tokens_do_not_come_back(site: Site) -> None:
    """Ostiary's own API takes no token that is meant for a service behind (section 4)."""
    await site.account()
    login = await site.log_in()
    answer = await ask(site, f"/v1/forward-auth?audience={API}", headers=GET, **login.use)
    token = answer.headers["authorization"].removeprefix("Bearer ")
    assert problem(await site.get("/v1/me", bearer=token)) == (401, "invalid_token")
    assert problem(await ask(site, headers=GET, bearer=token)) == (401, "invalid_token")
    assert problem(await site.post("/v1/logout", bearer=token)) == (401, "invalid_token")


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_nothing_is_renewed_in_passing(site: Site, kind: str) -> None:
    """Proxies throw `Set-Cookie` of their question away: an expired token is 401,
    and the refresh token stays unspent."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    site.clock.advance(901)
    answer = await ask(site, headers=GET, **login.use)
    assert problem(answer) == (401, "invalid_token")
    assert not set_cookies(answer)
    site.clock.advance(60)
    renewed = await site.get("/v1/me", cookies={SESSION: login.access_token, REFRESH: login.refresh_token})
    assert renewed.status_code == 200


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_the_login_page_renews_and_goes_back(site: Site, kind: str) -> None:
    """Who is sent to the login page with an expired token and a live refresh token is back at once, under new cookies;
    a live token, a dead session and a stranger see the page."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    page = "/login?next=/notes"
    assert (await site.get(page, **login.use)).status_code == 200
    assert (await site.get(page)).status_code == 200
    site.clock.advance(901)
    assert (await ask(site, headers=GET, **login.use)).status_code == 401
    assert (await site.get("/login?next=https://evil.example", **login.use)).status_code == 200
    back = await site.get(page, **login.use)
    assert (back.status_code, back.headers["location"]) == (303, "/notes")
    renewed = {name: one.value for name, one in set_cookies(back).items()}
    assert set(renewed) == {SESSION, REFRESH}
    assert (await ask(site, headers=GET, cookies=renewed)).status_code == 200
    await site.post("/v1/logout", cookies=renewed)
    site.clock.advance(901)
    assert (await site.get(page, cookies=renewed)).status_code == 200


async def test_a_token_does_not_outlive_what_it_was_made_of(site: Site) -> None:
    """60 seconds, or what is left of the credential."""
    await site.account()
    login = await site.log_in(kind="stateless")
    site.clock.advance(299.5)
    answer = await ask(site, f"/v1/forward-auth?audience={API}", headers=GET, **login.use)
    claims = decoded(answer.headers["authorization"].removeprefix("Bearer "))[1]
    assert claims["exp"] - claims["iat"] == 1


async def test_internal_tokens_are_not_encrypted(anyio_backend: str) -> None:
    """The service behind has public keys and no others."""
    async with open_site(encrypt_stateless=True) as site:
        await site.account()
        login = await site.log_in(kind="stateless")
        assert login.access_token.count(".") == 4
        answer = await ask(site, f"/v1/forward-auth?audience={API}", headers=GET, **login.use)
        assert answer.headers["authorization"].count(".") == 2


@pytest.mark.parametrize("kind", KINDS[:2])
async def test_an_internal_token_that_would_be_too_large(kind: str, anyio_backend: str) -> None:
    """M-26: it is refused at issue, here too, as 403: a proxy makes an error of its own of any other. Without an
    audience there is no token, and nothing is too large."""
    scopes = tuple(f"{number:02}-{'s' * 60}" for number in range(40))
    async with open_site(role_scopes={"user": scopes}) as site:
        await site.account()
        login = await site.log_in(kind=kind, transport="bearer")
        refused = await ask(site, f"/v1/forward-auth?audience={API}", headers=GET, **login.use)
        assert problem(refused) == (403, "forbidden")
        assert "authorization" not in refused.headers
        assert (await ask(site, headers=GET, **login.use)).status_code == 200


async def test_an_internal_token_says_nothing_private(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """M-26: should a claim of it ever be private, it is not signed."""
    await site.account()
    login = await site.log_in()
    caller = await site.auth.system.recognition.recognise(login.access_token, site.clock.wall)
    monkeypatch.setattr(access_token, "PRIVATE_CLAIMS", frozenset({"roles"}))
    with pytest.raises(Misconfigured):
        site.auth.system.forward_auth.internal_token(caller, API, site.clock.wall)


class Counting:
    """A part of a store, every call of which is counted."""

    def __init__(self, inner: Any, calls: Counter[str], name: str = "") -> None:
        self._inner, self._calls, self._name = inner, calls, name

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name in ("accounts", "sessions", "throttles", "signing_keys", "audit"):
            return Counting(value, self._calls, name + ".")
        if callable(value) and name in (
            "get",
            "by_token_digest",
            "of_account",
            "page",
            "by_username",
            "issuer",
            "write",
        ):
            self._calls[self._name + name] += 1
        return value


@pytest.mark.parametrize("kind", KINDS)
async def test_a_burst_asks_the_store_nothing(kind: str, anyio_backend: str) -> None:
    """1,000 requests of a session that is known cost no look-up and no write (M-61)."""
    calls: Counter[str] = Counter()
    async with open_site(FakeClock(), store=Counting(MemoryStore(), calls)) as site:
        await site.account()
        login = await site.log_in(kind=kind, transport="bearer")
        path = f"/v1/forward-auth?audience={API}&role=user"
        assert (await ask(site, path, headers=GET, **login.use)).status_code == 200
        assert calls, "what counts does count"
        calls.clear()
        for _ in range(1000):
            answer = await ask(site, path, headers=GET, **login.use)
            assert answer.status_code == 200
            site.clock.advance(0.01)
        assert not calls
