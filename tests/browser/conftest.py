"""A browser for each module, a server for each test, and visitors whose pages must not complain."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.browser.serving import STARTS_WITHIN, OtherSite, Site, another_site, serving
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
PATIENCE = 60_000  # milliseconds that anything may take before the test fails, on a machine that others use too
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def debugging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the one Chromium of this worker can be reached."""
    if not CHROMIUM.exists():
        told = f"{CHROMIUM} is not there; on Debian: apt-get install chromium fonts-noto-cjk"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    folder = tmp_path_factory.mktemp("chromium")
    port = folder / "DevToolsActivePort"
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [CHROMIUM, *ARGUMENTS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        try:
            began = time.monotonic()
            while not (port.exists() and port.read_text().count("\n")):
                assert process.poll() is None, (folder / "said").read_text(errors="replace")
                assert time.monotonic() - began < STARTS_WITHIN
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port.read_text().splitlines()[0]}"
        finally:
            process.terminate()
            process.wait(timeout=STARTS_WITHIN)


@pytest.fixture(scope="module")
def chromium(debugging: str) -> Iterator[Browser]:
    """For a module and no longer: Playwright keeps an event loop running, beside which no async test could run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(debugging, timeout=60_000)
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
    complaints = [
        complaint
        for visitor in visitors
        for complaint in visitor.complaints
        if not any(forgiven in complaint for forgiven in visitor.forgiven)
    ]
    for visitor in visitors:
        visitor.context.close()
    assert complaints == []
