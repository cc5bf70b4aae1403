"""Requests per second through nginx that asks Ostiary about each of them, against the same nginx that does not.

The file is `examples/nginx`, but for addresses. nginx, the auth server and the service behind share one core.

python -m benchmarks.edge '{"core": 0, ...}' is the child that serves.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from benchmarks import machine, seed
from benchmarks.downloads import listening
from benchmarks.report import Row
from benchmarks.requests import Generator
from benchmarks.stats import spread
from ostiary import Ostiary
from ostiary.settings import Settings

ROUNDS = 5
SECONDS = 2
NOTES = "https://notes.example.com"
EXAMPLE = Path(__file__).parent.parent / "examples/nginx/app.example.com.conf"


async def _serve(job: dict[str, Any]) -> None:
    """The child: the auth server, and the service behind in the same process."""
    settings = Settings(
        database=f"sqlite:///{Path(job['directory']) / 'bench.db'}", issuer=f"http://127.0.0.1:{job['edge']}",
        audiences=(NOTES,), allowed_hosts=("127.0.0.1",), access_token_lifetime=3600.0, address_failures=1_000_000,
    )  # fmt: skip
    auth = Ostiary(settings)
    await auth.start()
    seeded = {
        str(kind): [list(each.header) for each in await seed.sessions(auth.system, kind, 200)] for kind in seed.KINDS
    }
    body = b'{"notes":[]}'
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"12")]}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/v1/"):
            await auth.asgi(scope, receive, send)
            return
        await send(dict(start))
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        app, host="127.0.0.1", port=job["port"], lifespan="off", log_config=None, access_log=False, server_header=False,
        proxy_headers=False, ws="none", loop="uvloop", http="httptools", timeout_keep_alive=75,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps(seeded), flush=True)
    await serving
    await auth.stop()


def _file(folder: Path, ports: dict[str, int]) -> Path:
    """One nginx, two servers: with the question and without."""
    shown = EXAMPLE.read_text()
    head, _, server = shown.partition("server {\n    listen 443 ssl;")
    head = head.replace("127.0.0.1:8000", f"127.0.0.1:{ports['auth']}").replace(
        "127.0.0.1:9000", f"127.0.0.1:{ports['auth']}"
    )
    server = "\n".join(line for line in server.splitlines() if "ssl_certificate" not in line)
    asking = f"server {{\n    listen 127.0.0.1:{ports['asking']};{server}"
    silent = f"server {{\n    listen 127.0.0.1:{ports['silent']};{server}".replace("auth_request /_ostiary;", "")
    for text in (asking,):
        assert "auth_request /_ostiary;" in text
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    silent = "\n".join(line for line in silent.splitlines() if "auth_request_set" not in line)
    for name in ("token", "subject", "session", "roles", "status"):
        silent = silent.replace(f"$auth_{name}", '""' if name != "status" else "$status")
    path.write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit;\n"
        f"events {{}}\nhttp {{ access_log off; keepalive_requests 10000000; {temporary}\n"
        f"server_names_hash_bucket_size 128;\n{head}{asking}\n{silent}\n}}\n"
    )
    return path


def run(say: Callable[[str], None]) -> list[Row]:
    """About 40 seconds."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        say("nginx is not installed: nothing to measure at the edge")
        return []
    ports = {name: machine.free_port() for name in ("auth", "asking", "silent")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = {"core": machine.SERVER_CORE, "port": ports["auth"], "edge": ports["asking"], "directory": name}
        with machine.child("-m", "benchmarks.edge", json.dumps(job)) as auth:
            seeded = machine.first_line(auth)
            path = _file(folder, ports)
            with machine.child(
                "-e", f"{folder}/error.log", "-c", str(path), executable=program,
                preexec_fn=lambda: machine.pin(machine.SERVER_CORE),
            ):  # fmt: skip
                for port in (ports["asking"], ports["silent"]):
                    listening(port)
                asking, silent = (Generator(folder, ports[name]) for name in ("asking", "silent"))
                say(
                    f"nginx that asks, all on core {machine.SERVER_CORE}, {asking.name} on core {machine.LOAD_CORE} ..."
                )
                rows: list[Row] = []
                for kind in seed.KINDS:
                    asking.prepare("notes", "/notes", seeded[str(kind)])
                    silent.prepare("notes", "/notes", seeded[str(kind)])
                    with_question: list[float] = []
                    ratios: list[float] = []
                    for _ in range(ROUNDS):
                        one, other = asking.run("notes", "/notes", SECONDS), silent.run("notes", "/notes", SECONDS)
                        assert not one["failed"], one
                        assert not other["failed"], other
                        with_question.append(one["rate"])
                        ratios.append(one["rate"] / other["rate"])
                    rate, ratio = spread(with_question), spread(ratios)
                    rows.append(
                        Row(
                            what=f"forward-auth through nginx, {kind}", reached=rate.median, unit="/s", spread=str(rate)
                        )
                    )
                    rows.append(
                        Row(
                            what=f"forward-auth through nginx / nginx without, {kind}",
                            reached=ratio.median,
                            spread=str(ratio),
                            note="nginx, auth server and service on one core; a signed internal token for each request",
                        )
                    )
                return rows


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    machine.pin(wanted["core"])
    uvloop.run(_serve(wanted))
