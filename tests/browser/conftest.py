"""A browser for each module, a server for each test, and visitors whose pages must not complain."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.browser.serving import OtherSite, Site, another_site, serving
from tests.browser.visitor import Visitor

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
USUAL = {"java_script_enabled": False, "locale": "en-GB", "viewport": {"width": 800, "height": 600}}
PATIENCE = 15_000  # milliseconds that anything may take before the test fails


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For a module and no longer: Playwright keeps an event loop running, beside which no async test could run."""
    if not CHROMIUM.exists():
        told = f"{CHROMIUM} is not there; on Debian: apt-get install chromium fonts-noto-cjk"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS], timeout=60_000)
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Ostiary with its default settings."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[OtherSite]:
    """A site that is not ours."""
    with another_site() as running:
        yield running


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """`visit(site)` is somebody with a browser of their own: no cookies, no scripts, English. Options are those of a
    browser context. At the end, no page that anyone saw may have complained."""
    visitors: list[Visitor] = []

    def arrive(at: Site | OtherSite | str, **options: Any) -> Visitor:
        context = chromium.new_context(**{**USUAL, **options})
        context.set_default_timeout(PATIENCE)
        visitor = Visitor(context, at if isinstance(at, str) else at.url() if isinstance(at, OtherSite) else at.url)
        visitors.append(visitor)
        return visitor

    yield arrive
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []
