"""The command line as a program among programs: help, settings, pipes, keys, sessions, the database."""

import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import EXECUTABLE, GOOD_PASSWORD, Shell

from ostiary import __version__
from ostiary.cli.app import make_app
from ostiary.cli.doctor_check import Mark
from ostiary.cli.doctor_checks import checks
from ostiary.cli.doctor_proxies import proxies_check
from ostiary.cli.shell import run
from ostiary.settings import Settings, load_or_create_secret_key
from ostiary.stores import migrations

Add = Callable[..., dict[str, Any]]


def test_one_version() -> None:
    """The package calls itself what its metadata calls it."""
    described = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert described["project"]["version"] == __version__


def test_version_and_help(ostiary: Shell) -> None:
    """Both answer on stdout with 0, in every noun."""
    assert ostiary("--version").out.strip() == __version__
    for arguments in ((), ("--help",), ("account", "--help"), ("account", "import", "--help"), ("serve", "--help")):
        helped = ostiary(*arguments)
        assert (helped.code, helped.err) == (0, "")
        assert "Usage: ostiary" in helped.out


@pytest.mark.parametrize(
    ("lacking", "code"),
    [
        ("cyclopts", "import sys; sys.modules['cyclopts'] = None; from ostiary.cli import main; main()"),
        ("argon2", "import sys; sys.modules['argon2'] = None; from ostiary import Ostiary"),
    ],
)
def test_the_base_install_says_what_it_lacks(ostiary: Shell, lacking: str, code: str) -> None:
    """`pip install ostiary` brings the verifier and the JOSE layer; whoever asks for more is told what to install."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ostiary.environ(), check=False
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert lacking in last
    assert last.endswith("pip install 'ostiary[server]'")


@pytest.mark.parametrize(
    ("lacking", "where", "extra"),
    [
        ("redis", ("--valkey", "valkey://127.0.0.1:1"), "ostiary[valkey]"),
        ("asyncpg", ("--database", "postgresql://someone@127.0.0.1:1/ostiary"), "ostiary[postgres]"),
    ],
)
def test_doctor_says_which_extra_is_lacking(ostiary: Shell, lacking: str, where: tuple[str, ...], extra: str) -> None:
    """A store whose driver is not installed is a finding with what to install, and the other checks are made."""
    code = f"import sys; sys.modules[{lacking!r}] = None; from ostiary.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "doctor", "--json", *where],
        capture_output=True,
        text=True,
        env=ostiary.environ(OSTIARY_SECRET_KEY="k" * 40),
        cwd=ostiary.folder,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert [check["hint"] for check in checks if check["status"] == "failed"] == [f"pip install '{extra}'"]
    assert {"issuer", "cookie_secure"} <= {check["name"] for check in checks}


def test_every_command_of_the_tree_can_be_imported(capsys: pytest.CaptureFixture[str]) -> None:
    """The tree names modules by text: each name must be one."""
    for name in ("serve", "demo", "purge", "doctor", "account", "session", "key", "db", "config"):
        assert run([name, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out
    assert make_app()["account"].name == ("account",)


def test_start_is_light(ostiary: Shell) -> None:
    """Saying the version imports neither the web server, nor SQLAlchemy, nor the password hasher."""
    code = (
        "import sys; from ostiary.cli.shell import run; run(['--version']); "
        "print([m for m in ('uvicorn', 'starlette', 'sqlalchemy', 'argon2', 'ostiary.compose') if m in sys.modules])"
    )
    python = EXECUTABLE.with_name("python")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env=ostiary.environ())
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("module", ["file_server", "relay_server"])
def test_what_stands_elsewhere_is_light(ostiary: Shell, module: str) -> None:
    """A download server and a relay load nothing of the auth server that they stand beside, and no driver of its
    stores (M-62)."""
    heavy = ("ostiary.compose", "ostiary.services", "ostiary.passwords", "argon2", "sqlalchemy", "asyncpg", "redis")
    code = f"import sys, ostiary.cli.{module}; print([m for m in {heavy} if m in sys.modules])"
    python = EXECUTABLE.with_name("python")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env=ostiary.environ())
    assert done.stdout.splitlines()[-1] == "[]"


def test_precedence_of_settings(ostiary: Shell) -> None:
    """Flags win over environment, environment over file; `config show` says where each value came from."""
    (ostiary.folder / "o.toml").write_text('lease = "4s"\ndatabase = "sqlite:///file.db"\n')
    shown = ostiary(
        "config", "show", "--json", "--config", "o.toml", "--database", "sqlite:///flag.db",
        OSTIARY_DATABASE="sqlite:///env.db", OSTIARY_SECRET_KEY="s3cr3t " * 8,
    )  # fmt: skip
    settings = shown.json["settings"]
    assert settings["database"] == {"value": "sqlite:///flag.db", "source": "flag --database"}
    assert settings["lease"] == {"value": 4.0, "source": "o.toml"}
    assert settings["secret_key"] == {"value": "********", "source": "environment OSTIARY_SECRET_KEY"}
    assert "s3cr3t" not in shown.out + shown.err


def test_problems_of_settings_are_told_together(ostiary: Shell) -> None:
    """All that is wrong with the settings comes in one answer, exit code 1, without the values."""
    refused = ostiary("account", "list", OSTIARY_LEASE="hunter2", OSTIARY_PORT="x", OSTIARY_VALKEY="http://h")
    assert refused.code == 1
    lines = refused.err.splitlines()
    assert lines[0] == "error: 3 settings cannot be used (misconfigured)"
    assert len(lines) == 4
    assert "hunter2" not in refused.err


def test_unknown_variables_are_warned_about(ostiary: Shell, add: Add) -> None:
    """A misspelt variable is told on stderr and does not spoil stdout."""
    add("alice")
    listed = ostiary("account", "list", "--json", OSTIARY_DATABSE="sqlite:///other.db")
    assert "did you mean database?" in listed.err
    assert len(listed.json["accounts"]) == 1


def test_config_schema_is_json(ostiary: Shell) -> None:
    """`config schema` prints a JSON Schema and nothing else."""
    assert ostiary("config", "schema").json["title"] == "Ostiary settings"
    assert ostiary("config", "schema", "--json").json["title"] == "Ostiary settings"


def test_a_closed_pipe_is_quiet(ostiary: Shell) -> None:
    """`ostiary … | head -0` leaves no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [EXECUTABLE, "config", "schema"], stdout=writer, stderr=subprocess.PIPE, env=ostiary.environ(), check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_keys(ostiary: Shell, add: Add) -> None:
    """Rotate, retire, revoke and export: states move as they should, and no private half is printed (M-07)."""
    add("alice")
    before = {key["state"]: key["kid"] for key in ostiary("key", "list", "--json").json["keys"]}
    assert set(before) == {"active", "upcoming"}
    rotated = ostiary("key", "rotate", "--json").json["key"]
    assert (rotated["kid"], rotated["state"]) == (before["upcoming"], "active")
    assert ostiary("key", "retire", rotated["kid"], "--yes").code == 1
    for kid in ("-abc", "--abc"):  # one thumbprint in 64 begins with a hyphen: nobody's key, not a usage error
        assert ostiary("key", "retire", kid, "--yes").code == ostiary("key", "revoke", "--yes", kid).code == 1
    assert ostiary("key", "revoke", "--yes", "--", "-yabc").code == 1
    assert ostiary("key", "retire", before["active"]).code == 2
    assert ostiary("key", "retire", before["active"], "--yes", "--json").json["key"]["state"] == "retired"
    assert ostiary("key", "revoke", rotated["kid"], "--yes", "--json").json == {"ended": 1, "bound": 2.0}
    exported = ostiary("key", "export").json["keys"]
    assert ostiary("key", "export", "--json").json["keys"] == exported
    assert {key["kid"] for key in exported}.isdisjoint({rotated["kid"], before["active"]})
    assert exported
    assert not any({"d", "p", "q", "k"} & set(key) for key in exported)


def test_sessions_of_nobody(ostiary: Shell, add: Add) -> None:
    """Listing and ending work on an empty store, and what does not exist is told."""
    add("alice")
    assert ostiary("session", "list", "--json").json == {"sessions": [], "next": None}
    assert ostiary("session", "list", "--account", "nobody").code == 1
    assert ostiary("session", "end", "ses_nothing").code == 1
    assert ostiary("session", "end").code == 2
    assert ostiary("session", "end", "--everything").code == 2
    assert ostiary("session", "end", "--account", "alice", "--json").json == {"ended": 0, "bound": 2.0}
    assert ostiary("session", "end", "--everything", "--yes", "--json").json == {"ended": 0, "bound": 2.0}
    assert ostiary("session", "end", "--all", "--yes", "--wait", "--json").json == {"ended": 0, "bound": 0.0}


def test_yes_may_be_said_to_whatever_changes_something(ostiary: Shell, add: Add) -> None:
    """`--yes` skips a question; where none is asked, a script that says it all the same is not refused."""
    add("root", "--role", "admin")
    add("alice")
    for arguments in (
        ("account", "set-roles", "alice", "auditor"),
        ("account", "disable", "alice"),
        ("account", "enable", "alice"),
        ("account", "password", "alice", "--password-stdin"),
        ("session", "end", "--account", "alice"),
        ("key", "rotate"),
        ("purge",),
        ("account", "delete", "alice"),
    ):
        done = ostiary(*arguments, "--yes", stdin=GOOD_PASSWORD)
        assert (done.code, done.err) == (0, ""), arguments


def test_database_commands(ostiary: Shell) -> None:
    """`db upgrade` makes the database and its key, may be repeated, and `db current` says where it stands."""
    assert ostiary("db", "current").code == 1
    made = ostiary("db", "upgrade", "--json").json
    assert (made["before"], made["up_to_date"]) == (None, True)
    assert ostiary("db", "upgrade", "--json").json["before"] == made["head"]
    assert ostiary("db", "current", "--json").json == {
        "current": made["head"],
        "head": made["head"],
        "up_to_date": True,
    }
    assert (ostiary.folder / "ostiary.db.key").stat().st_mode & 0o777 == 0o600


def test_purge_counts(ostiary: Shell, add: Add) -> None:
    """`purge` says how many records of which kind it removed."""
    add("alice")
    removed = ostiary("purge", "--json").json["removed"]
    assert removed["sessions"] == 0


# --- doctor -----------------------------------------------------------------------------------------------------------


def diagnosis(shell: Shell, *arguments: str, **environ: str) -> tuple[int, dict[str, str]]:
    """Exit code and status by check."""
    told = shell("doctor", "--json", *arguments, **environ)
    return told.code, {check["name"]: check["status"] for check in told.json["checks"]}


def test_doctor_is_content_with_a_good_set_up(ostiary: Shell, add: Add) -> None:
    """A fresh set-up with an administrator has no complaint, and the bound that it gives is stated."""
    add("alice", "--role", "admin")
    code, checks = diagnosis(ostiary)
    assert (code, set(checks.values())) == (0, {"ok"})
    words = ostiary("doctor", OSTIARY_LEASE="3").out
    assert "✓ signing_keys_open" in words
    assert "within 3 s" in words


def test_doctor_finds_what_is_wrong(ostiary: Shell, add: Add, tmp_path: Path) -> None:
    """Each thing that can be wrong is found, with a hint how to mend it."""
    add("alice")
    assert diagnosis(ostiary)[1]["administrators"] == "warning"
    assert diagnosis(ostiary, OSTIARY_ISSUER="http://auth.example.com")[1]["issuer"] == "failed"
    insecure = diagnosis(ostiary, OSTIARY_ISSUER="http://dev.lan", OSTIARY_COOKIE_SECURE="false")[1]
    assert insecure["cookie_secure"] == "warning"
    code, checks = diagnosis(ostiary, OSTIARY_SECRET_KEY="x" * 40)
    assert (code, checks["signing_keys_open"]) == (1, "failed")
    (tmp_path / "ostiary.db").chmod(0o644)
    (tmp_path / "ostiary.db.key").chmod(0o644)
    code, checks = diagnosis(ostiary)
    assert (code, checks["permissions"], checks["secret_key"]) == (1, "warning", "failed")
    (tmp_path / "ostiary.db.key").unlink()
    assert diagnosis(ostiary)[1]["secret_key"] == "failed"
    assert not (tmp_path / "ostiary.db.key").exists()


def test_doctor_sees_a_proxy_that_is_not_trusted(ostiary: Shell, add: Add) -> None:
    """A server that listens on this machine alone and has an issuer elsewhere has a proxy here: without
    `trusted_proxies` all clients have one address, and doctor says what to set (M-52)."""
    add("alice", "--role", "admin")
    here = {"OSTIARY_ISSUER": "https://id.example"}
    told = {check["name"]: check for check in ostiary("doctor", "--json", **here).json["checks"]}["trusted_proxies"]
    assert told["status"] == "warning"
    assert "trusted_proxies = 127.0.0.1,::1" in told["hint"]
    for given in ("127.0.0.1", "10.0.0.7,::1/128"):
        assert diagnosis(ostiary, **here, OSTIARY_TRUSTED_PROXIES=given)[1]["trusted_proxies"] == "ok"
    assert diagnosis(ostiary, **here, OSTIARY_TRUSTED_PROXIES="10.0.0.7")[1]["trusted_proxies"] == "warning"


def _looked_at(*addresses: str, issuer: str = "https://id.example", trusted: tuple[str, ...] = ()) -> tuple[str, str]:
    settings = Settings(database="memory:", issuer=issuer, host="0.0.0.0", trusted_proxies=trusted)  # noqa: S104
    check = proxies_check(settings, addresses)
    return check.mark.value, check.hint


def test_doctor_sees_a_proxy_by_where_logins_come_from() -> None:
    """Twenty logins from one address of a local network, and none from another, are a hint at a proxy that is not
    trusted, or that does not say for whom it asks; several addresses, or one out in the world, are not (M-52)."""
    assert _looked_at() == ("warning", _looked_at()[1])  # https, and nothing here ends TLS
    assert _looked_at(trusted=("10.0.0.7",)) == ("ok", "")
    for address in ("10.0.0.9", "fd00::9"):
        mark, hint = _looked_at(*[address] * 20, trusted=("10.0.0.7",))
        assert mark == "warning"
        assert f"trusted_proxies = {address}," in hint
    mark, hint = _looked_at(*["127.0.0.1"] * 20, trusted=("10.0.0.7",))
    assert mark == "warning"
    assert "127.0.0.1,::1" in hint
    mark, hint = _looked_at(*["10.0.0.7"] * 20, trusted=("10.0.0.0/8",))
    assert mark == "warning"
    assert "X-Forwarded-For" in hint
    for addresses in (
        ["10.0.0.9"] * 19,
        ["10.0.0.9"] * 19 + ["10.0.0.8"],
        ["198.18.0.1"] * 0,
        ["8.8.8.8"] * 20,
        [""] * 20,
    ):
        assert _looked_at(*addresses, trusted=("10.0.0.7",)) == ("ok", "")
    assert _looked_at(*["127.0.0.1"] * 50, issuer="http://127.0.0.1:8000")[0] == "ok"


def test_doctor_without_a_usable_database(ostiary: Shell, tmp_path: Path) -> None:
    """A database that is not there or is none is told, and nothing is made."""
    assert diagnosis(ostiary)[0] == 1
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ostiary.db").write_text(json.dumps({"not": "a database"}) * 100)
    code, checks = diagnosis(ostiary)
    assert (code, checks["database"]) == (1, "failed")


def test_doctor_tells_what_keeps_it_from_a_database(ostiary: Shell, add: Add, tmp_path: Path) -> None:
    """Whose lock it is, or who may write where: a backup is advised for a damaged file alone."""
    add("alice")
    with closing(sqlite3.connect(tmp_path / "ostiary.db")) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        locked = ostiary("doctor", "--json")
    (check,) = [check for check in locked.json["checks"] if check["status"] == "failed"]
    assert (locked.code, "SQLITE_BUSY" in check["found"], "its lock" in check["hint"]) == (3, True, True)
    folder = tmp_path / "folder.db"
    folder.mkdir()
    unopened = ostiary("doctor", "--json", "--database", "sqlite:///folder.db")
    (check,) = [check for check in unopened.json["checks"] if check["status"] == "failed"]
    assert (unopened.code, "SQLITE_CANTOPEN" in check["found"], "read and write" in check["hint"]) == (1, True, True)


@pytest.mark.anyio
@pytest.mark.parametrize("after", ["schema", "secret_key"])
async def test_doctor_calls_no_lock_damage(tmp_path: Path, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that somebody takes while doctor is looking keeps it from seeing what the file holds: it says whose fault
    that is, and nobody is told to restore a file that is sound."""
    settings = Settings(database=f"sqlite:///{tmp_path / 'ostiary.db'}")
    load_or_create_secret_key(tmp_path / "ostiary.db")
    migrations.upgrade(tmp_path / "ostiary.db")
    monkeypatch.setattr(migrations, "_opened", partial(migrations._opened, busy_timeout=0.1))
    looking = aiter(checks(settings))
    found = [await anext(looking)]
    while found[-1].name != after:
        found.append(await anext(looking))
    with closing(sqlite3.connect(tmp_path / "ostiary.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        (last,) = [check async for check in looking if check.mark is Mark.FAILED and check.name != "issuer"]
    assert last.unavailable
    assert ("damaged" in last.found, "backup" in last.hint, "its lock" in last.hint) == (False, False, True)


def test_doctor_finds_a_damaged_page(ostiary: Shell, add: Add, tmp_path: Path) -> None:
    """A file that opens, and of which a disk or a copy has damaged a page that is not read at once, is told."""
    add("alice")
    ostiary("doctor")  # whoever closes last takes the log into the file
    assert diagnosis(ostiary)[1]["integrity"] == "ok"
    with closing(sqlite3.connect(tmp_path / "ostiary.db")) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit_events'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (tmp_path / "ostiary.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    code, checks = diagnosis(ostiary)
    assert (code, checks["integrity"]) == (1, "failed")
    words = ostiary("doctor").out
    assert "restore it from a backup" in words
    assert GOOD_PASSWORD not in words


def test_a_newer_database_is_told(ostiary: Shell, add: Add, tmp_path: Path) -> None:
    """A database of a newer version is for that version: nothing advises an upgrade, which would be refused."""
    add("alice")
    with closing(sqlite3.connect(tmp_path / "ostiary.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    shown, checked, upgraded = ostiary("db", "current"), ostiary("doctor"), ostiary("db", "upgrade")
    assert (shown.code, checked.code, upgraded.code) == (0, 1, 1)
    for said in (shown.out, checked.out):
        assert ("install the newer version" in said, "db upgrade" in said) == (True, False)
    assert "newer version" in upgraded.err


def test_another_secret_key_is_refused_everywhere(ostiary: Shell, add: Add) -> None:
    """With another key no command pretends to work: passwords and signing keys belong to the first one."""
    add("alice")
    refused = ostiary("account", "create", "bob", "--password-stdin", stdin=GOOD_PASSWORD, OSTIARY_SECRET_KEY="x" * 40)
    assert (refused.code, "another secret_key" in refused.err) == (1, True)
