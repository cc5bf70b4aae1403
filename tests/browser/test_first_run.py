"""The link that the server prints at its first start."""

from collections.abc import Callable

from playwright.sync_api import expect
from tests.browser.serving import PASSWORD, Site
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]


def printed(site: Site) -> str:
    """The code of the link."""
    code = site.inside.do(lambda system: system.first_run.offer())
    assert code is not None
    return code


def test_the_link_in_a_browser(site: Site, visit: Visit) -> None:
    """Opening the link is enough: the code goes into the form by itself, out of the address, and never into a request's
    URL; a moment later the administrator is in (M-04)."""
    code = printed(site)
    someone = visit(site, java_script_enabled=True)
    someone.go(f"/setup#{code}")
    expect(someone.page.get_by_label("Setup code")).to_be_hidden()
    expect(someone.page.get_by_label("User name", exact=True)).to_be_focused()
    assert someone.path == "/setup"
    someone.fill_in("root")
    someone.press("Make the account and sign in")
    expect(someone.page.get_by_role("status")).to_have_text("Welcome. You are the administrator.")
    assert someone.page.evaluate("history.length") < 5
    sent = [url.partition("#")[0] for url in someone.urls]
    assert not any(code in url for url in sent)
    assert visit(site).go("/setup").status == 404


def test_the_link_without_scripts(site: Site, visit: Visit) -> None:
    """Without scripts the code is pasted."""
    code = printed(site)
    someone = visit(site)
    someone.go(f"/setup#{code}")
    someone.page.get_by_label("Setup code").fill(code)
    someone.fill_in("root", "short but fifteen")
    someone.page.get_by_label("Password", exact=True).fill(PASSWORD)
    someone.press("Make the account and sign in")
    assert someone.at("/admin")
