"""Languages: which one is picked, that each is whole, and how it tells times."""

import re
import string
from pathlib import Path

import pytest

import ostiary.http.pages
from ostiary import errors
from ostiary.domain import password_rules
from ostiary.domain.audit import Event
from ostiary.domain.session import Kind
from ostiary.http.pages import LANGUAGES, negotiate_language
from ostiary.http.pages.language import Translator, machine_time
from ostiary.http.pages.render import PLACES
from ostiary.http.pages.texts import CATALOGUES
from ostiary.http.pages.wording import NOTICES

SOURCE = Path(ostiary.http.pages.__file__).parent
ENGLISH, CHINESE = CATALOGUES["en"], CATALOGUES["zh-CN"]
NOON = 1_795_435_200.0  # 2026-11-23T12:00:00Z
CONTRACT_CODES = {
    "not_authenticated", "forbidden", "insufficient_scope", "reauthentication_required", "csrf_rejected", "not_found",
    "invalid_request", "unsupported_media_type", "wrong_host", "invalid_token", "too_many_attempts", "overloaded",
    "unavailable", "invalid_credentials", "username_taken", "password_rejected", "registration_closed", "last_admin",
}  # fmt: skip


def placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def error_codes() -> set[str]:
    """Of the common errors; those of the shell are told in general words, those of tokens never reach a page."""
    found, rest = set(), [errors.OstiaryError]
    while rest:
        one = rest.pop()
        if one.__module__ == errors.__name__:
            found.add(one.code)
        rest += one.__subclasses__()
    return found


def password_reasons() -> set[str]:
    named = {name: value for name, value in vars(password_rules).items() if name.isupper() and not name.startswith("_")}
    return {value for name, value in named.items() if value == name.lower()}


def test_every_language_has_the_same_texts() -> None:
    """A catalogue that lacks a text, or has one too many, is found before anybody meets it."""
    assert set(CATALOGUES) == set(LANGUAGES)
    assert set(ENGLISH) == set(CHINESE)


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_a_text_takes_the_same_values_in_every_language(key: str) -> None:
    """Filling in a text never fails in one language only, and no text holds markup of its own."""
    assert placeholders(ENGLISH[key]) == placeholders(CHINESE[key])
    for text in (ENGLISH[key], CHINESE[key]):
        assert text
        assert not set("<>&") & set(text)


def test_chinese_is_translated() -> None:
    """A Chinese text holds Chinese, except where a name or number is all there is."""
    plain = {key for key, text in CHINESE.items() if not re.search(r"[\u4e00-\u9fff]", text)}
    assert plain <= {"time.months", "time.exact", "list.comma", "audit.actor.system"}


def test_every_code_has_its_words() -> None:
    """Each error, password reason, notice, kind and place can be said in words: none falls back to the general text."""
    assert password_reasons() >= {"too_short", "too_long", "too_common", "contains_username", "too_repetitive"}
    wanted = {f"error.{code}" for code in error_codes() | CONTRACT_CODES}
    wanted |= {f"reason.{code}" for code in password_reasons()}
    wanted |= {f"notice.{code}" for code in NOTICES}
    wanted |= {f"kind.{kind.value}" for kind in Kind}
    wanted |= {f"place.{place}" for place in (*PLACES, "admin", "debugger", "demo")}
    assert wanted <= set(ENGLISH)
    untold = [event for event in Event if not {f"event.{event.value}", f"event.{event.value}.none"} & set(ENGLISH)]
    assert not untold, "an event of the audit trail has no words"


def test_templates_use_only_texts_that_exist_and_no_text_is_left_over() -> None:
    """A key in a template is in the catalogue, and what nothing uses is not kept."""
    sources = [path.read_text() for path in [*SOURCE.glob("templates/*.html"), *SOURCE.glob("*.py")]]
    named = {key for text in sources for key in re.findall(r"""\bt(?:\.number)?\(\s*["']([a-z_.]+)["']""", text)}
    made = (
        "error.", "reason.", "notice.", "kind.", "place.", "place_of.", "time.", "language.", "token.", "event.",
        "strength.", "demo.", "key.state.", "key.does.", "chart.refresh.", "accounts.only.", "admin.", "drawer.",
        "done.", "grant.", "signs.", "audit.actor.",
    )  # fmt: skip
    named |= {key for text in sources for key in re.findall(r"""\bt\([^()]* else ["']([a-z_.]+)["']\)""", text)}
    exact = {key for key in named if key in ENGLISH}
    counted = {f"{key}.{form}" for key in named for form in ("one", "other") if f"{key}.{form}" in ENGLISH}
    unknown = {key for key in named if key not in ENGLISH and f"{key}.one" not in ENGLISH and not key.endswith(".")}
    assert not unknown
    assert {key for key in ENGLISH if not key.startswith(made)} == {
        key for key in exact | counted if not key.startswith(made)
    }


@pytest.mark.parametrize(
    ("header", "asked", "language"),
    [
        ("", None, "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", None, "zh-CN"),
        ("en-GB,en;q=0.9,zh-CN;q=0.8", None, "en"),
        ("fr, zh-Hant-TW;q=0.5, en;q=0.4", None, "zh-CN"),
        ("en;q=0, zh;q=0.001", None, "zh-CN"),
        ("de, *;q=0.5", None, "en"),
        ("ZH-cn", None, "zh-CN"),
        ("zh;q=2, en;q=0.1", None, "en"),
        ("zh;q=nan, zh;q=-1, zh;;q=1, ,;", None, "en"),
        ("zho, english", None, "en"),
        ("zh-CN", "en", "en"),
        ("en", "zh-CN", "zh-CN"),
        ("en", "zh", "zh-CN"),
        ("zh-CN", "xx", "zh-CN"),
        ("zh-CN", "", "zh-CN"),
        ("," * 16_000 + "zh", None, "en"),
    ],
)
def test_language_is_what_was_asked_then_what_the_browser_likes(header: str, asked: str | None, language: str) -> None:
    """The parameter wins, then the weights of Accept-Language (RFC 9110 section 12.5.4), then English."""
    assert negotiate_language(header, asked) == language


@pytest.mark.parametrize(
    ("offset", "english", "chinese"),
    [
        (0, "just now", "刚刚"),
        (59, "just now", "刚刚"),
        (-59, "just now", "刚刚"),
        (60, "1 minute ago", "1 分钟前"),
        (3599, "59 minutes ago", "59 分钟前"),
        (3600, "1 hour ago", "1 小时前"),
        (86_400, "1 day ago", "1 天前"),
        (14 * 86_400 - 1, "13 days ago", "13 天前"),
        (14 * 86_400, "2 weeks ago", "2 周前"),
        (60 * 86_400, "2 months ago", "2 个月前"),
        (365 * 86_400, "1 year ago", "1 年前"),
        (-60, "in 1 minute", "1 分钟后"),
        (-43_200, "in 12 hours", "12 小时后"),
        (-30 * 86_400, "in 4 weeks", "4 周后"),
    ],
)
def test_times_are_told_relative_to_now(offset: float, english: str, chinese: str) -> None:
    """Nothing is said to be further away than it is, and each unit has its singular."""
    assert Translator("en").relative(NOON - offset, NOON) == english
    assert Translator("zh-CN").relative(NOON - offset, NOON) == chinese


def test_exact_times_are_in_utc() -> None:
    """The exact instant is told in full, for people and for programs (RFC 3339)."""
    assert Translator("en").exact(NOON) == "23 November 2026, 12:00:00 UTC"
    assert Translator("zh-CN").exact(NOON) == "2026年11月23日 12:00:00（UTC）"
    assert machine_time(NOON + 0.9) == "2026-11-23T12:00:00Z"
