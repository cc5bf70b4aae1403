"""The command line on PostgreSQL."""

import json
import secrets
from collections.abc import Iterator

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.servers.postgres import Cluster, cluster

KEY = {"OSTIARY_SECRET_KEY": "k" * 40}


@pytest.fixture(scope="module")
def durable() -> Iterator[Cluster]:
    """One with the settings that PostgreSQL comes with."""
    with cluster() as server:
        yield server


@pytest.fixture
def url(durable: Cluster) -> str:
    return durable.url(schema=f"cli_{secrets.token_hex(6)}")


def diagnosis(shell: Shell, url: str, **environ: str) -> tuple[int, dict[str, str], dict[str, float | None]]:
    """Exit code, status by check, and the bound."""
    told = shell("doctor", "--json", "--database", url, **(KEY | environ))
    return told.code, {check["name"]: check["status"] for check in told.json["checks"]}, told.json["bound"]


def test_commands_work_on_it(ostiary: Shell, url: str) -> None:
    """M-05: the schema is made and told of, accounts are made and listed; a node without the key says what it needs."""
    before = ostiary("db", "current", "--database", url, "--json", **KEY).json
    assert (before["current"], before["up_to_date"]) == (None, False)
    made = ostiary("db", "upgrade", "--database", url, "--json").json
    assert (made["before"], made["up_to_date"]) == (None, True)
    assert ostiary("db", "upgrade", "--database", url, "--json").json["before"] == made["head"]
    assert "up to date" in ostiary("db", "current", "--database", url).out
    created = ostiary(
        "account", "create", "ada", "--role", "admin", "--password-stdin", "--database", url, stdin=GOOD_PASSWORD, **KEY
    )
    assert created.code == 0
    listed = ostiary("account", "list", "--json", "--database", url, **KEY).json["accounts"]
    assert [account["username"] for account in listed] == ["ada"]
    assert ostiary("purge", "--json", "--database", url, **KEY).json["removed"]["sessions"] == 0
    refused = ostiary("account", "list", "--database", url)
    assert (refused.code, "OSTIARY_SECRET_KEY" in refused.err) == (1, True)


def test_another_secret_key_is_refused(ostiary: Shell, url: str) -> None:
    """Every node has the same: one that was given another does not pretend to work, even before a key was made."""
    assert ostiary("account", "list", "--database", url, **KEY).code == 0
    refused = ostiary("account", "list", "--database", url, OSTIARY_SECRET_KEY="x" * 40)
    assert (refused.code, "another secret_key" in refused.err) == (1, True)
    code, checks, _ = diagnosis(ostiary, url, OSTIARY_SECRET_KEY="x" * 40)
    assert (code, checks["secret_key_of_nodes"]) == (1, "failed")


def test_doctor_is_content_with_a_good_server(ostiary: Shell, url: str) -> None:
    """A fresh set-up on PostgreSQL as it comes has no complaint, and the bound is the lease."""
    ostiary(
        "account", "create", "a", "--role", "admin", "--password-stdin", "--database", url, stdin=GOOD_PASSWORD, **KEY
    )
    code, checks, bound = diagnosis(ostiary, url, OSTIARY_LEASE="3")
    assert (code, {name for name, status in checks.items() if status != "ok"}) == (0, set())
    assert bound == {"ended_anywhere": 3.0}
    assert "within 3 s" in ostiary("doctor", "--database", url, OSTIARY_LEASE="3", **KEY).out


def test_doctor_promises_nothing_that_settings_do_not_give(ostiary: Shell, postgres: Cluster, url: str) -> None:
    """M-33: without fsync there is no bound, and it says so; what is not there, or not up, is told."""
    careless = postgres.url(schema=f"cli_{secrets.token_hex(6)}")
    assert diagnosis(ostiary, careless)[1]["schema"] == "failed"
    ostiary("db", "upgrade", "--database", careless)
    code, checks, bound = diagnosis(ostiary, careless)
    assert (code, checks["postgres_durability"], checks["bound"]) == (1, "failed", "warning")
    assert bound == {"ended_anywhere": None}
    code, checks, _ = diagnosis(ostiary, "postgresql://postgres:geheim@127.0.0.1:1/x")
    assert (code, checks["database"]) == (3, "failed")
    assert "geheim" not in json.dumps(ostiary("doctor", "--database", "postgresql://u:geheim@127.0.0.1:1/x", **KEY).out)


def test_doctor_finds_standbys_and_time(ostiary: Shell, durable: Cluster, url: str) -> None:
    """A standby that is not waited for may take over without what was just ended."""
    from tests.servers.postgres import folder
    from tests.servers.valkey_groups import until

    ostiary("db", "upgrade", "--database", url)
    with folder() as path:
        standby = Cluster(path)
        standby.copy_of(durable)
        standby.start()
        try:
            until(lambda: durable.sql("SELECT count(*) FROM pg_stat_replication") == "1")
            code, checks, bound = diagnosis(ostiary, url)
            assert (checks["postgres_standbys"], bound) == ("warning", {"ended_anywhere": None})
            code, checks, bound = diagnosis(ostiary, standby.url(schema=url.partition("schema=")[2]))
            assert (code, checks["postgres_role"], bound) == (1, "failed", {"ended_anywhere": None})
        finally:
            standby.stop("immediate")
