"""The account page beyond the contract's forms: profile, activity, export, going away; and the calls behind it."""

import re
from typing import Any
from urllib.parse import unquote

import pytest
from tests.http.harness import ISSUER, KINDS, OTHER_PASSWORD, PASSWORD, SESSION, Login, Site, problem, set_cookies

from ostiary import limits
from ostiary.services.context import Client

pytestmark = pytest.mark.anyio

WINDOWS = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"}


async def person(site: Site) -> Login:
    """Ann, logged in, a second after her account was made."""
    await site.account()
    site.clock.advance(1)
    login = await site.log_in(headers=WINDOWS)
    site.clock.advance(1)
    return login


def lines(html: str) -> list[str]:
    """The activity, the newest first, as text."""
    found = re.findall(r'class="event-text">(.*?)</p>', html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", text).split()) for text in found]


async def test_profile(site: Site) -> None:
    """`POST /account/profile` changes name and address, 303; empty fields empty them."""
    login = await person(site)
    form = {"display_name": " Ann 安 ", "email": "ann@example.com"}
    response = await site.post("/account/profile", form=form, **login.use)
    assert response.status_code == 303
    assert response.headers["location"] == "/account?notice=profile_saved"
    me = (await site.get("/v1/me", **login.use)).json()["account"]
    assert (me["display_name"], me["email"]) == ("Ann 安", "ann@example.com")
    await site.post("/account/profile", form={"display_name": "", "email": ""}, **login.use)
    me = (await site.get("/v1/me", **login.use)).json()["account"]
    assert (me["display_name"], me["email"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "email", "field"),
    [
        ("x" * 201, "", "display-name"),
        ("a\x00b", "", "display-name"),
        ("", "nobody", "email"),
        ("", "a b@c.d", "email"),
    ],
)
async def test_profile_refused(site: Site, name: str, email: str, field: str) -> None:
    """What cannot be kept is 422, told at its field, and what was typed is still there."""
    login = await person(site)
    response = await site.post("/account/profile", form={"display_name": name, "email": email}, **login.use)
    assert response.status_code == 422
    assert f'id="{field}-error"' in response.text
    assert (name or email) in response.text
    assert (await site.get("/v1/me", **login.use)).json()["account"]["email"] is None


async def test_end_all_by_form(site: Site) -> None:
    """`POST /account/sessions/end-all` signs out everywhere, here too (M-07)."""
    login = await person(site)
    other = await site.log_in(kind="stateless")
    response = await site.post("/account/sessions/end-all", form={}, **login.use)
    assert response.headers["location"] == "/login?notice=all_ended&ended=2"
    assert set_cookies(response)[SESSION].cleared
    assert not await site.alive(login)
    assert not await site.alive(other)


async def test_activity_in_words(site: Site) -> None:
    """What happened stands on the page in words: a new device, a failed login, a re-used refresh token, a new password
    (M-43)."""
    login = await person(site)
    await site.post("/v1/login", json={"username": "ann", "password": OTHER_PASSWORD}, headers=WINDOWS)
    site.clock.advance(1)
    stateless = await site.log_in(kind="stateless", transport="bearer")
    for _ in range(2):
        await site.refresh(stateless)
        site.clock.advance(20)
        stateless_now = await site.refresh(stateless)
    assert stateless_now.status_code == 400
    form = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    response = await site.post("/account/password", form=form, **login.use)
    cookie = set_cookies(response)[SESSION].value
    told = lines((await site.get("/account", cookies={SESSION: cookie})).text)
    assert told == [
        "Password changed",
        "Refused: re-used refresh token. That device was signed out",
        "Signed in on a new device",
        "Failed attempt to sign in",
        "Signed in on a new device",
        "Account created by the operator",
    ]
    zh = lines((await site.get("/account?lang=zh-CN", cookies={SESSION: cookie})).text)
    assert zh[1] == "已拒绝：重复使用的刷新令牌，该设备已退出登录"


async def test_a_known_device_is_no_news(site: Site) -> None:
    """Only the first login on a device is told as new."""
    login = await person(site)
    mark = {name: value for name, value in login.cookies.items() if "device" in name}
    assert mark
    await site.post("/v1/login", json={"username": "ann", "password": PASSWORD}, cookies=mark)
    assert lines((await site.get("/account", **login.use)).text)[:2] == ["Signed in", "Signed in on a new device"]


async def test_an_administrator_is_not_exposed(site: Site) -> None:
    """Where an administrator acted the owner learns that, and neither their id nor their address."""
    login = await person(site)
    await site.account("root", roles=("admin",))
    root = await site.log_in("root", peer="203.0.113.99")
    other = await site.log_in()
    site.clock.advance(1)
    await site.delete(f"/v1/admin/sessions/{other.id}", peer="203.0.113.99", **root.use)
    html = (await site.get("/account", **login.use)).text
    assert lines(html)[0] == "A device was signed out by an administrator"
    body = (await site.get("/v1/me/activity", **login.use)).json()
    assert body["events"][0]["by"] == "administrator"
    for text in (html, str(body)):
        assert "203.0.113.99" not in text
        assert root.account_id not in text


async def test_activity_is_paged(site: Site) -> None:
    """The page shows a dozen and leads on to the older ones; the call gives the same by cursor, each event once."""
    login = await person(site)
    for _ in range(20):
        await site.patch("/v1/me", json={"display_name": f"Ann {_}"}, **login.use)
        site.clock.advance(1)
    first = (await site.get("/account", **login.use)).text
    older = re.search(r'href="(/account\?[^"]*before=[^"]*)#activity"', first)
    assert older
    second = (await site.get(unquote(older[1]).replace("&amp;", "&"), **login.use)).text
    assert len(lines(first)) == 12
    assert lines(second)[-1] == "Account created by the operator"
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await site.get(f"/v1/me/activity?limit=5&cursor={cursor}", **login.use)).json()
        seen += [event["id"] for event in page["events"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 22
    assert problem(await site.get("/v1/me/activity?limit=0", **login.use)) == (422, "invalid_request")
    assert problem(await site.get("/v1/me/activity")) == (401, "not_authenticated")


async def test_nobody_sees_the_activity_of_others(site: Site) -> None:
    """The trail of one's own account, and no other."""
    login = await person(site)
    await site.account("bob")
    bob = await site.log_in("bob")
    own = {event["id"] for event in (await site.get("/v1/me/activity", **bob.use)).json()["events"]}
    hers = {event["id"] for event in (await site.get("/v1/me/activity", **login.use)).json()["events"]}
    assert own
    assert hers
    assert not own & hers


@pytest.mark.parametrize("kind", KINDS)
async def test_export_by_call(site: Site, kind: str) -> None:
    """`GET /v1/me/export` gives all that is kept, without any secret; it wants a recent proof of the password."""
    await site.account(email="ann@example.com")
    site.clock.advance(1)
    login = await site.log_in(kind=kind, transport="bearer")
    response = await site.get("/v1/me/export", **login.use)
    assert response.status_code == 200
    assert "attachment" in response.headers["content-disposition"]
    body = response.json()
    assert set(body) == {"exported_at", "account", "password_changed_at", "sessions", "activity", "complete"}
    assert body["account"]["email"] == "ann@example.com"
    assert body["complete"] is True
    assert [event["event"] for event in body["activity"]] == ["login.succeeded", "account.created"]
    assert not any(secret in response.text for secret in site.secrets)
    site.clock.advance(301)
    if kind == "stateless":
        login = login.renewed(await site.refresh(login))
    assert problem(await site.get("/v1/me/export", **login.use)) == (403, "reauthentication_required")


async def test_export_by_form(site: Site) -> None:
    """The page asks for the password in place once the last proof is old, and then gives what was asked for, under a
    new credential."""
    login = await person(site)
    assert "confirm_password" not in (await site.get("/account", **login.use)).text
    assert (await site.post("/account/export", form={}, **login.use)).json()["account"]["username"] == "ann"
    site.clock.advance(301)
    assert "confirm_password" in (await site.get("/account", **login.use)).text
    asked = await site.post("/account/export", form={}, **login.use)
    assert asked.status_code == 403
    assert "enter your password again" in asked.text
    wrong = await site.post("/account/export", form={"confirm_password": OTHER_PASSWORD}, **login.use)
    assert wrong.status_code == 403
    assert await site.alive(login)
    response = await site.post("/account/export", form={"confirm_password": PASSWORD}, **login.use)
    assert response.json()["account"]["username"] == "ann"
    assert not await site.alive(login)
    assert (await site.get("/v1/me", cookies={SESSION: set_cookies(response)[SESSION].value})).status_code == 200


async def test_delete_by_form(site: Site) -> None:
    """`POST /account/delete` asks for the password; then account and logins are gone."""
    login = await person(site)
    other = await site.log_in(kind="stateful")
    for form in ({}, {"current_password": OTHER_PASSWORD}):
        refused = await site.post("/account/delete", form=form, **login.use)
        assert refused.status_code == 403
        assert 'id="delete-password-error"' in refused.text
    response = await site.post("/account/delete", form={"current_password": PASSWORD}, **login.use)
    assert response.headers["location"] == "/login?notice=account_deleted"
    assert set_cookies(response)[SESSION].cleared
    assert not await site.alive(other)
    body = {"username": "ann", "password": PASSWORD}
    assert problem(await site.post("/v1/login", json=body)) == (401, "invalid_credentials")


async def test_the_last_administrator_stays(site: Site) -> None:
    """The last administrator's own page says why they cannot go (409)."""
    await site.account("root", roles=("admin",))
    root = await site.log_in("root")
    response = await site.post("/account/delete", form={"current_password": PASSWORD}, **root.use)
    assert response.status_code == 409
    assert "The last administrator has to stay one." in response.text
    assert await site.alive(root)


@pytest.mark.parametrize(
    "path", ["profile", "sessions/end-all", "export", "delete", "password", "sessions/end-others", "sessions/x/end"]
)
async def test_forms_from_elsewhere(site: Site, path: str) -> None:
    """No form of the page works from another site (M-50)."""
    login = await person(site)
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    form = {"current_password": PASSWORD, "display_name": "x"}
    response = await site.post(f"/account/{path}", form=form, headers=headers, **login.use)
    assert response.status_code == 403
    assert "content-disposition" not in response.headers
    assert (await site.get("/v1/me", **login.use)).json()["account"]["display_name"] is None
    own = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
    assert (await site.post("/account/profile", form=form, headers=own, **login.use)).status_code == 303


@pytest.mark.parametrize(
    ("password", "acceptable", "codes"),
    [
        ("eleven quiet lanterns", True, []),
        ("short", False, ["too_short"]),
        ("password12345678", False, ["too_common"]),
        ("ann ann ann ann!", False, ["too_repetitive", "contains_username"]),
        ("", False, ["too_short", "too_repetitive"]),
    ],
)
async def test_password_check(site: Site, password: str, acceptable: bool, codes: list[str]) -> None:
    """`POST /v1/password-check` says what setting that password would say, in words, and keeps nothing."""
    before = len(await site.auth.system.store.audit.page(limit=100))
    body: dict[str, Any] = {"password": password, "username": "ann"}
    answer = (await site.post("/v1/password-check", json=body)).json()
    assert answer["acceptable"] is acceptable
    assert [reason["code"] for reason in answer["reasons"]] == codes
    assert (answer["strength"] <= 1) is not acceptable
    assert answer["label"]
    chinese = (await site.post("/v1/password-check", json={**body, "language": "zh-CN"})).json()
    assert [reason["code"] for reason in chinese["reasons"]] == codes
    assert all("密码" in reason["message"] for reason in chinese["reasons"])
    assert len(await site.auth.system.store.audit.page(limit=100)) == before
    if acceptable is False and password:
        refused = await site.post("/v1/accounts", json={"username": "ann", "password": password})
        assert [reason["code"] for reason in refused.json()["reasons"]] == codes


async def test_password_check_hostile(site: Site) -> None:
    """Huge or strange input is refused in words, never an error of ours."""
    for password in ("x" * 60_000, "\x00" * 20, "\U0001f511" * 1024, "a\u0301" * 900):
        response = await site.post("/v1/password-check", json={"password": password})
        assert response.status_code == 200, response.text
        assert response.json()["acceptable"] is False
    assert (await site.post("/v1/password-check", json={"password": 1})).status_code == 422
    assert (await site.post("/v1/password-check", json={"password": "x", "language": "fr"})).status_code == 422


async def test_password_check_is_throttled_by_network(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One network has so many characters judged in a minute, then it is 429 until that minute is over, by the clock
    that nobody sets. Others are judged, and whoever signs up from there is not hindered."""
    monkeypatch.setattr(limits, "CHECKED_CHARS", 20_480)
    much = {"password": "\ufdfa" * 1024, "username": "u" * 1024}
    statuses = []
    while 429 not in statuses and len(statuses) < 20:
        last = await site.post("/v1/password-check", json=much, peer="203.0.113.7")
        statuses.append(last.status_code)
    assert statuses == [200] * 10 + [429]
    assert (last.json()["code"], last.headers["retry-after"]) == ("too_many_attempts", "60")
    usual = {"password": "eleven quiet lanterns", "username": "eve"}

    async def check(peer: str) -> int:
        return (await site.post("/v1/password-check", json=usual, peer=peer)).status_code

    for peer, status in (("203.0.113.250", 429), ("203.0.114.7", 200), ("2001:db8::7", 200), ("127.0.0.1", 200)):
        assert (peer, await check(peer)) == (peer, status)
    assert (await site.post("/v1/accounts", json=usual, peer="203.0.113.7")).status_code == 201
    site.clock.set_wall(site.clock.wall + 3600)
    assert await check("203.0.113.7") == 429
    site.clock.advance(60)
    assert await check("203.0.113.7") == 200


async def test_people_who_sign_up_at_once_are_not_kept_from_checks(site: Site) -> None:
    """A thousand of one address within a minute, each of whom pauses ten times while typing a password of 20."""
    passwords = site.auth.system.passwords
    for person in range(1000):
        for typed in range(2, 22, 2):
            passwords.check("q" * typed, username=f"u{person}", email=None, client=Client(ip="203.0.113.7"))


async def test_password_checks_of_many_networks_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has many networks fills no memory with them."""
    monkeypatch.setattr(limits, "CHECKING_NETWORKS", 10)
    passwords = site.auth.system.passwords
    for network in range(100):
        passwords.check("q", username="", email=None, client=Client(ip=f"203.0.{network}.7"))
    assert len(passwords._checks._asked) == 10
    site.clock.advance(60)
    passwords.check("q", username="", email=None, client=Client(ip="203.0.1.7"))
    assert len(passwords._checks._asked) == 1
