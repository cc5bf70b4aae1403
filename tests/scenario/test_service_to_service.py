"""M-60, M-02, M-30: the auth server, a service and a service behind it are three processes; only the first one has a
store. What is ended at the first is refused by all."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.cli.test_serve import Server, wait_until_ready
from tests.servers.pipes import widen
from tests.servers.ports import free_port

ROOT = Path(__file__).parents[2]
FRONT, BEHIND = "https://front.example", "https://behind.example"
KINDS = ("session", "stateful", "stateless")
FORGED = {
    "X-User": "root",
    "X_User": "root",
    "X-Auth-Subject": "acc_root",
    "X-Auth-Roles": "admin",
    "Remote-User": "root",
}


class Services:
    """The three, and how to call them."""

    def __init__(self, shell: Shell, server: Server, front: str, behind: str) -> None:
        self.shell = shell
        self.server = server
        self.front = front
        self.behind = behind

    def log_in(self, kind: str = "stateless", audience: object = FRONT) -> dict[str, Any]:
        body = {"username": "ada", "password": GOOD_PASSWORD, "kind": kind, "transport": "bearer", "audience": audience}
        status, answer = self.server.call("POST", "/v1/login", body=body)
        assert status == 200, answer
        return dict(answer)


def get(url: str, token: str = "", **headers: str) -> tuple[int, Any]:
    """Status and JSON body."""
    sent = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=sent), timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def wait_for(happened: Callable[[], bool], within: float = 120.0) -> None:
    """Poll."""
    start = time.monotonic()
    while not happened():
        assert time.monotonic() < start + within, "it did not happen"
        time.sleep(0.01)


@contextmanager
def application(name: str, **environ: str) -> Iterator[str]:
    """An example on uvicorn, in a process of its own; where it listens."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"examples.{name}:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, stderr=subprocess.PIPE)
    widen(process.stderr)
    url = f"http://127.0.0.1:{port}/"

    def answers() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            return get(url)[0] == 401
        except OSError:
            return False

    try:
        wait_for(answers)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)


def register(shell: Shell, name: str, *options: str) -> str:
    """`client create`; as the examples want it."""
    made = shell("client", "create", name, *options, "--json")
    assert made.code == 0, made.err
    answer = json.loads(made.out)
    return f"{answer['client']['id']}:{answer['client_secret']}"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Everything runs, ada has an account."""
    shell = Shell(folder=tmp_path_factory.mktemp("services"))
    made = shell(
        "account", "create", "ada", "--role", "user", "--role", "admin", "--password-stdin", stdin=GOOD_PASSWORD
    )
    assert made.code == 0, made.err
    assert shell("account", "create", "root", "--role", "admin", "--password-stdin", stdin=GOOD_PASSWORD).code == 0
    (shell.folder / "ostiary.toml").write_text(
        f'audiences = ["{FRONT}", "{BEHIND}"]\n[role_scopes]\nuser = ["notes:read"]\nadmin = ["notes:write"]\n'
    )
    front = register(shell, "front", "--grant", "token-exchange", "--audience", FRONT, "--target", BEHIND)
    behind = register(shell, "behind", "--audience", BEHIND)
    port = free_port()
    process = shell.start("serve", "--port", str(port))
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        wait_until_ready(server)
        with (
            application("service_behind", ISSUER=server.url, CLIENT=behind) as behind_url,
            application("service_in_front", ISSUER=server.url, CLIENT=front, BEHIND=behind_url) as front_url,
        ):
            yield Services(shell, server, front_url, behind_url)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_service_calls_another_as_the_user(services: Services) -> None:
    """M-60: the service behind knows the user and the service that acts; it believes no header but the token."""
    login = services.log_in()
    status, answer = get(services.front, login["access_token"], **FORGED)
    assert (status, answer["notes_of"]) == (200, login["account"]["id"])
    (actor,) = answer["by_way_of"]
    assert actor.startswith("cli_")
    assert get(services.front, **FORGED)[0] == 401
    assert get(services.behind, **FORGED)[0] == 401
    assert get(services.behind, login["access_token"], **FORGED)[0] == 401  # it is meant for the service in front
    elsewhere = services.log_in(audience=BEHIND)["access_token"]
    assert get(services.front, elsewhere)[0] == 401
    assert get(services.behind, elsewhere)[0] == 200


def test_what_is_ended_is_refused_by_all_three(services: Services) -> None:
    """M-02, M-06: after a logout at the first process the other two refuse the user's own token, by the feed alone,
    and soon; each ending call tells a bound, and no request that is sent later is accepted."""
    own = services.log_in(audience=[services.server.url, FRONT, BEHIND])["access_token"]
    assert get(services.front, own)[0] == get(services.behind, own)[0] == 200
    status, ended = services.server.call("POST", "/v1/logout", token=own)
    assert (status, ended["ended"]) == (200, 1)
    assert 0 < ended["bound"] <= 2.0  # verifiers follow, so it is no longer 0
    began = time.monotonic()
    for url in (services.front, services.behind):
        accepted = [0.0]

        def refused(url: str = url, accepted: list[float] = accepted) -> bool:
            sent = time.monotonic() - began
            status = get(url, own)[0]
            if status == 200:
                accepted.append(sent)
            return status == 401

        wait_for(refused)
        assert max(accepted) <= ended["bound"]
    assert services.server.who(own) == 401


def test_wait_all_waits_for_verifiers(services: Services) -> None:
    """Section 6: `?wait=all` answers when every verifier that follows refuses: at the next request, bound 0."""
    for _ in range(3):
        own = services.log_in(audience=[services.server.url, FRONT, BEHIND])["access_token"]
        assert get(services.front, own)[0] == get(services.behind, own)[0] == 200
        status, ended = services.server.call("POST", "/v1/logout?wait=all", token=own)
        assert (status, ended["bound"]) == (200, 0.0)
        assert get(services.front, own)[0] == get(services.behind, own)[0] == 401


def test_a_demoted_administrator_loses_the_scope(services: Services) -> None:
    """M-30: roles are taken away on the command line, in another process; tokens that say otherwise are refused in all
    services, and what comes next says the new roles."""
    token = services.log_in(audience=BEHIND)["access_token"]
    assert get(services.behind, token)[0] == 200
    changed = services.shell("account", "set-roles", "ada", "--role", "admin", "--json")
    assert changed.code == 0, changed.err
    wait_for(lambda: get(services.behind, token)[0] == 401)
    after = services.log_in(audience=BEHIND)["access_token"]
    assert get(services.behind, after)[0] == 403  # `notes:read` went with the role
    assert services.shell("account", "set-roles", "ada", "--role", "user").code == 0
    wait_for(lambda: get(services.behind, after)[0] == 401)


def test_an_unknown_client_gets_nothing_and_says_503(services: Services) -> None:
    """A verifier that is not allowed to follow does not know, and says so: 503, never 401 and never 200."""
    token = services.log_in(audience=BEHIND)["access_token"]
    with application("service_behind", ISSUER=services.server.url, CLIENT="cli_x:y") as url:
        status, answer = get(url, token)
        assert (status, answer["code"]) == (503, "unavailable")


def test_while_the_issuer_is_gone_nobody_knows(tmp_path: Path) -> None:
    """Section 6: a service that cannot ask says 503 once its lease is over, never 401 and no longer 200; when the
    issuer is back it goes on, and what was ended meanwhile is refused."""
    shell = Shell(folder=tmp_path)
    assert shell("account", "create", "ada", "--role", "user", "--password-stdin", stdin=GOOD_PASSWORD).code == 0
    (tmp_path / "ostiary.toml").write_text(f'audiences = ["{BEHIND}"]\n[role_scopes]\nuser = ["notes:read"]\n')
    client = register(shell, "behind", "--audience", BEHIND)
    port = free_port()

    @contextmanager
    def issuing() -> Iterator[Services]:
        process = shell.start("serve", "--port", str(port))
        server = Server(process, f"http://127.0.0.1:{port}")
        try:
            wait_until_ready(server)
            yield Services(shell, server, "", "")
        finally:
            process.kill()
            process.communicate(timeout=30)

    with application_after(issuing, port, client) as (services, url, kill):
        kept = services.log_in(audience=BEHIND)
        ended = services.log_in(audience=BEHIND)
        assert get(url, kept["access_token"])[0] == get(url, ended["access_token"])[0] == 200
        kill()
        seen: list[int] = []

        def unknown() -> bool:
            seen.append(get(url, kept["access_token"])[0])
            return seen[-1] == 503

        wait_for(unknown)
        assert set(seen) <= {200, 503}
        assert shell("session", "end", ended["session"]["id"], "--yes").code == 0
        with issuing():
            wait_for(lambda: get(url, kept["access_token"])[0] == 200)
            assert get(url, ended["access_token"])[0] == 401


@contextmanager
def application_after(
    issuing: Callable[[], Any], port: int, client: str
) -> Iterator[tuple[Services, str, Callable[[], None]]]:
    """The service behind, while an issuer runs that can be ended before it."""
    issuer = issuing()
    services = issuer.__enter__()
    running = [True]

    def kill() -> None:
        if running:
            running.clear()
            issuer.__exit__(None, None, None)

    try:
        with application("service_behind", ISSUER=f"http://127.0.0.1:{port}", CLIENT=client) as url:
            yield services, url, kill
    finally:
        kill()
