"""The administration's pages: for administrators only, whole without JavaScript, and telling what they end."""

import base64
import csv
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.http.harness import KINDS, OTHER_PASSWORD, PASSWORD, SESSION, Login, Site, open_site, problem, set_cookies
from tests.http.test_pages_render import Outline

from ostiary.services.accounts import AccountPatch
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

PAGES = [
    "/admin", "/admin/accounts", "/admin/accounts/{id}", "/admin/sessions", "/admin/keys", "/admin/audit",
    "/admin/clients", "/admin/nodes",
]  # fmt: skip
FORMS = [
    "/admin/accounts/{id}/roles", "/admin/accounts/{id}/disable", "/admin/accounts/{id}/enable",
    "/admin/accounts/{id}/end", "/admin/accounts/{id}/password", "/admin/accounts/{id}/delete",
    "/admin/sessions/{session}/end", "/admin/keys/rotate", "/admin/keys/{kid}/revoke", "/admin/end-everything",
    "/admin/clients",
]  # fmt: skip
SHOWN_AT_ONCE = ("/password", "/clients")  # a secret that was made stands in the answer itself


async def cast(site: Site) -> tuple[Login, Login]:
    """An administrator and a user, logged in."""
    await site.account("root", roles=("admin", "user"))
    await site.account("ann", email="ann@example.com")
    site.clock.advance(1)
    ann = await site.log_in("ann", headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"})
    site.clock.advance(1)
    return await site.log_in("root"), ann


async def filled(site: Site, path: str, ann: Login) -> str:
    """The path with ids in place."""
    kid = (await site.get("/.well-known/jwks.json")).json()["keys"][0]["kid"]
    return path.replace("{id}", ann.account_id).replace("{session}", ann.id).replace("{kid}", kid)


def told(response: Any) -> str:
    """What the page says was done."""
    found = re.search(r'role="status"><p>(.*?)</p>', response.text, re.DOTALL)
    return found[1] if found else ""


async def press(site: Site, path: str, login: Login, **form: str) -> str:
    """Send the form, follow its 303, and read what was done."""
    response = await site.post(path, form=form, **login.use)
    assert response.status_code == 303, response.text
    return told(await site.get(response.headers["location"], **login.use))


@pytest.mark.parametrize("path", [*PAGES, "/admin/audit/export?format=csv"])
async def test_pages_are_for_administrators(site: Site, path: str) -> None:
    """Nobody is led to the login, a user gets a page that says 403, an administrator the page, well-formed and with no
    secret in it, in both languages."""
    root, ann = await cast(site)
    path = await filled(site, path, ann)
    assert (await site.get(path)).headers["location"].startswith("/login?")
    refused = await site.get(path, **ann.use)
    assert (refused.status_code, problem(refused)) == (403, (403, "page"))
    assert "Your account may not do this." in refused.text
    for lang in ("en", "zh-CN"):
        shown = await site.get(f"{path}{'&' if '?' in path else '?'}lang={lang}", **root.use)
        assert shown.status_code == 200
        assert not any(secret in shown.text for secret in site.secrets)
        if shown.headers["content-type"].startswith("text/html"):
            page = Outline(shown.text)
            assert page.all("html") == [{"lang": lang}]
            assert len(page.all("h1")) == 1
            ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
            assert len(ids) == len(set(ids))
            assert not any("style" in attrs for _, attrs in page.tags)
            assert {form.get("method") for form in page.all("form")} <= {"get", "post"}


@pytest.mark.parametrize("path", FORMS)
async def test_forms_are_for_administrators(site: Site, path: str) -> None:
    """A user's form is 403 and changes nothing; one from another site neither, whoever's browser sends it (M-50)."""
    root, ann = await cast(site)
    path = await filled(site, path, ann)
    before = await site.auth.system.store.accounts.page(limit=9)
    assert (await site.post(path, form={"roles": "admin"}, **ann.use)).status_code == 403
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert (await site.post(path, form={"roles": "admin"}, headers=headers, **root.use)).status_code == 403
    assert await site.auth.system.store.accounts.page(limit=9) == before
    assert await site.alive(ann)
    assert await site.alive(root)


@pytest.mark.parametrize("path", FORMS)
async def test_a_proof_is_asked_for_and_the_action_goes_on(site: Site, path: str) -> None:
    """Five minutes after the last proof a change is answered with a page that asks for the password and carries the
    form along; a wrong one changes nothing; the right one does what was wanted, under a new credential."""
    root, ann = await cast(site)
    path = await filled(site, path, ann)
    form = {"roles": "editor", "back": ann.account_id, "name": "x"}
    site.clock.advance(300)
    before = await site.auth.system.store.accounts.page(limit=9)
    asked = await site.post(path, form=form, **root.use)
    assert asked.status_code == 403
    page = Outline(asked.text)
    assert [one["action"] for one in page.all("form")][-1] == path
    sent = {one["name"]: one.get("value", "") for one in page.all("input")}
    assert sent == {**form, "lang": "en", "confirm_password": ""}
    assert asked.headers["cache-control"] == "no-store"
    wrong = await site.post(path, form={**sent, "confirm_password": OTHER_PASSWORD}, **root.use)
    assert wrong.status_code == 403
    assert "The current password is wrong." in wrong.text
    assert await site.auth.system.store.accounts.page(limit=9) == before
    done = await site.post(path, form={**sent, "confirm_password": PASSWORD}, **root.use)
    assert done.status_code == (200 if path.endswith(SHOWN_AT_ONCE) else 303)
    assert not await site.alive(root)
    cookie = set_cookies(done)[SESSION]
    if path != "/admin/end-everything":
        assert (await site.get("/admin", cookies={SESSION: cookie.value})).status_code == 200
    trail = await site.auth.system.store.audit.page(limit=3)
    assert "session.reauthenticated" in {event.event for event in trail}


async def test_a_demoted_administrator_is_refused_at_the_next_click(site: Site) -> None:
    """Whoever is demoted with the console open can neither look nor act any more, in the same session (M-30)."""
    root, ann = await cast(site)
    await site.account("second", roles=("admin",))
    second = await site.log_in("second")
    assert (await site.get("/admin/sessions", **second.use)).status_code == 200
    path = f"/admin/accounts/{second.account_id}/roles"
    assert await press(site, path, root, roles="user") == "The roles are changed; they count from the next request on."
    assert (await site.get("/admin/sessions", **second.use)).status_code == 403
    assert (await site.post(f"/admin/accounts/{ann.account_id}/end", form={}, **second.use)).status_code == 403
    assert await site.alive(second)
    assert await site.alive(ann)
    assert "Administration" not in (await site.get("/account", **second.use)).text


async def test_ending_tells_what_and_when(site: Site) -> None:
    """Before: how many it will end, and by when; afterwards: how many it did end (M-33)."""
    root, ann = await cast(site)
    others = [await site.log_in("ann", kind=kind) for kind in ("stateful", "stateless")]
    page = (await site.get(f"/admin/accounts/{ann.account_id}", **root.use)).text
    assert "End 3 sessions" in page
    assert "Ends 3 sessions and voids what their tokens say. Refused everywhere at once." in page
    path = f"/admin/sessions/{others[0].id}/end"
    assert await press(site, path, root) == "The session is ended. 1 session ended. Refused everywhere at once."
    path = f"/admin/accounts/{ann.account_id}/end"
    assert await press(site, path, root) == (
        "All sessions of the account are ended. 2 sessions ended. Refused everywhere at once."
    )
    assert not any([await site.alive(login) for login in (ann, *others)])
    assert "Signed in nowhere." in (await site.get(f"/admin/accounts/{ann.account_id}", **root.use)).text
    assert (await site.post(path.replace(ann.account_id, "acc_none"), form={}, **root.use)).status_code == 404


async def test_disable_and_enable(site: Site) -> None:
    """Disabling ends the sessions and shows; enabling opens the account again."""
    root, ann = await cast(site)
    one = f"/admin/accounts/{ann.account_id}"
    assert await press(site, one + "/disable", root) == (
        "The account is disabled. 1 session ended. Refused everywhere at once."
    )
    assert not await site.alive(ann)
    assert "ann" in (await site.get("/admin/accounts?only=disabled", **root.use)).text
    assert await press(site, one + "/enable", root) == ("The account is enabled, and its failed logins are forgiven.")
    await site.log_in("ann")


async def test_delete(site: Site) -> None:
    """A deleted account is gone, and its sessions with it."""
    root, ann = await cast(site)
    assert (await press(site, f"/admin/accounts/{ann.account_id}/delete", root)).startswith("The account is deleted.")
    assert not await site.alive(ann)
    assert (await site.get(f"/admin/accounts/{ann.account_id}", **root.use)).status_code == 404


async def test_reset_password(site: Site) -> None:
    """The new password stands in that one answer, works, and ended what went before."""
    root, ann = await cast(site)
    one = f"/admin/accounts/{ann.account_id}"
    response = await site.post(one + "/password", form={}, **root.use)
    assert response.status_code == 200
    found = re.search(r'class="secret">([0-9a-f-]+)<', response.text)
    assert found
    assert not await site.alive(ann)
    await site.log_in("ann", password=found[1])
    for path in (one, "/admin/audit", "/admin/audit/export?format=jsonl"):
        assert found[1] not in (await site.get(path, **root.use)).text


@pytest.mark.parametrize("what", ["roles", "disable", "delete"])
async def test_the_last_administrator_stays(site: Site, what: str) -> None:
    """What would leave nobody in charge is 409, told beside the account."""
    root, _ = await cast(site)
    response = await site.post(f"/admin/accounts/{root.account_id}/{what}", form={"roles": "user"}, **root.use)
    assert response.status_code == 409
    assert "The last administrator has to stay one." in response.text
    assert (await site.get("/admin", **root.use)).status_code == 200


async def test_roles_are_words(site: Site) -> None:
    """Roles are words with spaces or commas between them; what is none is refused beside the account."""
    root, ann = await cast(site)
    one = f"/admin/accounts/{ann.account_id}"
    await press(site, one + "/roles", root, roles=" user, editor  user")
    assert (await site.get("/v1/me", **ann.use)).json()["account"]["roles"] == ["editor", "user"]
    refused = await site.post(one + "/roles", form={"roles": "a/b <script>"}, **root.use)
    assert refused.status_code == 422
    assert "<script>" not in refused.text
    assert 'role="alert"' in refused.text


async def test_search_filter_and_pages(site: Site) -> None:
    """The list is narrowed by the start of a name or address and by state, and each account is on one page."""
    root, _ = await cast(site)
    for number in range(60):
        await site.account(f"user{number:02}", email=f"u{number}@example.com")

    def names(html: str) -> list[str]:
        return re.findall(r'class="row-link"[^>]*><bdi>(\w+)<', html)

    assert sorted(names((await site.get("/admin/accounts?query=user0", **root.use)).text)) == [
        f"user0{n}" for n in range(10)
    ]
    assert names((await site.get("/admin/accounts?query=ann@", **root.use)).text) == ["ann"]
    assert names((await site.get("/admin/accounts?only=admins", **root.use)).text) == ["root"]
    assert "No account matches." in (await site.get("/admin/accounts?query=%25&only=nonsense", **root.use)).text
    seen: list[str] = []
    path: str | None = "/admin/accounts"
    while path is not None:
        html = (await site.get(path, **root.use)).text
        seen += names(html)
        more = re.search(r'href="([^"]*cursor=[^"]*)">More<', html)
        path = more[1].replace("&amp;", "&") if more else None
    assert len(seen) == len(set(seen)) == 62


@pytest.mark.parametrize("query", ["'; DROP", "<script>alert(1)</script>", "\\", "%00", "%F0%9F%94%91", "a" * 400])
async def test_whatever_is_searched_for(site: Site, query: str) -> None:
    """A search is text: found or not, shown as text (section 1)."""
    root, _ = await cast(site)
    for path in (f"/admin/accounts?query={query}", f"/admin/audit?account={query}", f"/admin/sessions?account={query}"):
        response = await site.get(path, **root.use)
        assert response.status_code == 200
        assert "<script>alert" not in response.text


async def test_keys(site: Site) -> None:
    """Keys are shown with what they do, are rotated, and in an emergency revoked with all that they signed (M-07)."""
    root, _ = await cast(site)
    token = await site.log_in("ann", kind="stateless")
    page = (await site.get("/admin/keys", **root.use)).text
    assert page.count("Signs every token that is issued now.") == page.count("Has signed nothing yet.") == 1
    assert await press(site, "/admin/keys/rotate", root) == "The next key signs from now on."
    page = (await site.get("/admin/keys", **root.use)).text
    assert page.count("Signs no more.") == 1
    assert page.count("At most 1 login has to renew its access token") == 3  # to retire it, to revoke either
    assert await site.alive(token)
    kid = next(key.id for key in await site.auth.system.signing_keys.all() if key.state.value == "retiring")
    told = (
        "The key is revoked; all that it signed is refused. At most 1 login has to renew. Refused everywhere at once."
    )
    assert await press(site, f"/admin/keys/{kid}/revoke", root) == told
    assert await press(site, f"/admin/keys/{kid}/revoke", root) == "That key was revoked already. Nothing was changed."
    assert not await site.alive(token)
    assert (await site.refresh(token)).status_code == 200
    assert "All that it signed is refused." in (await site.get("/admin/keys", **root.use)).text


async def test_end_everything(site: Site) -> None:
    """Everybody is out, whoever did it too (M-07)."""
    root, ann = await cast(site)
    response = await site.post("/admin/end-everything", form={}, **root.use)
    assert response.headers["location"] == "/login?notice=all_ended&ended=2"
    assert not await site.alive(root)
    assert not await site.alive(ann)


async def test_sessions(site: Site) -> None:
    """Live sessions by whom and on what, narrowed by kind; one's own is marked."""
    root, _ = await cast(site)
    await site.log_in("ann", kind="stateless")
    page = (await site.get("/admin/sessions", **root.use)).text
    assert page.count("/admin/sessions/ses_") == 3
    assert page.count("This device") == 1
    assert "End the session of ann on Firefox" in page
    page = (await site.get("/admin/sessions?kind=stateless", **root.use)).text
    assert page.count("/admin/sessions/ses_") == 1
    assert "No live session." in (await site.get("/admin/sessions?kind=stateful", **root.use)).text
    for account in ("ann", "ANN", root.account_id):
        page = (await site.get(f"/admin/sessions?account={account}", **root.use)).text
        assert page.count("/admin/sessions/ses_") == (1 if account == root.account_id else 2)
    assert "No live session." in (await site.get("/admin/sessions?account=nobody", **root.use)).text


async def test_sessions_are_listed_by_activity(site: Site) -> None:
    """The most recently used first, in pages that go on where the one before ended; who is used moves to the front."""
    root, ann = await cast(site)
    logins = [await site.log_in("ann", kind=kind, transport="bearer") for kind in KINDS for _ in range(6)]
    await site.account("eve")
    logins += [await site.log_in("eve", transport="bearer") for _ in range(9)]
    for at, login in enumerate([*logins, ann, root]):
        await site.auth.system.store.sessions.touch({login.id: site.auth.system.context.now() + 1000 + at})

    async def listed() -> list[str]:
        ids: list[str] = []
        path: str | None = "/admin/sessions"
        while path is not None:
            page = (await site.get(path, **root.use)).text
            ids += re.findall(r"/admin/sessions/(ses_[^/]+)/end", page)
            more = re.search(r'href="([^"]+cursor=[^"]+)">More', page)
            path = html.unescape(more[1]) if more else None
        return ids

    before = await listed()
    assert before == [root.id, ann.id, *(login.id for login in reversed(logins))]
    await site.auth.system.store.sessions.touch({before[-1]: site.auth.system.context.now() + 2000})
    assert await listed() == [before[-1], *before[:-1]]
    for nowhere in ("x", "0", ".", "zz.ses_x", "MHgxcCsxAA==", "bmFuAHNlc194"):
        assert problem(await site.get(f"/admin/sessions?cursor={nowhere}", **root.use)) == (422, "page")
    assert (await site.get("/admin/sessions?cursor=MHgwcCswAA", **root.use)).status_code == 200


async def test_a_session_that_is_over_already(site: Site) -> None:
    """Somebody else was quicker, or the list is some seconds old: it says so, and nothing else happens."""
    root, ann = await cast(site)
    await site.post("/v1/logout", **ann.use)
    for back, place in (("", "/admin/sessions"), (ann.account_id, f"/admin/accounts/{ann.account_id}")):
        answer = await site.post(f"/admin/sessions/{ann.id}/end", form={"back": back}, **root.use)
        assert answer.headers["location"] == f"{place}?notice=over_already"
    assert "was over already" in (await site.get("/admin/sessions?notice=over_already", **root.use)).text


async def test_audit_by_day(site: Site) -> None:
    """From one day on, up to the end of another, both: the page, what it goes on to, and what is taken along."""
    root, _ = await cast(site)
    first = datetime.fromtimestamp(site.auth.system.context.now(), UTC).date()
    for _ in range(3):
        site.clock.advance(86_400)
        await site.post("/v1/login", json={"username": "ann", "password": OTHER_PASSWORD})
    root = await site.log_in("root")
    days = [(first + timedelta(days=n)).isoformat() for n in range(5)]

    async def failures(query: str) -> int:
        page = (await site.get(f"/admin/audit?event=login.failed&{query}", **root.use)).text
        lines = (await site.get(f"/admin/audit/export?format=jsonl&event=login.failed&{query}", **root.use)).text
        found = page.count("<tr") - page.count("<thead")
        assert found == len(lines.splitlines())
        return found

    assert await failures("") == await failures(f"from={days[0]}&to={days[4]}") == 3
    assert await failures(f"from={days[2]}") == await failures(f"to={days[2]}") == 2
    assert await failures(f"from={days[2]}&to={days[2]}") == 1
    assert await failures(f"to={days[0]}") == await failures(f"from={days[3]}&to={days[1]}") == 0
    for bad in ("from=x", "to=2026-13-01", "from=2026-11-23T00:00", "to=0000-00-00"):
        assert problem(await site.get(f"/admin/audit?{bad}", **root.use)) == (422, "page"), bad
        assert problem(await site.get(f"/admin/audit/export?format=csv&{bad}", **root.use)) == (422, "page"), bad

    async def told(**span: str) -> int:
        asked = urlencode({"event": "login.failed", **span})
        return len((await site.get(f"/v1/admin/audit?{asked}", **root.use)).json()["events"])

    noon = f"{days[2]}T00:00:00+00:00"
    assert (await told(since=noon), await told(until=noon), await told(since=noon, until=noon)) == (2, 1, 0)
    for bad in ("x", "2026-11-23", "2026-11-23T22:35:33"):
        asked = urlencode({"since": bad})
        assert problem(await site.get(f"/v1/admin/audit?{asked}", **root.use)) == (422, "invalid_request"), bad


async def test_audit_is_filtered(site: Site) -> None:
    """The trail is narrowed by account, by name or id, and by event, and is told in words."""
    root, ann = await cast(site)
    for account in ("ann", "ANN", ann.account_id):
        page = (await site.get(f"/admin/audit?account={account}", **root.use)).text
        assert page.count("<tr") == 3
        assert "Signed in on a new device" in page
    page = (await site.get("/admin/audit?event=account.created", **root.use)).text
    assert page.count("<tr") == 3
    assert "Nothing matches." in (await site.get("/admin/audit?account=nobody", **root.use)).text


async def test_audit_as_files(site: Site) -> None:
    """An export holds what the filter leaves, every event once, as CSV without formulas and as JSON lines."""
    root, ann = await cast(site)
    bad = {"User-Agent": "=cmd|' /C calc'!A0/1.0"}
    await site.post("/v1/login", json={"username": "ann", "password": OTHER_PASSWORD}, headers=bad)
    trail = await site.auth.system.store.audit.page(limit=100)
    lines = (await site.get("/admin/audit/export?format=jsonl", **root.use)).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [event.id for event in trail]
    response = await site.get("/admin/audit/export?format=csv", **root.use)
    assert response.headers["content-disposition"] == 'attachment; filename="ostiary-audit.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["id"] for row in rows] == [event.id for event in trail]
    assert not any(value.startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    narrow = await site.get(f"/admin/audit/export?format=jsonl&account={ann.account_id}&event=login.failed", **root.use)
    assert len(narrow.text.splitlines()) == 1
    assert (await site.get("/admin/audit/export?format=xml", **root.use)).status_code == 422


async def test_an_export_of_many_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, each is in the file once."""
    monkeypatch.setattr("ostiary.limits.AUDIT_EXPORT_ROWS", 7)
    root, _ = await cast(site)
    for _ in range(40):
        await site.account(f"u{_}")
    lines = (await site.get("/admin/audit/export?format=jsonl", **root.use)).text.splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == len(set(ids)) == len(await site.auth.system.store.audit.page(limit=100))


async def test_overview_counts(site: Site) -> None:
    """The first page counts logins, failures, live sessions by kind and renewals, and says how this node is."""
    root, _ = await cast(site)
    stateless = await site.log_in("ann", kind="stateless", transport="bearer")
    await site.refresh(stateless)
    await site.refresh(stateless)
    for _ in range(3):
        await site.post("/v1/login", json={"username": "ann", "password": OTHER_PASSWORD})
    await site.auth.system.overview.sample()
    page = " ".join(Outline((await site.get("/admin", **root.use)).text).text)
    words = " ".join(page.split())
    for sentence in (
        "Live sessions 3", "Logins 3", "Failures 3", "Session 2", "Stateful token 0", "Stateless token 1",
        "Rotated 1", "Grace (a tab that raced) 1", "Re-used (session ended) 0", "The store answers",
        "What is ended here is refused everywhere at once", "Ends all 3 live sessions, yours too",
    ):  # fmt: skip
        assert sentence in words, sentence


async def test_hours_are_counted_once_and_right(site: Site) -> None:
    """Each login is in the hour in which it happened, also after hours have passed."""
    await site.account()
    for hour, count in ((0, 2), (1, 0), (2, 3)):
        for _ in range(count):
            await site.log_in()
        site.clock.advance(3600)
        hours = await site.auth.system.overview.hours()
        assert len(hours) == 24
        assert hour < 24
    assert [one.logins for one in await site.auth.system.overview.hours()][-4:] == [2, 0, 3, 0]
    site.clock.advance(30 * 3600)
    assert sum(one.logins for one in await site.auth.system.overview.hours()) == 0


async def test_with_session_bound_tokens() -> None:
    """With `csrf_token = "session"` every form of the console carries the token, the one that asks for the password
    too, and none works without (M-50)."""
    async with open_site(FakeClock(), csrf_token="session") as site:
        root, ann = await cast(site)
        for path in ("/admin", f"/admin/accounts/{ann.account_id}", "/admin/keys", "/admin/sessions"):
            page = Outline((await site.get(path, **root.use)).text)
            posts = [form for form in page.all("form") if form["method"] == "post"]
            tokens = [field["value"] for field in page.all("input") if field.get("name") == "csrf_token"]
            assert len(tokens) == len(posts)
        assert (await site.post("/admin/keys/rotate", form={}, **root.use)).status_code == 403
        assert (await site.post("/admin/keys/rotate", form={"csrf_token": tokens[0]}, **root.use)).status_code == 303
        site.clock.advance(301)
        asked = await site.post("/admin/keys/rotate", form={"csrf_token": tokens[0]}, **root.use)
        fields = [field.get("name") for field in Outline(asked.text).all("input")]
        assert fields.count("csrf_token") == 2  # signing out, and going on


async def test_below_a_path() -> None:
    """Mounted below a path, no link, form or redirect of the console leaves it (section 7)."""
    async with open_site(FakeClock(), issuer="https://id.example/auth") as site:
        await site.account("root", roles=("admin",))
        form = {"username": "root", "password": PASSWORD}
        entered = await site.post("https://id.example/login", form=form)
        cookies = {SESSION: set_cookies(entered)[SESSION].value}
        for path in ("", "/accounts", "/sessions", "/keys", "/audit"):
            page = Outline((await site.get("https://id.example/admin" + path, cookies=cookies)).text)
            for _, attrs in page.tags:
                for target in ("href", "action", "src"):
                    assert re.match(r"/auth/|#", attrs.get(target, "#")), attrs
        response = await site.post("https://id.example/admin/keys/rotate", form={}, cookies=cookies)
        assert response.headers["location"].startswith("/auth/admin/keys?")


async def test_accounts_changed_meanwhile(site: Site) -> None:
    """Somebody who is gone, or an id that never was, is 404 as a page, whatever is pressed."""
    root, ann = await cast(site)
    await site.auth.system.accounts.delete(ann.account_id, actor="cli")
    for path in FORMS[:6]:
        path = await filled(site, path, ann)
        assert problem(await site.post(path, form={"roles": "user"}, **root.use)) == (404, "page"), path
    patch = AccountPatch(disabled=True)
    await site.account("second", roles=("admin",))
    await site.auth.system.accounts.change(root.account_id, patch, actor="cli")
    assert (await site.get("/admin", **root.use)).headers["location"].startswith("/login")


async def test_clients(site: Site) -> None:
    """A client is registered with its secret in that one answer, works, gets another secret, and is deleted."""
    root, _ = await cast(site)
    form = {
        "name": "Reports <b>", "grant:client_credentials": "on", "audiences": "https://reports.example",
        "scopes": "read write",
    }  # fmt: skip
    made = await site.post("/admin/clients", form=form, **root.use)
    assert made.status_code == 200
    assert "<b>" not in made.text
    client_id, secret = re.findall(r'class="secret">([^<]+)<', made.text)
    shown = (await site.get("/admin/clients", **root.use)).text
    assert client_id in shown
    assert secret not in shown

    async def asks(with_secret: str) -> int:
        basic = base64.b64encode(f"{client_id}:{with_secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        response = await site.post("/oauth/introspect", form={"token": "x"}, headers=headers)
        return int(response.status_code)

    assert await asks(secret) == 200
    again = await site.post(f"/admin/clients/{client_id}/secret", form={}, **root.use)
    _, second = re.findall(r'class="secret">([^<]+)<', again.text)
    assert (await asks(secret), await asks(second)) == (401, 200)
    assert await press(site, f"/admin/clients/{client_id}/delete", root) == "The client is deleted."
    assert await asks(second) == 401
    assert (await site.post(f"/admin/clients/{client_id}/secret", form={}, **root.use)).status_code == 404


@pytest.mark.parametrize("form", [{"name": ""}, {"name": "x" * 500}, {"name": "x", "scopes": '"'}, {}])
async def test_clients_refused(site: Site, form: dict[str, str]) -> None:
    """What cannot be registered is told, and what was typed is still there."""
    root, _ = await cast(site)
    response = await site.post("/admin/clients", form={**form, "targets": "https://kept.example"}, **root.use)
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert "https://kept.example" in response.text
    assert "No client is registered." in response.text


async def test_a_role_that_goes_while_the_proof_is_looked_at(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is demoted while the password in their form is looked at: the form changes nothing (M-30)."""
    _, ann = await cast(site)
    second = await site.account("second", roles=("admin", "user"))
    other = await site.log_in("second")
    site.clock.advance(300)
    hasher = site.auth.system.passwords._hasher
    verify = hasher.verify

    async def and_then_they_are_demoted(stored: str | None, password: str) -> object:
        verdict = await verify(stored, password)
        await site.auth.system.accounts.change(second, AccountPatch(roles=("user",)), actor="cli")
        return verdict

    monkeypatch.setattr(hasher, "verify", and_then_they_are_demoted)
    path = f"/admin/accounts/{ann.account_id}/roles"
    late = await site.post(path, form={"roles": "admin", "confirm_password": PASSWORD}, **other.use)
    assert late.status_code == 403
    assert (await site.auth.system.accounts.get(ann.account_id)).roles == ("user",)
