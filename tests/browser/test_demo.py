"""The demonstration: two devices side by side, one ends the other. M-71."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect
from tests.browser.visitor import Visitor
from tests.servers.ports import free_port

KINDS = ("session", "stateful", "stateless")
REFUSING = ("auth", "notes", "reports", "downloads")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`ostiary demo`, as `make demo` runs it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    executable = Path(sys.executable).with_name("ostiary")
    folder = tmp_path_factory.mktemp("demo")
    process = subprocess.Popen(
        [executable, "demo", "--port", str(port)], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        # the last thing that it says before it serves
        for line in process.stdout:
            if line.startswith(b"Ctrl-C"):
                break
        transport = httpx2.HTTPTransport(retries=20)
        with httpx2.Client(transport=transport, trust_env=False, timeout=30) as client:
            assert client.get(f"{url}/readyz").status_code == 200
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


@pytest.mark.parametrize("kind", KINDS)
def test_one_device_ends_the_other(demo: str, visit: Callable[..., Visitor], kind: str) -> None:
    """Whatever the phone carries, once the laptop has ended it each service refuses it, and says after how many
    milliseconds; a plain JWT goes on; the laptop goes on."""
    page = visit(demo, java_script_enabled=True).context.new_page()
    page.goto(f"{demo}/demo?lang=en")
    phone = page.locator("[data-device=b]")
    expect(phone.get_by_role("button", name="End the laptop")).to_be_enabled()
    phone.get_by_label("What it carries").select_option(kind)
    phone.get_by_role("button", name="Sign in anew").click()
    expect(phone.get_by_role("status")).to_have_text("Accepted")
    expect(phone.get_by_role("button", name="End the laptop")).to_be_enabled()
    page.get_by_role("button", name="End the phone").click()
    expect(phone.get_by_role("status")).to_have_text("Ended: refused")
    for place in REFUSING:
        expect(page.locator(f"[data-place={place}] .refusal-time")).to_contain_text(" ms")
    expect(page.locator("[data-place=plain] .refusal-time")).to_contain_text("accepted, for 4:")
    expect(page.locator("[data-device=a]").get_by_role("status")).to_have_text("Accepted")
    stored = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert stored == [0, 0, ""]


def test_both_languages_and_a_phone(demo: str, visit: Callable[..., Visitor]) -> None:
    """It fits a phone, and speaks Chinese."""
    visitor = visit(demo, java_script_enabled=True, locale="zh-CN", viewport={"width": 360, "height": 740})
    page = visitor.context.new_page()
    page.goto(f"{demo}/demo")
    expect(page.get_by_role("heading", level=1)).to_have_text("一个账户，两台设备")
    expect(page.get_by_role("button", name="结束手机的登录")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_javascript_it_says_so(demo: str, visit: Callable[..., Visitor]) -> None:
    """The page is whole without scripts, and says what to do instead."""
    page = visit(demo).context.new_page()
    page.goto(f"{demo}/")
    page.locator("main").get_by_role("link", name="Demonstration").first.click()
    page.wait_for_url("**/demo*")
    assert "needs JavaScript" in page.locator("noscript").inner_text()


def test_another_site_cannot_use_it(demo: str) -> None:
    """What the page's script asks is answered to that page alone, and bad input is refused."""
    with httpx2.Client(base_url=demo, trust_env=False, timeout=60) as client:
        foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        refused = client.post("/demo/devices", json={"kind": "session"}, headers=foreign)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_rejected")
        assert client.post("/demo/devices", json={"kind": "x"}).status_code == 422
        assert client.post("/demo/end", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
        device = client.post("/demo/devices", json={"kind": "session"}).json()
        body = {"by": "ost_st_x", "ended": device["token"], "session": device["session"]}
        assert client.post("/demo/end", json=body).status_code == 401
