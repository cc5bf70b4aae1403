"""`ostiary account import`: many accounts, ready hashes, interruptions, and rows that are refused."""

import base64
import csv
import hashlib
import json
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import EXECUTABLE, GOOD_PASSWORD, Shell

ARGON2ID = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43
ENOUGH = 10_000


def write_accounts(path: Path, count: int) -> None:
    """A CSV file of accounts whose passwords are hashed already."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["username", "password_hash", "email", "roles"])
        writer.writerows([f"user{n:05}", ARGON2ID, f"user{n:05}@example.com", "user auditor"] for n in range(count))


def count_of(database: Path) -> int:
    """How many accounts the file holds, as another process sees it; none while it is being made."""
    if not database.exists():
        return 0
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM accounts").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def test_ten_thousand_accounts_resume_after_an_interruption(ostiary: Shell, tmp_path: Path) -> None:
    """Ctrl-C in the middle is quiet and keeps what was imported; the same command again finishes the rest."""
    write_accounts(tmp_path / "accounts.csv", ENOUGH)
    running = ostiary.start("account", "import", "accounts.csv")
    while count_of(tmp_path / "ostiary.db") == 0 and running.poll() is None:
        pass
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    kept = count_of(tmp_path / "ostiary.db")
    assert running.returncode == 130
    assert 0 < kept < ENOUGH
    assert kept % 500 == 0  # whole transactions
    assert b"run the same command again" in err
    assert b"Traceback" not in err

    finished = ostiary("account", "import", "accounts.csv", "--json")
    assert finished.code == 0, finished.err
    assert finished.json == {"imported": ENOUGH - kept, "skipped": kept, "refused": 0}
    assert f"{ENOUGH} of {ENOUGH}" in finished.err
    assert count_of(tmp_path / "ostiary.db") == ENOUGH


def test_imported_hashes_are_kept_as_they_are_and_plain_passwords_are_not(ostiary: Shell, tmp_path: Path) -> None:
    """A ready hash (argon2id, Django) goes in unchanged, a plain password only as a hash."""
    salt, key = b"salt", hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 1000)
    django = f"pbkdf2_sha256$1000${salt.decode()}${base64.b64encode(key).decode()}"
    lines = [
        {"username": "alice", "password_hash": ARGON2ID, "roles": ["admin"]},
        {"username": "bob", "password_hash": django, "display_name": "Bob"},
        {"username": "carol", "password": GOOD_PASSWORD},
    ]
    imported = ostiary("account", "import", "-", "--json", stdin="\n".join(map(json.dumps, lines)))
    assert imported.json == {"imported": 3, "skipped": 0, "refused": 0}
    with sqlite3.connect(tmp_path / "ostiary.db") as connection:
        stored = dict(connection.execute("SELECT username, password_hash FROM accounts"))
    connection.close()
    assert (stored["alice"], stored["bob"]) == (ARGON2ID, django)
    assert stored["carol"].startswith("$argon2id")
    assert GOOD_PASSWORD.encode() not in (tmp_path / "ostiary.db").read_bytes()
    accounts = {account["username"]: account for account in ostiary("account", "list", "--json").json["accounts"]}
    assert (accounts["alice"]["roles"], accounts["carol"]["roles"]) == (["admin"], ["user"])
    assert accounts["bob"]["display_name"] == "Bob"


REFUSED = [
    ("al ice", GOOD_PASSWORD, "", "", "user name"),
    ("bob", "password", "", "", "at least 15"),
    ("carol", "", "md5$abc", "", "of no kind that can be verified"),
    ("dave", "", "", "", "either password or password_hash"),
    ("eve", GOOD_PASSWORD, "", "not a mail", "e-mail"),
]


def test_refused_rows_are_told_and_can_be_mended(ostiary: Shell, tmp_path: Path) -> None:
    """A row that breaks a rule is refused with its line and reason, the others go in, and the exit code says so."""
    rows = [["username", "password", "password_hash", "email"], *(list(row[:4]) for row in REFUSED)]
    rows += [["frank", "", ARGON2ID, ""], ["FRANK", "", ARGON2ID, ""]]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    done = ostiary("account", "import", "a.csv", "--errors", "refused.csv", "--json")
    assert (done.code, done.json) == (1, {"imported": 1, "skipped": 1, "refused": 5})
    with (tmp_path / "refused.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    assert [row["line"] for row in told] == ["2", "3", "4", "5", "6"]
    for row, expected in zip(told, REFUSED, strict=True):
        assert expected[4] in row["reason"]
        assert GOOD_PASSWORD not in row["reason"]
    assert (tmp_path / "refused.csv").stat().st_mode & 0o777 == 0o600

    shown = ostiary("account", "import", "a.csv")
    assert "line 2: " in shown.err
    assert "Imported 0, skipped 2 that exist, refused 5" in shown.out


@pytest.mark.parametrize(
    "arguments", [("nothing.csv",), ("a.csv", "--errors", "no/such/folder/x"), ("a.csv", "--format", "json")]
)
def test_a_wrong_file_changes_nothing(ostiary: Shell, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A file that cannot be read or written is told in one line."""
    (tmp_path / "a.csv").write_text(f"username,password_hash\nalice,{ARGON2ID}\n")
    refused = ostiary("account", "import", *arguments)
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert count_of(tmp_path / "ostiary.db") == 0


def test_accounts_come_through_a_pipe(ostiary: Shell, tmp_path: Path) -> None:
    """What can be read once only is a file like any other: `account import <(...)` of a shell."""
    row = f'alice,"{ARGON2ID}"'
    piped = f"printf 'username,password_hash\\n%s\\n' '{row}' | {EXECUTABLE} account import /dev/stdin"
    done = subprocess.run(
        ["sh", "-c", piped], capture_output=True, cwd=tmp_path, env=ostiary.environ(), timeout=120, check=False
    )
    assert (done.returncode, b"Imported 1" in done.stdout) == (0, True), done.stderr
    assert count_of(tmp_path / "ostiary.db") == 1


@pytest.mark.parametrize("read", ["a.csv", "linked.csv", "-"])
def test_refused_rows_never_replace_what_is_read(ostiary: Shell, tmp_path: Path, read: str) -> None:
    """`--errors` with the file that is read, under whatever name, is refused, and the file is as it was."""
    content = f"username,password_hash,line,reason\nalice,{ARGON2ID},2,mended\n"
    (tmp_path / "a.csv").write_text(content)
    (tmp_path / "linked.csv").symlink_to("a.csv")
    with (tmp_path / "a.csv").open("rb") as stdin:
        refused = subprocess.run(
            [EXECUTABLE, "account", "import", read, "--errors", "a.csv"],
            stdin=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=ostiary.environ(),
            timeout=120,
            check=False,
        )
    assert (refused.returncode, b"name another" in refused.stderr) == (1, True)
    assert (tmp_path / "a.csv").read_text() == content
    assert count_of(tmp_path / "ostiary.db") == 0


def test_two_imports_at_once_make_each_account_once(ostiary: Shell, tmp_path: Path) -> None:
    """Two people who import the same file end up with every account exactly once (race)."""
    write_accounts(tmp_path / "accounts.csv", 1200)
    assert ostiary("db", "upgrade").code == 0
    both = [ostiary.start("account", "import", "accounts.csv", "--json") for _ in range(2)]
    tallies = []
    for running in both:
        out, err = running.communicate(timeout=120)
        assert running.returncode == 0, err
        tallies.append(json.loads(out))
    assert sum(tally["imported"] for tally in tallies) == 1200
    assert sum(tally["skipped"] for tally in tallies) == 1200
    assert count_of(tmp_path / "ostiary.db") == 1200


def test_a_bar_on_a_terminal(ostiary: Shell, tmp_path: Path) -> None:
    """On a terminal the progress is a bar with rate and time left, and the result is the same."""
    pty = pytest.importorskip("pty")
    write_accounts(tmp_path / "accounts.csv", 600)
    parent, child = pty.openpty()
    import os

    from tests.cli.conftest import EXECUTABLE

    running = subprocess.Popen(
        [EXECUTABLE, "account", "import", "accounts.csv"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=child,
        cwd=tmp_path,
        env=ostiary.environ(TERM="xterm", COLUMNS="120"),
    )
    os.close(child)
    shown = b""
    while True:
        try:
            shown += os.read(parent, 4096)
        except OSError:  # Linux: the other side has closed
            break
    os.close(parent)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert b"Imported 600" in out
    assert b"600/600" in shown
    assert b"0 refused" in shown
