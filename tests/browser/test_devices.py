"""The list of devices, and ending them: from the list, with a new password, by signing out."""

from collections.abc import Callable

from playwright.sync_api import expect
from tests.browser.serving import PASSWORD, Site
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]

NEW_PASSWORD = "seven quiet lighthouses blink"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 "
    "Mobile/15E148 Safari/604.1"
)
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)


def two_devices(site: Site, visit: Visit) -> tuple[Visitor, Visitor]:
    """One person with a phone and this computer, signed in on both, the account page open."""
    site.register("zhangsan")
    phone, computer = visit(site, user_agent=IPHONE), visit(site, user_agent=WINDOWS)
    phone.arrive("zhangsan")
    computer.arrive("zhangsan")
    phone.go("/account")
    return phone, computer


def turned_away(visitor: Visitor) -> bool:
    """Whether the next click leads to the sign-in page."""
    visitor.follow("Ostiary")
    assert "Signed in" not in visitor.text
    visitor.follow("Account")
    return visitor.at("/login")


def test_both_are_listed(site: Site, visit: Visit) -> None:
    """Two browsers are two devices: each sees both, its own first and marked as this one."""
    phone, computer = two_devices(site, visit)
    for visitor, own, other in (
        (phone, "Mobile Safari · iOS", "Chrome · Windows"),
        (computer, "Chrome · Windows", "Mobile Safari · iOS"),
    ):
        mine, theirs = visitor.devices
        assert mine.startswith(own)
        assert "This device" in mine
        assert theirs.startswith(other)
        assert "This device" not in theirs
        assert "127.0.0.1" in mine


def test_end_the_other_device(site: Site, visit: Visit) -> None:
    """A device that is ended from the list of another is turned away at its very next click (M-31, M-33)."""
    phone, computer = two_devices(site, visit)
    computer.press("Sign out: Mobile Safari · iOS")
    assert computer.at("/account")
    expect(computer.page.get_by_role("status")).to_have_text("The device is signed out.")
    assert len(computer.devices) == 1
    assert turned_away(phone)
    expect(phone.page.get_by_role("status")).to_have_text("Please sign in to go on.")
    assert computer.is_in


def test_a_button_of_an_ended_device(site: Site, visit: Visit) -> None:
    """A form that an ended device still shows does nothing: it cannot end the one that ended it (M-31)."""
    phone, computer = two_devices(site, visit)
    computer.press("Sign out: Mobile Safari · iOS")
    phone.press("Sign out other devices")
    assert "signed in" in phone.text
    assert "Devices" not in phone.text
    assert computer.is_in


def test_end_this_device_from_the_list(site: Site, visit: Visit) -> None:
    """The button on this device's own card signs out here, and leaves the other one alone."""
    phone, computer = two_devices(site, visit)
    computer.page.locator(".device.here").get_by_role("button").click()
    expect(computer.page.get_by_role("status")).to_have_text("You are signed out.")
    assert computer.cookie() is None
    assert phone.is_in


def test_sign_out_other_devices(site: Site, visit: Visit) -> None:
    """One button ends every other device and says how many; this one goes on (M-33)."""
    phone, computer = two_devices(site, visit)
    computer.press("Sign out other devices")
    expect(computer.page.get_by_role("status")).to_have_text("1 other device is signed out.")
    assert len(computer.devices) == 1
    expect(computer.page.get_by_role("button", name="Sign out other devices")).to_have_count(0)
    assert turned_away(phone)
    assert computer.is_in


def test_another_persons_devices(site: Site, visit: Visit) -> None:
    """Nobody sees or reaches the devices of somebody else."""
    phone, _ = two_devices(site, visit)
    site.register("lisi")
    lisi = visit(site)
    lisi.arrive("lisi")
    assert len(lisi.devices) == 1
    lisi.go("/account")
    own = lisi.page.locator('form[action*="/sessions/"]')
    assert own.count() == 0
    foreign = phone.page.locator('form[action$="/end"]').get_attribute("action")
    lisi.page.locator('form[action="/account/password"]').evaluate("(form, to) => { form.action = to }", foreign)
    lisi.page.get_by_label("Current password").fill(PASSWORD)
    lisi.page.get_by_label("New password").fill(NEW_PASSWORD)
    with lisi.page.expect_response(lambda answer: answer.url.endswith("/end")) as answered:
        lisi.press("Change password")
    assert answered.value.status == 404
    assert "There is nothing here" in lisi.text
    phone.go("/account")
    assert len(phone.devices) == 2


def test_change_the_password(site: Site, visit: Visit) -> None:
    """A new password puts every other device out at once; the one that set it goes on under a new credential (M-31)."""
    phone, computer = two_devices(site, visit)
    before = computer.cookie()
    assert before is not None
    computer.page.get_by_label("Current password").fill(PASSWORD)
    computer.page.get_by_label("New password").fill(NEW_PASSWORD)
    computer.press("Change password")
    assert computer.at("/account")
    expect(computer.page.get_by_role("status")).to_have_text(
        "Your password is changed, and 1 other device is signed out."
    )
    assert turned_away(phone)
    assert computer.is_in
    after = computer.cookie()
    assert after is not None
    assert before["value"] != after["value"]
    phone.keep(before)
    assert not phone.is_in
    phone.sign_in("zhangsan", PASSWORD)
    assert "wrong" in phone.page.get_by_role("alert").inner_text()
    phone.arrive("zhangsan", NEW_PASSWORD)


def test_a_refused_password_change(site: Site, visit: Visit) -> None:
    """A wrong current password, or a new one that is refused, is told at its field and puts nobody out (M-31)."""
    phone, computer = two_devices(site, visit)
    for current, new, told in (
        ("wrong horse battery staple", NEW_PASSWORD, "The current password is wrong."),
        (PASSWORD, "aaaaaaaaaaaaaaaaaaaa", "This password repeats itself or follows the keyboard."),
    ):
        phone.page.get_by_label("Current password").fill(current)
        phone.page.get_by_label("New password").fill(new)
        phone.press("Change password")
        assert phone.at("/account/password")
        assert told in phone.text
        expect(phone.page.locator('[aria-invalid="true"]')).to_have_count(1)
    assert phone.is_in
    assert computer.is_in


def test_sign_out(site: Site, visit: Visit) -> None:
    """After signing out neither the Back button nor a cookie that was kept opens the account (M-06)."""
    site.register("zhangsan")
    someone = visit(site)
    someone.arrive("zhangsan")
    kept = someone.cookie()
    assert kept is not None
    someone.go("/account")
    someone.press("Sign out")
    assert someone.at("/login")
    expect(someone.page.get_by_role("status")).to_have_text("You are signed out.")
    assert someone.cookie() is None
    someone.page.go_back()
    assert someone.at("/login")
    assert "zhangsan" not in someone.page.content()
    someone.keep(kept)
    assert not someone.is_in
    assert site.call("GET", "/v1/me", Authorization=f"Bearer {kept['value']}")[0] == 401


def test_sign_out_in_one_tab(site: Site, visit: Visit) -> None:
    """Signing out in one tab is signing out in all of them (M-44)."""
    site.register("zhangsan")
    someone = visit(site)
    someone.arrive("zhangsan")
    other = someone.tab()
    other.goto(site.url + "/account")
    someone.press("Sign out")
    other.reload()
    assert other.url.startswith(site.url + "/login")
