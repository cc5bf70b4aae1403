"""Barriers: axe-core finds nothing serious on any page; and no page is heavy."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.browser.serving import Site
from tests.browser.visitor import Visitor

Visit = Callable[..., Visitor]

AXE = Path(__file__).parent / "node/node_modules/axe-core/axe.min.js"
FOR_ALL = ("/", "/login", "/signup", "/debugger", "/docs", "/nowhere", "/login?notice=signed_out")
ELSEWHERE = ("/login", "/signup", "/account", "/admin", "/admin/accounts/{id}", "/admin/sessions")
FOR_ADMINISTRATORS = (
    "/account", "/admin", "/admin/accounts", "/admin/accounts/{id}", "/admin/sessions", "/admin/keys", "/admin/clients",
    "/admin/audit", "/admin/nodes",
)  # fmt: skip
RUN = """async () => {
    const found = await axe.run(document, { resultTypes: ["violations"] });
    return found.violations
        .filter(one => one.impact === "serious" || one.impact === "critical")
        .map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 160)).join(" | "));
}"""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "zh-CN": {"locale": "zh-CN"},
}


def barriers(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    page.add_script_tag(path=AXE)
    return list(page.evaluate(RUN))


def everything_open(page: Page) -> None:
    """What is folded away is looked at too."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_serious(site: Site, visit: Visit, look: str) -> None:
    """No page has a barrier that axe-core calls serious: every page in light and in dark, those with most on them on a
    phone and in Chinese too."""
    if not AXE.exists():
        told = "axe-core is not there; run: sh scripts/ensure-node-packages"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    site.administrator("root")
    site.register("zhangsan")
    options = {"java_script_enabled": True, "bypass_csp": True, "viewport": {"width": 1280, "height": 900}}
    someone = visit(site, **{**options, **LOOKS[look]})
    found: dict[str, list[str]] = {}
    someone.go("/setup")
    wanted = {*FOR_ALL, *FOR_ADMINISTRATORS} if look in ("light", "dark") else set(ELSEWHERE)
    for path in wanted.intersection(FOR_ALL):
        someone.go(path)
        found[path] = barriers(someone.page)
    someone.go("/login?lang=en")
    someone.fill_in("root")
    someone.press("Sign in")
    ids = {"id": site.inside.do(lambda system: system.accounts.find("zhangsan")).id}
    language = "zh-CN" if look == "zh-CN" else "en"
    for path in wanted.intersection(FOR_ADMINISTRATORS):
        someone.go(f"{path.format(**ids)}?lang={language}")
        everything_open(someone.page)
        found[path] = barriers(someone.page)
    assert {path: one for path, one in found.items() if one} == {}


def test_no_page_is_heavy(site: Site, visit: Visit) -> None:
    """A page and all that it fetches, with nothing in the browser's cache, is below 100 KB on the wire (measured by the
    browser, headers included)."""
    site.administrator("root")
    for number in range(30):
        site.register(f"somebody-{number:02}")
    someone = visit(site, java_script_enabled=True)
    someone.arrive("root")
    ids = {"id": site.inside.do(lambda system: system.accounts.find("somebody-01")).id}
    heaviest: dict[str, int] = {}
    wire = someone.context.new_cdp_session(someone.page)
    weights: list[int] = []
    wire.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    for path in (*FOR_ALL, *FOR_ADMINISTRATORS):
        weights.clear()
        least = 2 if path == "/docs" else 3
        someone.go(path.format(**ids))
        someone.until(lambda least=least: len(weights) >= least)
        heaviest[path] = sum(weights)
    assert max(heaviest.values()) < 100_000, heaviest
