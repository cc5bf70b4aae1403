"""Contract section 5: administration."""

import os
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.http.harness import KINDS, OTHER_PASSWORD, PASSWORD, Login, Site, decoded, problem

pytestmark = pytest.mark.anyio

READS = [
    "/v1/admin/accounts", "/v1/admin/accounts/{id}", "/v1/admin/sessions", "/v1/admin/keys", "/v1/admin/audit",
    "/v1/admin/stats",
]  # fmt: skip
CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "/v1/admin/accounts/{id}", {"display_name": "x"}),
    ("DELETE", "/v1/admin/accounts/{id}", None),
    ("DELETE", "/v1/admin/accounts/{id}/sessions", None),
    ("DELETE", "/v1/admin/sessions/{session}", None),
    ("POST", "/v1/admin/keys/rotate", None),
    ("DELETE", "/v1/admin/keys/{kid}", None),
    ("POST", "/v1/admin/end-everything", None),
]


async def cast(site: Site) -> tuple[Login, Login]:
    """An administrator and a user, logged in."""
    await site.account("root", roles=("admin", "user"))
    await site.account("ann")
    return await site.log_in("root"), await site.log_in("ann")


async def filled(site: Site, path: str, ann: Login) -> str:
    """The path with ids in place."""
    kid = (await site.get("/.well-known/jwks.json")).json()["keys"][0]["kid"]
    return path.replace("{id}", ann.account_id).replace("{session}", ann.id).replace("{kid}", kid)


@pytest.mark.parametrize(("method", "path", "body"), [*(("GET", path, None) for path in READS), *CHANGES])
async def test_administrators_only(site: Site, method: str, path: str, body: Any) -> None:
    """401 for nobody, 403 `forbidden` for anyone else, and nothing has changed (section 5)."""
    _, ann = await cast(site)
    path = await filled(site, path, ann)
    assert problem(await site.call(method, path, json=body)) == (401, "not_authenticated")
    for kind in KINDS:
        user = await site.log_in("ann", kind=kind, transport="bearer")
        assert problem(await site.call(method, path, json=body, **user.use)) == (403, "forbidden")
    assert await site.alive(ann)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_changes_need_a_recent_password(site: Site, kind: str, method: str, path: str, body: Any) -> None:
    """After five minutes a change is 403 `reauthentication_required` until the password is proven again (section 5)."""
    _, ann = await cast(site)
    root = await site.log_in("root", kind=kind, transport="bearer")
    path = await filled(site, path, ann)
    site.clock.advance(299)
    assert (await site.get("/v1/admin/stats", **root.use)).status_code == 200
    site.clock.advance(1)
    if kind == "stateless":
        root = root.renewed(await site.refresh(root))
    assert problem(await site.call(method, path, json=body, **root.use)) == (403, "reauthentication_required")
    assert (await site.get("/v1/admin/stats", **root.use)).status_code == 200
    assert await site.alive(ann)
    root = root.renewed(await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **root.use))
    response = await site.call(method, path, json=body, **root.use)
    assert response.status_code == 200
    assert {"ended", "bound"} <= set(response.json())


async def test_list_accounts(site: Site) -> None:
    """A page of accounts, `query` by the start of the name or e-mail, `cursor` from `next` (section 5)."""
    root, _ = await cast(site)
    for number in range(7):
        await site.account(f"user{number}", email=f"mail{number}@example.com")
    body = (await site.get("/v1/admin/accounts", **root.use)).json()
    assert set(body) == {"accounts", "next"}
    assert len(body["accounts"]) == 9
    assert body["next"] is None
    assert all("password" not in key for account in body["accounts"] for key in account)
    found = (await site.get("/v1/admin/accounts?query=user", **root.use)).json()["accounts"]
    assert {account["username"] for account in found} == {f"user{number}" for number in range(7)}
    by_mail = (await site.get("/v1/admin/accounts?query=mail3", **root.use)).json()["accounts"]
    assert [account["username"] for account in by_mail] == ["user3"]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await site.get(f"/v1/admin/accounts?limit=2&cursor={cursor}", **root.use)).json()
        assert 1 <= len(page["accounts"]) <= 2
        seen += [account["id"] for account in page["accounts"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 9


async def test_accounts_are_narrowed(site: Site) -> None:
    """`only` leaves the enabled administrators, or the disabled accounts; another word for it is 422."""
    root, ann = await cast(site)
    await site.patch(f"/v1/admin/accounts/{ann.account_id}", json={"disabled": True}, **root.use)
    for only, names in (("admins", ["root"]), ("disabled", ["ann"]), ("disabled&query=b", [])):
        found = (await site.get(f"/v1/admin/accounts?only={only}", **root.use)).json()["accounts"]
        assert [account["username"] for account in found] == names
    assert problem(await site.get("/v1/admin/accounts?only=users", **root.use)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "query", ["%25", "_", "*", "?", "'; DROP TABLE accounts; --", "[a-z]", "\\", "%00", "%ED%A0%80", "%FF"]
)
async def test_a_query_is_text_only(site: Site, query: str) -> None:
    """Signs that mean something to a database match themselves (section 5)."""
    root, _ = await cast(site)
    response = await site.get("/v1/admin/accounts", **root.use)
    assert len(response.json()["accounts"]) == 2
    response = await site.get(f"/v1/admin/accounts?query={query}", **root.use)
    assert response.status_code == 200
    assert response.json()["accounts"] == []


@pytest.mark.parametrize(
    "path", ["/v1/admin/accounts", "/v1/admin/sessions", "/v1/admin/clients", "/v1/admin/audit", "/v1/me/activity"]
)
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 422), ("limit=101", 422), ("limit=x", 422), ("limit=-1", 422), ("limit=1.5", 422), ("limit=٣", 422),
        ("limit=1&limit=2", 400), ("cursor=a&cursor=b", 400), ("cursor=" + "x" * 1537, 422), ("limit=100", 200),
        ("cursor=nonsense", 422), ("cursor=%00", 422), ("cursor=acc_", 422), ("cursor=acc_'", 422), ("cursor=-1", 422),
        ("cursor=xyz_1", 422), ("cursor=", 200), ("limit=", 200), ("unknown=1", 200),
    ],
)  # fmt: skip
async def test_query_parameters(site: Site, path: str, query: str, status: int) -> None:
    """A page is 1 to 100 rows; a parameter twice is 400; a cursor that never was one is no quiet end (section 1)."""
    root, _ = await cast(site)
    response = await site.get(f"{path}?{query}", **root.use)
    assert response.status_code == status


async def test_show_account(site: Site) -> None:
    """One account, 404 `not_found` if there is none (section 5)."""
    root, ann = await cast(site)
    body = (await site.get(f"/v1/admin/accounts/{ann.account_id}", **root.use)).json()
    assert body["account"]["username"] == "ann"
    for missing in ("acc_AAAAAAAAAAAAAAAAAAAAAA", "ann", "%00", "x" * 600):
        for method in ("GET", "DELETE"):
            response = await site.call(method, f"/v1/admin/accounts/{missing}", **root.use)
            assert problem(response) == (404, "not_found")
        response = await site.patch(f"/v1/admin/accounts/{missing}", json={"disabled": True}, **root.use)
        assert problem(response) == (404, "not_found")
        response = await site.delete(f"/v1/admin/accounts/{missing}/sessions", **root.use)
        assert problem(response) == (404, "not_found")


async def test_change_account(site: Site) -> None:
    """`{roles?, disabled?, display_name?, email?}` → `{account, ended, bound}` (section 5)."""
    root, ann = await cast(site)
    path = f"/v1/admin/accounts/{ann.account_id}"
    for body, expected in (
        ({"display_name": "Ann", "email": "a@example.com"}, {"display_name": "Ann", "email": "a@example.com"}),
        ({"roles": ["user", "editor", "user"]}, {"roles": ["editor", "user"]}),
        ({"roles": []}, {"roles": []}),
        ({}, {"roles": []}),
        ({"email": None}, {"email": None}),
    ):
        response = await site.patch(path, json=body, **root.use)
        assert response.status_code == 200
        assert set(response.json()) == {"account", "ended", "bound"}
        assert response.json()["ended"] == 0
        assert expected.items() <= response.json()["account"].items()
    assert await site.alive(ann)
    response = await site.patch(path, json={"disabled": True}, **root.use)
    assert response.json()["ended"] == 1
    assert response.json()["account"]["disabled"] is True
    assert not await site.alive(ann)
    assert (await site.patch(path, json={"disabled": False}, **root.use)).json()["ended"] == 0
    assert not await site.alive(ann)
    await site.log_in("ann")


@pytest.mark.parametrize(
    "body",
    [
        {"roles": "admin"}, {"roles": [1]}, {"roles": None}, {"roles": ["a b"]}, {"roles": [""]}, {"roles": ["x" * 65]},
        {"roles": [f"r{n}" for n in range(33)]}, {"disabled": "yes"}, {"disabled": None}, {"disabled": 1},
        {"username": "x"}, {"password": PASSWORD}, {"email": "x"}, {"display_name": 1}, {"role": "admin"},
    ],
)  # fmt: skip
async def test_a_wrong_change_is_422(site: Site, body: Any) -> None:
    """What an account cannot be is 422, and it stays as it was (section 5)."""
    root, ann = await cast(site)
    path = f"/v1/admin/accounts/{ann.account_id}"
    before = (await site.get(path, **root.use)).json()
    assert problem(await site.patch(path, json=body, **root.use)) == (422, "invalid_request")
    assert (await site.get(path, **root.use)).json() == before


@pytest.mark.parametrize("body", [{"roles": ["user"]}, {"disabled": True}, {"roles": [], "disabled": True}, None])
async def test_the_last_administrator_stays(site: Site, body: Any) -> None:
    """The last enabled administrator cannot be demoted, disabled or deleted: 409 `last_admin` (section 5)."""
    root, ann = await cast(site)
    path = f"/v1/admin/accounts/{root.account_id}"
    response = await (site.delete(path, **root.use) if body is None else site.patch(path, json=body, **root.use))
    assert problem(response) == (409, "last_admin")
    assert (await site.get("/v1/admin/stats", **root.use)).status_code == 200
    promote = await site.patch(f"/v1/admin/accounts/{ann.account_id}", json={"roles": ["admin"]}, **root.use)
    assert promote.status_code == 200
    response = await (site.delete(path, **root.use) if body is None else site.patch(path, json=body, **root.use))
    assert response.status_code == 200


async def test_a_disabled_administrator_does_not_count(site: Site) -> None:
    """Only enabled administrators keep the lights on (section 5)."""
    root, ann = await cast(site)
    path = f"/v1/admin/accounts/{ann.account_id}"
    assert (await site.patch(path, json={"roles": ["admin"], "disabled": True}, **root.use)).status_code == 200
    response = await site.patch(f"/v1/admin/accounts/{root.account_id}", json={"roles": []}, **root.use)
    assert problem(response) == (409, "last_admin")


async def test_delete_account(site: Site) -> None:
    """The account and its sessions are gone; `{ended, bound}` (section 5)."""
    root, ann = await cast(site)
    other = await site.log_in("ann", kind="stateless")
    response = await site.delete(f"/v1/admin/accounts/{ann.account_id}", **root.use)
    assert response.json() == {"ended": 2, "bound": 0}
    assert not await site.alive(ann)
    assert not await site.alive(other)
    assert problem(await site.get(f"/v1/admin/accounts/{ann.account_id}", **root.use)) == (404, "not_found")


@pytest.mark.parametrize("kind", KINDS)
async def test_end_sessions(site: Site, kind: str) -> None:
    """One session, or all of an account, in each kind (section 5, M-07)."""
    root, _ = await cast(site)
    one, two = [await site.log_in("ann", kind=kind, transport="bearer") for _ in range(2)]
    assert await site.alive(two)
    assert (await site.delete(f"/v1/admin/sessions/{one.id}", **root.use)).json() == {"ended": 1, "bound": 0}
    assert not await site.alive(one)
    assert await site.alive(two)
    assert problem(await site.delete(f"/v1/admin/sessions/{one.id}", **root.use)) == (404, "not_found")
    response = await site.delete(f"/v1/admin/accounts/{two.account_id}/sessions", **root.use)
    assert response.json() == {"ended": 2, "bound": 0}
    assert not await site.alive(two)
    assert await site.alive(root)


async def test_list_sessions(site: Site) -> None:
    """Live sessions of everybody, by account and kind, in pages (section 5)."""
    root, ann = await cast(site)
    extra = [await site.log_in("ann", kind=kind, transport="bearer") for kind in KINDS]

    async def ids(query: str = "") -> set[str]:
        body = (await site.get(f"/v1/admin/sessions{query}", **root.use)).json()
        assert set(body) == {"sessions", "next"}
        return {one["id"] for one in body["sessions"]}

    everybody = {root.id, ann.id, *(one.id for one in extra)}
    assert await ids() == everybody
    assert await ids(f"?account={root.account_id}") == {root.id}
    assert await ids("?kind=stateless") == {extra[2].id}
    assert await ids(f"?kind=session&account={ann.account_id}") == {ann.id, extra[0].id}
    assert await ids("?account=acc_x") == set()
    seen: set[str] = set()
    cursor = ""
    for _ in range(5):
        body = (await site.get(f"/v1/admin/sessions?limit=1&cursor={cursor}", **root.use)).json()
        seen |= {one["id"] for one in body["sessions"]}
        cursor = body["next"] or ""
    assert cursor == ""
    assert seen == everybody
    body = (await site.get("/v1/admin/sessions", **root.use)).json()
    assert [one["id"] for one in body["sessions"] if one["current"]] == [root.id]
    assert all(one["account_id"] for one in body["sessions"])


async def test_sessions_by_activity(site: Site) -> None:
    """`order=activity`: the most recently seen first, of all, of a kind, of an account; each on one page (section
    5)."""
    root, ann = await cast(site)
    extra = [await site.log_in("ann", kind=kind, transport="bearer") for kind in KINDS for _ in range(3)]
    order = [root, *extra, ann]
    for at, login in enumerate(order):
        await site.auth.system.store.sessions.touch({login.id: site.auth.system.context.now() + 1000 + at})

    async def walked(query: str) -> list[str]:
        ids, cursor = list[str](), ""
        for _ in range(20):
            body = (
                await site.get(f"/v1/admin/sessions?order=activity&limit=2{query}&cursor={cursor}", **root.use)
            ).json()
            assert len(body["sessions"]) <= 2
            ids += [one["id"] for one in body["sessions"]]
            if body["next"] is None:
                return ids
            cursor = body["next"]
        raise AssertionError("the pages do not come to an end")

    newest_first = order[::-1]
    assert await walked("") == [one.id for one in newest_first]
    assert await walked("&kind=stateful") == [one.id for one in newest_first if one in extra[3:6]]
    assert await walked(f"&account={ann.account_id}") == [one.id for one in newest_first if one is not root]
    assert await walked(f"&account={ann.account_id}&kind=stateless") == [
        one.id for one in newest_first if one in extra[6:]
    ]
    assert await walked("&account=acc_x") == []
    assert problem(await site.get("/v1/admin/sessions?order=size", **root.use)) == (422, "invalid_request")
    assert problem(await site.get("/v1/admin/sessions?order=activity&cursor=x", **root.use)) == (422, "invalid_request")
    await site.auth.system.sessions.end_everything(actor="cli")
    again = await site.log_in("root")
    body = (await site.get("/v1/admin/sessions?order=activity", **again.use)).json()
    assert [one["id"] for one in body["sessions"]] == [again.id]


async def test_listing_many_that_are_over(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call looks at so many sessions and no more, however many were ended at once; `next` leads to all that live
    (section 5)."""
    monkeypatch.setattr("ostiary.services.session_listing._PORTION", 2)
    monkeypatch.setattr("ostiary.services.session_listing._LOOKS", 2)
    root, _ = await cast(site)
    over = [await site.log_in("ann", kind="stateless") for _ in range(18)]
    await site.auth.system.sessions.end_everything(actor="cli")
    live = {(root := await site.log_in("root")).id, (await site.log_in("ann")).id}
    store = site.auth.system.store.sessions
    looked: list[int] = []
    page = store.page

    async def counted(**how: Any) -> list[Any]:
        rows = await page(**how)
        looked.append(len(rows))
        return rows

    monkeypatch.setattr(store, "page", counted)
    seen: set[str] = set()
    cursor, calls = "", 0
    while True:
        looked.clear()
        body = (await site.get(f"/v1/admin/sessions?limit=1&cursor={cursor}", **root.use)).json()
        assert sum(looked) <= 2 + 2 * 2
        seen |= {one["id"] for one in body["sessions"]}
        cursor, calls = body["next"] or "", calls + 1
        if not cursor:
            break
    assert seen == live
    assert calls > len(over) // 6


async def test_an_unknown_kind_is_422(site: Site) -> None:
    """A kind that does not exist is a mistake, not an empty list (section 1)."""
    root, _ = await cast(site)
    assert problem(await site.get("/v1/admin/sessions?kind=jwt", **root.use)) == (422, "invalid_request")


async def test_a_cursor_that_is_none(site: Site) -> None:
    """What no page has called `next` is a mistake, wherever a place says more than an id (section 1)."""
    root, _ = await cast(site)
    for cursor in ("nonsense", "x", "=", "张", "dQ", "dQBhAGIAYw"):
        response = await site.get(f"/v1/admin/accounts?{urlencode({'cursor': cursor})}", **root.use)
        assert problem(response) == (422, "invalid_request"), cursor


async def test_search_in_order(site: Site) -> None:
    """Whose id it is, then user names that begin so, by name, then e-mails that do, by e-mail: each once, whatever the
    size of a page, and the longest names and addresses too (section 5)."""
    root, _ = await cast(site)
    made = {
        name: await site.account(name, email=email)
        for name, email in {
            "mia": "zoe@e.org", "mara": "mara@e.org", "Max": None, "zed": "MAX@e.org", "yan": "max@e.org",
            "xi": "mail@e.org", "m" + "张" * 120: "m" + "😀" * 200 + "@e.org", "other": "m" + "😀" * 220 + "@e.org",
        }.items()
    }  # fmt: skip

    async def walked(query: str, limit: int) -> list[str]:
        names, cursor = list[str](), ""
        for _ in range(20):
            asked = urlencode({"query": query, "limit": limit, "cursor": cursor})
            response = await site.get(f"/v1/admin/accounts?{asked}", **root.use)
            assert response.status_code == 200, response.text
            names += [one["username"] for one in response.json()["accounts"]]
            cursor = response.json()["next"]
            if cursor is None:
                return names
        raise AssertionError("the pages do not come to an end")

    longest = "m" + "张" * 120
    for limit in (1, 2, 3, 4, 5, 20):
        by_name = ["mara", "Max", "mia", longest]
        by_email = ["xi", *sorted(("zed", "yan"), key=lambda name: made[name]), "other"]
        assert await walked("m", limit) == await walked("M", limit) == by_name + by_email
        assert await walked("max", limit) == ["Max", *by_email[1:3]]
        assert await walked(made["mia"], limit) == ["mia"]
        assert sorted(await walked("", limit)) == sorted(["root", "ann", *made])


async def test_keys_say_what_depends_on_them(site: Site) -> None:
    """Which tokens each signs, how many logins hold one that has not expired, and until when the last one lives: of
    the key that signs, of one that signed before, of those that sign nothing (section 5, M-07)."""
    root, _ = await cast(site)

    async def keys() -> dict[str, dict[str, Any]]:
        found = (await site.get("/v1/admin/keys", **root.use)).json()["keys"]
        return {key["state"]: key for key in found}

    def holders(found: dict[str, dict[str, Any]]) -> dict[str, tuple[int, bool]]:
        return {state: (key["logins_at_most"], key["accepted_until"] is not None) for state, key in found.items()}

    assert holders(await keys()) == {"active": (0, True), "upcoming": (0, False)}
    assert (await keys())["active"]["signs"] == ["stateful", "stateless", "one-time", "internal", "status-list"]
    for kind in ("stateful", "stateless", "stateless"):
        await site.log_in("ann", kind=kind, transport="bearer")
    assert holders(await keys()) == {"active": (3, True), "upcoming": (0, False)}
    site.clock.advance(1)
    await site.post("/v1/admin/keys/rotate", **root.use)
    assert holders(await keys()) == {"active": (0, True), "retiring": (3, True), "upcoming": (0, False)}
    await site.log_in("ann", kind="stateful", transport="bearer")
    found = await keys()
    assert holders(found)["active"] == (1, True)
    assert holders(found)["retiring"] == (4, True)  # at most: who was seen since may have renewed
    until = datetime.fromisoformat(found["retiring"]["accepted_until"])
    assert until - datetime.fromisoformat(found["retiring"]["retiring_at"]) == timedelta(seconds=900)
    site.clock.advance(301)
    assert holders(await keys())["retiring"] == (2, True)  # stateful tokens live longer than stateless ones
    site.clock.advance(600)
    assert holders(await keys())["retiring"] == (0, False)


async def test_rotate_keys(site: Site) -> None:
    """The next key signs; what the present one signed stays good (section 5)."""
    root, _ = await cast(site)
    login = await site.log_in("ann", kind="stateless")
    keys = (await site.get("/v1/admin/keys", **root.use)).json()
    assert set(keys) == {"keys"}
    assert not any(secret in str(keys) for secret in ("'d'", "private", "sealed"))
    response = await site.post("/v1/admin/keys/rotate", **root.use)
    assert {"key", "ended", "bound"} == set(response.json())
    later = await site.log_in("ann", kind="stateless")
    assert decoded(later.access_token)[0]["kid"] == response.json()["key"]["kid"]
    assert decoded(later.access_token)[0]["kid"] != decoded(login.access_token)[0]["kid"]
    assert await site.alive(login)
    assert await site.alive(later)


async def test_revoke_a_key(site: Site) -> None:
    """Emergency: all that it signed is refused, of both kinds; sessions and refresh tokens live on (section 5,
    M-07)."""
    root, ann = await cast(site)
    logins = [await site.log_in("ann", kind=kind) for kind in ("stateful", "stateless")]
    for login in logins:
        assert await site.alive(login)
    kid = decoded(logins[0].access_token)[0]["kid"]
    response = await site.delete(f"/v1/admin/keys/{kid}", **root.use)
    assert response.json()["bound"] == 0
    for login in logins:
        assert not await site.alive(login)
        assert await site.alive(login.renewed(await site.refresh(login)))
    assert await site.alive(ann)
    assert kid not in (await site.get("/.well-known/jwks.json")).text
    assert problem(await site.delete("/v1/admin/keys/nonsense", **root.use)) == (404, "not_found")


async def test_end_everything(site: Site) -> None:
    """Everybody has to log in again, the administrator too (section 5, M-07)."""
    root, ann = await cast(site)
    logins = [await site.log_in("ann", kind=kind, transport="bearer") for kind in KINDS]
    for login in logins:
        assert await site.alive(login)
    response = await site.post("/v1/admin/end-everything", **root.use)
    assert response.json() == {"ended": 5, "bound": 0}
    for login in (root, ann, *logins):
        assert not await site.alive(login)
    for login in logins[1:]:
        assert problem(await site.refresh(login)) == (400, "invalid_grant")
    for kind in KINDS:
        assert await site.alive(await site.log_in("ann", kind=kind, transport="bearer"))


async def test_audit(site: Site) -> None:
    """What happened, the newest first, by account, event and session, in pages, without a secret (section 5)."""
    root, ann = await cast(site)
    wrong = {"username": "ann", "password": OTHER_PASSWORD}
    assert (await site.post("/v1/login", json=wrong)).status_code == 401
    assert (await site.post("/v1/logout", **ann.use)).status_code == 200
    body = (await site.get("/v1/admin/audit", **root.use)).json()
    assert set(body) == {"events", "next"}
    events = [event["event"] for event in body["events"]]
    assert {"login.succeeded", "login.failed", "session.logged_out", "account.created"} <= set(events)
    ids = [event["id"] for event in body["events"]]
    assert len(ids) == len(set(ids))
    assert not any(secret in str(body) for secret in (PASSWORD, OTHER_PASSWORD, "ost_st_", "ost_rt_", ann.access_token))
    by_session = (await site.get(f"/v1/admin/audit?session={ann.id}", **root.use)).json()["events"]
    assert {event["session_id"] for event in by_session} == {ann.id}
    by_event = (await site.get("/v1/admin/audit?event=login.failed", **root.use)).json()["events"]
    assert [event["event"] for event in by_event] == ["login.failed"]
    by_account = (await site.get(f"/v1/admin/audit?account={ann.account_id}", **root.use)).json()["events"]
    assert {event["account_id"] for event in by_account} == {ann.account_id}
    paged: list[str] = []
    cursor = ""
    while True:
        page = (await site.get(f"/v1/admin/audit?limit=2&cursor={cursor}", **root.use)).json()
        paged += [event["id"] for event in page["events"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert paged == ids


async def test_stats(site: Site) -> None:
    """Counts for an overview, all numbers, and the nodes: this one alone where nobody else can open the store (section
    5)."""
    root, _ = await cast(site)
    body = (await site.get("/v1/admin/stats", **root.use)).json()
    assert body["live_sessions"] == 2
    [node], more = body.pop("nodes"), body.pop("more_nodes")
    assert all(isinstance(value, int | float) for value in body.values())
    assert (node["current"], node["lease"], node["lease_age"], node["bound"], node["behind"]) == (True, None, 0, 0, 0)
    assert node["pid"] == os.getpid()
    assert not more


@pytest.mark.parametrize("kind", KINDS)
async def test_a_demoted_administrator(site: Site, kind: str) -> None:
    """Administrator's rights are lost at once, in each kind (section 4, M-30)."""
    root, ann = await cast(site)
    path = f"/v1/admin/accounts/{ann.account_id}"
    await site.patch(path, json={"roles": ["admin"]}, **root.use)
    login = await site.log_in("ann", kind=kind, transport="bearer")
    assert (await site.get("/v1/admin/stats", **login.use)).status_code == 200
    await site.patch(path, json={"roles": ["user"]}, **root.use)
    response = await site.get("/v1/admin/stats", **login.use)
    assert problem(response) == ((401, "invalid_token") if kind == "stateless" else (403, "forbidden"))
