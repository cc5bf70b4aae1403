"""Static files: addresses that name their content, and a style sheet that everybody can read."""

import re

import pytest
from tests.http.harness import Site

from ostiary.http.pages import static_files, static_url


def test_static_urls_name_their_content() -> None:
    """A static file's path holds its digest, so that another content is never served from a cache."""
    for path, file in static_files().items():
        assert re.fullmatch(r"/static/[\w-]+\.[0-9a-f]{12}\.(css|js|svg)", path)
        assert path.split(".")[1] in file.etag
    assert static_files()[static_url("ostiary.css")].content_type == "text/css; charset=utf-8"
    assert static_url("mark.svg", "/auth").startswith("/auth/static/mark.")
    assert b"url(" not in static_files()[static_url("ostiary.css")].content
    with pytest.raises(KeyError):
        static_url("../render.py")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("ink", "paper", 7), ("ink", "card", 7), ("muted", "paper", 4.5), ("muted", "card", 4.5),
        ("accent", "paper", 4.5), ("accent", "card", 4.5), ("accent", "accent-soft", 4.5), ("on-accent", "accent", 4.5),
        ("on-accent", "accent-strong", 4.5), ("danger", "card", 4.5), ("danger", "paper", 4.5),
        ("danger", "danger-soft", 4.5), ("edge", "card", 3), ("edge", "paper", 3),
    ],
)  # fmt: skip
def test_colours_can_be_told_apart(scheme: str, front: str, back: str, least: float) -> None:
    """Text reaches 4.5 to 1 and the edges of controls 3 to 1, in light and in dark (WCAG 1.4.3 and 1.4.11)."""
    css = static_files()[static_url("ostiary.css")].content.decode()
    roots = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    tokens = dict(re.findall(r"--([\w-]+): #(\w{6});", roots[scheme == "dark"]))
    light, dark = sorted((luminance(tokens[front]), luminance(tokens[back])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_style_sheet_honours_what_people_set() -> None:
    """Dark colours and less motion are there for those who asked their system for them, and focus is visible."""
    css = static_files()[static_url("ostiary.css")].content.decode()
    for wanted in ("prefers-color-scheme: dark", "prefers-reduced-motion: reduce", ":focus-visible"):
        assert wanted in css


def test_the_published_module_is_small_and_whole() -> None:
    """What single-page applications import is under 4 KB, imports nothing itself and stores nothing (M-44)."""
    module = static_files()[static_url("ostiary-client.js")].content
    assert len(module) < 4096
    for unwanted in (b"import ", b"Storage", b"document.cookie", b"eval", b"innerHTML", b"http://"):
        assert unwanted not in module


@pytest.mark.anyio
async def test_the_published_module_has_a_plain_name(site: Site) -> None:
    """Applications, those on other origins too, import it by a name that stays; other files have none."""
    response = await site.get("/static/ostiary-client.js", headers={"Origin": "https://app.example"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cache-control"] == "public, max-age=300"
    again = {"If-None-Match": response.headers["etag"]}
    assert (await site.get("/static/ostiary-client.js", headers=again)).status_code == 304
    assert (await site.get("/static/pages.js")).status_code == 404
