"""A service on another machine checks tokens with public keys alone: the issuer is one process, the service another."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.cli.test_serve import Server, wait_until_ready
from tests.servers.ports import free_port

from ostiary import jose

API = "https://api.example"
SERVICE = Path(__file__).parents[1] / "unit/verifier/resource_server.py"


class Service:
    """The service: `ask` tells what it makes of a token."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, token: str, *, advance: float = 0.0) -> Any:
        """Its answer, after `advance` seconds by its own clock."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"token": token, "advance": advance}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the service has stopped"
        return json.loads(line)


@contextmanager
def service_of(issuer: str) -> Iterator[Service]:
    """A resource server that knows nothing but where its issuer is."""
    process = subprocess.Popen(
        [sys.executable, SERVICE, issuer, API], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Service(process)
    finally:
        process.communicate(timeout=30)
        assert process.returncode == 0


@contextmanager
def issuing(shell: Shell, port: int) -> Iterator[Server]:
    """`ostiary serve`, issuing for the API, too."""
    process = shell.start("serve", "--port", str(port), OSTIARY_AUDIENCES=API)
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a database that knows ada."""
    shell = Shell(folder=tmp_path)
    made = shell("account", "create", "ada", "--password-stdin", stdin=GOOD_PASSWORD)
    assert made.code == 0, made.err
    return shell


def log_in(server: Server, kind: str = "stateless", audience: str = API) -> str:
    """Ada's token for the API."""
    body = {"username": "ada", "password": GOOD_PASSWORD, "kind": kind, "transport": "bearer", "audience": audience}
    status, answer = server.call("POST", "/v1/login", body=body)
    assert status == 200, answer
    return str(answer["access_token"])


def kid_of(token: str) -> str:
    return str(jose.decode_unverified(token).header["kid"])


def log_in_under_another_key(server: Server, former: str) -> str:
    """The server hears of a rotation from its store within the lease."""
    deadline = time.monotonic() + 120
    while kid_of(token := log_in(server)) == former:
        assert time.monotonic() < deadline
    return token


def rotate(shell: Shell, server: Server, former: str) -> str:
    """A token under the next key."""
    rotated = shell("key", "rotate")
    assert rotated.code == 0, rotated.err
    return log_in_under_another_key(server, former)


def test_with_public_keys_alone(shell: Shell) -> None:
    """M-02: no store, no password data, nothing but the base install; the issuer's URL leads to its keys. Tokens meant
    for others, forged ones and kinds that need the store are refused."""
    with issuing(shell, free_port()) as server, service_of(server.url) as service:
        token = log_in(server)
        account = server.call("POST", "/v1/login", body={"username": "ada", "password": GOOD_PASSWORD})[1]["account"]
        for _ in range(2):
            assert service.ask(token) == {"status": 200, "account": account["id"], "roles": ["user"]}
        assert service.ask(log_in(server, audience=server.url))["why"] == "wrong_audience: aud"
        assert "stateful" in service.ask(log_in(server, "stateful"))["why"]
        assert "session token" in service.ask(log_in(server, "session"))["why"]
        forged = jose.sign(
            jose.decode_unverified(token).claims, jose.Key.generate("ES256", kid=kid_of(token)), typ="at+jwt"
        )
        assert service.ask(forged) == {"status": 401, "why": "invalid_signature"}


def test_rotation_and_revocation_of_keys(shell: Shell) -> None:
    """The next key is known before it signs; a key that came and signed between two fetches is fetched for its first
    token; a revoked key is refused once the keys have been fetched anew, no later than when they stop being fresh."""
    with issuing(shell, free_port()) as server, service_of(server.url) as service:
        first = log_in(server)
        assert service.ask(first)["status"] == 200
        second = rotate(shell, server, kid_of(first))
        assert service.ask(second)["status"] == 200
        third = rotate(shell, server, kid_of(second))
        assert service.ask(third, advance=10)["status"] == 200
        assert service.ask(first)["status"] == 200
        revoked = shell("key", "revoke", "--yes", "--", kid_of(third))  # a kid may begin with a hyphen
        assert revoked.code == 0, revoked.err
        log_in_under_another_key(server, kid_of(third))
        assert service.ask(third)["status"] == 200  # what following the revocations would prevent
        assert service.ask(third, advance=300) == {"status": 401, "why": "unknown_key"}
        assert service.ask(second)["status"] == 200


def test_the_issuer_goes_down_and_comes_back(shell: Shell) -> None:
    """Its keys are good for another hour; then the service says 503, never 401; then all is well again."""
    port = free_port()
    with issuing(shell, port) as server:
        token, other = log_in(server), log_in(server)
        url = server.url
    with service_of(url) as service:
        assert service.ask(token)["status"] == 503
        with issuing(shell, port):
            assert service.ask(token, advance=10)["status"] == 200
        assert service.ask(token, advance=301)["status"] == 200
        assert service.ask(other, advance=3000)["status"] == 200
        assert service.ask(token, advance=300)["status"] == 503
        assert service.ask("forged")["status"] == 503
        with issuing(shell, port):
            assert service.ask(token, advance=10)["status"] == 200
            assert service.ask("forged")["status"] == 401
