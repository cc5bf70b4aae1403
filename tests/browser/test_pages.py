"""What holds for every page: languages, the keyboard, the content security policy, and no credential in sight."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.serving import PASSWORD, Site
from tests.browser.visitor import SESSION, Visitor

Visit = Callable[..., Visitor]

PAGES = ("/", "/login", "/signup", "/account", "/nowhere")
OF_ADMINISTRATORS = (
    "/admin", "/admin/accounts", "/admin/accounts/{id}", "/admin/sessions", "/admin/keys", "/admin/clients",
    "/admin/audit", "/admin/nodes",
)  # fmt: skip


@pytest.mark.parametrize(("locale", "language", "title"), [("zh-CN", "zh-CN", "登录"), ("de-DE", "en", "Sign in")])
def test_language_of_the_browser(site: Site, visit: Visit, locale: str, language: str, title: str) -> None:
    """The pages speak Chinese to a Chinese browser, and English where they do not know the browser's language."""
    site.register("张三")
    someone = visit(site, locale=locale)
    someone.go("/login")
    expect(someone.page.locator("html")).to_have_attribute("lang", language)
    expect(someone.page.get_by_role("heading", level=1)).to_have_text(title)
    someone.page.locator("#username").fill("张三")
    someone.page.locator("#password").fill(PASSWORD)
    someone.press(title)
    assert someone.at("/account")
    expect(someone.page.locator("html")).to_have_attribute("lang", language)
    expect(someone.page.get_by_role("heading", level=1)).to_contain_text("张三")


def test_language_by_link(site: Site, visit: Visit) -> None:
    """The language that was chosen by its link stays from page to page, through forms and their errors."""
    site.register("zhangsan")
    someone = visit(site)
    html = someone.page.locator("html")
    someone.go("/login?next=/docs")
    someone.follow("简体中文")
    expect(html).to_have_attribute("lang", "zh-CN")
    someone.page.locator("#username").fill("zhangsan")
    someone.page.locator("#password").fill("wrong horse battery staple")
    someone.press("登录")
    expect(html).to_have_attribute("lang", "zh-CN")
    expect(someone.page.locator('input[name="next"]')).to_have_value("/docs")
    someone.go("/login?lang=zh-CN")
    someone.page.locator("#username").fill("zhangsan")
    someone.page.locator("#password").fill(PASSWORD)
    someone.press("登录")
    assert someone.path == "/account?lang=zh-CN"
    someone.page.get_by_role("button", name="退出登录", exact=True).first.click()
    expect(someone.page.get_by_role("heading", level=1)).to_have_text("登录")
    someone.follow("English")
    expect(html).to_have_attribute("lang", "en")


def focused(page: Page) -> str:
    """Tag and name of what has the focus."""
    focus = page.locator(":focus")
    return focus.evaluate(
        "one => one.tagName + ' ' + (one.name || one.getAttribute('aria-label') || one.textContent.trim())"
    )


def test_keyboard_only(site: Site, visit: Visit) -> None:
    """Signing in, going somewhere and signing out need no mouse: the first field has the focus, Tab visits everything
    in reading order, and what has the focus can be seen."""
    site.register("zhangsan")
    someone = visit(site)
    someone.go("/login")
    keyboard = someone.page.keyboard
    assert focused(someone.page) == "INPUT username"
    keyboard.type("zhangsan")
    keyboard.press("Tab")
    assert focused(someone.page) == "INPUT password"
    keyboard.type(PASSWORD)
    keyboard.press("Tab")
    assert focused(someone.page) == "INPUT remember"
    keyboard.press("Space")
    keyboard.press("Tab")
    assert focused(someone.page) == "BUTTON Sign in"
    assert someone.page.locator(":focus").evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    with someone.page.expect_navigation():
        keyboard.press("Enter")
    assert someone.at("/account")
    cookie = someone.cookie()
    assert cookie is not None
    assert cookie["expires"] != -1
    keyboard.press("Tab")
    assert focused(someone.page) == "A Skip to content"
    keyboard.press("Tab")
    assert focused(someone.page) == "A Ostiary"
    keyboard.press("Tab")
    assert focused(someone.page) == "A Account"
    keyboard.press("Tab")
    assert focused(someone.page) == "BUTTON Sign out"
    with someone.page.expect_navigation():
        keyboard.press("Enter")
    assert someone.at("/login")
    assert someone.cookie() is None


def test_enter_in_the_password_field(site: Site, visit: Visit) -> None:
    """Enter in a field sends the form, and after a refusal the password has the focus."""
    site.register("zhangsan")
    someone = visit(site)
    someone.go("/login")
    someone.fill_in("zhangsan", "wrong horse battery staple")
    with someone.page.expect_navigation():
        someone.page.keyboard.press("Enter")
    assert focused(someone.page) == "INPUT password"
    someone.page.keyboard.type(PASSWORD)
    with someone.page.expect_navigation():
        someone.page.keyboard.press("Enter")
    assert someone.at("/account")


@pytest.mark.parametrize("scripts", [False, True])
def test_no_page_complains(site: Site, visit: Visit, scripts: bool) -> None:
    """No page violates its own content security policy, logs an error or misses a file, signed in or not, in either
    language, with or without scripts."""
    site.register("zhangsan")
    someone = visit(site, java_script_enabled=scripts)
    failed: list[str] = []
    # a picture that is still under way when the next page is asked for is given up, not missed
    someone.context.on(
        "requestfailed", lambda request: failed.append(request.url) if request.failure != "net::ERR_ABORTED" else None
    )
    someone.context.on(
        "response", lambda answer: failed.append(answer.url) if "/static/" in answer.url and not answer.ok else None
    )
    for signed_in in (False, True):
        for path in PAGES:
            answer = someone.go(f"{path}?lang=zh-CN")
            assert answer.status == (404 if path == "/nowhere" else 200)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            expect(someone.page.locator("html")).to_have_attribute("lang", "zh-CN")
            assert someone.page.locator("body").evaluate("one => getComputedStyle(one).margin") == "0px"
        if not signed_in:
            someone.arrive("zhangsan")
    assert failed == []
    assert someone.complaints == []


def test_complaints_are_heard(site: Site, visit: Visit) -> None:
    """Control: if a page had an inline style or script, or looked for a file elsewhere, the visitor would know."""
    someone = visit(site, java_script_enabled=True)

    def spoil(route: Route) -> None:
        answer = route.fetch()
        bad = '<p style="color: red">x</p><script>console.log(1)</script><img src="https://localhost/x.png">'
        route.fulfill(response=answer, body=answer.text().replace("</main>", bad + "</main>"))

    someone.context.route("**/login", spoil)
    someone.forgiven += ["style-src", "script-src", "default-src", "img-src"]
    someone.go("/login")
    someone.until(lambda: someone.complained("style-src") and someone.complained("img-src"))
    someone.until(lambda: someone.complained("script-src") or someone.complained("default-src"))
    assert someone.complained("style-src") == someone.complained("img-src") == 1


def test_no_credential_in_sight(site: Site, visit: Visit) -> None:
    """No credential is in a URL, in the source of a page, in what a script could read, or in the browser's storage
    (M-04, M-08)."""
    site.administrator("zhangsan")
    someone = visit(site, java_script_enabled=True, bypass_csp=True)
    someone.arrive("zhangsan")
    cookie = someone.cookie()
    assert cookie is not None
    secrets = [one["value"] for one in someone.context.cookies()] + [PASSWORD, PASSWORD.replace(" ", "+")]
    assert cookie["value"] in secrets
    account = site.inside.do(lambda system: system.accounts.find("zhangsan"))
    for path in ("/", "/account", "/login", "/signup", "/nowhere", *OF_ADMINISTRATORS):
        someone.go(path.format(id=account.id))
        source = someone.page.content()
        readable = someone.page.evaluate(
            "async () => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, window.name,"
            " history.state, (await indexedDB.databases()).length, await caches.keys()])"
        )
        assert readable == '["",{},{},"",null,0,[]]'
        assert not any(secret in source for secret in secrets)
        assert "ost_" not in source.replace("__Host-ost", "")
    assert any(url.endswith("/login") for url in someone.urls)
    assert not any(secret in url or "ost_" in url for url in someone.urls for secret in secrets)
    assert not any("password" in url.partition("?")[2] for url in someone.urls)
    stored = [origin for origin in someone.context.storage_state()["origins"] if origin["localStorage"]]
    assert stored == []
    assert SESSION not in someone.page.evaluate("document.cookie")


def test_a_login_by_link_is_none(site: Site, visit: Visit) -> None:
    """A link with user name and password in it logs nobody in (M-04)."""
    site.register("zhangsan")
    someone = visit(site)
    someone.go(f"/login?username=zhangsan&password={PASSWORD.replace(' ', '+')}")
    assert someone.at("/login")
    assert someone.cookie() is None
    assert PASSWORD not in someone.page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_small_screen(site: Site, visit: Visit, scheme: str) -> None:
    """Nothing has to be scrolled sideways on a screen of 320 pixels, the wide tables in their own frames aside."""
    site.administrator("zhangsan")
    someone = visit(site, viewport={"width": 320, "height": 640}, color_scheme=scheme)
    someone.arrive("zhangsan")
    account = site.inside.do(lambda system: system.accounts.find("zhangsan"))
    for path in (*PAGES, *OF_ADMINISTRATORS):
        someone.go(path.format(id=account.id))
        html = someone.page.locator("html")
        assert html.evaluate("one => one.scrollWidth <= one.clientWidth"), path
