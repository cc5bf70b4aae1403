"""The real server on a real socket: requests that no client library would send."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.servers.ports import free_port

EXECUTABLE = Path(sys.executable).with_name("ostiary")
PASSWORD = "eleven quiet lanterns"
SESSION = "__Host-ostiary_session"
PATIENCE = 60.0  # seconds that anything may take on a machine that is busy otherwise


@dataclass(frozen=True, slots=True)
class Wire:
    """A running `ostiary serve`."""

    port: int
    token: str
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        """For the Host header."""
        return f"127.0.0.1:{self.port}"

    def open(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def send(self, *parts: bytes | str) -> bytes:
        """Everything that comes back until the answer is whole, or the server closes: one of them it does."""
        with self.open() as connection:
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part.encode("latin-1") if isinstance(part, str) else part)
            return self.rest(connection)

    def rest(self, connection: socket.socket) -> bytes:
        """See `send`."""
        received = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
                if _is_complete(received):
                    break
        return received

    def request(self, method: str, path: str, *lines: str, body: str = "", host: str | None = None) -> bytes:
        """A request with exactly these header lines, and Host."""
        return self.send(
            f"{method} {path} HTTP/1.1\r\nHost: {host or self.host}\r\n"
            + "".join(line + "\r\n" for line in lines)
            + f"Connection: close\r\n\r\n{body}"
        )

    def lives(self) -> bool:
        """It still answers, and the token still works."""
        answer = self.request("GET", "/v1/me", f"Authorization: Bearer {self.token}")
        return self.process.poll() is None and status_of(answer) == 200


def _is_complete(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found) and bool(length) and len(body) >= int(length[0].split(b":")[1]) and b"close" in head.lower()


def status_of(answer: bytes) -> int:
    """0 if the server just closed."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def code_of(answer: bytes) -> str:
    """Of a problem."""
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["code"])


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """One server for all tests of this file; its database is a real SQLite file."""
    folder = tmp_path_factory.mktemp("wire")
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [EXECUTABLE, "serve", "--port", str(port), "--database", f"sqlite:///{folder}/wire.db"],
            cwd=folder, env=kept, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield Wire(port, _first_token(port, process, folder), process)
        finally:
            process.terminate()
            process.wait(PATIENCE)
    text = (folder / "log").read_text()
    assert "Traceback" not in text
    assert PASSWORD not in text
    assert "ost_st_" not in text


def _first_token(port: int, process: subprocess.Popen[bytes], folder: Path) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)  # until it listens; nothing else tells when
    headers = {"Content-Type": "application/json"}
    body = {"username": "ann", "password": PASSWORD}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/v1/accounts", json.dumps(body), headers)
        assert connection.getresponse().read()
        connection.request("POST", "/v1/login", json.dumps({**body, "transport": "bearer"}), headers)
        return str(json.loads(connection.getresponse().read())["access_token"])


def test_duplicate_headers(wire: Wire) -> None:
    """Two Authorization headers, two session cookies, two Hosts: 400 (section 2, B-56)."""
    twice = f"Authorization: Bearer {wire.token}"
    assert code_of(wire.request("GET", "/v1/me", twice, twice)) == "invalid_request"
    cookie = f"Cookie: {SESSION}={wire.token}"
    assert status_of(wire.request("GET", "/v1/me", cookie, cookie)) == 400
    assert status_of(wire.request("GET", "/v1/me", twice, cookie)) == 400
    assert status_of(wire.request("GET", "/v1/me", f"Host: {wire.host}")) == 400
    assert status_of(wire.request("GET", "/v1/me", "Host: evil.example")) == 400
    assert wire.lives()


def test_hosts(wire: Wire) -> None:
    """No Host is 400, another one 421, in HTTP/1.0 too (section 1)."""
    assert status_of(wire.send("GET /v1/me HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
    assert status_of(wire.send("GET /v1/me HTTP/1.0\r\n\r\n")) in (0, 400)
    for path in ("/healthz", "/readyz"):  # a load balancer's question, by address or as HTTP/1.0 has it
        assert status_of(wire.send(f"GET {path} HTTP/1.0\r\n\r\n")) == 200
        assert status_of(wire.send(f"GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
        assert status_of(wire.request("GET", path, host="10.0.0.7:8000")) == 200
        assert status_of(wire.request("GET", path, host="evil.example")) == 421
    answer = wire.request("GET", "/v1/me", host="evil.example")
    assert (status_of(answer), code_of(answer)) == (421, "wrong_host")
    assert status_of(wire.request("GET", "/healthz", host=f"localhost:{wire.port}")) == 200
    absolute = "GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert status_of(wire.send(absolute)) in (400, 404, 421)
    answer = wire.request("GET", "http://evil.example/v1/me", f"Authorization: Bearer {wire.token}")
    assert (status_of(answer), code_of(answer)) == (421, "wrong_host")
    assert status_of(wire.request("GET", f"http://{wire.host}/healthz")) == 200
    assert status_of(wire.request("GET", "/healthz", host=f" {wire.host} ")) == 200


def test_huge_headers(wire: Wire) -> None:
    """431 above 16 KiB, and an end to it far above (section 1)."""
    answer = wire.request("GET", "/v1/me", "X-A: " + "a" * 17_000)
    assert (status_of(answer), code_of(answer)) == (431, "headers_too_large")
    assert status_of(wire.request("GET", "/v1/me", *(f"X-{n}: {'a' * 20}" for n in range(900)))) == 431
    assert status_of(wire.request("GET", "/v1/me", "X-A: " + "a" * 2_000_000)) in (0, 400, 431)
    assert status_of(wire.request("GET", "/v1/me", f"Cookie: {SESSION}=" + "a" * 5000)) == 401
    assert wire.lives()


@pytest.mark.parametrize(
    "request_line",
    [
        "GET", "GET /v1/me", "GET  /v1/me HTTP/1.1", "GET /v1/me HTTP/9.9", "\x00\x01\x02", "GET /v1/me\x00 HTTP/1.1",
        "GET /" + "a" * 100_000 + " HTTP/1.1", "PRI * HTTP/2.0", "GET /v1/me HTTP/1.1\nX: y",
        "CONNECT evil:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1", "get /v1/me HTTP/1.1", "GET v1/me HTTP/1.1", "GET /%00%ff%0d%0a HTTP/1.1",
        "GET /\xff\xfe HTTP/1.1",
    ],
)  # fmt: skip
def test_request_lines(wire: Wire, request_line: str) -> None:
    """A line that is no request is refused, and never an error of ours."""
    answer = wire.send(f"{request_line}\r\nHost: {wire.host}\r\nConnection: close\r\n\r\n")
    assert status_of(answer) in (0, 400, 401, 404, 405, 414, 431)
    assert wire.lives()


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: abc", "Content-Length: -1", "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked",
        "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked, identity", "X Y: z", ": z",
        "X\x00: y",
        "X: a\x00b", " folded: x", "Content-Length: 99999999999999999999", "Content-Length: 70000",
    ],
)  # fmt: skip
def test_framing(wire: Wire, line: str) -> None:
    """Whatever could be read in two ways is read in none (RFC 9112 section 6)."""
    answer = wire.request("POST", "/v1/login", "Content-Type: application/json", line, body="{}")
    assert status_of(answer) in (0, 400, 413, 501)
    assert wire.lives()


def test_chunked_bodies(wire: Wire) -> None:
    """A body without a length is read as it comes, up to 64 KiB (section 1)."""
    head = (
        f"POST /v1/login HTTP/1.1\r\nHost: {wire.host}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    body = json.dumps({"username": "ann", "password": PASSWORD, "transport": "bearer"})
    chunks = "".join(f"1\r\n{char}\r\n" for char in body)
    assert status_of(wire.send(head, chunks, "0\r\n\r\n")) == 200
    answer = wire.send(head, *["1000\r\n" + "x" * 4096 + "\r\n"] * 17)
    assert (status_of(answer), code_of(answer)) == (413, "content_too_large")
    assert status_of(wire.send(head, "zz\r\n")) in (0, 400)
    assert status_of(wire.send(head, "ffffffffffffffffff\r\nx")) in (0, 400, 413)
    assert wire.lives()


def test_a_declared_body_too_large_is_refused_at_once(wire: Wire) -> None:
    """413 before the body is there (section 1)."""
    answer = wire.request("POST", "/v1/login", "Content-Type: application/json", "Content-Length: 100000000")
    assert (status_of(answer), code_of(answer)) == (413, "content_too_large")


def test_a_slow_body(wire: Wire) -> None:
    """A body that comes in pieces keeps nobody else waiting."""
    body = json.dumps({"username": "ann", "password": PASSWORD, "transport": "bearer"}).encode()
    with wire.open() as connection:
        connection.sendall(
            f"POST /v1/login HTTP/1.1\r\nHost: {wire.host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        )
        for index in range(0, len(body), 8):
            connection.sendall(body[index : index + 8])
            if index % 32 == 0:
                assert wire.lives()
        assert status_of(wire.rest(connection)) == 200


def test_aborted_bodies(wire: Wire) -> None:
    """A client that goes away in the middle of its body changes nothing and harms nobody."""
    for path, kind in (
        ("/v1/sessions/end-all", "application/json"),
        ("/oauth/revoke", "application/x-www-form-urlencoded"),
    ):
        for _ in range(20):
            with wire.open() as connection:
                connection.sendall(
                    f"POST {path} HTTP/1.1\r\nHost: {wire.host}\r\nAuthorization: Bearer {wire.token}\r\n"
                    f"Content-Type: {kind}\r\nContent-Length: 1000\r\n\r\ntoken={wire.token}&".encode()
                )
    assert wire.lives()


def test_pipelining(wire: Wire) -> None:
    """Requests sent at once are answered in their order, each for itself."""
    one = f"GET /v1/me HTTP/1.1\r\nHost: {wire.host}\r\nAuthorization: Bearer {wire.token}\r\n\r\n"
    two = f"GET /v1/me HTTP/1.1\r\nHost: {wire.host}\r\n\r\n"
    three = f"GET /v1/nothing HTTP/1.1\r\nHost: {wire.host}\r\nConnection: close\r\n\r\n"
    received = b""
    with wire.open() as connection:
        connection.sendall((one + two + three).encode())
        while chunk := connection.recv(65536):
            received += chunk
    statuses = [int(part.split(b" ", 2)[1]) for part in received.split(b"HTTP/1.1")[1:]]
    assert statuses == [200, 401, 404]


def test_smuggling(wire: Wire) -> None:
    """What stands in a body is a body: it is not answered as a request of its own (RFC 9112 section 11.2)."""
    hidden = f"GET /v1/me HTTP/1.1\r\nHost: {wire.host}\r\nAuthorization: Bearer {wire.token}\r\n\r\n"
    answer = wire.request(
        "POST", "/v1/logout", "Content-Type: application/json", f"Content-Length: {len(hidden)}", body=hidden
    )
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status_of(answer) == 400


def test_the_server_does_not_say_what_it_is(wire: Wire) -> None:
    """No `Server` header, no version (ASVS 13.4.6)."""
    answer = wire.request("GET", "/healthz")
    assert b"\r\nserver:" not in answer.lower()
    assert b"uvicorn" not in answer.lower()


def test_head_over_the_wire(wire: Wire) -> None:
    """HEAD has the length and not the body (RFC 9110 section 9.3.2)."""
    answer = wire.request("HEAD", "/healthz")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status_of(answer) == 200
    assert b"content-length: 15" in head.lower()
    assert body == b""


def test_an_upgrade_is_refused(wire: Wire) -> None:
    """There are no WebSockets here."""
    answer = wire.request(
        "GET", "/v1/me", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )  # fmt: skip
    assert status_of(answer) in (400, 401, 403)
    assert wire.lives()
