"""Logins a second against what the bare password hash allows on the same core, and what other requests feel of them."""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from argon2.low_level import Type, hash_secret_raw

from benchmarks import machine, seed
from benchmarks.report import Row
from benchmarks.stats import number, percentile, spread
from ostiary.passwords.stored import Argon2Parameters

ROUNDS = 3
SECONDS = 4.0
RATE = 200  # requests a second to the open route: a tenth of what the core could answer


def bare_hashes(core: int, seconds: float, pipe: Any) -> None:
    """Argon2id with the server's parameters and nothing else, in a process on the server's core. It runs at ordinary
    priority, the server's hashes behind the event loop: where other work runs too this is to our disadvantage."""
    machine.pin(core)
    cost = Argon2Parameters()
    count = 0
    spent = time.process_time()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        hash_secret_raw(
            bytes(32), bytes(16), time_cost=cost.passes, memory_cost=cost.memory_kib,
            parallelism=cost.lanes, hash_len=cost.hash_bytes, type=Type.ID,
        )  # fmt: skip
        count += 1
    pipe.send((count / (time.perf_counter() - began), (time.process_time() - spent) / count))


def hash_rate(core: int, seconds: float) -> float:
    """Hashes a second."""
    return hash_cost(core, seconds)[0]


def hash_cost(core: int, seconds: float) -> tuple[float, float]:
    """Hashes a second, and processor time of one in seconds."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=bare_hashes, args=(core, seconds, there))
    process.start()
    process.join()
    rate, each = here.recv()
    return float(rate), float(each)


def _pauses(port: int) -> dict[str, list[float]]:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_pauses", timeout=20) as answer:
        found: dict[str, list[float]] = json.load(answer)
        return found


def run(say: Callable[[str], None]) -> list[Row]:
    """About 80 seconds."""
    say(f"logins on core {machine.SERVER_CORE} ...")
    port = machine.free_port()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        job = {"core": machine.SERVER_CORE, "port": port, "directory": name, "count": 1000, "kinds": ["session"]}
        with machine.child("-m", "benchmarks.serving", json.dumps(job)) as server:
            seeded = json.loads(Path(machine.first_line(server)["seeded"]).read_text())
            bodies = [
                (
                    {"content-type": "application/json"},
                    json.dumps({"username": each["username"], "password": seed.PASSWORD}),
                )
                for each in seeded["session"]
            ]
            (directory / "logins.json").write_text(json.dumps(bodies))
            rows = _throughput(port, directory, server.pid)
            say(f"  {number(rows[0].reached)} of the bare hash")
            rows += _beside_others(port, directory)
    return rows


def _login_job(port: int, directory: Path, concurrency: int, seconds: float) -> dict[str, Any]:
    return {
        "job": "loop", "port": port, "method": "POST", "path": "/auth/v1/login", "concurrency": concurrency,
        "seconds": seconds, "requests": str(directory / "logins.json"),
    }  # fmt: skip


def _throughput(port: int, directory: Path, pid: int) -> list[Row]:
    bare, logins, ratios, by_cpu, each = [], [], [], [], []
    for _ in range(ROUNDS):
        rate, hash_cpu = hash_cost(machine.SERVER_CORE, SECONDS)
        bare.append(rate)
        before = machine.process_seconds(pid)
        found = machine.load(_login_job(port, directory, 4, SECONDS))
        each.append((machine.process_seconds(pid) - before) / found["statuses"].get("200", 1))
        assert set(found["statuses"]) == {"200"}, found["statuses"]
        logins.append(found["statuses"]["200"] / found["seconds"])
        after, hash_cpu_after = hash_cost(machine.SERVER_CORE, SECONDS / 2)
        by_cpu.append((hash_cpu + hash_cpu_after) / 2 / each[-1])
        ratios.append(logins[-1] / ((bare[-1] + after) / 2))
    return [
        Row(
            what="logins/s / bare Argon2id hashes/s, same core",
            reached=spread(ratios).median,
            unit="x",
            at_least=0.9,
            spread=f"{spread(ratios)}; {number(spread(logins).median)}/s / {number(spread(bare).median)}/s",
            note="19 MiB, t=2, p=1 on both sides; 4 clients; session and audit event written to SQLite, fsynced "
            "(WAL, synchronous=FULL), before the answer.",
        ),
        Row(
            what="  the same by processor time: one bare hash / one login",
            reached=spread(by_cpu).median,
            unit="x",
            spread=f"{spread(by_cpu)}; a login {number(spread(each).median * 1000)} ms",
            note="All threads of the server. Where other programs run too this is the one to read: a process "
            "of several threads is given more of a crowded core than one of a single thread.",
        ),
    ]


def _beside_others(port: int, directory: Path) -> list[Row]:
    probe = {"job": "probe", "port": port, "path": "/open", "rate": RATE}
    seen: dict[int, list[dict[str, Any]]] = {0: [], 4: [], 200: []}
    logins: dict[int, list[float]] = {4: [], 200: []}
    pauses: dict[int, dict[str, list[float]]] = {}
    for _ in range(2):
        for concurrency, results in seen.items():
            with ThreadPoolExecutor(1) as pool:
                busy = pool.submit(machine.load, _login_job(port, directory, concurrency, 7.0)) if concurrency else None
                time.sleep(1.5 if concurrency else 0.1)
                _pauses(port)
                results.append(machine.load({**probe, "seconds": 4.0}))
                pauses[concurrency] = _pauses(port)
                if busy is not None:
                    done = busy.result()
                    assert set(done["statuses"]) == {"200"}, done["statuses"]
                    logins[concurrency] += done["latencies"]
    note = (
        f"{RATE} requests/s at fixed times to /open, whether or not earlier ones were answered; the same core hashes "
        "at the same time. Latency counts from the moment at which a request was due."
    )
    # one round against the "alone" of the same round: the machine drifts between rounds
    p99s = {key: [percentile(found["latencies"], 0.99) * 1000 for found in results] for key, results in seen.items()}
    rows = []
    for concurrency in (4, 200):
        ratios = [busy / alone for busy, alone in zip(p99s[concurrency], p99s[0], strict=True)]
        rows.append(
            Row(
                what=f"p99 of /open while {concurrency} logins are in flight / alone",
                reached=spread(ratios).median,
                unit="x",
                at_most=5.0,
                spread=f"{number(min(ratios))} to {number(max(ratios))}; "
                f"{number(spread(p99s[concurrency]).median)} ms / {number(spread(p99s[0]).median)} ms",
                note=note,
                detail={"p99_ms": p99s},
            )
        )
    for concurrency in (4, 200):
        p50, p99 = (percentile(logins[concurrency], part) * 1000 for part in (0.5, 0.99))
        rows.append(
            Row(what=f"  login p99, {concurrency} in flight", reached=p99, unit="ms", spread=f"p50 {number(p50)} ms")
        )
    for concurrency, found in pauses.items():
        lags, collections = found["lags"] or [0.0], found["collections"] or [0.0]
        rows.append(
            Row(
                what=f"  event loop late by, {concurrency} logins in flight, p99",
                reached=percentile(lags, 0.99) * 1000,
                unit="ms",
                spread=f"max {number(max(lags) * 1000)} ms; "
                f"longest garbage collection {number(max(collections) * 1000)} ms",
            )
        )
    return rows
