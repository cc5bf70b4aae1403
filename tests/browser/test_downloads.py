"""Downloads with a real browser: once, and in the way that browsers download (M-62)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.browser.serving import PASSWORD, OtherSite, Site, serving
from tests.browser.visitor import Visitor
from tests.servers.asgi import in_a_thread, listening

from ostiary.downloads import DownloadServer

FILES = "https://files.example"
CONTENT = bytes(range(256)) * 20_000


@dataclass(frozen=True, slots=True)
class Files:
    """A download server beside the auth server. `url` is its origin."""

    url: str
    site: Site
    bearer: str

    def link(self, resource: str, **more: Any) -> str:
        """A link that is good once."""
        body = {"audience": FILES, "action": "download", "resource": resource, **more}
        status, answer = self.site.call("POST", "/v1/one-time-tokens", body, Authorization=f"Bearer {self.bearer}")
        assert status == 201, answer
        return f"{self.url}/files/{resource}?token={answer['token']}"


@contextmanager
def handing_out(root: Path, site: Site) -> Iterator[str]:
    """Its origin."""
    app = DownloadServer(root, issuer=site.url, audience=FILES, state=root.with_suffix(".db"))
    with listening() as at, in_a_thread(app, at):
        yield f"http://localhost:{at.getsockname()[1]}"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    """With some files."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "季度 report.bin").write_bytes(CONTENT)
    (root / "page.html").write_text("<script>document.title = 'ran'; location = 'https://evil.example/'</script>")
    with serving(tmp_path, audiences=(FILES,)) as site, handing_out(root, site) as url:
        site.register("ada")
        body = {"username": "ada", "password": PASSWORD, "transport": "bearer"}
        yield Files(url, site, site.call("POST", "/v1/login", body)[1]["access_token"])


def follow(visitor: Visitor, html: str, elsewhere: OtherSite) -> Any:
    """The download that comes of clicking a link on somebody's page."""
    elsewhere.pages["/mail"] = f'<!doctype html><title>mail</title><a href="{html}">the file</a>'
    visitor.page.goto(f"{elsewhere.url()}/mail")
    with visitor.page.expect_download() as caught:
        visitor.page.get_by_role("link").click()
    return caught.value


def test_a_link_is_good_for_one_download(
    files: Files, elsewhere: OtherSite, visit: Callable[..., Visitor], tmp_path: Path
) -> None:
    """Clicked, it is saved under its own name; clicked again, a page says why not."""
    visitor = visit(elsewhere)
    link = files.link("季度 report.bin")
    download = follow(visitor, link, elsewhere)
    assert download.suggested_filename == "季度 report.bin"
    assert download.failure() is None
    download.save_as(tmp_path / "saved")
    saved = (tmp_path / "saved").read_bytes()
    assert (len(saved), saved == CONTENT) == (len(CONTENT), True)
    answer = visitor.page.goto(link)
    assert answer is not None
    assert answer.status == 410
    assert "already been used" in visitor.text


def test_a_page_among_the_files_does_not_run(files: Files, elsewhere: OtherSite, visit: Callable[..., Visitor]) -> None:
    """It is saved, and the browser stays where it was, scripts or not."""
    visitor = visit(elsewhere, java_script_enabled=True)
    download = follow(visitor, files.link("page.html"), elsewhere)
    assert download.suggested_filename == "page.html"
    assert visitor.page.title() == "mail"
    assert not any("evil" in url for url in visitor.urls)


@pytest.mark.parametrize(
    ("locale", "button", "used"), [("en-GB", "Download", "already been used"), ("zh-CN", "下载", "已被使用")]
)
def test_a_mailed_link_asks_first(
    files: Files, elsewhere: OtherSite, visit: Callable[..., Visitor], locale: str, button: str, used: str
) -> None:
    """Opened twice, nothing is used up; the button downloads, without any script; then the link is used."""
    visitor = visit(elsewhere, locale=locale)
    link = files.link("page.html", confirm=True)
    for _ in range(2):
        answer = visitor.page.goto(link)
        assert answer is not None
        assert answer.status == 200
        assert "page.html" in visitor.text
    with visitor.page.expect_download() as caught:
        visitor.page.get_by_role("button", name=button).click()
    assert caught.value.suggested_filename == "page.html"
    answer = visitor.page.goto(link)
    assert answer is not None
    assert answer.status == 410
    assert used in visitor.text


def test_the_link_is_told_to_nobody(files: Files, elsewhere: OtherSite, visit: Callable[..., Visitor]) -> None:
    """What the page leads to does not learn of it by `Referer`, nor does the next site by the history of requests."""
    visitor = visit(elsewhere)
    link = files.link("page.html", confirm=True)
    heard: list[str] = []
    visitor.context.on("request", lambda request: heard.append(request.headers.get("referer", "")))
    visitor.page.goto(link)
    with visitor.page.expect_download():
        visitor.page.get_by_role("button").click()
    visitor.until(lambda: any("/transfers/" in url for url in visitor.urls))
    assert not any("token" in referer for referer in heard)
    assert all("token=" not in url for url in visitor.urls if url != link)
