"""What a one-time token may be for: one way to write a resource, and no way out of the root (M-62)."""

import posixpath
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary import limits
from ostiary.domain.one_time import check_action, life, normal_resource, resource_problem
from ostiary.errors import InvalidRequest

GOOD = (
    "report.pdf", "reports/2026/q3.pdf", "a b.txt", "100%.txt", "50%zz", "árvíztűrő.txt", "报告/第一季度.pdf",
    ".hidden",
    "..a", "a..", "...", "report:42", "a;b=c", "a?b#c", "-rf", "~", "~root/x", "C:x", "x" * 255, "a/" * 511 + "ab",
    "emoji 👩‍👩‍👧.png", "café", "'quoted\"", "<script>", "a\u00a0b", "CON", " lead", "trail ", "a&b",
)  # fmt: skip
BAD = (
    "", "/", "/etc/passwd", "a/", "/a", "a//b", ".", "..", "../x", "a/../b", "a/..", "./a", "a/.", "a/./b", "\\",
    "a\\b",
    "..\\x", "%2e%2e/x", "a%2fb", "a%2Fb", "a%00", "%41", "a\x00b", "a\nb", "a\rb", "a\tb", "\x7f", "a\x85b",
    "a\u2028b",
    "a\u2029b", "invoice\u202efdp.exe", "\u2066x", "x" * 256, "\u00e9" * 128, "a/" * 512 + "a", "x" * 1025, "\ud800",
    "a\udcff", "//host/share", "\u200ex",
)  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_names_that_files_have(text: str) -> None:
    """Whatever a file may be called that can be seen is a resource, and stays as it is."""
    assert normal_resource(text) == text


@pytest.mark.parametrize("text", BAD)
def test_ways_out_are_refused(text: str) -> None:
    """Traversal, separators in disguise, invisible characters and what is too long are refused, not mended."""
    assert resource_problem(text) is not None
    with pytest.raises(InvalidRequest) as refused:
        normal_resource(text)
    assert not text.strip("./") or text not in str(refused.value)


def test_one_name_in_two_encodings_is_one_resource() -> None:
    """What was typed in normal form D is the resource in normal form C."""
    assert normal_resource("cafe\u0301.pdf") == "caf\u00e9.pdf"
    assert resource_problem("cafe\u0301.pdf") is not None


@given(st.text(alphabet=st.characters(codec=None), max_size=40) | st.text(alphabet="./\\%25eE\x00a", max_size=12))
def test_whatever_is_accepted_stays_below_the_root(text: str) -> None:
    """For every text: either it is refused, or it is its own normal path, relative, without control characters."""
    try:
        resource = normal_resource(text)
    except InvalidRequest:
        return
    assert resource_problem(resource) is None
    assert normal_resource(resource) == resource == unicodedata.normalize("NFC", text)
    assert posixpath.normpath("/root/" + resource) == "/root/" + resource
    assert "\\" not in resource
    assert resource.split("/") == [part for part in resource.split("/") if part not in ("", ".", "..")]
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in resource)
    assert len(resource.encode()) <= limits.RESOURCE_BYTES


@given(st.text(max_size=70))
def test_actions_are_words(text: str) -> None:
    """A word of ASCII that cannot be mistaken for anything else, or refused."""
    try:
        action = check_action(text)
    except InvalidRequest:
        return
    assert action == text
    assert action.isascii()
    assert action[0].isalpha()
    assert len(action) <= limits.ACTION_CHARS


@pytest.mark.parametrize(
    ("asked", "longest", "given_life"),
    [(None, 120.0, 120), (30, 120.0, 30), (120, 120.0, 120), (121, 120.0, 120), (10**9, 120.0, 120), (5, 0.5, 1)],
)
def test_no_longer_than_the_setting(asked: int | None, longest: float, given_life: int) -> None:
    """The setting is the default and the bound."""
    assert life(asked, longest) == given_life
