"""The administration in a browser: with scripts and without, while somebody else changes things."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.serving import PASSWORD, Site, let_the_proof_grow_old
from tests.browser.visitor import Visitor

from ostiary.compose import System
from ostiary.domain.account import Account
from ostiary.revocation.entry import Cursor
from ostiary.services.accounts import AccountPatch
from ostiary.stores.port import Revocations

Visit = Callable[..., Visitor]
MINUTE = 60_000  # milliseconds


@pytest.fixture
def root(site: Site, visit: Visit) -> Visitor:
    """An administrator with scripts, at the console."""
    site.administrator("root")
    site.register("zhangsan", "zhaoliu", "lisi")
    someone = visit(site, java_script_enabled=True)
    someone.arrive("root")
    someone.follow("Administration")
    assert someone.at("/admin")
    return someone


def account_of(site: Site, username: str) -> Account:
    """As it stands."""
    return site.inside.do(lambda system: system.accounts.find(username))


def change(site: Site, username: str, **changes: object) -> None:
    """Behind the browser's back."""
    account = account_of(site, username)
    patch = AccountPatch(**changes)  # type: ignore[arg-type]
    site.inside.do(lambda system: system.accounts.change(account.id, patch, actor="cli"))


def rows(visitor: Visitor) -> list[str]:
    """The names in the list."""
    return sorted(visitor.page.locator("tbody th a").all_inner_texts())


def test_search_as_you_type(root: Visitor) -> None:
    """The list follows what is typed without a click, the address follows the list, and the focus stays."""
    root.follow("Accounts")
    assert rows(root) == ["lisi", "root", "zhangsan", "zhaoliu"]
    search = root.page.get_by_role("searchbox")
    search.press_sequentially("zha")
    expect(root.page.locator("tbody tr")).to_have_count(2)
    assert rows(root) == ["zhangsan", "zhaoliu"]
    expect(search).to_be_focused()
    root.page.wait_for_url("**/admin/accounts?*query=zha")
    search.fill("")
    root.page.get_by_label("Which accounts").select_option("Administrators")
    expect(root.page.locator("tbody tr")).to_have_count(1)
    assert rows(root) == ["root"]


def test_search_without_scripts(site: Site, visit: Visit) -> None:
    """The same by a button, and all the rest: open, end, disable."""
    site.administrator("root")
    site.register("zhangsan", "lisi")
    phone = visit(site)
    phone.arrive("zhangsan")
    someone = visit(site)
    someone.arrive("root")
    someone.follow("Administration")
    someone.follow("Accounts")
    someone.page.get_by_role("searchbox").fill("zh")
    someone.press("Show")
    assert rows(someone) == ["zhangsan"]
    someone.follow("zhangsan")
    someone.page.get_by_text("End all sessions", exact=True).click()
    someone.press("End 1 session")
    expect(someone.page.get_by_role("status")).to_contain_text("1 session ended. Refused everywhere at once.")
    assert not phone.is_in
    someone.page.get_by_text("Disable", exact=True).click()
    someone.press("Disable this account")
    expect(someone.page.get_by_role("status")).to_contain_text("The account is disabled.")
    phone.sign_in("zhangsan")
    assert phone.at("/login")


def test_sessions_update_by_themselves(root: Visitor, site: Site, visit: Visit) -> None:
    """A login that happens elsewhere appears, and one that ends goes, without a click; a pause holds it still."""
    root.follow("Live sessions")
    table = root.page.locator("#live")
    expect(table).not_to_contain_text("zhangsan")
    guest = visit(site)
    guest.arrive("zhangsan")
    expect(table).to_contain_text("zhangsan")
    root.page.get_by_role("button", name="End the session of zhangsan").click()
    expect(root.page.get_by_role("status")).to_contain_text("The session is ended.")
    assert not guest.is_in
    root.page.get_by_role("button", name="Pause updates").click()
    expect(root.page.get_by_role("button", name="Go on updating")).to_be_visible()


def test_the_newest_session_is_first(root: Visitor, site: Site, visit: Visit) -> None:
    """Whoever was active last stands first, and the list can be narrowed to one account."""
    for username in ("zhangsan", "lisi"):
        visit(site).arrive(username)
    moment = time.time()
    for at, username in enumerate(("lisi", "root", "zhangsan"), 1):
        site.inside.do(lambda system, name=username, at=at: seen(system, name, moment + 1000 * at))
    root.follow("Live sessions")
    assert root.page.locator("tbody th a").all_inner_texts() == ["zhangsan", "root", "lisi"]
    search = root.page.get_by_role("searchbox")
    search.fill("lisi")
    search.press("Enter")
    expect(root.page.locator("tbody tr")).to_have_count(1)
    expect(root.page.locator("tbody th a")).to_have_text("lisi")


async def seen(system: System, username: str, at: float) -> None:
    """The account's session was used at this instant."""
    account = await system.accounts.find(username)
    [session] = await system.store.sessions.of_account(account.id)
    await system.store.sessions.touch({session.id: at})


def test_the_list_stands_still_under_the_pointer(root: Visitor, site: Site, visit: Visit) -> None:
    """What somebody points at does not move: it says that it stands still, and goes on when the pointer leaves. (The
    page's clock is turned by hand.)"""
    page = root.page
    page.clock.install()
    root.follow("Live sessions")
    table, still = page.locator("#live"), page.get_by_text("Stands still while you point at it")
    visit(site).arrive("lisi")
    page.clock.run_for(MINUTE)
    expect(table).to_contain_text("lisi")
    page.locator("tbody th a").first.hover()
    expect(still).to_be_visible()
    visit(site).arrive("zhangsan")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(MINUTE)
    expect(table).not_to_contain_text("zhangsan")
    assert asked == []
    page.mouse.move(1, 1)
    expect(still).to_be_hidden()
    page.clock.run_for(MINUTE)
    expect(table).to_contain_text("zhangsan")


def test_nodes_update_by_themselves(root: Visitor, site: Site) -> None:
    """A process that comes appears on the first page and on the nodes' own, and one that leaves goes, without a
    click."""
    log = site.inside.do(whose_log)
    for path in ("/admin", "/admin/nodes"):
        root.go(path)
        table = root.page.locator("#nodes")
        expect(table.locator("tbody tr")).to_have_count(1)
        expect(table).to_contain_text("This node")
        site.inside.do(lambda _: log.probe(Cursor(), 1, node="another"))
        expect(table.locator("tbody tr")).to_have_count(2)
        expect(table).to_contain_text("A verifier outside the store")
        site.inside.do(lambda _: log.leave("another"))
        expect(table.locator("tbody tr")).to_have_count(1)


async def whose_log(system: System) -> Revocations:
    """The revocation log."""
    return system.store.revocations


def test_a_revoked_key(root: Visitor, site: Site, visit: Visit) -> None:
    """A key says what it signs and how many logins hold that; revoking it says what it will do, and then what it
    did."""
    for username in ("zhangsan", "lisi"):
        site.call("POST", "/v1/login", {"username": username, "password": PASSWORD, "kind": "stateless"})
    root.follow("Keys")
    card = root.page.locator(".key.active")
    expect(card).to_contain_text("Stateless access tokens")
    expect(card).to_contain_text("At most 2")
    card.get_by_text("Revoke: emergency").click()
    expect(card).to_contain_text("At most 2 logins have to renew their access tokens")
    card.get_by_role("button", name="Revoke this key").click()
    told = (
        "The key is revoked; all that it signed is refused. At most 2 logins have to renew. Refused everywhere at once."
    )
    expect(root.page.get_by_role("status")).to_have_text(told)
    expect(root.page.locator(".key.revoked")).to_have_count(1)


def test_a_demoted_administrator(root: Visitor, site: Site) -> None:
    """Demoted while the console is open: the next click is refused, and what updates by itself shows it without one
    (M-30)."""
    root.follow("Live sessions")
    site.administrator("second")
    change(site, "root", roles=("user",))
    expect(root.page.get_by_role("heading", name="Not allowed")).to_be_visible()
    root.go("/admin")
    assert "Your account may not do this." in root.text
    root.go("/account")
    expect(root.page.get_by_role("link", name="Administration")).to_have_count(0)


def test_a_click_after_a_demotion(root: Visitor, site: Site) -> None:
    """A form that was open before the demotion does nothing after it (M-30)."""
    root.go(f"/admin/accounts/{account_of(site, 'zhangsan').id}")
    root.page.get_by_label("Roles").fill("admin")
    site.administrator("second")
    change(site, "root", roles=("user",))
    root.page.get_by_role("button", name="Save roles").click()
    expect(root.page.get_by_role("heading", name="Not allowed")).to_be_visible()
    assert account_of(site, "zhangsan").roles == ("user",)


def test_the_password_is_asked_for_in_place(root: Visitor, site: Site) -> None:
    """With an old proof the question comes up over the page; a wrong password is told there, the right one lets the
    action go on, and cancelling leaves everything as it was."""
    root.go(f"/admin/accounts/{account_of(site, 'zhangsan').id}")
    let_the_proof_grow_old(site, "root")
    page = root.page
    dialog = page.get_by_role("dialog", name="Is it you?")
    page.get_by_label("Roles").fill("editor user")
    page.get_by_role("button", name="Save roles").click()
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Your password")).to_be_focused()
    dialog.get_by_text("Cancel").click()
    expect(dialog).to_be_hidden()
    assert account_of(site, "zhangsan").roles == ("user",)
    page.get_by_role("button", name="Save roles").click()
    dialog.get_by_label("Your password").fill("wrong horse battery staple")
    dialog.get_by_role("button", name="Confirm and go on").click()
    expect(dialog.get_by_role("alert")).to_contain_text("wrong")
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm and go on").click()
    expect(page.get_by_role("status")).to_contain_text("The roles are changed")
    assert account_of(site, "zhangsan").roles == ("editor", "user")


def test_the_password_is_asked_for_without_scripts(site: Site, visit: Visit) -> None:
    """Without scripts the question is a page of its own, and the action goes on from there."""
    site.administrator("root")
    someone = visit(site)
    someone.arrive("root")
    let_the_proof_grow_old(site, "root")
    someone.go("/admin/keys")
    someone.press("Rotate now")
    expect(someone.page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    someone.page.get_by_label("Your password").fill(PASSWORD)
    someone.press("Confirm and go on")
    expect(someone.page.get_by_role("status")).to_contain_text("The next key signs from now on.")
    assert someone.at("/admin/keys")


def test_a_refusal_is_told_in_place(root: Visitor, site: Site) -> None:
    """What cannot be done is told beside the account, with scripts as without."""
    root.go(f"/admin/accounts/{account_of(site, 'root').id}")
    root.page.get_by_label("Roles").fill("user")
    root.page.get_by_role("button", name="Save roles").click()
    expect(root.page.get_by_role("alert")).to_have_text("The last administrator has to stay one.")


def test_a_new_password_is_shown_once(root: Visitor, site: Site, visit: Visit) -> None:
    """The reset shows the new password; it works, and after a reload it is gone."""
    one = f"/admin/accounts/{account_of(site, 'lisi').id}"
    root.go(one)
    root.page.get_by_text("Reset the password", exact=True).click()
    root.press("Set a new password")
    secret = root.page.locator(".secret").inner_text()
    assert re.fullmatch(r"(?:[0-9a-f]{8}-){4}[0-9a-f]{8}", secret)
    root.go(one)
    expect(root.page.locator(".secret")).to_have_count(0)
    guest = visit(site)
    guest.arrive("lisi", secret)


def test_the_trail_is_taken_along(root: Visitor) -> None:
    """The export is a file that the browser saves."""
    root.follow("Audit trail")
    with root.page.expect_download() as saved:
        root.page.get_by_role("link", name="CSV").click()
    assert saved.value.suggested_filename == "ostiary-audit.csv"
    assert "account.created" in saved.value.path().read_text()
    root.page.get_by_label("What happened").select_option("Account created")
    expect(root.page.locator("tbody tr")).to_have_count(4)
