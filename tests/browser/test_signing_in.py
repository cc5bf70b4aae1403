"""Making an account, signing in, and where that leads."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.serving import PASSWORD, OtherSite, Site
from tests.browser.visitor import SESSION, Visitor

Visit = Callable[..., Visitor]


def test_sign_up_sign_in_account(site: Site, visit: Visit) -> None:
    """A stranger makes an account, signs in, and every later page knows who it is (M-01)."""
    someone = visit(site)
    someone.go("/")
    someone.follow("Create account")
    someone.fill_in("zhangsan")
    someone.press("Create account")
    assert someone.at("/login")
    expect(someone.page.get_by_role("status")).to_have_text("Your account is ready. Please sign in.")
    assert someone.cookie() is None
    someone.fill_in("zhangsan")
    someone.press("Sign in")
    assert someone.at("/account")
    expect(someone.page.get_by_role("heading", level=1)).to_contain_text("zhangsan")
    someone.follow("Ostiary")
    assert "Signed in as zhangsan" in someone.text
    assert someone.is_in


def test_wrong_password(site: Site, visit: Visit) -> None:
    """A wrong password and an unknown name are told the same, keep the name typed and give no cookie."""
    site.register("zhangsan")
    someone = visit(site)
    told = []
    for username, password in (("zhangsan", "wrong horse battery staple"), ("nobody", PASSWORD)):
        someone.sign_in(username, password)
        assert someone.at("/login")
        told.append(someone.page.get_by_role("alert").inner_text())
        expect(someone.page.get_by_label("User name", exact=True)).to_have_value(username)
        expect(someone.page.get_by_label("Password", exact=True)).to_have_value("")
        assert someone.cookie() is None
    assert told == ["The user name or the password is wrong."] * 2
    someone.arrive("zhangsan")


def test_refused_password_at_sign_up(site: Site, visit: Visit) -> None:
    """A password that is refused is told at its field and makes no account."""
    someone = visit(site)
    someone.go("/signup")
    someone.fill_in("zhangsan", "ostiaryostiary1234")
    someone.press("Create account")
    assert someone.at("/signup")
    expect(someone.page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
    someone.sign_in("zhangsan", "ostiaryostiary1234")
    assert someone.at("/login")


def test_taken_name(site: Site, visit: Visit) -> None:
    """A name that is taken, in whatever case, is told at its field."""
    site.register("zhangsan")
    other = visit(site)
    other.go("/signup")
    other.fill_in("ZhangSan")
    other.press("Create account")
    assert other.at("/signup")
    expect(other.page.get_by_label("User name", exact=True)).to_have_attribute("aria-invalid", "true")
    assert "This user name is taken" in other.text


@pytest.mark.parametrize("remember", [False, True])
def test_cookie_as_the_browser_keeps_it(site: Site, visit: Visit, remember: bool) -> None:
    """The session cookie is __Host-, Secure, HttpOnly, SameSite=Lax and lives as long as the window, or as long as
    "keep me signed in" promises (M-08)."""
    site.register("zhangsan")
    someone = visit(site)
    someone.sign_in("zhangsan", remember=remember)
    cookie = someone.cookie()
    assert cookie is not None
    now = someone.page.evaluate("Date.now() / 1000")
    expires = cookie.pop("expires")
    assert (30 * 86_400 - 60 < expires - now <= 30 * 86_400) if remember else expires == -1
    assert cookie.pop("value").startswith("ost_st_")
    assert cookie == {
        "name": SESSION,
        "domain": "localhost",  # no leading dot: this host only
        "path": "/",
        "httpOnly": True,
        "secure": True,
        "sameSite": "Lax",
    }
    others = [one for one in someone.context.cookies() if one["name"] != SESSION]
    assert all(one["name"].startswith("__Host-ostiary_") and one["httpOnly"] and one["secure"] for one in others)
    assert sum(len(one["name"] + one["value"]) for one in someone.context.cookies()) < 4096


def test_closing_the_window(site: Site, visit: Visit) -> None:
    """What a browser brings back after its window was closed is the remembered login, and only that (M-08)."""
    site.register("zhangsan")
    someone = visit(site)
    for remember in (False, True):
        someone.sign_in("zhangsan", remember=remember)
        someone.close_the_window()
        assert someone.is_in is remember


def test_a_new_login_has_a_new_credential(site: Site, visit: Visit) -> None:
    """Signing in again gives another credential, and the former one is over (M-09)."""
    site.register("zhangsan")
    someone = visit(site)
    someone.arrive("zhangsan")
    first = someone.cookie()
    someone.arrive("zhangsan")
    second = someone.cookie()
    assert first is not None
    assert second is not None
    assert first["value"] != second["value"]
    assert len(someone.devices) == 1
    someone.keep(first)
    assert not someone.is_in


def test_next_leads_back(site: Site, visit: Visit) -> None:
    """Whoever was sent to sign in, also by way of signing up, ends up where they wanted to go."""
    someone = visit(site)
    someone.go("/account?lang=en")
    assert someone.at("/login")
    expect(someone.page.get_by_role("status")).to_have_text("Please sign in to go on.")
    someone.follow("Create one")
    someone.fill_in("zhangsan")
    someone.press("Create account")
    someone.fill_in("zhangsan")
    someone.press("Sign in")
    assert someone.path == "/account"
    other = visit(site)
    other.sign_in("zhangsan", "a wrong password at first", at="/login?next=/docs%3Fa=1")
    other.page.get_by_label("Password", exact=True).fill(PASSWORD)
    other.press("Sign in")
    assert other.path == "/docs?a=1"


def test_next_stays_on_this_origin(site: Site, visit: Visit, elsewhere: OtherSite) -> None:
    """A `next` that leads anywhere else, however it is written, is ignored: no open redirect."""
    host = f"127.0.0.1:{elsewhere.port}"
    site.register("zhangsan")
    someone = visit(site, java_script_enabled=True)
    for following in (
        f"http://{host}/",
        f"//{host}/",
        f"/%5C{host}/",
        f"%5C%5C{host}/",
        f"/%09/{host}/",
        f"%09//{host}/",
        f"/%0A/{host}/",
        f"%20//{host}/",
        f"http:{host}",
        f"///{host}/",
        "javascript:alert(1)",
    ):
        someone.sign_in("zhangsan", at=f"/login?next={following}")
        assert someone.path == "/account?lang=en", following
        someone.context.clear_cookies()
    assert not any(url.startswith(elsewhere.url("127.0.0.1")) for url in someone.urls)
