"""`ostiary serve --workers`: several processes on one port, each with a lease of its own, watched over by one more."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.cli.test_serve import Add, Server, serving
from tests.servers.ports import free_port

from ostiary.cli.workers import Supervisor
from ostiary.errors import Misconfigured

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def _until(happened: Callable[[], Any], *, within: float = 60.0) -> Any:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = happened()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def _workers_of(server: Server) -> list[int]:
    """Process ids, in the order in which they began."""
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Pinned:
    """A connection that stays, and so always reaches the same worker."""

    def __init__(self, server: Server) -> None:
        address = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)

    def call(self, method: str, path: str, *, token: str = "") -> tuple[int, Any]:
        self.send(method, path, token=token)
        return self.answer()

    def send(self, method: str, path: str, *, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._connection.request(method, path, headers=headers)

    def answer(self) -> tuple[int, Any]:
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def ready(self) -> dict[str, Any]:
        """What it says once it is."""
        answers: list[tuple[int, Any]] = []

        def is_ready() -> bool:
            answers.append(self.call("GET", "/readyz"))
            return answers[-1][0] == 200

        _until(is_ready)
        return dict(answers[-1][1])

    def close(self) -> None:
        self._connection.close()


def _pinned(server: Server, count: int = 2) -> dict[int, Pinned]:
    """One connection to each worker."""
    found: dict[int, Pinned] = {}

    def all_there() -> bool:
        try:
            connection = Pinned(server)
            number = connection.ready()["worker"]
        except (OSError, http.client.HTTPException):
            return False
        if number in found:
            connection.close()
        else:
            found[number] = connection
        return len(found) == count

    _until(all_there)
    return found


def _last_accepted(worker: Pinned, token: str) -> float:
    """How many seconds from now the last request was sent that was accepted; returns when one is refused."""
    began = time.monotonic()
    accepted = [0.0]

    def refused() -> bool:
        sent = time.monotonic() - began
        status = worker.call("GET", "/v1/csrf", token=token)[0]
        assert status in (200, 401, 503)
        if status == 200:
            accepted.append(sent)
        return status == 401

    _until(refused)
    return max(accepted)


@contextmanager
def _two(shell: Shell, *options: str) -> Iterator[tuple[Server, dict[int, Pinned]]]:
    with serving(shell, "--workers", "2", *options) as server:
        connections = _pinned(server)
        yield server, connections
        for connection in connections.values():
            connection.close()


@pytest.mark.parametrize("kind", ["session", "stateful", "stateless"])
def test_each_worker_has_its_own_lease(ostiary: Shell, add: Add, kind: str) -> None:
    """M-05, M-30: one login counts at both, each says how long it may trust what it knows, and what is ended at one is
    refused at the other within the bound that is told; with `?wait=all` when the call has answered."""
    add("alice")
    with _two(ostiary) as (server, workers):
        for number, worker in workers.items():
            ready = worker.ready()
            assert ready["worker"] == number
            assert 0 < ready["revocations"]["lease_left"] <= 2
            assert ready["revocations"]["bound"] == 2
        for wait in ("", "?wait=all"):
            token = server.token("alice", kind)
            assert [worker.call("GET", "/v1/me", token=token)[0] for worker in workers.values()] == [200, 200]
            ended = workers[0].call("POST", f"/v1/logout{wait}", token=token)
            assert ended == (200, {"ended": 1, "bound": 0 if wait else 2})
            if not wait:
                assert _last_accepted(workers[1], token) <= 2
            assert [worker.call("GET", "/v1/csrf", token=token)[0] for worker in workers.values()] == [401, 401]


def test_a_worker_that_dies_is_replaced(ostiary: Shell, add: Add) -> None:
    """Also one that is killed; the port stays open, and a session lives on."""
    add("alice")
    with _two(ostiary) as (server, _):
        token = server.token("alice", "session")
        before = _workers_of(server)
        assert len(before) == 2
        os.kill(before[1], signal.SIGKILL)

        def replaced() -> bool:
            now = _workers_of(server)
            return len(now) == 2 and before[1] not in now

        _until(replaced)
        for worker in _pinned(server).values():
            assert worker.call("GET", "/v1/me", token=token)[0] == 200
            worker.close()


def test_a_stop_lets_all_workers_finish(ostiary: Shell) -> None:
    """SIGTERM to the supervisor: exit code 0, and nobody is left."""
    with _two(ostiary) as (server, _):
        workers = _workers_of(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_do_not_outlive_their_supervisor(ostiary: Shell) -> None:
    """However it ends: nobody would replace or stop them."""
    with _two(ostiary) as (server, connections):
        for connection in connections.values():
            connection.close()
        workers = _workers_of(server)
        server.process.kill()
        server.process.wait(30)
        _until(lambda: not any(_runs(pid) for pid in workers))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("kind", ["session", "stateless"])
def test_a_worker_that_was_stopped_for_longer_than_its_lease_asks_first(ostiary: Shell, add: Add, kind: str) -> None:
    """M-30: SIGSTOP, longer than the lease. What ended meanwhile is refused by the first thing that it does: its clock
    went on. `?wait=all` waits for it as long as its lease can last, and no longer."""
    add("alice")
    with _two(ostiary) as (server, workers):
        token = server.token("alice", kind)
        assert workers[1].call("GET", "/v1/csrf", token=token)[0] == 200
        stopped = _workers_of(server)[1]
        os.kill(stopped, signal.SIGSTOP)
        try:
            workers[1].send("GET", "/v1/csrf", token=token)  # what waits for it is the first thing that it will do
            assert workers[0].call("POST", "/v1/logout?wait=all", token=token) == (200, {"ended": 1, "bound": 0})
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert workers[1].answer()[0] in (401, 503)
        _until(lambda: workers[1].call("GET", "/v1/csrf", token=token)[0] == 401)


def test_a_first_worker_that_cannot_start_stops_the_server(ostiary: Shell, tmp_path: Path) -> None:
    """With its own words and its own exit code, once."""
    (tmp_path / "not-a-database").write_text("something else entirely " * 100)
    refused = ostiary(
        "serve", "--workers", "2", "--port", str(free_port()), "--database", f"sqlite:///{tmp_path}/not-a-database"
    )
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "database" in refused.err


def test_a_later_worker_without_its_port_for_metrics_stops_the_server(ostiary: Shell) -> None:
    """A port that one of the workers would need and cannot have keeps the server from starting: else that worker would
    be replaced for ever (contract 5)."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        before = other.getsockname()[1] - 1
        refused = ostiary(
            "serve", "--port", str(free_port()), "--workers", "2", OSTIARY_METRICS_BIND=f"127.0.0.1:{before}"
        )
    assert (refused.code, "cannot be listened on" in refused.err) == (1, True)
    assert "Listening" not in refused.err


def test_where_processes_cannot_fork_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows: one worker."""
    monkeypatch.delattr(os, "fork")
    with pytest.raises(Misconfigured):
        Supervisor(2, grace=1.0)


TOLD_AT_ONCE = """
import os, signal
from ostiary.cli.workers import Supervisor

fork = os.fork

def forked():
    pid = fork()
    if not pid:
        os.kill(os.getpid(), signal.SIGTERM)
    return pid

os.fork = forked
if Supervisor(1, grace=60.0).run() is not None:
    print("it goes on")
"""


def test_a_worker_that_is_told_to_stop_before_it_has_begun_stops() -> None:
    """What it is sent while it still has its supervisor's handlers is not lost, nor taken for a signal to that one,
    which would pass it on to all a second time: nobody would wait for answers under way."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD_AT_ONCE], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize("store", ["postgres", "valkey"])
def test_workers_on_a_shared_store(ostiary: Shell, store: str, request: pytest.FixtureRequest) -> None:
    """M-05: as on a file; what is ended at one is refused at the other when `?wait=all` has answered."""
    if store == "postgres":
        options = ("--database", request.getfixturevalue("postgres").url(schema=f"workers_{secrets.token_hex(6)}"))
    else:
        options = ("--valkey", str(request.getfixturevalue("valkey_url")))
    key = {"OSTIARY_SECRET_KEY": "k" * 40}
    made = ostiary("account", "create", "alice", "--password-stdin", *options, stdin=GOOD_PASSWORD, **key)
    assert made.code == 0, made.err
    with serving(ostiary, "--workers", "2", *options, **key) as server:
        workers = _pinned(server)
        for worker in workers.values():
            assert 0 < worker.ready()["revocations"]["lease_left"] <= 2
        for kind in ("session", "stateful", "stateless"):
            token = server.token("alice", kind)
            assert [worker.call("GET", "/v1/me", token=token)[0] for worker in workers.values()] == [200, 200]
            assert workers[0].call("POST", "/v1/logout?wait=all", token=token) == (200, {"ended": 1, "bound": 0})
            assert [worker.call("GET", "/v1/csrf", token=token)[0] for worker in workers.values()] == [401, 401]
        for worker in workers.values():
            worker.close()
