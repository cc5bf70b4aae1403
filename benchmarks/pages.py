"""What a browser makes of our pages: bytes on the wire, first paint, and whether anything moves while it loads."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Row
from benchmarks.stats import number

LOADS = 7
READ = """async () => {
    const painted = await new Promise(done => {
        new PerformanceObserver(list => {
            for (const one of list.getEntriesByName("first-contentful-paint")) done(one.startTime);
        }).observe({ type: "paint", buffered: true });
        setTimeout(() => done(NaN), 5000);
    });
    const moved = await new Promise(done => {
        new PerformanceObserver(list => done(list.getEntries().reduce((sum, one) => sum + one.value, 0)))
            .observe({ type: "layout-shift", buffered: true });
        setTimeout(() => done(0), 60);
    });
    return [painted, moved];
}"""


def run(say: Callable[[str], None]) -> list[Row]:
    """About 40 seconds: Chromium, a new context for each load, on the same machine as the server."""
    from playwright.sync_api import sync_playwright
    from tests.browser.conftest import ARGUMENTS, CHROMIUM
    from tests.browser.pictures import small_world
    from tests.browser.serving import PASSWORD

    say("pages in Chromium ...")
    rows = []
    with tempfile.TemporaryDirectory(), small_world() as (site, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=Path(CHROMIUM), args=[*ARGUMENTS])
        entered = browser.new_context()
        page = entered.new_page()
        page.goto(site.url + "/login?lang=en")
        page.get_by_label("User name", exact=True).fill("ada")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/account*")
        cookies = entered.cookies()
        for path in ("/login", "/account", "/admin", "/admin/accounts", "/admin/sessions", "/admin/audit"):
            paints, weights, shifts = [], [], []
            for _ in range(LOADS):
                context = browser.new_context(viewport={"width": 1280, "height": 860})
                context.add_cookies(cookies)  # type: ignore[arg-type]
                page = context.new_page()
                wire = context.new_cdp_session(page)
                sizes: list[int] = []
                wire.on("Network.loadingFinished", lambda event, sizes=sizes: sizes.append(event["encodedDataLength"]))
                wire.send("Network.enable")
                page.goto(site.url + path)
                painted, moved = page.evaluate(READ)
                paints.append(painted)
                weights.append(sum(sizes))
                shifts.append(moved)
                context.close()
            paint, weight = statistics.median(paints), max(weights)
            say(f"  {path}: {weight / 1000:.1f} KB, painted after {paint:.0f} ms, moved {max(shifts):.3f}")
            rows.append(
                Row(
                    what=f"{path}: transferred in all, nothing cached",
                    reached=weight / 1000,
                    unit="KB",
                    at_most=100.0,
                    note=f"first contentful paint {number(paint)} ms, layout shift {max(shifts):.3f}; {LOADS} loads",
                    detail={"first_contentful_paint_ms": paint, "layout_shift": max(shifts)},
                )
            )
        browser.close()
    return rows
