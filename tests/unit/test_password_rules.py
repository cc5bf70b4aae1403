"""Which new passwords are refused, and which must not be."""

import base64
import hashlib
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.domain import password_rules
from ostiary.domain.password_rules import DEFAULT_MINIMUM, judge_password, normalise_password
from ostiary.domain.password_weight import period, weight
from ostiary.limits import EMAIL_CHARS, PASSWORD_CHARS, USERNAME_CHARS
from ostiary.passwords import load_common_passwords

COMMON = load_common_passwords()


def codes(
    password: str, *, minimum: int = DEFAULT_MINIMUM, username: str = "alice", email: str | None = None
) -> list[str]:
    reasons = judge_password(password, minimum=minimum, username=username, email=email, blocklist=COMMON)
    return [reason.code for reason in reasons]


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "correct-horse-battery-9",
        "a long enough passphrase",
        "Sup3r-long-passphrase!",
        "alice-password-123456",
        "new-password-123456",
        "password for my new laptop",
        "the quick brown fox jumps",
        "zhangsan-passwd",
        "мой любимый пароль 7",
        "我的密码是一句很长很长的中文话",
        "jk3&9sKq0!mzP2vx",
        "827364512837465",
        "~!x@;'#[]{}.,<>|",
        "6f1d2c7e-8a53-4b1f-9d0c-0b2a6e7d4c11",
        "🐴🔋📎🎩🐙🌋🧭🪁🛶🎻🍋🧀🚲🪵🫖",
    ],
)
def test_good_passwords_pass(password: str) -> None:
    """A passphrase or a random password passes, also if it holds a common word or the user name among much else."""
    assert codes(password, email="alice@example.org") == []


def test_random_passwords_pass() -> None:
    """What a password manager makes is never refused."""
    drawn = [hashlib.sha256(str(number).encode()).digest() for number in range(2000)]
    made = [base64.urlsafe_b64encode(some[:12]).decode() for some in drawn] + [some[:8].hex() for some in drawn]
    assert [password for password in made if codes(password)] == []


def test_the_minimum_counts_code_points_of_the_composed_text() -> None:
    """Fourteen characters are too few and fifteen enough; one character is one, however many bytes or marks it has."""
    assert codes("jk3&9sKq0!mzP2") == ["too_short"]
    assert codes("jk3&9sKq0!mzP2v") == []
    assert codes("jk3&9sKq0!mzPe\u0301") == ["too_short"]
    assert codes("jk3&9sKq0!mzP2e\u0301") == []
    assert codes("jk3&9sKq0!mzP🐴") == ["too_short"]


def test_no_setting_goes_below_eight() -> None:
    """A minimum of less than eight counts as eight."""
    assert codes("xK9#mq2", minimum=1) == ["too_short"]
    assert codes("xK9#mq2v", minimum=1) == []


def test_long_passwords_are_judged_whole() -> None:
    """1024 code points are accepted, one more is refused, nothing is cut off, and megabytes are refused unread."""
    long = hashlib.shake_256(b"long").hexdigest(PASSWORD_CHARS // 2)
    assert codes(long) == []
    assert codes(long + "x") == ["too_long"]
    assert codes("a" + "\u0301\u0316" * 1_000_000) == ["too_long"]
    assert normalise_password(long) == long


@pytest.mark.parametrize("password", ["a long enough\0 passphrase", "a long enough \ud83d passphrase"])
def test_what_is_not_text_is_refused(password: str) -> None:
    """NUL and lone surrogates, which do not survive every transport, are refused."""
    assert codes(password) == ["invalid_characters"]


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaaaaa",
        "aaaabbbbccccdddd",
        "111122223333444455556666",
        "123456789012345",
        "987654321098765",
        "abcabcabcabcabc",
        "abcdefghijklmnop",
        "hunter2hunter2hunter2",
        "Alice7Alice7Alice7",
        "qwertyuiopasdfghjkl",
        "poiuytrewqlkjhgf",
        "1qaz2wsx3edc4rfv5tgb",
        "qwerty12345asdfgh",
        "йцукенгшщзхъфыва",
        "1q2w3e4r5t6y7u8i9o0p",
        "!!!!!!!!!!!!!!!!!!!!!",
        "\ufdfa" * 1024,
    ],
)
def test_repetitions_and_runs_are_refused(password: str) -> None:
    """A password without more in it than a unit repeated or a walk over the keyboard is refused."""
    assert "too_repetitive" in codes(password, username="someone")


def test_a_repeated_unit_that_is_long_enough_alone_passes() -> None:
    """Saying a good password twice does not make it bad."""
    assert codes("jk3&9sKq0!mzP2v" * 2) == []


@pytest.mark.parametrize(
    "password",
    [
        "manchesterunited",
        "ManchesterUnited",
        "manchester-united",
        "detinuretsehcnam",
        "manchesterunited1",
        "!manchesterunited2026",
        "password12345678",
        "P@ssw0rd1234567890",
        "administrator-123",
        "M4nch3st3rUn1t3d!",
        "detinuretsehcnam2026",
        "1234567890sunshine",
    ],
)
def test_common_passwords_and_trivial_forms_of_them_are_refused(password: str) -> None:
    """A listed password is refused in any case, backwards, punctuated, in leet, or with a year or a run appended."""
    assert codes(password) == ["too_common"]


@pytest.mark.parametrize("minimum", [8, 15])
@pytest.mark.parametrize("password", ["password", "12345678", "qwertyuiop", "iloveyou", "sunshine1"])
def test_the_most_common_passwords_are_refused_at_any_minimum(password: str, minimum: int) -> None:
    """Lowering the minimum does not let the top of the list in."""
    assert {"too_common", "too_repetitive"} & set(codes(password, minimum=minimum))


@pytest.mark.parametrize(
    "password",
    [
        "zhangsanzhangsan1",
        "zhangsan-19870412",
        "zhangsan1234567890",
        "1234567-nasgnahz",
        "ZhangSan ZhangSan",
        "Zh4ngs4n-2026-11-23",
        "zhangsan@example.org",
        "zhangsan!!!!!!!!!!!",
        "zs.laoshi-zs.laoshi",
        "zs.laoshi-20261123",
    ],
)
def test_little_more_than_the_user_name_is_refused(password: str) -> None:
    """The user name or the e-mail's local part, repeated, reversed or with digits appended, is no password."""
    assert "contains_username" in codes(password, username="zhangsan@example.org", email="zs.laoshi@example.org")


def test_a_user_name_of_any_kind_can_be_given() -> None:
    """Short names and names that are common words do not get in the way of a good password."""
    for name in ("a", "li", "correct", "horse", "", "@", "张三"):
        assert codes("correct-horse-battery-9", username=name, email=None) == []


@pytest.mark.parametrize("password", ["ostiaryostiary1", "Ostiary-2026-11-23", "0st1ary!!!!!!!12", "yraitso-yraitso"])
def test_little_more_than_the_service_name_is_refused(password: str) -> None:
    """The name of the service with trivial additions is refused (NIST SP 800-63B-4 section 3.1.1.2)."""
    assert "contains_service_name" in codes(password)


def test_all_reasons_are_given_at_once_and_quote_nothing() -> None:
    """The client learns every reason in one answer; the sentences repeat neither password nor user name."""
    reasons = judge_password("alice1", minimum=15, username="alice", email=None, blocklist=COMMON)
    assert [reason.code for reason in reasons] == ["too_short", "too_common", "contains_username"]
    assert not any("alice" in reason.message for reason in reasons)


@settings(derandomize=True, max_examples=300)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20) | st.none())
def test_any_text_is_judged(password: str, username: str, email: str | None) -> None:
    """No input makes judging raise, and the composed and decomposed forms get the same verdict."""
    composed, decomposed = (unicodedata.normalize(form, password) for form in ("NFC", "NFD"))
    assert codes(composed, username=username, email=email) == codes(decomposed, username=username, email=email)


def test_names_that_no_account_has_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask whether a password would be taken, with whatever name: composing a long one would cost the event
    loop milliseconds. As long as an account's may be, it is read, each spelling once."""
    read: list[int] = []
    folded = password_rules._folded

    def noted(text: str) -> str:
        read.append(len(text))
        return folded(text)

    monkeypatch.setattr(password_rules, "_folded", noted)
    for name in ("\ufdfa" * 1024, "a" + "\u0316\u0301" * 500, "a" * 60_000):
        read.clear()
        assert codes("eleven quiet lanterns", username=name, email=f"{name}@example.org") == []
        assert len(read) <= 3
        assert max(read) <= 4 * USERNAME_CHARS
    longest = "".join(chr(0x4E00 + number) for number in range(EMAIL_CHARS))
    assert "contains_username" in codes(longest, email=longest)
    assert "contains_username" in codes("quietlanternkeeper", username="quietlanternkeeper")


def test_weight_and_period_of_known_texts() -> None:
    """The weight counts letters whole, digits half, runs and repeats once; the period is the repeated unit's length."""
    assert weight("") == 0
    assert weight("passwd") == 6
    assert weight("19750412") == 4
    assert weight("xqwertyx") == 3
    assert weight("zzzzzz") == 1
    assert weight("expert12") == 7
    assert [period(text) for text in ("", "a", "abab", "ababa", "abc", "aab")] == [0, 1, 2, 2, 3, 3]


def test_the_list_is_long_folded_and_ships_with_the_package() -> None:
    """At least 10,000 passwords, each in the form that is looked up, with origin and licence beside them."""
    from importlib.resources import files

    assert len(COMMON) >= 10_000
    assert all(entry == unicodedata.normalize("NFKC", entry).casefold() and entry for entry in COMMON)
    assert {"password", "123456", "qwerty", "manchesterunited"} <= COMMON
    assert "BSD" in files("ostiary.passwords").joinpath("data", "NOTICE").read_text("utf-8")
    assert load_common_passwords() is COMMON
