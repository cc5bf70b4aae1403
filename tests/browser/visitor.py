"""Somebody with a browser: what they do on our pages, and what their browser complains of."""

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response
from tests.browser.serving import PASSWORD

SESSION = "__Host-ostiary_session"
REFRESH = "__Host-ostiary_refresh"
WITHIN = 60.0  # seconds
REFUSAL = "the server responded with a status of 4"
"""How Chromium notes every 4xx answer: our refusals are no fault of the page."""


class Visitor:
    """One browser context: cookies of its own, one tab at first. `home` is the origin that paths belong to."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.context = context
        self.home = home
        self.complaints: list[str] = []
        self.forgiven: list[str] = []
        """Parts of complaints that a test causes; they come when they come, so they are not taken out one by one."""
        self.urls: list[str] = []
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._asked)
        self.page = self.tab()

    def tab(self) -> Page:
        """Another tab of the same browser."""
        return self.context.new_page()

    def go(self, path: str) -> Response:
        """Type an address of ours."""
        answer = self.page.goto(self.home + path)
        assert answer is not None
        return answer

    @property
    def path(self) -> str:
        """Where the tab is, below our origin, with its query."""
        assert self.page.url.startswith(self.home + "/"), self.page.url
        return self.page.url.removeprefix(self.home)

    def at(self, path: str) -> bool:
        """Whether the tab is at this path of ours, whatever the query."""
        return self.path.partition("?")[0] == path

    def press(self, name: str) -> None:
        """Click the button that is called so, and wait for what comes."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        """Click the link that is called so, and wait for what comes."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=name, exact=True).first.click()

    def sign_in(self, username: str, password: str = PASSWORD, *, remember: bool = False, at: str = "/login") -> None:
        """Fill in the form and press its button, whatever comes of it."""
        self.go(at)
        self.fill_in(username, password)
        if remember:
            self.page.get_by_label("Keep me signed in").check()
        self.press("Sign in")

    def fill_in(self, username: str, password: str = PASSWORD) -> None:
        """The form that is open."""
        self.page.get_by_label("User name", exact=True).fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)

    def arrive(self, username: str, password: str = PASSWORD) -> None:
        """Sign in, and be in."""
        self.sign_in(username, password)
        assert self.at("/account"), self.text

    @property
    def text(self) -> str:
        """What the page says."""
        return self.page.locator("main").inner_text()

    @property
    def devices(self) -> list[str]:
        """The device cards, as text, in order."""
        return self.page.locator(".device").all_inner_texts()

    def cookie(self, name: str = SESSION) -> dict[str, Any] | None:
        """A cookie as the browser keeps it, None if it has none of that name."""
        found = [dict(cookie) for cookie in self.context.cookies() if cookie["name"] == name]
        assert len(found) < 2
        return found[0] if found else None

    def keep(self, cookie: dict[str, Any]) -> None:
        """Put back a cookie that was taken note of before."""
        self.context.add_cookies([cookie])  # type: ignore[list-item]

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for what the browser tells by and by: requests, complaints."""
        deadline = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < deadline, "it did not come"
            self.page.wait_for_timeout(20)

    def complained(self, of: str) -> int:
        """How many complaints so far say this."""
        return sum(of in complaint for complaint in self.complaints)

    def close_the_window(self) -> None:
        """Forget what a browser forgets with its window."""
        lasting = [cookie for cookie in self.context.cookies() if cookie["expires"] != -1]
        self.context.clear_cookies()
        self.context.add_cookies(lasting)  # type: ignore[arg-type]

    @property
    def is_in(self) -> bool:
        """Whether the account page opens."""
        return self.go("/account").status == 200 and self.at("/account")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and REFUSAL not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        self.urls.append(request.url)
