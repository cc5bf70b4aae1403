"""Pages of other origins: what they can make a visitor's browser do, and what they may do if they are allowed to."""

import json
from collections.abc import Callable
from html import escape
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page
from tests.browser.serving import PASSWORD, OtherSite, Site, another_site, serving
from tests.browser.visitor import REFRESH, SESSION, Visitor

Visit = Callable[..., Visitor]

NEW_PASSWORD = "seven quiet lighthouses blink"


def trap(action: str, **fields: str) -> str:
    """A page whose button sends a form to somebody else's server."""
    inputs = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    return (
        f'<!doctype html><link rel="icon" href="data:,"><title>Win a prize</title>'
        f'<form method="post" action="{escape(action)}">{inputs}<button>Win</button></form>'
    )


def traps(site: Site) -> dict[str, str]:
    """One for each form that we have, by its path on the other site."""
    return {
        "/logout": trap(f"{site.url}/logout"),
        "/login": trap(f"{site.url}/login", username="mallory", password=PASSWORD),
        "/signup": trap(f"{site.url}/signup", username="trapped", password=PASSWORD),
        "/end-others": trap(f"{site.url}/account/sessions/end-others"),
        "/password": trap(f"{site.url}/account/password", current_password=PASSWORD, new_password=NEW_PASSWORD),
    }


@pytest.mark.parametrize(
    ("host", "cookies_come_along"),
    [("localhost", True), ("127.0.0.1", False)],
    ids=["another port of the same site", "another site"],
)
def test_forged_forms(site: Site, elsewhere: OtherSite, visit: Visit, host: str, cookies_come_along: bool) -> None:
    """A form on a page of another origin changes nothing: neither on a port of the same host, whose requests carry the
    victim's cookies, nor on another site (M-50)."""
    site.register("zhangsan", "mallory")
    victim, other_device = visit(site), visit(site)
    victim.arrive("zhangsan")
    other_device.arrive("zhangsan")
    before = victim.context.cookies()
    elsewhere.pages.update(traps(site))
    for path in traps(site):
        victim.page.goto(elsewhere.url(host) + path)
        with victim.page.expect_request(lambda request: request.method == "POST") as sent:
            victim.press("Win")
        headers = sent.value.all_headers()
        assert (SESSION in headers.get("cookie", "")) is cookies_come_along, path
        answer = sent.value.response()
        assert answer is not None
        refused_for_want_of_cookies = path in ("/end-others", "/password") and not cookies_come_along
        if refused_for_want_of_cookies:
            assert answer.status == 303
            assert victim.at("/login")
        else:
            assert answer.status == 403, path
            assert "nothing was changed" in victim.text
        assert victim.context.cookies() == before, path
    assert victim.is_in
    assert "zhangsan" in victim.text
    assert len(victim.devices) == 2
    assert other_device.is_in
    assert site.call("POST", "/v1/login", {"username": "trapped", "password": PASSWORD})[0] == 401


def test_forged_form_under_our_other_name(site: Site, visit: Visit) -> None:
    """Our own page under the machine's other name is another site too: its forms change nothing here (M-50)."""
    site.register("zhangsan")
    victim = visit(site, bypass_csp=True)
    victim.arrive("zhangsan")
    victim.page.goto(f"{site.by_address}/login")
    victim.page.locator("form").evaluate("(form, to) => { form.action = to }", f"{site.url}/logout")
    victim.fill_in("zhangsan")
    with victim.page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        victim.press("Sign in")
    assert answered.value.status == 403
    assert victim.is_in


def test_our_forms_go_nowhere_else(site: Site, elsewhere: OtherSite, visit: Visit) -> None:
    """If something managed to redirect one of our forms, the browser would not send the password there."""
    someone = visit(site)
    someone.go("/login")
    someone.page.locator("form").evaluate("(form, to) => { form.action = to }", elsewhere.url())
    someone.fill_in("zhangsan")
    someone.forgiven.append("form-action")
    with someone.page.expect_console_message(lambda message: "form-action" in message.text):
        someone.page.keyboard.press("Enter")
    assert not any(url.startswith(elsewhere.url()) for url in someone.urls)


def test_nobody_frames_us(site: Site, elsewhere: OtherSite, visit: Visit) -> None:
    """Our pages cannot be put in a frame of another page, where clicks could be stolen."""
    site.register("zhangsan")
    victim = visit(site)
    victim.arrive("zhangsan")
    elsewhere.pages["/frame"] = (
        f'<!doctype html><link rel="icon" href="data:,"><iframe src="{site.url}/account"></iframe>'
    )
    victim.forgiven.append("frame-ancestors")
    victim.page.goto(elsewhere.url() + "/frame")
    victim.until(lambda: victim.complained("frame-ancestors"))
    assert "zhangsan" not in victim.page.frames[1].content()


CALL = """async ([method, url, token, body, credentials]) => {
    const headers = {};
    if (token) headers["Authorization"] = "Bearer " + token;
    const form = typeof body === "string";
    if (body !== null) headers["Content-Type"] = form ? "application/x-www-form-urlencoded" : "application/json";
    const sent = form ? body : body === null ? undefined : JSON.stringify(body);
    const answer = await fetch(url, {method, headers, body: sent, credentials});
    return [answer.status, await answer.json()];
}"""


def call(
    page: Page, method: str, url: str, *, token: str = "", body: object = None, credentials: str = "omit"
) -> tuple[int, dict[str, object]]:
    """`fetch` in a page. A string is sent as a form, anything else as JSON. Raises Error if the answer is not shown."""
    status, answer = page.evaluate(CALL, [method, url, token, body, credentials])
    return int(status), dict(answer)


def test_an_app_on_another_origin(tmp_path: Path, visit: Visit) -> None:
    """A script on an origin that is listed logs in, calls with Authorization, reads the answers, refreshes by cookie
    and logs out; on an origin that is not listed it reads nothing and changes nothing (M-51)."""
    with (
        another_site() as app,
        another_site() as stranger,
        serving(tmp_path, cors_origins=(app.url(),), trusted_origins=(app.url(),)) as site,
    ):
        site.register("zhangsan")
        user = visit(app, java_script_enabled=True)
        user.go("/")
        body = {"username": "zhangsan", "password": PASSWORD, "kind": "stateless", "transport": "split"}
        status, login = call(user.page, "POST", f"{site.url}/v1/login", body=body, credentials="include")
        assert status == 200
        assert user.cookie(REFRESH) is not None
        token = str(login["access_token"])
        status, me = call(user.page, "GET", f"{site.url}/v1/me", token=token)
        assert (status, me["kind"]) == (200, "stateless")
        changes = {"display_name": "Zhang San"}
        assert call(user.page, "PATCH", f"{site.url}/v1/me", token=token, body=changes)[0] == 200
        assert call(user.page, "GET", f"{site.url}/v1/me", token="ost_st_" + "x" * 43)[0] == 401
        status, renewed = call(
            user.page, "POST", f"{site.url}/oauth/token", body="grant_type=refresh_token", credentials="include"
        )
        assert status == 200
        assert "refresh_token" not in renewed

        user.forgiven += ["CORS policy", "net::ERR_FAILED"]
        for origin in (stranger.url(), stranger.url("127.0.0.1"), app.url("127.0.0.1")):
            user.page.goto(origin + "/")
            for method, path, credential, sent, credentials in (
                ("GET", "/v1/me", token, None, "omit"),
                ("GET", "/v1/me", "", None, "include"),
                ("DELETE", "/v1/me", token, {"password": PASSWORD}, "omit"),
                ("POST", "/v1/logout", "", None, "include"),
                ("POST", "/oauth/token", "", "grant_type=refresh_token", "include"),
            ):
                with pytest.raises(Error, match="Failed to fetch"):
                    call(
                        user.page,
                        method,
                        site.url + path,
                        token=credential,
                        body=sent,
                        credentials=credentials,
                    )
        user.until(lambda: user.complained("CORS policy") >= 15)
        assert user.complained("CORS policy") == 15

        user.go("/")
        status, renewed = call(
            user.page, "POST", f"{site.url}/oauth/token", body="grant_type=refresh_token", credentials="include"
        )
        assert status == 200, json.dumps(renewed)
        token = str(renewed["access_token"])
        assert call(user.page, "POST", f"{site.url}/v1/logout", token=token, credentials="include")[0] == 200
        assert call(user.page, "GET", f"{site.url}/v1/me", token=token)[0] == 401
        assert user.cookie(REFRESH) is None
