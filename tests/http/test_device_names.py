"""What device cards call clients (M-71), and what a hostile `User-Agent` costs."""

import sys
from types import FrameType
from typing import Any

import pytest

from ostiary import limits
from ostiary.http import device_names
from ostiary.http.device_names import label_of

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
_SAMSUNG = "Mozilla/5.0 (Linux; Android 15; SM-S931B)"


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome · Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/142.0 Safari/537.36 Edg/142.0", "Edge · Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/142.0 Safari/537.36 OPR/125.0", "Opera · Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox · Linux"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox · Ubuntu"),
        (f"{_MAC} (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "Safari · macOS"),
        (f"{_IPHONE} (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1", "Mobile Safari · iOS"),
        (f"{_IPHONE} (KHTML, like Gecko) CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome · iOS"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/142.0 Mobile Safari/537.36", "Chrome · Android"),
        (f"{_SAMSUNG} {_WEBKIT} SamsungBrowser/29.0 Chrome/136.0 Safari/537.36", "Samsung Internet · Android"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_WEBKIT} Chrome/142.0 Safari/537.36", "Chrome · ChromeOS"),
        ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer · Windows"),
        ("curl/8.14.1", "curl"),
        ("python-requests/2.32.5", "python-requests"),
        ('pip/25.3 {"system":{"name":"Linux"}}', "pip · Linux"),
        ("Mozilla/5.0 (compatible)", ""),
        ("", ""),
        ("\x7f/1", ""),
        ("<b>x</b>/1", "<b>x<"),
    ],
)  # fmt: skip
def test_names_of_clients(user_agent: str, label: str) -> None:
    """A browser is called by its own name, not by those that it pretends to be, with the system that it runs on."""
    assert label_of(user_agent) == label


def work_of(user_agent: str) -> int:
    """Lines of Python that run to name it; none of them in another module."""
    label_of.cache_clear()
    lines = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        assert frame.f_code.co_filename == device_names.__file__, "work is done elsewhere"
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        label_of(user_agent)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize(
    "word", ["A", "; ", ".Mozilla", "MozillaMobile", "Ss", "os", " ", "/", "1.", "(iPhone;", "Edg", "Chrom", "\x00"]
)
def test_a_hostile_name_costs_no_more_than_an_unknown_one(word: str) -> None:
    """The work is the same number of searches for fixed words, whatever a stranger's header repeats, and no pattern is
    tried on it."""
    unknown = work_of("x")
    assert work_of((word * limits.USER_AGENT_CHARS)[: limits.USER_AGENT_CHARS]) <= unknown
    assert not hasattr(device_names, "re")
