"""The command line and the server on Valkey, as processes of their own."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Result, Shell
from tests.cli.test_serve import serving
from tests.servers import valkey
from tests.servers.ports import free_port

KEY = "known to every node, and to nobody else"
PASSWORD = "correct horse battery staple"


@pytest.fixture(params=["valkey", "mixed"])
def where(request: pytest.FixtureRequest, valkey_url: str, tmp_path: Path) -> tuple[str, ...]:
    """Everything in Valkey, or accounts in SQLite."""
    database = ("--database", f"sqlite:///{tmp_path / 'accounts.db'}") if request.param == "mixed" else ()
    return ("--valkey", valkey_url, *database)


def test_every_command_works_there(ostiary: Shell, where: tuple[str, ...]) -> None:
    """M-05: accounts, sessions, keys, schema, purge: each command that touches the store takes `--valkey`."""

    def run(*command: str, stdin: str = "") -> Result:
        return ostiary(*command, *where, stdin=stdin, OSTIARY_SECRET_KEY=KEY)

    assert run("db", "upgrade").code == 0
    made = run("account", "create", "anna", "--role", "admin", "--password-stdin", "--json", stdin=PASSWORD)
    assert made.code == 0, made.err
    listed = run("account", "list", "--json")
    assert [account["username"] for account in listed.json["accounts"]] == ["anna"]
    assert run("key", "list", "--json").json["keys"]
    assert run("key", "rotate").code == 0
    assert run("session", "list", "--json").json["sessions"] == []
    assert run("session", "end", "--everything", "--yes").code == 0
    assert run("account", "disable", "anna").code == 1  # the last one in charge
    assert run("purge").code == 0
    assert run("db", "current").code == 0


def test_secret_key_is_demanded_and_compared(ostiary: Shell, where: tuple[str, ...]) -> None:
    """Nodes that share a store need one key: none is made up, and another one is refused."""
    refused = ostiary("db", "upgrade", *where)
    assert (refused.code, "OSTIARY_SECRET_KEY" in refused.err) == (1, True)
    assert ostiary("db", "upgrade", *where, OSTIARY_SECRET_KEY=KEY).code == 0
    other = ostiary("account", "list", *where, OSTIARY_SECRET_KEY="another secret key of sufficient length")
    assert (other.code, "secret_key" in other.err) == (1, True)


def test_one_half_alone_is_refused_until_it_is_said_to_be_whole(ostiary: Shell, valkey_url: str) -> None:
    """M-07: a command that names only one of two stores which servers use together changes nothing and says what to
    name; `doctor` finds it and claims no bound; `db alone` makes it a store of its own."""

    def run(*command: str, stdin: str = "") -> Result:
        return ostiary(*command, stdin=stdin, OSTIARY_SECRET_KEY=KEY)

    database, sessions = ("--database", "sqlite:///accounts.db"), ("--valkey", valkey_url)
    made = run("account", "create", "anna", *database, *sessions, "--password-stdin", stdin=PASSWORD)
    assert made.code == 0, made.err
    with serving(ostiary, *database, *sessions, OSTIARY_SECRET_KEY=KEY):
        refused = run("account", "disable", "anna", *database)
        assert (refused.code, "--valkey" in refused.err, "db alone" in refused.err) == (1, True, True)
        assert run("account", "show", "anna", *database, *sessions, "--json").json["account"]["disabled"] is False
        refused = run("session", "end", "--everything", "--yes", *sessions)
        assert (refused.code, "--database" in refused.err) == (1, True)
    told = run("doctor", "--json", *database)
    found = {check["name"]: check["status"] for check in told.json["checks"]}
    assert (told.code, found["other_half"], told.json["bound"]) == (1, "failed", {"ended_anywhere": None})
    assert run("db", "upgrade", *database).code == 0
    assert run("db", "alone", *database, *sessions, "--yes").code == 2
    assert run("db", "alone", *database).code == 2  # there is nobody to ask
    assert run("account", "disable", "anna", *database).code == 1
    assert run("db", "alone", *database, "--yes", "--json").json == {"was_half": True}
    assert run("db", "alone", *database, "--yes", "--json").json == {"was_half": False}
    assert run("account", "disable", "anna", *database).code == 0


def test_doctor_claims_no_bound_for_one_half(ostiary: Shell) -> None:
    """M-07: a Valkey whose settings alone would keep the promise, and whose accounts are in a database that was not
    named: neither the check nor the summary claims a bound."""
    with valkey.server(**valkey.DURABLE) as server:
        sessions = ("--valkey", server.url(timeout=30))
        with serving(ostiary, "--database", "sqlite:///accounts.db", *sessions, OSTIARY_SECRET_KEY=KEY):
            pass
        told = ostiary("doctor", "--json", *sessions, OSTIARY_SECRET_KEY=KEY)
    statuses = [(check["name"], check["status"]) for check in told.json["checks"]]
    assert ("other_half", "failed") in statuses
    assert [status for name, status in statuses if name == "bound"] == ["warning"]
    assert (told.code, told.json["bound"]) == (1, {"ended_anywhere": None})


def test_doctor_on_settings_that_promise_nothing(ostiary: Shell, valkey_url: str) -> None:
    """A server that keeps nothing on disk gives no bound, and doctor does not claim one."""
    told = ostiary("doctor", "--json", "--valkey", valkey_url, OSTIARY_SECRET_KEY=KEY)
    checks = {check["name"]: check for check in told.json["checks"]}
    assert (told.code, checks["valkey_durability"]["status"]) == (1, "failed")
    assert told.json["bound"] == {"ended_anywhere": None}


def test_doctor_on_settings_that_keep_the_promise(ostiary: Shell) -> None:
    """With every write on disk the bound is the lease; with replicas only if all of them are waited for, since any may
    take over."""
    with valkey.server(**valkey.DURABLE) as server:

        def doctor(**options: object) -> dict[str, object]:
            told = ostiary("doctor", "--json", "--valkey", server.url(timeout=30, **options), OSTIARY_SECRET_KEY=KEY)
            statuses = {check["name"]: check["status"] for check in told.json["checks"]}
            return {**statuses, "bound": told.json["bound"]["ended_anywhere"]}

        alone = doctor()
        assert alone["bound"] == 2.0
        assert {name for name, status in alone.items() if status == "failed"} == set()
        with valkey.server(replicaof=f"127.0.0.1 {server.port}") as replica:
            from tests.servers.valkey_groups import until

            until(lambda: replica.info("replication")["master_link_status"] == "up")
            unfenced = doctor()
            assert (unfenced["bound"], unfenced["valkey_fencing"]) == (None, "failed")
            server.ask("CONFIG", "SET", "min-replicas-to-write", 1, "min-replicas-max-lag", 2)
            assert doctor()["bound"] is None  # a fail-over may still forget what was just ended
            fenced = doctor(replicas=1)
            assert (fenced["bound"], fenced["valkey_fencing"], fenced["valkey_replicated"]) == (2.0, "ok", "ok")
            read_only = ostiary("doctor", "--json", "--valkey", replica.url(), OSTIARY_SECRET_KEY=KEY)
            assert (read_only.code, read_only.json["bound"]) == (3, {"ended_anywhere": None})
        server.ask("CONFIG", "SET", "min-replicas-to-write", 0, "appendfsync", "everysec")
        weaker = doctor()
        assert (weaker["bound"], weaker["valkey_durability"]) == (None, "warning")


def test_doctor_without_a_server(ostiary: Shell) -> None:
    """Nobody there: exit code 3, and no password of the URL is shown."""
    url = f"valkey://:hunter2@127.0.0.1:{free_port()}"
    told = ostiary("doctor", "--valkey", url, OSTIARY_SECRET_KEY=KEY)
    assert told.code == 3
    assert "hunter2" not in told.out + told.err
    assert json.dumps("no bound") not in told.out
