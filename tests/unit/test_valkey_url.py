"""What the setting `valkey` may say, and what it must not repeat."""

from typing import Any

import pytest

from ostiary.stores.valkey_url import Address, Form, parse, without_passwords

ONE = (("h", 6379),)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("valkey://h", Address(hosts=ONE)),
        ("redis://h:7000/3", Address(hosts=(("h", 7000),), db=3)),
        ("valkeys://h", Address(hosts=ONE, tls=True)),
        ("rediss://h?ca=/x&cert=/y&key=/z", Address(hosts=ONE, tls=True, ca="/x", cert="/y", key="/z")),
        ("valkey://:p%40ss@h", Address(hosts=ONE, password="p@ss")),
        ("valkey://u:p@[::1]:7000", Address(hosts=(("::1", 7000),), username="u", password="p")),
        ("valkey+unix:///run/v.sock?db=2", Address(form=Form.UNIX, path="/run/v.sock", db=2)),
        (
            "valkey+sentinel://u:p@a,b:1/main/4?sentinel_username=x&sentinel_password=y",
            Address(
                form=Form.SENTINEL, hosts=(("a", 26379), ("b", 1)), service="main", db=4, username="u", password="p",
                sentinel_username="x", sentinel_password="y",
            ),
        ),
        ("valkeys+cluster://a,b:7", Address(form=Form.CLUSTER, hosts=(("a", 6379), ("b", 7)), tls=True)),
        ("valkey://h?prefix=app_1&timeout=0.5&replicas=2", Address(hosts=ONE, prefix="app_1", timeout=0.5, replicas=2)),
    ],
)  # fmt: skip
def test_forms(url: str, expected: Address) -> None:
    """Every form, with what may stand in it."""
    assert parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "h:6379", "http://h", "valkey+other://h", "valkey://", "valkey://a,b", "valkey://h/x", "valkey://h/1/2",
        "valkey://h/99999", "valkey://h:0", "valkey://h:99999", "valkey://h:x", "valkey://h/1?db=1", "valkey://h#x",
        "valkey://h?what=1", "valkey://h?timeout=0", "valkey://h?timeout=nan", "valkey://h?timeout=x",
        "valkey://h?prefix=", "valkey://h?prefix={a}", "valkey://h?prefix=a&prefix=b", "valkey://h?replicas=-1",
        "valkey://h?ca=/x", "valkey://h?sentinel_username=x", "valkey+sentinel://a", "valkey+sentinel:///service",
        "valkey+cluster://a/1", "valkey+cluster://a,,b", "valkey+unix://h/path", "valkeys+unix:///path", "valkey+unix://",
        "valkey://h?db=", "valkey://h?x", "valkey://[::1",
    ],
)  # fmt: skip
def test_mistakes_are_told_without_repeating_them(url: str) -> None:
    """Each is a ValueError that says what to write and holds nothing of what was written."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its text is looked at
        parse(url.replace("://", "://user:hunter2@", 1) if "://" in url else url)
    assert "hunter2" not in str(refused.value)
    assert str(refused.value).split(" ", 1)[0] in {"must", "has"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("valkey://u:p@h/1", "valkey://u:********@h/1"),
        ("valkey://:p:q@h", "valkey://:********@h"),
        ("valkey+sentinel://u:p@a,b/s?sentinel_password=x&db=1",
         "valkey+sentinel://u:********@a,b/s?sentinel_password=********&db=1"),
        ("valkey://h:1", "valkey://h:1"),
    ],
)  # fmt: skip
def test_passwords_are_stars(url: str, shown: str) -> None:
    """Wherever the URL is shown."""
    assert without_passwords(url) == shown


def test_address_shows_no_password() -> None:
    """Not in its repr either."""
    assert "hunter2" not in repr(parse("valkey+sentinel://u:hunter2@a/s?sentinel_password=hunter2"))


def test_settings_show_stars(monkeypatch: Any) -> None:
    """The settings that hold it show it so."""
    from ostiary.settings import Settings

    settings = Settings(valkey="valkey://u:hunter2@h", secret_key=b"x" * 32)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.shown())
    assert settings.all_in_valkey
