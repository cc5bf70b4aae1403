"""The pattern of single-page applications: the access token in memory only, the refresh token in a cookie that no
script can read."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.browser.serving import PASSWORD, Site
from tests.browser.visitor import REFRESH, SESSION, Visitor

Visit = Callable[..., Visitor]

APP = """
window.login = async (username, password) => {
    const answer = await fetch("/v1/login", {
        method: "POST",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({username, password, kind: "stateless", transport: "split"}),
    });
    const body = await answer.json();
    window.token = body.access_token;
    return [answer.status, body];
};
window.refresh = async () => {
    const answer = await fetch("/oauth/token", {
        method: "POST", body: new URLSearchParams({grant_type: "refresh_token"}),
    });
    const body = await answer.json();
    if (answer.ok) window.token = body.access_token;
    return [answer.status, body];
};
window.signal = new BroadcastChannel("begin");
window.given = () => new Promise((done) => { signal.onmessage = done; });
window.call = async (method, path) => {
    const answer = await fetch(path, {method, headers: {Authorization: "Bearer " + window.token}});
    return answer.status;
};
"""
"""What such an application does. It is put into our own pages, with their CSP off."""


@pytest.fixture
def app(site: Site, visit: Visit) -> Visitor:
    """Somebody in front of the application, not logged in."""
    site.register("zhangsan")
    user = visit(site, java_script_enabled=True, bypass_csp=True)
    user.context.add_init_script(APP)
    user.go("/")
    return user


def run(page: Page, script: str, argument: object = None) -> Any:
    """What a function of the application returns."""
    return page.evaluate(script, argument)


def log_in(page: Page) -> dict[str, Any]:
    """By the application's own form."""
    status, body = run(page, "password => login('zhangsan', password)", PASSWORD)
    assert status == 200
    return dict(body)


def test_what_scripts_hold(app: Visitor) -> None:
    """The login gives the script a short-lived access token and nothing that outlives the page; the refresh token is in
    a cookie of its own: __Host-, HttpOnly, Secure, SameSite=Strict (M-08, M-40, M-44)."""
    body = log_in(app.page)
    assert 298 <= body["expires_in"] <= 300
    assert "refresh_token" not in body
    cookie = app.cookie(REFRESH)
    assert cookie is not None
    assert cookie["value"].startswith("ost_rt_")
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert (cookie["domain"], cookie["path"]) == ("localhost", "/")
    assert app.cookie(SESSION) is None
    assert run(app.page, "[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    assert run(app.page, "call('GET', '/v1/me')") == 200


def test_a_reload_keeps_the_login(app: Visitor) -> None:
    """After a reload the access token is gone from memory, and the cookie brings a new one; so in a new tab (M-44)."""
    first = log_in(app.page)["access_token"]
    for page in (app.page, app.tab()):
        page.goto(app.home + "/")
        assert run(page, "typeof window.token") == "undefined"
        assert run(page, "call('GET', '/v1/me')") == 401
        status, body = run(page, "refresh()")
        assert status == 200
        assert "refresh_token" not in body
        assert body["access_token"] != first
        assert run(page, "call('GET', '/v1/me')") == 200
    assert run(app.page, "call('GET', '/v1/me')") == 200, "the former access token lives on until it expires"


def test_two_tabs_refresh_at_once(app: Visitor) -> None:
    """Tabs that refresh at the same moment, several times over, all get a token that works, and the cookie that is left
    is the one live refresh token (M-42, M-44)."""
    log_in(app.page)
    tabs = [app.page, app.tab(), app.tab()]
    for tab in tabs[1:]:
        tab.goto(app.home + "/")
    both = "() => { window.pending = given().then(() => Promise.all([refresh(), refresh()])) }"
    starter = app.tab()
    starter.goto(app.home + "/")
    for _ in range(3):
        # at one signal, and not when each tab is told: who comes with what two others have replaced is no parallel tab
        for tab in tabs:
            tab.evaluate(both)
        run(starter, "signal.postMessage('')")
        for tab in tabs:
            answers = run(tab, "window.pending")
            assert [status for status, _ in answers] == [200, 200], answers
            assert run(tab, "call('GET', '/v1/me')") == 200
    assert run(tabs[1], "refresh()")[0] == 200


def test_logout_in_one_tab(app: Visitor, site: Site) -> None:
    """Logging out in one tab logs out all: elsewhere neither the token in memory nor a refresh works, and a refresh
    token that was kept is refused too (M-06, M-44)."""
    log_in(app.page)
    other = app.tab()
    other.goto(app.home + "/")
    assert run(other, "refresh()")[0] == 200
    kept = app.cookie(REFRESH)
    assert kept is not None
    assert run(app.page, "call('POST', '/v1/logout')") == 200
    assert app.cookie(REFRESH) is None
    assert run(other, "call('GET', '/v1/me')") == 401
    assert run(other, "refresh()")[0] == 400
    app.keep(kept)
    status, body = run(other, "refresh()")
    assert (status, body["error"]) == (400, "invalid_grant")
    assert run(other, "call('GET', '/v1/me')") == 401


def test_a_stolen_refresh_cookie(app: Visitor, visit: Visit, site: Site) -> None:
    """A refresh token that was copied and is used after its owner has gone on refreshing ends the session for both
    (M-43)."""
    log_in(app.page)
    stolen = app.cookie(REFRESH)
    assert stolen is not None
    for _ in range(2):
        assert run(app.page, "refresh()")[0] == 200
    thief = visit(site, java_script_enabled=True, bypass_csp=True)
    thief.context.add_init_script(APP)
    thief.keep(stolen)
    thief.go("/")
    status, body = run(thief.page, "refresh()")
    assert (status, body["error"]) == (400, "invalid_grant")
    assert run(app.page, "refresh()")[0] == 400
    assert run(app.page, "call('GET', '/v1/me')") == 401
