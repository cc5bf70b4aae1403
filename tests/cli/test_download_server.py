"""`ostiary download-server`: what it refuses to start with, where it keeps its state, and how it stops."""

import signal
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Shell
from tests.scenario.elsewhere import get, running
from tests.servers.ports import free_port

from ostiary.cli.shell import USAGE
from ostiary.settings import state_folder

GOOD = {"--root": ".", "--issuer": "https://id.example", "--audience": "https://files.example"}


def arguments(**changes: str | None) -> list[str]:
    """The usual ones but for some; None leaves one out."""
    given = {**GOOD, **{f"--{name}": value for name, value in changes.items()}}
    return ["download-server", *(part for name, value in given.items() if value is not None for part in (name, value))]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"root": None}, 2, "root"),
        ({"state": "a.db", "valkey": "valkey://127.0.0.1"}, 2, "either"),
        ({"root": "nope", "state": "a.db"}, 1, "root folder"),
        ({"issuer": "http://id.example", "state": "a.db"}, 1, "https"),
        ({"issuer": "nonsense", "state": "a.db"}, 1, "issuer"),
        ({"audience": "", "state": "a.db"}, 1, "audience"),
        ({"state": "no/such/folder/a.db"}, 1, "cannot be made"),
        ({"state": "text"}, 1, "not an SQLite database"),
        ({"valkey": "http://127.0.0.1"}, 1, "must start with valkey"),
        ({"valkey": "valkey://:hunter2@127.0.0.1:1"}, 3, "valkey"),
        ({"host": "192.0.2.1", "state": "a.db"}, 1, "cannot be listened on"),
        ({"host": "a..b", "state": "a.db"}, 1, "cannot be listened on"),
        ({"port": "65536", "state": "a.db"}, 1, "cannot be listened on"),
    ],
)
def test_what_it_does_not_start_with(ostiary: Shell, changes: dict[str, str | None], code: int, words: str) -> None:
    """One line says what is wrong, with the exit code of its kind."""
    (ostiary.folder / "text").write_text("this is not a database " * 100)
    done = ostiary(*arguments(**changes))
    assert (done.code, words in done.err) == (code, True), done.err
    assert "Traceback" not in done.err
    assert "hunter2" not in done.err
    assert code != USAGE or "usage" in done.err


def test_the_auth_servers_database_is_not_its_state(ostiary: Shell) -> None:
    """Whoever names it by mistake is told."""
    assert ostiary("db", "upgrade").code == 0
    done = ostiary(*arguments(state="ostiary.db"))
    assert (done.code, "another program's" in done.err) == (1, True)


def test_where_it_keeps_its_state(ostiary: Shell) -> None:
    """In the state folder, readable for its owner only; it starts without its issuer, and stops in peace."""
    port = free_port()
    program = [str(Path(sys.executable).with_name("ostiary")), *arguments(port=str(port))]
    home = ostiary.folder / "home"
    with running(
        program, f"http://127.0.0.1:{port}", ostiary.folder, ready="/healthz", XDG_STATE_HOME=str(home)
    ) as server:
        kept = home / "ostiary/downloads.db"
        assert kept.stat().st_mode & 0o077 == 0
        assert kept.parent.stat().st_mode & 0o077 == 0
        assert str(kept) in server.said
        assert get(f"{server.url}/readyz").status_code == 503
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0


def test_state_folders() -> None:
    """systemd's, then XDG's, then the usual one; a relative path is none (XDG Base Directory Specification)."""
    assert state_folder({"STATE_DIRECTORY": "/var/lib/files:/x"}) == Path("/var/lib/files")
    assert state_folder({"XDG_STATE_HOME": "/s"}) == Path("/s/ostiary")
    assert state_folder({"XDG_STATE_HOME": "s"}) == state_folder({}) == Path.home() / ".local/state/ostiary"
