"""PostgreSQL URLs: what libpq's users write is understood, and no password is shown."""

import pytest

from ostiary.errors import Misconfigured
from ostiary.settings import Settings
from ostiary.stores.postgres_url import hosts_of, parse, shown

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u:p%40w@db.example:5433/name", ["db.example"]),
        ("postgres://u@[2001:db8::1]:5433/name", ["2001:db8::1"]),
        ("postgresql://u@one:1,[::1]:2,three/name", ["one", "::1", "three"]),
        ("postgresql:///name?host=/run/postgresql", ["/run/postgresql"]),
        ("postgresql://u@%2Frun%2Fpostgresql/name", ["/run/postgresql"]),
        ("postgresql://u@/name?host=one,two&port=1,2", ["one", "two"]),
        ("postgresql://", []),
        ("postgresql://u@h/name?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem&application_name=auth", ["h"]),
    ],
)
def test_forms_of_urls_are_understood(url: str, hosts: list[str]) -> None:
    """The driver gets what was written, whatever the form of the address."""
    parsed = parse(url)
    assert hosts_of(parsed.dsn) == hosts
    assert parsed.dsn.partition("?")[0] == url.partition("?")[0].replace("postgres://", "postgresql://")
    assert Settings(database=url, secret_key=KEY).postgres == parsed


def test_our_own_parameters_do_not_reach_the_driver() -> None:
    """The server would take them for settings of its own and refuse the connection."""
    parsed = parse(
        "postgresql://u:pw@pool:6432/n?schema=auth&pool_size=3&pooler=transaction&listen=db:5432&sslmode=require"
    )
    assert parsed.dsn == "postgresql://u:pw@pool:6432/n?sslmode=require"
    assert parsed.listen_dsn == "postgresql://u:pw@db:5432/n?sslmode=require"
    assert (parsed.schema, parsed.pool_size, parsed.pooled) == ("auth", 3, True)


def test_of_several_servers_the_primary_is_wanted() -> None:
    """A standby cannot write, so being told of several means finding the one that can."""
    assert parse("postgresql://u@a,b/n").dsn.endswith("?target_session_attrs=read-write")
    assert parse("postgresql://u@a,b/n?target_session_attrs=primary").dsn.endswith("=primary")
    assert "target" not in parse("postgresql://u@a/n").dsn


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("postgresql://u@::1/n", "[IPv6 address]"),
        ("postgresql://u@[::1/n", "brackets"),
        ("postgresql://u@h:99999/n", "name:port"),
        ("postgresql://u:a#b@h/n", "percent-encode"),
        ("postgresql://u@h/n?schema=a-b", "letters, digits and underscores"),
        ('postgresql://u@h/n?schema=a"b', "letters, digits and underscores"),
        ("postgresql://u@h/n?pool_size=many", "whole number"),
        ("postgresql://u@h/n?pooler=session", "pooler=transaction"),
        ("postgresql://u@h/n?listen=a:b", "listen=host:port"),
        ("postgresql://u@h/n?sslmode=a&sslmode=b", "once"),
        ("postgresql://u@h/n?fsync=off", "parameters may be"),
        ("postgresql://u@h/n?sslmode", "name=value"),
    ],
)
def test_what_cannot_be_meant_is_told(url: str, hint: str) -> None:
    """Flaw class: a misspelt parameter is taken for none, and what it should have done is not done."""
    with pytest.raises(Misconfigured, match="database") as caught:
        Settings(database=url)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:geheim@host/name",
        "postgresql://user:geheim:geheim@host/name",
        "postgresql://host/name?user=user&password=geheim",
        "postgresql://host/name?sslpassword=geheim&password=geheim&sslmode=require",
    ],
)
def test_no_password_is_shown(url: str) -> None:
    """Neither in what is listed nor in any representation (M-09)."""
    settings = Settings(database=url, secret_key=KEY)
    told = [shown(url), repr(parse(url)), repr(settings), str(settings.shown())]
    assert not any("geheim" in text for text in told)
    assert all("host" in text and "********" in text for text in told)


def test_a_shared_store_needs_the_secret_key() -> None:
    """A node that made one up could open nothing that the others sealed; the message says how to make one."""
    from ostiary.settings import secret_key_of

    with pytest.raises(Misconfigured, match="openssl rand"):
        secret_key_of(Settings(database="postgresql://u@h/n"))
    assert secret_key_of(Settings(database="postgresql://u@h/n", secret_key=KEY)) == KEY
