"""Names, types, ranges and conditions on the wire."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.domain.one_time import resource_problem
from ostiary.downloads.conditions import Span, Validators, is_not_modified, span_of
from ostiary.downloads.errors import PreconditionFailed, RangeRefused
from ostiary.downloads.naming import content_disposition, media_type
from ostiary.downloads.pages import confirm_page, language_of, refusal_page

HAS = Validators(etag='"v1"', modified=1_700_000_000)
OLDER, SAME, NEWER = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"


def headers(**named: str) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()]


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-9", Span(0, 10, True)), ("bytes=0-", Span(0, 100, True)), ("bytes=50-", Span(50, 100, True)),
        ("bytes=-10", Span(90, 100, True)), ("bytes=-200", Span(0, 100, True)), ("bytes=99-99", Span(99, 100, True)),
        ("bytes=90-1000", Span(90, 100, True)), ("BYTES=0-0", Span(0, 1, True)), ("bytes= 1-2", Span(1, 3, True)),
        ("bytes=0-9,20-29", Span(0, 100, False)), ("bytes=9-0", Span(0, 100, False)), ("bytes=-", Span(0, 100, False)),
        ("bytes=", Span(0, 100, False)), ("lines=0-9", Span(0, 100, False)), ("bytes=a-b", Span(0, 100, False)),
        ("bytes=0x0-9", Span(0, 100, False)), ("bytes=+0-9", Span(0, 100, False)), ("bytes=٠-٩", Span(0, 100, False)),
        ("bytes=-" + "9" * 30, Span(0, 100, True)), ("", Span(0, 100, False)),
    ],
)  # fmt: skip
def test_ranges(asked: str, span: Span) -> None:
    """One range of bytes is served; what is not one is as if it were not there (RFC 9110 section 14.2)."""
    assert span_of([(b"range", asked.encode())], 100, HAS) == span


@pytest.mark.parametrize(
    "asked", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=999999999999-", f"bytes={10**40}-"]
)
def test_ranges_beyond_the_end(asked: str) -> None:
    """416."""
    with pytest.raises(RangeRefused):
        span_of(headers(range=asked), 100, HAS)


def test_two_range_headers_say_nothing() -> None:
    """The whole file."""
    twice = [(b"range", b"bytes=0-1"), (b"range", b"bytes=2-3")]
    assert span_of(twice, 100, HAS) == Span(0, 100, False)


@pytest.mark.parametrize(
    ("if_range", "partial"),
    [('"v1"', True), ('"v2"', False), ('W/"v1"', False), (SAME, True), (OLDER, False), (NEWER, False), ("x", False)],
)
def test_if_range(if_range: str, partial: bool) -> None:
    """A part of this very content, or all of the new one."""
    assert span_of(headers(range="bytes=5-", if_range=if_range), 100, HAS).partial is partial


@pytest.mark.parametrize(
    ("conditions", "not_modified"),
    [
        ({}, False), ({"if_none_match": '"v1"'}, True), ({"if_none_match": 'W/"v1"'}, True), ({"if_none_match": "*"},
        True),
        ({"if_none_match": '"v0", "v1"'}, True), ({"if_none_match": '"v2"'}, False), ({"if_modified_since": SAME},
        True),
        ({"if_modified_since": NEWER}, True), ({"if_modified_since": OLDER}, False), ({"if_modified_since": "soon"},
        False),
        ({"if_none_match": '"v2"', "if_modified_since": NEWER}, False), ({"if_match": '"v1"'}, False),
        ({"if_match": "*"}, False), ({"if_unmodified_since": SAME}, False),
    ],
)  # fmt: skip
def test_conditions(conditions: dict[str, str], not_modified: bool) -> None:
    """RFC 9110 section 13.2.2, in its order."""
    assert is_not_modified(headers(**conditions), HAS) is not_modified


@pytest.mark.parametrize("conditions", [{"if_match": '"v2"'}, {"if_match": 'W/"v1"'}, {"if_unmodified_since": OLDER}])
def test_preconditions(conditions: dict[str, str]) -> None:
    """412."""
    with pytest.raises(PreconditionFailed):
        is_not_modified(headers(**conditions), HAS)


@given(st.text(max_size=30), st.integers(0, 200))
def test_no_range_reaches_beyond_the_file(asked: str, size: int) -> None:
    """Whatever is asked for lies within the file, or is refused."""
    try:
        span = span_of([(b"range", ("bytes=" + asked).encode())], size, HAS)
    except RangeRefused:
        return
    assert 0 <= span.start <= span.stop <= size
    assert span.partial or (span.start, span.stop) == (0, size)
    assert not span.partial or span.start < span.stop


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("q3.pdf", 'attachment; filename="q3.pdf"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("报告.pdf", "attachment; filename=\"__.pdf\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf"),
        ('a"b\\c.txt', "attachment; filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
        ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
    ],
)
def test_names_in_headers(name: str, value: str) -> None:
    """RFC 6266, with RFC 8187 where ASCII does not do."""
    assert content_disposition(name) == value


@given(st.text(min_size=1, max_size=40).filter(lambda name: resource_problem(name) is None and "/" not in name))
def test_every_name_is_safe_and_comes_back(name: str) -> None:
    """For every name: one line of ASCII, a quoted string that nothing ends early, and the true name inside."""
    value = content_disposition(name)
    assert value.isascii()
    assert value.isprintable()
    match = re.fullmatch(
        r"attachment; filename=\"([^\"\\]*)\"(?:; filename\*=UTF-8''([A-Za-z0-9!#$&+\-.^_`|~%]*))?", value
    )
    assert match is not None
    assert (unquote(match[2]) if match[2] is not None else match[1]) == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.pdf", "application/pdf"), ("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.tar.gz",
        "application/gzip"),
        ("a", "application/octet-stream"), ("a.unheard", "application/octet-stream"), ("data:text/html,x",
        "application/octet-stream"),
        ("A.PDF", "application/pdf"), (".html", "application/octet-stream"),
    ],
)  # fmt: skip
def test_media_types(name: str, kind: str) -> None:
    """By the ending, by Python's own table."""
    assert media_type(name) == kind


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"), ("en,zh;q=0.5", "en"), ("zh-Hant-TW", "zh-CN"), ("fr", "en"),
        ("fr, zh;q=0.1", "zh-CN"), ("zh;q=0", "en"), ("zh;q=x", "en"), (";;;,,,", "en"), ("zh" * 9000, "en"),
    ],
)  # fmt: skip
def test_languages(accept: str, language: str) -> None:
    """Chinese or English."""
    assert language_of(accept) == language


def test_pages_escape() -> None:
    """A file's name is text, not a page."""
    page = confirm_page("en", name="<script>alert(1)</script>", size=5, action='/files/"x', token='"><b>').decode()
    assert "<script>" not in page
    assert '"x' not in page.replace("&quot;x", "")
    assert "<b>" not in page
    assert "该链接" not in refusal_page("zh-CN", "already_used").decode()
    assert "已被使用" in refusal_page("zh-CN", "already_used").decode()
    assert "cannot be answered" in refusal_page("en", "never_heard_of").decode()
