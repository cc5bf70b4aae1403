"""Pictures of the pages for the documentation: `python -m tests.browser.pictures docs/pictures`.

A small world is made up under a clock that is moved by hand, so that times and charts say something; then its pages are
taken in light and dark, on a phone and in Chinese. WebP, as Chromium makes it: a few tens of kilobytes each.
"""

import base64
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.serving import PASSWORD, Site, serving

from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.compose import System
from ostiary.errors import InvalidGrant
from ostiary.services.clients import ClientFields
from ostiary.services.context import Client
from ostiary.testing import FakeClock

QUALITY = 82
HOUR = 3600.0
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
AGENTS = (WINDOWS, IPHONE, LINUX)
PEOPLE = (
    ("ada", "Ada Lovelace"), ("grace", "Grace Hopper"), ("zhangsan", "张三"), ("mary", "Mary Jackson"),
    ("lisi", "李四"), ("edsger", "Edsger Dijkstra"), ("barbara", "Barbara Liskov"), ("katherine", None),
    ("wangwu", "王五"), ("radia", None),
)  # fmt: skip
A_DAY = (1, 0, 0, 0, 1, 2, 4, 7, 9, 8, 6, 7, 5, 8, 9, 7, 6, 5, 4, 4, 3, 5, 4, 3)  # logins an hour
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
SHOTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("account-light", "/account", WIDE),
    ("account-dark", "/account", {**WIDE, "color_scheme": "dark"}),
    ("account-phone", "/account", PHONE),
    ("account-zh-CN", "/account?lang=zh-CN", WIDE),
    ("admin-light", "/admin", WIDE),
    ("admin-dark", "/admin", {**WIDE, "color_scheme": "dark"}),
    ("admin-phone", "/admin/sessions", PHONE),
    ("admin-zh-CN", "/admin?lang=zh-CN", WIDE),
    ("admin-account", "/admin/accounts/{grace}", {**WIDE, "viewport": {"width": 1440, "height": 860}}),
)


def log_in(site: Site, username: str, agent: str, kind: str = "session", password: str = PASSWORD) -> dict[str, Any]:
    """As a program that says it is this browser."""
    body = {"username": username, "password": password, "kind": kind, "remember": True}
    return dict(site.call("POST", "/v1/login", body, **{"User-Agent": agent})[1])


def renew(site: Site, login: dict[str, Any], *, twice: bool = False) -> None:
    """The next pair; `twice` as two tabs do it that race."""
    old = str(login["refresh_token"])
    for _ in range(2 if twice else 1):
        issued = site.inside.do(lambda system: system.refresh.refresh(old, Client()))
    login["refresh_token"] = issued.refresh_token


def use_again(site: Site, token: str) -> None:
    """Present a refresh token that was replaced long ago."""
    with contextlib.suppress(InvalidGrant):
        site.inside.do(lambda system: system.refresh.refresh(token, Client()))


async def people(system: System) -> None:
    """Accounts, one of them an administrator's, and clients."""
    for username, name in PEOPLE:
        roles = ("admin", "user") if username == "ada" else ("user",)
        await system.accounts.create(
            username=username,
            password=PASSWORD,
            email=f"{username}@example.com",
            display_name=name,
            roles=roles,
            actor="cli",
        )
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    for name in ("Notes", "Reports"):
        await system.clients.create(ClientFields(name=name, grants=(exchange,)), actor="cli")


@contextmanager
def small_world() -> Iterator[tuple[Site, FakeClock]]:
    """A day of it."""
    clock = FakeClock(wall=1_795_600_800.0)
    hands = Clock(wall=lambda: clock.wall, monotonic=SYSTEM_CLOCK.monotonic)  # leases run as they do
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), clock=hands) as site:
        site.inside.do(people)
        clock.advance(6 * HOUR)
        kinds = ("session", "stateless", "stateful")
        for hour, logins in enumerate(A_DAY):
            for number in range(logins):
                username = PEOPLE[1 + (hour * 5 + number) % (len(PEOPLE) - 1)][0]
                log_in(site, username, AGENTS[(hour + number) % 3], kinds[(hour + number) % 3])
                if (hour + number) % 7 == 0:
                    log_in(site, username, LINUX, password="a wrong password, typed")
                clock.advance(HOUR / 12)
            clock.advance(HOUR - logins * HOUR / 12)
        for agent, kind in ((IPHONE, "session"), (LINUX, "stateless")):
            log_in(site, "ada", agent, kind)
            clock.advance(HOUR / 4)
        held = [log_in(site, "grace", WINDOWS, "stateless"), log_in(site, "mary", IPHONE, "stateful")]
        first = str(held[1]["refresh_token"])
        for minute in range(30):
            for at, login in enumerate(held):
                for number in range(1 + (minute * 5 + at * 3) % 4):
                    renew(site, login, twice=(minute + number + at) % 4 == 0)
            if minute == 17:
                use_again(site, first)
                held[1] = log_in(site, "mary", IPHONE, "stateful")
            for _ in range(6):
                site.inside.do(lambda system: system.overview.sample())
                clock.advance(10)
        yield site, clock


def take(page: Page, path: Path) -> None:
    """What is seen without scrolling."""
    wire = page.context.new_cdp_session(page)
    taken = wire.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    path.write_bytes(base64.b64decode(taken["data"]))


def main(folder: Path) -> None:
    """Take all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with small_world() as (site, _), sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS])
        entered = browser.new_context(user_agent=WINDOWS, locale="en-GB")
        page = entered.new_page()
        page.goto(site.url + "/login")
        page.get_by_label("User name", exact=True).fill("ada")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/account*")
        cookies = entered.cookies()
        ids = {name: site.inside.do(lambda system, name=name: system.accounts.find(name)).id for name, _ in PEOPLE}
        for name, path, options in SHOTS:
            context = browser.new_context(user_agent=WINDOWS, locale="en-GB", **options)
            context.add_cookies(cookies)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(site.url + path.format(**ids))
            take(page, folder / f"{name}.webp")
            context.close()
            print(f"{name}.webp {(folder / f'{name}.webp').stat().st_size / 1024:.0f} KiB")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures"))
