"""One-time tokens made and spent on one core; a file of 1 GB from the download server and from nginx, and its memory.

python -m benchmarks.downloads '{"core": 0, ...}' is the child that serves.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from benchmarks import machine, seed
from benchmarks.report import Row
from benchmarks.stats import spread
from ostiary import jose
from ostiary.cli.file_server import UNSENT
from ostiary.cli.listening import listen
from ostiary.compose import open_system
from ostiary.credentials.one_time import ONE_TIME_TYPE, OneTimeToken, one_time_claims
from ostiary.domain.session import Kind
from ostiary.downloads import DownloadServer
from ostiary.settings import Settings

GIGABYTE = 2**30
ROUNDS = 7
TOKENS = 2000
TOGETHER = 64
FILES = "https://files.example"
ISSUER = "https://id.example"


# --- Made and spent ------------------------------------------------------------------------------------------------


async def _ask(app: Any, path: str, query: str) -> int:
    """One GET in process; its status."""
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": [], "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return status


async def _spending(folder: Path) -> dict[str, float]:
    settings = Settings(
        database=f"sqlite:///{folder / 'ostiary.db'}", issuer=ISSUER, audiences=(FILES,), one_time_lifetime=600.0
    )
    (folder / "root").mkdir()
    (folder / "root/a.txt").write_text("a")
    async with open_system(settings, serving=True) as system:
        [seeded] = await seed.sessions(system, Kind.STATELESS, 1)
        caller = await system.recognition.recognise(seeded.issued.access_token, system.context.now())
        keys = jose.KeySet.from_jwks(system.signing_keys.ring.jwks)
        app = DownloadServer(folder / "root", issuer=ISSUER, audience=FILES, state=folder / "spent.db", keys=keys)
        await app.start()

        def issue() -> str:
            return system.one_time_tokens.issue(caller, audience=FILES, action="download", resource="a.txt").token

        async def both(count: int) -> None:
            for _ in range(count):
                assert await _ask(app, "/files/a.txt", f"token={issue()}") == 303

        await both(50)
        began = time.perf_counter()
        await asyncio.gather(*(both(TOKENS // TOGETHER) for _ in range(TOGETHER)))
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(500):
            issue()
        issuing = (time.perf_counter() - began) / 500
        await app.stop()
    return {"rate": TOKENS // TOGETHER * TOGETHER / seconds, "issue_us": issuing * 1e6}


# --- A gigabyte ----------------------------------------------------------------------------------------------------


def _serve(job: dict[str, Any]) -> None:
    """The child."""
    machine.pin(job["core"])
    app = DownloadServer(
        job["root"], issuer=ISSUER, audience=FILES, state=job["state"], keys=jose.KeySet.from_jwks(job["keys"])
    )
    config = uvicorn.Config(
        app, log_level="error", access_log=False, loop="uvloop", http="httptools", lifespan="on",
    )  # fmt: skip
    with listen("127.0.0.1", job["port"], unsent=UNSENT) as listener:
        uvloop.run(uvicorn.Server(config).serve([listener]))


def _token(key: jose.Key, resource: str) -> str:
    now = int(time.time())
    token = OneTimeToken(
        issuer=ISSUER, audience=FILES, account_id="acc", session_id="ses", issued_at=now, expires_at=now + 100,
        token_id=os.urandom(16).hex(), action="download", resource=resource,
    )  # fmt: skip
    return jose.sign(one_time_claims(token), key, typ=ONE_TIME_TYPE)


def _take(port: int, path: str) -> tuple[str, int, float]:
    """The head, how many bytes came after it, and how long it took."""
    buffer = bytearray(2**20)
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            more = wire.recv(65536)
            assert more, "nothing came"
            head += more
        head, _, rest = head.partition(b"\r\n\r\n")
        count = len(rest)
        while more_count := wire.recv_into(buffer):
            count += more_count
    return head.decode("latin-1"), count, time.perf_counter() - began


def _download(port: int, key: jose.Key, resource: str) -> float:
    """Seconds, the spending of the token among them."""
    head, _, first = _take(port, f"/files/{resource}?token={_token(key, resource)}")
    location = next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("location"))
    _, count, seconds = _take(port, location)
    assert count == GIGABYTE, count
    return first + seconds


@contextmanager
def _nginx(folder: Path, root: Path) -> Iterator[int | None]:
    """Its port; None where it is not installed."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        yield None
        return
    port = machine.free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; root {root};\n"
        f"location /plain/ {{ alias {root}/; sendfile off; output_buffers 2 512k; }} }} }}\n"
    )
    with machine.child(
        "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf", executable=program,
        preexec_fn=lambda: machine.pin(machine.SERVER_CORE),
    ):  # fmt: skip
        listening(port)
        yield port


def listening(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("a server did not start")


def _peak(pid: int) -> float:
    """MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _gigabyte(folder: Path) -> dict[str, Any]:
    root = folder / "files"
    root.mkdir()
    with (root / "big.bin").open("wb") as big:
        block = os.urandom(2**20)  # written, not sparse: a hole costs less to read
        for _ in range(GIGABYTE // len(block)):
            big.write(block)
    key = jose.Key.generate("ES256")
    port = machine.free_port()
    job = {
        "core": machine.SERVER_CORE, "port": port, "root": str(root), "state": str(folder / "state.db"),
        "keys": json.dumps({"keys": [key.public().to_jwk()]}),
    }  # fmt: skip
    ours: list[float] = []
    theirs: dict[str, list[float]] = {"/big.bin": [], "/plain/big.bin": []}
    with machine.child("-m", "benchmarks.downloads", json.dumps(job)) as server, _nginx(folder, root) as nginx:
        listening(port)
        machine.pin(machine.LOAD_CORE)
        before = _peak(server.pid)
        for _ in range(ROUNDS):
            ours.append(GIGABYTE / 1e9 / _download(port, key, "big.bin"))
            if nginx is not None:
                for path, rates in theirs.items():
                    rates.append(GIGABYTE / 1e9 / _take(nginx, path)[2])
        return {"ours": ours, "theirs": theirs, "before": before, "peak": _peak(server.pid)}


def run(say: Callable[[str], None]) -> list[Row]:
    """About 30 seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(f"one-time tokens, issued and spent on core {machine.SERVER_CORE} ...")
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.downloads", json.dumps({"spend": name})],
            stdout=subprocess.PIPE, text=True, env=machine.environment(), check=True, timeout=120,
        )  # fmt: skip
        spending = json.loads(done.stdout)
        say("a file of 1 GB ...")
        found = _gigabyte(folder)
    ours = spread(found["ours"])
    rows = [
        Row(
            what="one-time token issued and spent",
            reached=spending["rate"],
            unit="/s",
            note=f"one core, SQLite, {TOGETHER} at a time; issuing alone {spending['issue_us']:.0f} us",
        ),
        Row(
            what="download of 1 GB",
            reached=ours.median,
            unit="GB/s",
            spread=str(ours),
            note="one core, loopback, file in the page cache",
        ),
        Row(
            what="download server's peak memory",
            reached=found["peak"],
            unit="MiB",
            at_most=96,
            note=f"{found['before']:.0f} MiB before {ROUNDS} downloads of 1 GB",
        ),
    ]
    with_sendfile, without = found["theirs"].values()
    if with_sendfile:
        # whichever of its two ways is the faster one here
        best = max(with_sendfile, without, key=lambda rates: spread(rates).median)
        ratio = spread([a / b for a, b in zip(found["ours"], best, strict=True)])
        told = f"nginx {spread(with_sendfile).median:.2f} GB/s with sendfile, {spread(without).median:.2f} without"
        rows.append(
            Row(
                what="download of 1 GB / nginx",
                reached=ratio.median,
                at_least=0.7,
                spread=str(ratio),
                note=told,
            )
        )
    return rows


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    if "spend" in wanted:
        machine.pin(machine.SERVER_CORE)
        print(json.dumps(uvloop.run(_spending(Path(wanted["spend"])))))
    else:
        _serve(wanted)
