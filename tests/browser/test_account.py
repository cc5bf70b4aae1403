"""The account page beyond its devices: profile, password meter, activity, export, going away."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.serving import PASSWORD, Site, let_the_proof_grow_old
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture
def zhangsan(site: Site, visit: Visit) -> Visitor:
    """Somebody at their account page, with scripts."""
    site.register("zhangsan")
    someone = visit(site, java_script_enabled=True)
    someone.arrive("zhangsan")
    return someone


def test_the_meter(zhangsan: Visitor) -> None:
    """While a new password is typed the page says how strong it is, or in words why it would be refused, and says it to
    a screen reader; what is typed goes into no address."""
    field = zhangsan.page.get_by_label("New password")
    meter = zhangsan.page.locator(".meter")
    expect(meter).to_be_hidden()
    for typed, told in (
        ("short", "This password is shorter than 15 characters."),
        ("zhangsan zhangsan", "This password is little more than your user name"),
        ("seven quiet lighthouses blink", "Strong"),
    ):
        field.fill(typed)
        expect(meter).to_contain_text(told)
    expect(meter).to_have_attribute("role", "status")
    expect(meter).to_have_attribute("data-level", "4")
    field.fill("")
    expect(meter).to_be_hidden()
    assert not any("lighthouses" in url for url in zhangsan.urls)


def test_the_meter_when_signing_up(site: Site, visit: Visit) -> None:
    """The same on the page for a new account, in its language, with the name that was typed there."""
    someone = visit(site, java_script_enabled=True, locale="zh-CN")
    someone.go("/signup")
    someone.page.locator("#username").fill("wangxiaoming")
    someone.page.locator("#password").fill("wangxiaoming-wang")
    expect(someone.page.locator(".meter")).to_contain_text("这个密码与您的用户名或邮箱几乎相同。")


def test_profile(zhangsan: Visitor) -> None:
    """A new display name is there at once; an address that is none is told at its field, with what was typed."""
    page = zhangsan.page
    page.get_by_label("Display name").fill("张三")
    zhangsan.press("Save")
    expect(page.get_by_role("status").first).to_have_text("Your profile is saved.")
    expect(page.get_by_role("heading", level=1)).to_have_text("张三")
    page.get_by_label("E-mail").evaluate("field => { field.type = 'text' }")
    page.get_by_label("E-mail").fill("nobody")
    zhangsan.press("Save")
    expect(page.get_by_text("This is not an e-mail address.")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("nobody")
    expect(page.get_by_label("E-mail")).to_be_focused()


def test_activity(zhangsan: Visitor, site: Site) -> None:
    """What happens is told in words, the newest first."""
    site.call("POST", "/v1/login", {"username": "zhangsan", "password": "a wrong one, typed by a thief"})
    zhangsan.go("/account")
    lines = zhangsan.page.locator(".event-text").all_inner_texts()
    assert lines == ["Failed attempt to sign in", "Signed in on a new device", "Account created"]


def test_export_after_a_proof(zhangsan: Visitor, site: Site) -> None:
    """With an old proof the export asks for the password in its own place and then is saved; the login goes on under
    its new credential."""
    account = site.inside.do(lambda system: system.accounts.find("zhangsan"))
    let_the_proof_grow_old(site, "zhangsan")
    zhangsan.go("/account")
    export = zhangsan.page.locator('form[action="/account/export"]')
    export.get_by_label("Your password").fill(PASSWORD)
    before = zhangsan.cookie()
    with zhangsan.page.expect_download() as saved:
        export.get_by_role("button").click()
    content = json.loads(saved.value.path().read_text())
    assert saved.value.suggested_filename == "ostiary-account.json"
    assert content["account"]["id"] == account.id
    after = zhangsan.cookie()
    assert before is not None
    assert after is not None
    assert before["value"] != after["value"]
    assert zhangsan.is_in
    assert before["value"] not in json.dumps(content)


def test_going_away(zhangsan: Visitor, site: Site) -> None:
    """Deleting asks for the password; a wrong one is told beside it, the right one ends every login."""
    page = zhangsan.page
    page.get_by_text("Delete this account").click()
    field = page.locator("#delete-password")
    field.fill("wrong horse battery staple")
    zhangsan.press("Delete my account")
    expect(page.locator("#delete-password-error")).to_have_text("The current password is wrong.")
    page.locator("#delete-password").fill(PASSWORD)
    zhangsan.press("Delete my account")
    assert zhangsan.at("/login")
    expect(page.get_by_role("status")).to_have_text("Your account is gone, and so is every login.")
    assert zhangsan.cookie() is None
    zhangsan.sign_in("zhangsan")
    assert zhangsan.at("/login")
