"""Requests per second of one application over HTTP: its open route, and the same route behind a login."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import machine, seed
from benchmarks.report import Row
from benchmarks.stats import number, spread

ROUNDS = 6
SECONDS = 1
CONNECTIONS = 32
_LUA = """
local requests = {}
function init(args)
%s
end
local at = 0
function request()
  at = at %% #requests + 1
  return requests[at]
end
function done(summary, latency, requests)
  io.write(string.format('{"requests": %%d, "micros": %%d, "failed": %%d, "p50": %%d, "p99": %%d}\\n', summary.requests,
    summary.duration, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


def _script(directory: Path, name: str, path: str, headers: list[list[str]]) -> Path:
    made = [
        f'  requests[{at}] = wrk.format("GET", "{path}", {{["{key}"] = "{value}"}})'
        for at, (key, value) in enumerate(headers, 1)
    ]
    script = directory / f"{name}.lua"
    script.write_text(_LUA % "\n".join(made or [f'  requests[1] = wrk.format("GET", "{path}")']))
    return script


class Generator:
    """wrk where it is installed, otherwise the small client of `benchmarks.load`."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self._wrk = shutil.which("wrk")
        self._scripts: dict[str, Path] = {}

    @property
    def name(self) -> str:
        return "wrk" if self._wrk else "a small asyncio client (wrk is not installed)"

    def prepare(self, name: str, path: str, headers: list[list[str]]) -> None:
        if self._wrk:
            self._scripts[name] = _script(self._directory, name, path, headers)
        else:
            self._scripts[name] = self._directory / f"{name}.json"
            self._scripts[name].write_text(json.dumps([[dict([pair]), ""] for pair in headers] or [[{}, ""]]))

    def run(self, name: str, path: str, seconds: int) -> dict[str, float]:
        """Requests per second, failed ones, p50 and p99 in milliseconds."""
        if self._wrk is None:
            job = {"job": "loop", "port": self._port, "method": "GET", "path": path, "concurrency": CONNECTIONS}
            found = machine.load({**job, "seconds": seconds, "requests": str(self._scripts[name])})
            good = found["statuses"].get("200", 0)
            return {
                "rate": good / found["seconds"], "failed": sum(found["statuses"].values()) - good, "requests": good
            }  # fmt: skip
        done = subprocess.run(
            [
                *(("taskset", "-c", str(machine.LOAD_CORE)) if shutil.which("taskset") else ()),
                *(self._wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", self._scripts[name]),
                f"http://127.0.0.1:{self._port}{path}",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
        found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
        return {
            "rate": found["requests"] / found["micros"] * 1e6,
            "failed": found["failed"],
            "p50": found["p50"] / 1000,
            "p99": found["p99"] / 1000,
            "requests": found["requests"],
        }


def status(port: int, path: str, header: list[str] | None = None) -> int:
    """What one request is answered."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=dict([header]) if header else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def run(say: Callable[[str], None]) -> list[Row]:
    """About two minutes."""
    port = machine.free_port()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        job = {"core": machine.SERVER_CORE, "port": port, "directory": name, "count": 1000}
        with machine.child("-m", "benchmarks.serving", json.dumps(job)) as server:
            seeded = json.loads(Path(machine.first_line(server)["seeded"]).read_text())
            generator = Generator(directory, port)
            say(f"over HTTP, 1 worker on core {machine.SERVER_CORE}, {generator.name} on core {machine.LOAD_CORE} ...")
            rows = []
            for kind in seed.KINDS:
                headers = [each["header"] for each in seeded[kind]]
                _prepare(generator, str(kind), headers)
                rows += _of_kind(generator, str(kind), server.pid)
                say(f"  {kind}: {number(rows[-4].reached)} of the open route's rate")
            rows.append(_revoked_elsewhere(directory, port, seeded[seed.Kind.STATELESS][7]))
    return rows


def _paths(kind: str) -> dict[str, str]:
    """What is asked in turn. Each comparison has an open route on both sides of the closed one: to try one more route
    costs Starlette as much as a good part of what is measured."""
    return {
        "open": "/open", kind: "/me", "open too": "/open-too",
        "open, sent the credential": "/open", "open too, sent the credential": "/open-too",
    }  # fmt: skip


def _prepare(generator: Generator, kind: str, headers: list[list[str]]) -> None:
    for slot, path in _paths(kind).items():
        generator.prepare(slot, path, [] if slot in ("open", "open too") else headers)


def _of_kind(generator: Generator, kind: str, pid: int) -> list[Row]:
    generator.run(kind, "/me", SECONDS)  # every credential is seen once
    paths = _paths(kind)
    slots: dict[str, list[dict[str, float]]] = {slot: [] for slot in paths}
    for at in range(ROUNDS):
        for slot in paths if at % 2 == 0 else reversed(paths):
            before = machine.loop_seconds(pid)
            found = generator.run(slot, paths[slot], SECONDS)
            assert not found["failed"], f"{found['failed']} requests to {paths[slot]} failed"
            found["cpu"] = (machine.loop_seconds(pid) - before) / found["requests"] * 1e6
            slots[slot].append(found)
    return _rows_of_kind(kind, slots)


def _rows_of_kind(kind: str, slots: dict[str, list[dict[str, float]]]) -> list[Row]:
    rounds = list(zip(*slots.values(), strict=True))
    ratios = spread([me["rate"] / ((one["rate"] + two["rate"]) / 2) for one, me, two, *_ in rounds])
    by_cpu = spread([(one["cpu"] + two["cpu"]) / 2 / me["cpu"] for one, me, two, *_ in rounds])
    alike = spread([(one["cpu"] + two["cpu"]) / 2 / me["cpu"] for _, me, _, one, two in rounds])
    aa = spread([two["rate"] / one["rate"] for one, _, two, *_ in rounds])
    rate, base, cpu, cpu_base = (
        spread([found[what] for found in slots[slot]]).median for what in ("rate", "cpu") for slot in (kind, "open")
    )
    note = (
        f"Starlette, uvicorn with uvloop and httptools, SQLite; {CONNECTIONS} connections, 1,000 credentials in turn, "
        "each seen before; the open route is asked without one. The closed route stands between two open ones: the "
        "ratio is to their mean, A/A compares the two. Medians over rounds; spread: quartiles."
    )
    return [
        Row(
            what=f"requests/s with login / open, {kind}",
            reached=ratios.median,
            unit="x",
            at_least=0.90,
            spread=f"{ratios}; {number(rate)}/s / {number(base)}/s",
            note=note,
            detail={"slots": slots},
        ),
        Row(
            what="  the same by the event loop's CPU per request",
            reached=by_cpu.median,
            unit="x",
            spread=f"{by_cpu}; {number(cpu_base)} us / {number(cpu)} us",
            note=note,
        ),
        Row(
            what="  by CPU, the open route being sent the credential too",
            reached=alike.median,
            unit="x",
            spread=str(alike),
            note="As a browser does: the header then is parsed on both sides.",
        ),
        Row(what="  A/A", reached=aa.median, unit="x", spread=str(aa), note=note),
    ]


def _revoked_elsewhere(directory: Path, port: int, victim: dict[str, Any]) -> Row:
    """Another process ends a session; how long does the server go on accepting it?"""
    assert status(port, "/me", victim["header"]) == 200
    code = (
        "import asyncio, sys\n"
        "from benchmarks.seed import settings_for\n"
        "from ostiary.compose import open_system\n"
        "from ostiary.domain.session import EndReason\n"
        "from ostiary.services.context import Client\n"
        "async def main():\n"
        f"    async with open_system(settings_for('sqlite:///{directory / 'bench.db'}', {port})) as system:\n"
        f"        session = '{victim['session']}'\n"
        "        await system.sessions.end(session, reason=EndReason.REVOKED, actor='benchmark', client=Client())\n"
        "        print('{}', flush=True)\n"
        "        sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    with machine.child("-c", code, stdin=subprocess.PIPE) as process:
        machine.first_line(process)
        ended = time.perf_counter()
        while status(port, "/me", victim["header"]) == 200:
            assert time.perf_counter() - ended < 10, "revoked, and still accepted"
        elapsed = time.perf_counter() - ended
    return Row(
        what="revoked by another process, refused here after",
        reached=elapsed * 1000,
        unit="ms",
        at_most=2000.0,
        note="The bound is the lease, 2 s; the process that revokes refuses at once.",
    )
