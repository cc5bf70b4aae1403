"""The module that we publish for single-page applications: silent refresh in one tab, in several, on another origin."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route
from tests.browser.conftest import PATIENCE
from tests.browser.serving import PASSWORD, OtherSite, Site, another_site, serving
from tests.browser.visitor import REFRESH, Visitor

from ostiary.services.accounts import AccountPatch

Visit = Callable[..., Visitor]

START = """async ([module, options]) => {
    const { createClient } = await import(module);
    window.client = createClient(options);
    window.changes = 0;
    client.events.addEventListener("change", () => { window.changes += 1; });
    return await client.ready;
}"""


def start(page: Page, module: str = "/static/ostiary-client.js", **options: Any) -> bool:
    """What an application does first; whether somebody is logged in already."""
    return bool(page.evaluate(START, [module, options]))


def run(page: Page, script: str, argument: object = None) -> Any:
    """What a piece of the application gives."""
    return page.evaluate(script, argument)


def log_in(page: Page) -> None:
    """By the application's own form."""
    answer = run(page, "password => client.login('zhangsan', password)", PASSWORD)
    assert answer["account"]["username"] == "zhangsan"


def me(page: Page) -> int:
    """The status of a call."""
    return int(run(page, "client.fetch('/v1/me').then(answer => answer.status)"))


NEXT = """async ([last, patience]) => {
    for (const began = Date.now(); Date.now() - began < patience; await new Promise(done => setTimeout(done, 20))) {
        const token = await client.token().catch(() => last);
        if (token !== last) return token;
    }
    throw new Error("the token stays what it was");
}"""


def next_token(page: Page, last: str | None) -> str | None:
    """The token that comes after this one, None if that is nobody's; waits for it."""
    found: str | None = page.evaluate(NEXT, [last, PATIENCE])
    return found


def renewals(visitor: Visitor) -> int:
    """How many requests went to the token endpoint."""
    return sum(url.endswith("/oauth/token") for url in visitor.urls)


@pytest.fixture
def app(site: Site, visit: Visit) -> Visitor:
    """Somebody in front of an application on our own origin, not logged in; under the policy of our pages."""
    site.register("zhangsan")
    user = visit(site, java_script_enabled=True)
    user.go("/docs")
    user.go("/")
    return user


HASTY = 3  # seconds


@pytest.fixture
def hasty(tmp_path: Path, visit: Visit) -> Iterator[Visitor]:
    """The same where an access token lives for three seconds, so that it is renewed after two and a bit."""
    with serving(tmp_path, access_token_lifetime=HASTY) as site:
        site.register("zhangsan")
        user = visit(site, java_script_enabled=True)
        user.go("/")
        yield user


def test_log_in_use_reload(app: Visitor) -> None:
    """The module logs in, sends the token along, and leaves nothing in what survives the page; a reload and a new tab
    are logged in by themselves (M-08, M-44)."""
    assert start(app.page) is False
    assert me(app.page) == 401
    log_in(app.page)
    assert me(app.page) == 200
    assert run(app.page, "changes") == 2  # nobody, somebody
    assert app.cookie(REFRESH) is not None
    assert run(app.page, "[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
    assert run(app.page, "JSON.stringify(client)") == '{"events":{},"ready":{}}'
    app.page.reload()
    assert start(app.page) is True
    assert me(app.page) == 200
    tab = app.tab()
    tab.goto(app.home + "/")
    assert start(tab) is True
    assert me(tab) == 200


def test_where_a_csrf_token_is_demanded(tmp_path: Path, visit: Visit) -> None:
    """With `csrf_token = "session"` a reloaded page fetches the token that its refresh needs; so does a logout by the
    refresh cookie alone (M-44, M-50)."""
    with serving(tmp_path, csrf_token="session") as site:
        site.register("zhangsan")
        user = visit(site, java_script_enabled=True)
        user.go("/")
        assert start(user.page) is False
        log_in(user.page)
        user.page.reload()
        assert start(user.page) is True
        assert me(user.page) == 200
        kept = run(user.page, "client.token()")
        user.page.reload()
        user.forgiven.append("ERR_FAILED")
        user.page.route("**/oauth/token", lambda route: route.abort())
        assert start(user.page) is False
        user.page.unroute("**/oauth/token")
        run(user.page, "client.logout()")
        assert user.cookie(REFRESH) is None
        answer = "token => fetch('/v1/me', {headers: {Authorization: 'Bearer ' + token}}).then(answer => answer.status)"
        assert run(user.page, answer, kept) == 401


def test_a_wrong_password_is_an_error(app: Visitor) -> None:
    """A refused login rejects with the code of the refusal, and nobody is logged in."""
    start(app.page)
    told = run(app.page, "client.login('zhangsan', 'wrong horse battery').catch(error => [error.code, error.message])")
    assert told[0] == "invalid_credentials"
    assert me(app.page) == 401


def test_one_tab_renews_for_all(hasty: Visitor) -> None:
    """Before the token expires it is renewed, by one tab: the others take over the same token (M-40, M-42, M-44)."""
    start(hasty.page)
    log_in(hasty.page)
    tabs = [hasty.page, hasty.tab(), hasty.tab()]
    for tab in tabs[1:]:
        tab.goto(hasty.home + "/")
        assert start(tab) is True
    began, before = run(hasty.page, "performance.now()"), renewals(hasty)
    for _ in range(2):
        last = run(hasty.page, "client.token()")
        assert None not in {next_token(tab, last) for tab in tabs}
        assert [me(tab) for tab in tabs] == [200, 200, 200]
    # one that renews for all does so once in each life of a token, however long this takes; the times of a token are
    # whole seconds, so that it may live for one less than it was given
    made, took = renewals(hasty) - before, (run(hasty.page, "performance.now()") - began) / 1000
    assert 2 <= made <= took / (HASTY - 1) + 1, "each tab renewed for itself"


def test_two_tabs_at_the_same_moment(app: Visitor) -> None:
    """Tabs that find themselves without a token at once wait for each other, and all are in (M-42)."""
    start(app.page)
    log_in(app.page)
    tabs = [app.tab() for _ in range(3)]
    for tab in tabs:
        tab.goto(app.home + "/")
        tab.evaluate(f"() => {{ window.starting = ({START})(['/static/ostiary-client.js', {{}}]) }}")
    for tab in tabs:
        assert run(tab, "starting") is True
        assert me(tab) == 200


def test_log_out_in_one_tab(app: Visitor) -> None:
    """Logging out in one tab logs out all of them at once, here and at the server (M-06, M-44)."""
    start(app.page)
    log_in(app.page)
    other = app.tab()
    other.goto(app.home + "/")
    start(other)
    kept = run(other, "client.token()")
    run(app.page, "client.logout()")
    assert next_token(other, kept) is None
    assert run(other, "changes") >= 1
    assert app.cookie(REFRESH) is None
    assert me(other) == me(app.page) == 401
    answer = "token => fetch('/v1/me', {headers: {Authorization: 'Bearer ' + token}}).then(answer => answer.status)"
    assert run(other, answer, kept) == 401


def test_a_page_login_beside_it(app: Visitor) -> None:
    """Somebody who is logged in on our own pages as well: their session cookie stays out of the application's calls."""
    app.arrive("zhangsan")
    start(app.page)
    log_in(app.page)
    assert me(app.page) == 200
    run(app.page, "client.logout()")
    assert me(app.page) == 401
    # the answer asks to clear the site's data; a request without cookies may not, and Chromium says so
    app.forgiven.append("Clear-Site-Data")
    assert app.is_in


def test_a_refused_token_is_renewed_once(app: Visitor, site: Site) -> None:
    """After a change of roles the old token is refused: the call is renewed and repeated, its body too, and succeeds
    under the new roles (M-30, M-41)."""
    start(app.page)
    log_in(app.page)
    account = site.inside.do(lambda system: system.accounts.find("zhangsan"))
    patch = AccountPatch(roles=("editor", "user"))
    site.inside.do(lambda system: system.accounts.change(account.id, patch, actor="cli"))
    before = renewals(app)
    change = """client.fetch("/v1/me", {
        method: "PATCH", headers: {"Content-Type": "application/json"}, body: JSON.stringify({display_name: "三"}),
    }).then(answer => answer.json())"""
    assert run(app.page, change)["account"]["display_name"] == "三"
    assert renewals(app) - before == 1
    assert run(app.page, "client.fetch('/v1/admin/stats').then(answer => answer.status)") == 403
    assert renewals(app) - before == 1, "403 is no reason to renew"


def test_ended_elsewhere(app: Visitor, site: Site) -> None:
    """A login that was ended elsewhere is found out at the next call, in all tabs, with one attempt to renew."""
    start(app.page)
    log_in(app.page)
    other = app.tab()
    other.goto(app.home + "/")
    start(other)
    account = site.inside.do(lambda system: system.accounts.find("zhangsan"))
    site.inside.do(lambda system: system.sessions.end_all(account.id, actor="cli"))
    before, kept = renewals(app), run(other, "client.token()")
    assert me(app.page) == 401
    assert renewals(app) - before == 1
    assert next_token(other, kept) is None
    assert renewals(app) - before == 1


def test_a_server_that_cannot_answer_logs_nobody_out(hasty: Visitor) -> None:
    """503 from the token endpoint is tried again; the login is not given up (M-44)."""
    start(hasty.page)
    log_in(hasty.page)
    answered: list[int] = []

    def unwell(route: Route) -> None:
        answered.append(503)
        headers = {"Retry-After": "1", "Content-Type": "application/json"}
        route.fulfill(status=503, headers=headers, body='{"error": "temporarily_unavailable"}')

    first = run(hasty.page, "client.token()")
    hasty.forgiven.append("status of 503")
    hasty.context.route("**/oauth/token", unwell)
    with hasty.page.expect_response(lambda answer: answer.status == 503):
        pass
    hasty.context.unroute("**/oauth/token")
    assert next_token(hasty.page, first) is not None
    assert me(hasty.page) == 200
    assert answered


def test_the_token_goes_to_nobody_else(app: Visitor, elsewhere: OtherSite) -> None:
    """A call to an origin that was not named goes without the token (M-44)."""
    bare = app.context.new_page()
    bare.goto(elsewhere.url() + "/")
    app.context.route(elsewhere.url() + "/**", lambda route: route.fulfill(
        headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}, body="ok"
    ))  # fmt: skip
    app.page.goto(app.home + "/openapi.json")  # a page whose policy does not keep it from asking elsewhere
    app.page.close()
    bare.evaluate(START, [app.home + "/static/ostiary-client.js", {}])
    with bare.expect_request(elsewhere.url() + "/x") as sent:
        run(bare, "client.fetch('/x')")
    assert "authorization" not in sent.value.all_headers()


def test_an_app_on_another_origin(tmp_path: Path, visit: Visit) -> None:
    """An application on a listed origin of the same site imports the module from here and does all of it across
    origins; the token goes to the issuer and to origins that it names, and to no other (M-51)."""
    with (
        another_site() as app,
        another_site() as stranger,
        serving(tmp_path, cors_origins=(app.url(),), trusted_origins=(app.url(),)) as site,
    ):
        site.register("zhangsan")
        user = visit(app, java_script_enabled=True)
        user.go("/")
        module = site.url + "/static/ostiary-client.js"
        assert start(user.page, module, issuer=site.url) is False
        log_in(user.page)
        answer = "url => client.fetch(url).then(answer => answer.status)"
        assert run(user.page, answer, site.url + "/v1/me") == 200
        user.page.reload()
        assert start(user.page, module, issuer=site.url + "/") is True
        with user.page.expect_request(lambda request: request.url.startswith(stranger.url())) as sent:
            run(user.page, "url => client.fetch(url, {mode: 'no-cors'}).then(() => 0)", stranger.url() + "/")
        assert "authorization" not in sent.value.all_headers()
        assert run(user.page, answer, site.url + "/v1/me") == 200
        run(user.page, "client.logout()")
        assert user.cookie(REFRESH) is None
        assert run(user.page, answer, site.url + "/v1/me") == 401
