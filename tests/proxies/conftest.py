"""Real proxies with the very configuration files of `examples/`, an auth server and a service behind, each a process.

In the files only addresses are changed: where the proxy listens (plain http, on a free port), and where the others are.
"""

import getpass
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.scenario.elsewhere import Process, running
from tests.servers.ports import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
HOST = "app.example.com"
ISSUER = f"https://{HOST}/auth"
NOTES = "https://notes.example.com"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
SESSION = "__Host-ostiary_session"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the proxy answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """What the service says that it got."""
        import json

        return dict(json.loads(self.body))

    def header(self, name: str) -> list[str]:
        """Every value of it."""
        return [value for header, value in self.headers if header.lower() == name]


@dataclass(frozen=True, slots=True)
class Edge:
    """A proxy that runs."""

    name: str
    port: int
    auth: Process
    notes: Process

    def ask(self, method: str, path: str, *lines: str, body: bytes = b"") -> Reply:
        """One request, its header lines exactly as given, spaces and all."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
        if not any(line.lower().startswith("connection") for line in lines):
            head.append("Connection: close")
        if body:
            head.append(f"Content-Length: {len(body)}")
        text = "\r\n".join([*head, *lines, "", ""]).encode("latin-1")
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as wire:
            wire.sendall(text + body)
            from http.client import HTTPResponse

            answer = HTTPResponse(wire, method=method)
            answer.begin()
            reply = Reply(answer.status, answer.getheaders(), answer.read())
            answer.close()
            return reply

    def log_in(self, *lines: str, kind: str = "session", **how: Any) -> tuple[str, dict[str, Any]]:
        """Through the proxy: the session cookie or the bearer's line, and the answer."""
        import json

        body = json.dumps({"username": "ada", "password": GOOD_PASSWORD, "kind": kind, **how}).encode()
        reply = self.ask("POST", "/auth/v1/login", "Content-Type: application/json", *lines, body=body)
        assert reply.status == 200, reply
        answer = json.loads(reply.body)
        cookies = [value.split(";")[0] for value in reply.header("set-cookie") if value.startswith(SESSION)]
        return (f"Cookie: {cookies[0]}" if cookies else f"Authorization: Bearer {answer['access_token']}"), answer


def settings_shown() -> dict[str, str]:
    """The settings of the auth server that every file asks for at its head: the same ones."""
    files = ("nginx/app.example.com.conf", "caddy/Caddyfile", "traefik/dynamic.yml")
    asked = [dict(re.findall(r"(OSTIARY_[A-Z_]+)=(\S+)", (EXAMPLES / name).read_text())) for name in files]
    assert asked[0] == asked[1] == asked[2]
    assert asked[0]["OSTIARY_ISSUER"] == ISSUER
    return asked[0]


@pytest.fixture(scope="session")
def auth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """`ostiary serve`, known to the world by the proxy's name."""
    folder = tmp_path_factory.mktemp("auth")
    made = Shell(folder=folder)("account", "create", "ada", "--password-stdin", stdin=GOOD_PASSWORD)
    assert made.code == 0, made.err
    port = free_port()
    arguments = [str(Path(sys.executable).with_name("ostiary")), "serve", "--port", str(port)]
    settings = {**settings_shown(), "OSTIARY_ALLOWED_HOSTS": f"{HOST},127.0.0.1:{port}"}
    with running(arguments, f"http://127.0.0.1:{port}", folder, **settings) as server:
        yield server


@pytest.fixture(scope="session")
def notes(auth: Process, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The service behind."""
    port = free_port()
    script = str(Path(__file__).with_name("behind.py"))
    arguments = [sys.executable, script, ISSUER, NOTES, f"{auth.url}/.well-known/jwks.json", str(port)]
    with running(arguments, f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("notes"), ready="/open") as server:
        yield server


def program(name: str) -> str:
    """Where it is. Missing, it is a failure in CI, and a skip elsewhere."""
    found = shutil.which(name, path=PATH)
    if found is None:
        assert not os.environ.get("CI"), f"{name} is not installed: scripts/ensure-debian-packages"
        pytest.skip(f"{name} is not installed")
    return found


def nginx_file(port: int, auth: str, notes: str, folder: Path, *, ask: bool = True) -> Path:
    """`examples/nginx`, inside the least that nginx needs around it."""
    shown = (EXAMPLES / "nginx/app.example.com.conf").read_text()
    for written, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("    ssl_certificate     /etc/ssl/app.example.com.pem;\n", ""),
        ("    ssl_certificate_key /etc/ssl/app.example.com.key;\n", ""),
        ("server 127.0.0.1:8000;", f"server {auth.removeprefix('http://')};"),
        ("server 127.0.0.1:9000;", f"server {notes.removeprefix('http://')};"),
    ):
        assert shown.count(written) == 1, written
        shown = shown.replace(written, here)
    if not ask:
        shown = shown.replace("        auth_request /_ostiary;\n", "")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)
    path = folder / "nginx.conf"
    path.write_text(
        f"user {getpass.getuser()};\ndaemon off;\npid {folder}/nginx.pid;\n"
        f"error_log {folder}/error.log;\nworker_processes 1;\n"
        f"events {{}}\nhttp {{\n    access_log {folder}/access.log;\n{temporary}\n{shown}\n}}\n"
    )
    return path


@contextmanager
def nginx(folder: Path, auth: Process, notes: Process) -> Iterator[int]:
    """Its port."""
    port = free_port()
    path = nginx_file(port, auth.url, notes.url, folder)
    arguments = [program("nginx"), "-e", f"{folder}/error.log", "-c", str(path)]
    with running(arguments, f"http://127.0.0.1:{port}", folder, ready=""):
        yield port


@contextmanager
def caddy(folder: Path, auth: Process, notes: Process) -> Iterator[int]:
    """Its port."""
    port = free_port()
    shown = (EXAMPLES / "caddy/Caddyfile").read_text()
    for written, here, times in (
        ("\napp.example.com {", f"\nhttp://:{port} {{\n\tbind 127.0.0.1", 1),
        ("127.0.0.1:8000", auth.url.removeprefix("http://"), 2),
        ("127.0.0.1:9000", notes.url.removeprefix("http://"), 1),
    ):
        assert shown.count(written) == times, written
        shown = shown.replace(written, here)
    path = folder / "Caddyfile"
    path.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + shown)
    arguments = [program("caddy"), "run", "--config", str(path), "--adapter", "caddyfile"]
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with running(arguments, f"http://127.0.0.1:{port}", folder, ready="", **homes):
        yield port


@pytest.fixture(scope="session", params=[nginx, caddy], ids=lambda proxy: str(proxy.__name__))
def edge(
    request: pytest.FixtureRequest, auth: Process, notes: Process, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """Each proxy, with its example."""
    name = request.param.__name__
    with request.param(tmp_path_factory.mktemp(name), auth, notes) as port:
        yield Edge(name, port, auth, notes)
