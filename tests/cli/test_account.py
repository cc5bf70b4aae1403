"""`ostiary account`: what is said, what is answered to programs, and the exit codes."""

from collections.abc import Callable
from typing import Any

from tests.cli.conftest import GOOD_PASSWORD, Shell

Add = Callable[..., dict[str, Any]]


def test_create_list_show(ostiary: Shell) -> None:
    """An account is made with its password from stdin, and read back in the shapes of the HTTP API."""
    made = ostiary(
        "account", "create", "Alice", "--role", "admin", "--role", "user",
        "--email", "a@example.com", "--password-stdin", "--json", stdin=GOOD_PASSWORD + "\n",
    )  # fmt: skip
    assert made.code == 0
    account = made.json["account"]
    assert set(account) == {"id", "username", "display_name", "email", "roles", "disabled", "created_at"}
    assert (account["username"], account["roles"], account["email"]) == ("Alice", ["admin", "user"], "a@example.com")
    assert account["id"].startswith("acc_")
    assert account["created_at"].endswith("Z")
    assert ostiary("account", "show", "alice", "--json").json == {"account": account}
    assert ostiary("account", "show", account["id"], "--json").json == {"account": account}
    assert ostiary("account", "list", "--json").json == {"accounts": [account], "next": None}


def test_tables_are_for_programs_too(ostiary: Shell, add: Add) -> None:
    """Without a terminal a table is one line a record with tabs between, so that `cut` works."""
    account = add("alice")
    first, second = ostiary("account", "list").out.splitlines()
    assert first.split("\t")[:2] == ["id", "username"]
    assert second.split("\t")[:2] == [account["id"], "alice"]


def test_pages(ostiary: Shell, add: Add) -> None:
    """`next` goes on where the page ended, and is null at the end."""
    made = {add(f"user{n}")["id"] for n in range(3)}
    first = ostiary("account", "list", "--limit", "2", "--json").json
    second = ostiary("account", "list", "--limit", "2", "--cursor", first["next"], "--json").json
    assert second["next"] is None
    assert {account["id"] for account in first["accounts"] + second["accounts"]} == made


def test_exactly_one_newline_is_taken_off_a_password(ostiary: Shell, add: Add) -> None:
    """Spaces and further newlines belong to the password: without them it is another one."""
    add("alice")
    assert ostiary("account", "password", "alice", "--password-stdin", stdin=" " * 20 + "\n\n").code == 1
    assert ostiary("account", "password", "alice", "--password-stdin", stdin="\r\n").err.startswith("error: ")
    assert ostiary("account", "password", "alice", "--password-stdin", stdin=b"\xff" * 20).code == 2


def test_a_password_is_never_an_argument(ostiary: Shell) -> None:
    """`--password x` does not exist, and without a terminal or stdin nothing is made (flaw: shown by `ps`)."""
    assert ostiary("account", "create", "alice", "--password", GOOD_PASSWORD).code == 2
    refused = ostiary("account", "create", "alice")
    assert (refused.code, "--password-stdin" in refused.err) == (2, True)
    assert not (ostiary.folder / "ostiary.db").exists()


REFUSALS = [
    (("create", "ALICE", "--password-stdin"), 1, "(username_taken)"),
    (("create", "al ice", "--password-stdin"), 1, "(invalid_request)"),
    (("create", "bob", "--role", "a b", "--password-stdin"), 1, "(invalid_request)"),
    (("show", "nobody"), 1, "(not_found)"),
    (("disable", "alice"), 1, "(last_admin)"),
    (("set-roles", "alice", "--role", "user"), 1, "(last_admin)"),
    (("delete", "alice", "--yes"), 1, "(last_admin)"),
    (("delete", "alice"), 2, "--yes"),
    (("set-roles", "alice"), 2, "--role"),
    (("list", "--limit", "0"), 2, "(usage)"),
    (("shwo", "alice"), 2, "show"),
    (("show",), 2, "(usage)"),
    (("import", "--eror", "x", "a.csv"), 2, "--eror"),
]


def test_refusals(ostiary: Shell, add: Add) -> None:
    """A refusal is one line on stderr with a stable code and the exit code of its kind, and never a traceback."""
    before = add("alice", "--role", "admin")
    for arguments, code, says in REFUSALS:
        refused = ostiary("account", *arguments, stdin=GOOD_PASSWORD)
        assert (refused.code, refused.out) == (code, ""), arguments
        assert refused.err.startswith("error: "), arguments
        assert says in refused.err, arguments
        assert refused.err.count("\n") == 1, arguments
    assert ostiary("account", "list", "--json").json["accounts"] == [before]


def test_password_rules_hold(ostiary: Shell) -> None:
    """The command line sets no password that the API would refuse."""
    refused = ostiary("account", "create", "alice", "--password-stdin", stdin="password")
    assert (refused.code, "(password_rejected)" in refused.err) == (1, True)


def test_changes_say_what_they_ended(ostiary: Shell, add: Add) -> None:
    """Every change that ends something reports how many and the bound, which is the lease (M-33)."""
    add("root", "--role", "admin")
    add("alice")
    roles = ostiary("account", "set-roles", "alice", "--role", "auditor", "--json").json
    assert (roles["account"]["roles"], roles["ended"], roles["bound"]) == (["auditor"], 0, 2.0)
    several = ostiary("account", "set-roles", "alice", "user", "auditor", "--json").json
    assert several["account"]["roles"] == ["auditor", "user"]
    assert ostiary("account", "set-roles", "alice", "--none", "--json").json["account"]["roles"] == []
    disabled = ostiary("account", "disable", "alice", "--json", OSTIARY_LEASE="3s").json
    assert (disabled["account"]["disabled"], disabled["ended"], disabled["bound"]) == (True, 0, 3.0)
    assert "within 2 s" in ostiary("account", "disable", "alice").out
    assert ostiary("account", "enable", "alice", "--json").json["account"]["disabled"] is False
    changed = ostiary(
        "account", "password", "alice", "--password-stdin", "--json", stdin="quite another long passphrase"
    )
    assert changed.json == {"ended": 0, "bound": 2.0}
    assert ostiary("account", "delete", "alice", "--yes", "--json").json == {"ended": 0, "bound": 2.0}
    assert ostiary("account", "show", "alice").code == 1


def test_a_wrong_path_leaves_no_file(ostiary: Shell) -> None:
    """Reading from a database that is not there is refused, and does not make one by accident."""
    refused = ostiary("account", "list", "--database", "sqlite:///typo.db")
    assert (refused.code, "does not exist" in refused.err) == (1, True)
    assert list(ostiary.folder.iterdir()) == []


def test_a_store_in_memory_is_refused(ostiary: Shell) -> None:
    """Another process's memory cannot be changed, and pretending to would be a silent nothing."""
    assert ostiary("account", "list", "--database", "memory:").code == 1


def test_a_locked_database_is_unavailable(ostiary: Shell, add: Add) -> None:
    """While somebody holds the lock the answer is 3 (try again), not 1 (refused)."""
    import sqlite3

    add("alice")
    other = sqlite3.connect(ostiary.folder / "ostiary.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        refused = ostiary("account", "create", "bob", "--password-stdin", stdin=GOOD_PASSWORD)
    finally:
        other.close()
    assert (refused.code, "(unavailable)" in refused.err) == (3, True)


def test_wait_comes_back_when_it_is_refused_everywhere(ostiary: Shell, add: Add) -> None:
    """M-33: beside no server at all, and beside none that answers, the bound is 0 when the command has come back."""
    account = add("alice")
    told = ostiary("account", "disable", account["id"], "--json").json
    assert told["bound"] == 2.0
    waited = ostiary("account", "delete", account["id"], "--yes", "--wait", "--json")
    assert (waited.code, waited.json["bound"]) == (0, 0.0)
