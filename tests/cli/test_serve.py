"""`ostiary serve` and what the command line does to a server that runs."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.servers.ports import free_port

Add = Callable[..., dict[str, Any]]
_LONGEST = 120  # seconds that a start may take on a machine that is busy otherwise


class Server:
    """A running `ostiary serve`."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process = process
        self.url = url

    def call(self, method: str, path: str, *, token: str = "", body: object = None) -> tuple[int, Any]:
        """Status and JSON body."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read())

    def token(self, name: str, kind: str) -> str:
        """Log in."""
        body = {"username": name, "password": GOOD_PASSWORD, "kind": kind, "transport": "bearer"}
        status, answer = self.call("POST", "/v1/login", body=body)
        assert status == 200, answer
        return str(answer["access_token"])

    def who(self, token: str) -> int:
        """Status of `GET /v1/me`."""
        return self.call("GET", "/v1/me", token=token)[0]


def wait_until_ready(server: Server, *, answers: int = 200) -> None:
    """Poll /readyz until it ``answers``; a server that ends instead fails the test with what it said."""
    given_up = time.monotonic() + _LONGEST
    while server.process.poll() is None and time.monotonic() < given_up:
        try:
            if server.call("GET", "/readyz")[0] == answers:
                return
        except OSError:
            pass
        time.sleep(0.02)
    server.process.terminate()
    raise AssertionError(server.process.communicate(timeout=_LONGEST))


@contextmanager
def serving(shell: Shell, *options: str, **environ: str) -> Iterator[Server]:
    """`ostiary serve` on a free port, ready; stopped by SIGTERM."""
    port = free_port()
    process = shell.start("serve", "--port", str(port), *options, **environ)
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        server.process.communicate(timeout=30)


def seconds_accepted(server: Server, tokens: dict[str, str]) -> float:
    """Poll until every credential is refused. How many seconds from now the last request was sent that was accepted:
    a slow machine makes the polls rarer, not the answer wrong. Whoever does not know says 503, and accepts nothing."""
    began, last = time.monotonic(), 0.0
    accepted = set(tokens)
    while accepted:
        for kind in tuple(accepted):
            sent = time.monotonic() - began
            status = server.who(tokens[kind])
            assert status in (200, 401, 503)
            if status == 401:
                accepted.remove(kind)
            elif status == 200:
                last = max(last, sent)
        assert time.monotonic() - began < 60, f"still accepted: {accepted}"
    return last


@pytest.mark.parametrize(
    "command",
    [
        ("account", "disable", "alice", "--json"),
        ("session", "end", "--account", "alice", "--json"),
        ("session", "end", "--everything", "--yes", "--json"),
        ("account", "delete", "alice", "--yes", "--json"),
    ],
)
def test_what_the_command_line_ends_a_running_server_refuses(
    ostiary: Shell, add: Add, command: tuple[str, ...]
) -> None:
    """All three kinds of credentials are refused within the bound that the command prints (M-07, M-33)."""
    add("alice")
    with serving(ostiary) as server:
        tokens = {kind: server.token("alice", kind) for kind in ("session", "stateful", "stateless")}
        assert {server.who(token) for token in tokens.values()} == {200}
        ended = ostiary(*command)
        last = seconds_accepted(server, tokens)
        assert ended.code == 0, ended.err
        assert (ended.json["ended"], ended.json["bound"]) == (3, 2.0)
        assert last <= ended.json["bound"]


def test_one_session_ends_and_the_others_go_on(ostiary: Shell, add: Add) -> None:
    """`session end ID` ends that session only, and a revoked key takes what it signed with it, not the rest (M-07)."""
    add("alice")
    with serving(ostiary) as server:
        first, second = server.token("alice", "stateless"), server.token("alice", "stateless")
        opaque = server.token("alice", "session")
        sessions = ostiary("session", "list", "--account", "alice", "--kind", "stateless", "--json").json["sessions"]
        assert len(sessions) == 2
        current = server.call("GET", "/v1/me", token=first)[1]["session"]["id"]
        assert ostiary("session", "end", current, "--json").json == {"ended": 1, "bound": 2.0}
        seconds_accepted(server, {"first": first})
        assert (server.who(second), server.who(opaque)) == (200, 200)
        active = next(k["kid"] for k in ostiary("key", "list", "--json").json["keys"] if k["state"] == "active")
        assert ostiary("key", "revoke", active, "--yes").code == 0
        seconds_accepted(server, {"second": second})
        assert server.who(opaque) == 200
        assert server.who(server.token("alice", "stateless")) == 200


def test_a_role_set_on_the_command_line_counts_at_once(ostiary: Shell, add: Add) -> None:
    """A demoted administrator's tokens are void and its session sees the new roles within the bound (M-30)."""
    add("root", "--role", "admin")
    add("alice", "--role", "admin")
    with serving(ostiary) as server:
        opaque, token = server.token("alice", "session"), server.token("alice", "stateless")
        assert server.call("GET", "/v1/admin/accounts", token=opaque)[0] == 200
        changed = ostiary("account", "set-roles", "alice", "--role", "user", "--json")
        assert changed.json["bound"] == 2.0
        seconds_accepted(server, {"stateless": token})
        assert server.call("GET", "/v1/admin/accounts", token=opaque)[0] == 403


def test_lists_are_those_of_the_api(ostiary: Shell, add: Add) -> None:
    """`--json` on a list has the members that the administrator's call of the HTTP API has (contract 7)."""
    add("alice", "--role", "admin")
    ostiary("client", "create", "notes", "--json")
    with serving(ostiary) as server:
        token = server.token("alice", "session")
        for noun in ("account", "session", "key", "client"):
            said = ostiary(noun, "list", "--json").json
            _, answered = server.call("GET", f"/v1/admin/{noun}s", token=token)
            assert set(said) == set(answered)
            assert set(said[f"{noun}s"][0]) == set(answered[f"{noun}s"][0]), noun


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_stops_when_asked(ostiary: Shell, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end it quietly with 0, and it said where it served."""
    with serving(ostiary) as server:
        server.process.send_signal(number)
        out, err = server.process.communicate(timeout=30)
    assert (server.process.returncode, out) == (0, b"")
    assert server.url.encode() in err
    assert re.search(rb"/setup#ost_su_[\w-]{43}\r?\n", err)  # there is no account yet, and it says how to make one
    assert b"Traceback" not in err


def test_no_link_where_there_is_an_account(ostiary: Shell, add: Add) -> None:
    """The link of the first start is printed while there is no account; then the command is named."""
    add("alice")
    with serving(ostiary) as server:
        server.process.send_signal(signal.SIGTERM)
        _, err = server.process.communicate(timeout=30)
    assert b"/setup" not in err
    assert b"account create" in err


def test_a_taken_port_is_told(ostiary: Shell) -> None:
    """An address that is in use is one line, not a traceback."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = ostiary("serve", "--port", str(other.getsockname()[1]))
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "--port" in refused.err or "choose another" in refused.err


@pytest.mark.parametrize(
    ("options", "environ", "says"),
    [
        (("--workers", "2", "--database", "memory:"), {}, "write 1"),
        (("--valkey", "http://localhost"), {}, "valkey://"),
        (("--valkey", "valkey://localhost"), {}, "OSTIARY_SECRET_KEY"),
        (("--database", "sqlite:////nowhere/at/all/o.db"), {}, "database"),
        (("--host", "a..b", "--issuer", "http://127.0.0.1:8000"), {}, "cannot be listened on"),
    ],
)
def test_what_keeps_a_server_from_starting(
    ostiary: Shell, options: tuple[str, ...], environ: dict[str, str], says: str
) -> None:
    """What is wrong with the set-up ends the start with 1 and one line that says so."""
    refused = ostiary("serve", *options, **environ)
    assert (refused.code, says in refused.err, refused.err.count("\n")) == (1, True, 1)


def test_insecure_cookies_warn_at_every_start(ostiary: Shell) -> None:
    """`cookie_secure = false` is said on stderr at each start (contract section 3)."""
    options = ("--issuer", "http://dev.lan", "--database", "memory:")
    port = str(free_port())
    process = ostiary.start("serve", "--port", port, *options, OSTIARY_COOKIE_SECURE="false")
    assert process.stderr is not None
    assert b"warning: cookie_secure is false" in process.stderr.readline()
    process.terminate()
    process.communicate(timeout=30)


def test_demo_tells_what_to_open_and_it_works(ostiary: Shell) -> None:
    """`ostiary demo` prints where to go and a password, and with those one logs in; nothing is left on disk."""
    port = free_port()
    process = ostiary.start("demo", "--port", str(port))
    server = Server(process, f"http://127.0.0.1:{port}")
    assert process.stdout is not None
    wait_until_ready(server)
    told = ""
    while "Ctrl-C stops it" not in told:
        line = process.stdout.readline().decode()
        assert line, told
        told += line
    password = re.findall(r"password +(\S+)", told)[0]
    reports, downloads = (Server(process, url) for url in re.findall(r"^ .* (http://[\d.:]+)    ", told, re.MULTILINE))
    wait_until_ready(reports, answers=401)  # all of it is behind the verifier
    wait_until_ready(downloads)
    body = {"username": "root", "password": password, "kind": "stateless", "audience": [server.url, reports.url]}
    status, answer = server.call("POST", "/v1/login", body=body)
    assert (status, answer["account"]["roles"]) == (200, ["admin", "user"])
    token = answer["access_token"]
    given_up = time.monotonic() + _LONGEST
    while (seen := reports.call("GET", "/", token=token))[0] == 503 and time.monotonic() < given_up:
        time.sleep(0.02)  # it does not follow the feed yet
    assert seen == (200, {"report": "nothing to report"})
    body = {"audience": downloads.url, "action": "download", "resource": "report.txt"}
    status, answer = server.call("POST", "/v1/one-time-tokens", token=token, body=body)
    address = f"{downloads.url}/files/report.txt?token={answer['token']}"
    with urllib.request.urlopen(address, timeout=30) as file:
        assert file.read() == b"Nothing to report.\n"
    assert downloads.call("GET", address.removeprefix(downloads.url))[0] == 410
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert list(ostiary.folder.iterdir()) == []


def test_metrics_have_a_port_of_their_own(ostiary: Shell) -> None:
    """`metrics_bind` serves /metrics there, and the main port does not (contract section 5)."""
    port = free_port()
    with serving(ostiary, OSTIARY_METRICS_BIND=f"127.0.0.1:{port}") as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            assert b"ostiary_http_requests_total" in answer.read()
        assert server.call("GET", "/metrics")[0] == 404
