"""User names: which are accepted, and which are the same."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.domain.username import _normalised_by_the_rules, normalise_username, username_key_or_none
from ostiary.errors import InvalidRequest
from ostiary.limits import USERNAME_CHARS


@pytest.mark.parametrize(
    "name",
    [
        "alice",
        "alice@example.org",
        "张三",
        "o'brien",
        "user.name+tag",
        "some_user-1",
        "7",
        "мария@example.org",
        "佐藤_サトウabc",
        "김철수-kim",
        "يوسف",
        "שרה",
        "अमित",
        "αλέξη",
        "nguyễn",
        "x" * USERNAME_CHARS,
    ],
)
def test_names_of_many_scripts_are_kept(name: str) -> None:
    """A name that is already in its normal form is its own key."""
    assert normalise_username(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Alice", "alice"),
        ("ＡＬＩＣＥ", "alice"),
        ("A\u0301lvaro", "\u00e1lvaro"),
        ("Straße", "STRASSE"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("ﬁona", "fiona"),
        ("ⅷ", "VIII"),
        ("\u212aelvin", "kelvin"),
    ],
)
def test_spellings_of_one_name_are_one_account(one: str, other: str) -> None:
    """Case, width and composition never make a second account of one name."""
    assert normalise_username(one) == normalise_username(other)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "alice ",
        "al ice",
        "al\u00a0ice",
        "al\u3000ice",
        "al\tice",
        "alice\n",
        "al\0ice",
        "al\u0085ice",
    ],
)
def test_spaces_and_controls_are_refused(name: str) -> None:
    """A name with any white space or control character is refused, not trimmed."""
    with pytest.raises(InvalidRequest):
        normalise_username(name)


@pytest.mark.parametrize(
    "char",
    [
        "\u200b",
        "\u200c",
        "\u200d",
        "\u200e",
        "\u202e",
        "\u2066",
        "\u00ad",
        "\u034f",
        "\u061c",
        "\u115f",
        "\u1160",
        "\u17b4",
        "\u180e",
        "\u2060",
        "\u3164",
        "\ufe0f",
        "\ufeff",
        "\uffa0",
        "\U000e0020",
        "\U000e0100",
    ],
)
def test_characters_that_cannot_be_seen_are_refused(char: str) -> None:
    """A name that looks like another because of a zero-width, bidi or default-ignorable character is refused."""
    assert username_key_or_none(f"ali{char}ce") is None


@pytest.mark.parametrize("name", ["a\ud800b", "a\u0378b", "a\ue000b", "a\uffffb", "a😀b", "a√b", "a’b", "a\u2044b"])
def test_what_is_no_letter_mark_or_digit_is_refused(name: str) -> None:
    """Surrogates, unassigned and private code points, symbols and typographic signs are no part of a name."""
    assert username_key_or_none(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "p\u0430ypal",
        "\u0430dmin",
        "\u03bfwner",
        "r\u03bfot",
        "юlia",
        "\u0430λ",
        "a\u13a0b",
        "a\u0585b",
        "张\u0430",
        "япония日本",
    ],
)
def test_scripts_that_look_alike_are_not_mixed(name: str) -> None:
    """A letter of another script among Latin letters, the homograph attack, is refused."""
    assert username_key_or_none(name) is None


def test_digits_come_from_one_set() -> None:
    """Digits of two scripts, which may look alike, do not stand in one name."""
    assert username_key_or_none("علی\u06f1\u06f2") is not None
    assert username_key_or_none("علی\u06f1\u0662") is None


@pytest.mark.parametrize("name", ["\u0301a", "...", "@", "-_-", "''"])
def test_a_name_has_a_letter_or_digit_and_begins_with_no_mark(name: str) -> None:
    """A name of punctuation alone, or one that begins with a combining mark, is refused."""
    assert username_key_or_none(name) is None


def test_the_length_counts_what_remains_after_folding() -> None:
    """One character that folds into many counts as many, and very long input is refused without being folded."""
    assert username_key_or_none("x" * (USERNAME_CHARS + 1)) is None
    assert username_key_or_none("\ufb03" * (USERNAME_CHARS // 3)) is not None  # ﬃ folds into three letters
    assert username_key_or_none("\ufb03" * (USERNAME_CHARS // 3 + 1)) is None
    assert username_key_or_none("a" + "\u0301\u0316" * 500_000) is None


def test_the_message_names_the_rule_and_not_the_input() -> None:
    """A refusal says what a name may be, and repeats nothing of what was sent."""
    with pytest.raises(InvalidRequest, match="without spaces") as caught:
        normalise_username("secret name")
    assert "secret" not in str(caught.value) + caught.value.private


@settings(derandomize=True, max_examples=400)
@given(st.text(max_size=40) | st.text(alphabet=st.characters(categories=("L", "M", "Nd")), min_size=1, max_size=3))
def test_a_key_is_its_own_key(raw: str) -> None:
    """Normalising twice gives what normalising once gave, whatever the input, and raises InvalidRequest alone."""
    key = username_key_or_none(raw)
    if key is not None:
        assert normalise_username(key) == key
        assert normalise_username(key.upper()) == normalise_username(key.upper())


@settings(derandomize=True, max_examples=200)
@given(st.text(alphabet=st.characters(categories=("L", "M", "Nd")), min_size=1, max_size=4))
def test_case_does_not_matter(raw: str) -> None:
    """A name in capitals, where that is acceptable at all, has the same key as in the case it was typed."""
    key, capitals = username_key_or_none(raw), username_key_or_none(raw.casefold())
    if key is not None and capitals is not None:
        assert key == capitals


@given(st.text(st.characters(max_codepoint=0x17F), max_size=USERNAME_CHARS + 2))
def test_plain_names_take_a_shorter_way_to_the_same_end(raw: str) -> None:
    """ASCII names are judged at once, and exactly as the rules judge them one by one."""

    def judged(rules: Callable[[str], str]) -> str:
        try:
            return rules(raw)
        except InvalidRequest as error:
            return f"refused: {error}"

    assert judged(normalise_username) == judged(_normalised_by_the_rules)
