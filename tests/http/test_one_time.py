"""Contract section 5: `POST /v1/one-time-tokens`, and section 4 on what such a token is."""

from typing import Any

import pytest
from tests.http.harness import (
    API,
    ISSUER,
    KINDS,
    OTHER_PASSWORD,
    PASSWORD,
    REPORTS,
    Site,
    decoded,
    open_site,
    problem,
)

from ostiary import jose
from ostiary.domain.caller import Caller
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

BODY = {"audience": API, "action": "download", "resource": "reports/q3.pdf"}


async def logged_in(site: Site, kind: str = "session", **more: Any) -> dict[str, Any]:
    """A caller's way to authenticate."""
    await site.account()
    return (await site.log_in(kind=kind, transport="bearer", **more)).use


@pytest.mark.parametrize("kind", KINDS)
async def test_what_it_says(site: Site, kind: str) -> None:
    """Every kind of login may ask; the token has its own type, exactly the members of section 4, and 120 seconds."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    made = await site.post("/v1/one-time-tokens", json=BODY, **login.use)
    assert made.status_code == 201
    answer = made.json()
    assert set(answer) == {"token", "expires_in", "url"}
    header, claims = decoded(answer["token"])
    assert header["typ"] == "one-time+jwt"
    assert set(header) == {"alg", "typ", "kid"}
    assert set(claims) == {"iss", "aud", "sub", "sid", "iat", "exp", "jti", "act_on"}
    assert (claims["iss"], claims["aud"], claims["sub"], claims["sid"]) == (ISSUER, API, login.account_id, login.id)
    assert claims["act_on"] == {"action": "download", "resource": "reports/q3.pdf"}
    assert claims["exp"] - claims["iat"] == answer["expires_in"] == 120
    assert claims["jti"].split(".")[1:] == ["1", "0"]
    assert answer["url"] == f"{API}/files/reports/q3.pdf?token={answer['token']}"
    jwks = (await site.get("/.well-known/jwks.json")).text
    policy = jose.Policy(issuer=ISSUER, audience=API, type="one-time+jwt")
    assert jose.verify(answer["token"], jose.KeySet.from_jwks(jwks), policy, now=site.clock.wall)["jti"]


async def test_every_token_is_another(site: Site) -> None:
    """A new one for each use: no two have the same id."""
    use = await logged_in(site)
    made = [(await site.post("/v1/one-time-tokens", json=BODY, **use)).json()["token"] for _ in range(20)]
    assert len({decoded(token)[1]["jti"] for token in made}) == 20


async def test_who_may_ask(site: Site) -> None:
    """A caller, under the CSRF rule if by cookie; nobody else, and by POST only."""
    assert problem(await site.post("/v1/one-time-tokens", json=BODY)) == (401, "not_authenticated")
    assert (await site.get("/v1/one-time-tokens")).status_code == 405
    await site.account()
    login = await site.log_in()
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    refused = await site.post("/v1/one-time-tokens", json=BODY, headers=foreign, **login.use)
    assert problem(refused) == (403, "csrf_rejected")
    own = {"Sec-Fetch-Site": "same-origin"}
    assert (await site.post("/v1/one-time-tokens", json=BODY, headers=own, **login.use)).status_code == 201


@pytest.mark.parametrize("audience", [ISSUER, "https://unknown.example", "", API + "/", API.upper()])
async def test_for_whom(site: Site, audience: str) -> None:
    """For one of the setting `audiences`, exactly; never for the issuer itself."""
    use = await logged_in(site)
    refused = await site.post("/v1/one-time-tokens", json={**BODY, "audience": audience}, **use)
    assert problem(refused) == (400, "invalid_target")
    assert (await site.post("/v1/one-time-tokens", json={**BODY, "audience": REPORTS}, **use)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"audience": [API]}, {"audience": None}, {"action": ""}, {"action": "down load"}, {"action": "x" * 65},
        {"action": "télécharger"}, {"resource": ""}, {"resource": "../etc/passwd"}, {"resource": "/etc/passwd"},
        {"resource": "a//b"}, {"resource": "a/"}, {"resource": "a\\b"}, {"resource": "a\u0000b"},
        {"resource": "%2e%2e/x"},
        {"resource": "x" * 1025}, {"resource": 7}, {"expires_in": 0}, {"expires_in": -1}, {"expires_in": 1.5},
        {"expires_in": "60"}, {"expires_in": True}, {"expires_in": 10**30}, {"confirm": "yes"}, {"confirm": 1},
        {"more": 1},
        {"role": "admin"},
    ],
)  # fmt: skip
async def test_wrong_bodies(site: Site, change: dict[str, Any]) -> None:
    """Parseable but wrong is 422, whatever is wrong."""
    use = await logged_in(site)
    refused = await site.post("/v1/one-time-tokens", json={**BODY, **change}, **use)
    assert problem(refused) == (422, "invalid_request")


@pytest.mark.parametrize("missing", ["audience", "action", "resource"])
async def test_missing_members(site: Site, missing: str) -> None:
    """Whom for, what and on what must be said."""
    use = await logged_in(site)
    body = {name: value for name, value in BODY.items() if name != missing}
    assert problem(await site.post("/v1/one-time-tokens", json=body, **use)) == (422, "invalid_request")


@pytest.mark.parametrize(("asked", "told"), [(None, 40), (10, 10), (40, 40), (41, 40), (86_400, 40)])
async def test_the_setting_bounds_its_life(asked: int | None, told: int, anyio_backend: str) -> None:
    """`one_time_lifetime` is the default and the bound; the answer says what was given."""
    async with open_site(FakeClock(), one_time_lifetime=40.0) as site:
        use = await logged_in(site)
        body = BODY if asked is None else {**BODY, "expires_in": asked}
        answer = (await site.post("/v1/one-time-tokens", json=body, **use)).json()
        claims = decoded(answer["token"])[1]
        assert claims["exp"] - claims["iat"] == answer["expires_in"] == told


async def test_confirm_is_in_the_token(site: Site) -> None:
    """The download server learns of it from the token, since it shares nothing else with us."""
    use = await logged_in(site)
    answer = (await site.post("/v1/one-time-tokens", json={**BODY, "confirm": True}, **use)).json()
    assert decoded(answer["token"])[1]["confirm"] is True
    assert "confirm" not in decoded((await site.post("/v1/one-time-tokens", json=BODY, **use)).json()["token"])[1]


async def test_names_are_written_in_one_way(site: Site) -> None:
    """The resource is in normal form C, and its address is percent-encoded."""
    use = await logged_in(site)
    answer = (await site.post("/v1/one-time-tokens", json={**BODY, "resource": "Cafe\u0301 50%.pdf"}, **use)).json()
    assert decoded(answer["token"])[1]["act_on"]["resource"] == "Caf\u00e9 50%.pdf"
    assert f"/files/Caf%C3%A9%2050%25.pdf?token={answer['token']}" in answer["url"]


async def test_addresses_only_where_there_is_one(anyio_backend: str) -> None:
    """An audience that is a name and no address, or another action, has no address to open."""
    async with open_site(audiences=("files", API)) as site:
        use = await logged_in(site)
        assert "url" not in (await site.post("/v1/one-time-tokens", json={**BODY, "audience": "files"}, **use)).json()
        assert "url" not in (await site.post("/v1/one-time-tokens", json={**BODY, "action": "upload"}, **use)).json()


async def test_it_logs_nobody_in(site: Site) -> None:
    """A one-time token is refused by every call of ours, in the header and as the cookie (section 4)."""
    use = await logged_in(site)
    token = (await site.post("/v1/one-time-tokens", json=BODY, **use)).json()["token"]
    for method, path in (("GET", "/v1/me"), ("POST", "/v1/logout"), ("GET", "/v1/sessions")):
        assert problem(await site.call(method, path, bearer=token)) == (401, "invalid_token"), path
    assert problem(await site.get("/v1/forward-auth", bearer=token, peer="127.0.0.1")) == (401, "invalid_token")
    assert problem(await site.post("/v1/one-time-tokens", json=BODY, bearer=token)) == (401, "invalid_token")
    assert (await site.get("/v1/me", cookies={"__Host-ostiary_session": token})).status_code == 401


async def test_from_python(site: Site) -> None:
    """An application that has judged for itself asks without HTTP."""
    login_use = await logged_in(site)
    recognition = site.auth.system.recognition
    caller = await recognition.recognise(login_use["bearer"], site.clock.wall)
    assert isinstance(caller, Caller)
    issued = site.auth.system.one_time_tokens.issue(caller, audience=API, action="download", resource="a.txt")
    assert issued.token not in repr(issued)
    assert issued.expires_in == 120


@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_has_it_ends_nothing(site: Site, kind: str) -> None:
    """A link that is given away is no credential: revoking it, or refreshing with it, leaves the session as it is."""
    use = await logged_in(site, kind)
    token = (await site.post("/v1/one-time-tokens", json=BODY, **use)).json()["token"]
    assert (await site.post("/oauth/revoke", form={"token": token})).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": token}
    assert problem(await site.post("/oauth/token", form=form)) == (400, "invalid_grant")
    assert (await site.post("/v1/logout", json={"refresh_token": token})).status_code == 401
    assert (await site.get("/v1/me", **use)).status_code == 200


async def test_its_id_says_what_it_was_issued_under(site: Site) -> None:
    """M-31: the session's version and the account's epoch, so that a server which follows the feed hears of a password
    change; the payload has no members for them."""
    use = await logged_in(site, "stateless")
    answer = await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **use)
    made = await site.post("/v1/one-time-tokens", json=BODY, bearer=answer.json()["access_token"])
    assert decoded(made.json()["token"])[1]["jti"].split(".")[1:] == ["2", "0"]
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    answer = await site.post("/v1/password", json=body, bearer=answer.json()["access_token"])
    made = await site.post("/v1/one-time-tokens", json=BODY, bearer=answer.json()["access_token"])
    assert decoded(made.json()["token"])[1]["jti"].split(".")[1:] == ["3", "1"]
