"""An auth server and download servers, each a process of its own, and a client that follows nothing by itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.servers.ports import free_port

FILES = "https://files.example"
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Got:
    """What came back; names of headers in small letters."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.content)


def get(url: str, headers: dict[str, str] | None = None, *, method: str = "GET", body: bytes | None = None) -> Got:
    """One request on a connection of its own, not followed."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    target = quote(parts.path, safe="/%") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass(slots=True)
class Process:
    """A server that answers at `url`. `log`: the file that has what it said."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def wait(self, ready: str) -> None:
        """Until it answers 200 at `ready`; with "", until it listens."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if not ready:
                    socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2]))).close()
                    return
                if get(self.url + ready).status_code == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(self.said)

    def kill(self) -> None:
        """As by a power cut of its own."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_PATIENCE)

    @property
    def said(self) -> str:
        """All it has logged."""
        return self.log.read_text()


@contextmanager
def running(
    arguments: list[str], url: str, folder: Path, *, ready: str = "/readyz", **environ: str
) -> Iterator[Process]:
    """Ready; ended by SIGTERM."""
    log = folder / f"server-{url.rpartition(':')[2]}-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        started = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env=Shell(folder=folder).environ(**environ),
        )
    process = Process(started, url, log)
    try:
        process.wait(ready)
        yield process
    finally:
        if started.poll() is None:
            started.terminate()
        started.wait(_PATIENCE)


@dataclass(slots=True)
class Issuer:
    """An auth server that issues for `FILES`, with one account."""

    server: Process
    folder: Path
    _bearer: str = ""

    def log_in(self, **how: Any) -> dict[str, Any]:
        """Ada's answer to a login."""
        body = {"username": "ada", "password": GOOD_PASSWORD, "transport": "bearer", **how}
        answer = self._post("/v1/login", body)
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def token(self, resource: str, *, audience: str = FILES, **more: Any) -> str:
        """A one-time token of ada's."""
        self._bearer = self._bearer or self.log_in()["access_token"]
        body = {"audience": audience, "action": "download", "resource": resource, **more}
        answer = self._post("/v1/one-time-tokens", body, Authorization=f"Bearer {self._bearer}")
        assert answer.status_code == 201, answer.content
        return str(answer.json()["token"])

    def _post(self, path: str, body: Any, **headers: str) -> Got:
        headers = {"Content-Type": "application/json", **headers}
        return get(self.server.url + path, headers, method="POST", body=json.dumps(body).encode())


@contextmanager
def issuing(folder: Path, *audiences: str) -> Iterator[Issuer]:
    """`ostiary serve` with ada."""
    shell = Shell(folder=folder)
    made = shell("account", "create", "ada", "--password-stdin", stdin=GOOD_PASSWORD)
    assert made.code == 0, made.err
    port = free_port()
    arguments = [str(Path(sys.executable).with_name("ostiary")), "serve", "--port", str(port)]
    names = ",".join((FILES, *audiences))
    with running(arguments, f"http://127.0.0.1:{port}", folder, OSTIARY_AUDIENCES=names) as server:
        yield Issuer(server, folder)


@contextmanager
def handing_out(
    root: Path, issuer: str, *, state: Path | None = None, valkey: str | None = None, port: int = 0
) -> Iterator[Process]:
    """`ostiary download-server`."""
    port = port or free_port()
    where = ["--valkey", valkey] if valkey else ["--state", str(state)]
    arguments = [str(Path(sys.executable).with_name("ostiary")), "download-server", "--root", str(root)]
    arguments += ["--issuer", issuer, "--audience", FILES, "--port", str(port), *where]
    with running(arguments, f"http://127.0.0.1:{port}", root.parent) as server:
        yield server


def environment_of(process: Process) -> dict[str, str]:
    """What the process can see of the environment."""
    raw = Path(f"/proc/{process.process.pid}/environ").read_bytes()
    return dict(line.split("=", 1) for line in os.fsdecode(raw).split("\0") if "=" in line)
