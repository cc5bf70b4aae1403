"""Refreshes a second on SQLite: rotated, written before the answer, reuse detected."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine, peers
from benchmarks.report import Row
from benchmarks.stats import number, percentile, spread

ROUNDS = 4
SECONDS = 3.0
STORED_PEER = 63.0
"""What simplejwt did on the machine of the first comparison, eight chains, one thread."""


@contextlib.contextmanager
def _ours(directory: Path) -> Iterator[dict[str, Any]]:
    port = machine.free_port()
    job = {"core": machine.SERVER_CORE, "port": port, "directory": str(directory), "count": 64, "kinds": ["stateful"]}
    with machine.child("-m", "benchmarks.serving", json.dumps(job)) as server:
        seeded = json.loads(Path(machine.first_line(server)["seeded"]).read_text())
        tokens = directory / "ours.json"
        tokens.write_text(json.dumps([each["refresh"] for each in seeded["stateful"]]))
        yield {
            "job": "chains", "port": port, "path": "/auth/oauth/token", "member": "refresh_token",
            "content_type": "application/x-www-form-urlencoded",
            "template": "grant_type=refresh_token&refresh_token=%s",
            "tokens": str(tokens), "pid": server.pid,
        }  # fmt: skip


@contextlib.contextmanager
def _simplejwt(directory: Path) -> Iterator[dict[str, Any] | None]:
    if not peers.PYTHON.exists():
        yield None
        return
    port = machine.free_port()
    script = str(Path(peers.__file__).with_name("simplejwt.py"))
    arguments = (script, str(port), str(directory), str(machine.SERVER_CORE), "64")
    with machine.child(*arguments, executable=str(peers.PYTHON)) as server:
        machine.first_line(server)
        yield {
            "job": "chains", "port": port, "path": "/refresh", "member": "refresh", "content_type": "application/json",
            "template": '{"refresh":"%s"}', "tokens": str(directory / "tokens.json"), "pid": server.pid,
        }  # fmt: skip


def _spent(pid: int) -> float:
    """Processor time of a server so far: its own, and of the worker that gunicorn has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(machine.process_seconds, (pid, *map(int, children))))


def run(say: Callable[[str], None]) -> list[Row]:
    """About 45 seconds."""
    say("refreshes on SQLite ...")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with _ours(directory) as ours, _simplejwt(directory) as peer:
            return _measured(ours, peer, directory, say)


def _rate(job: dict[str, Any], concurrency: int) -> tuple[float, list[float], float]:
    """Refreshes a second, how long each took, and the server's processor time for each; in seconds."""
    before = _spent(job["pid"])
    found = machine.load({**job, "concurrency": concurrency, "seconds": SECONDS})
    assert set(found["statuses"]) == {"200"}, found["statuses"]
    spent = _spent(job["pid"]) - before
    return found["statuses"]["200"] / found["seconds"], found["latencies"], spent / found["statuses"]["200"]


def _measured(
    ours: dict[str, Any], peer: dict[str, Any] | None, directory: Path, say: Callable[[str], None]
) -> list[Row]:
    spent = directory / "spent.json"
    shutil.copy(ours["tokens"], spent)
    rates: dict[int, list[float]] = {8: [], 32: []}
    latencies: dict[int, list[float]] = {8: [], 32: []}
    spent_on: dict[int, list[float]] = {8: [], 32: []}
    peers_rates: list[float] = []
    peers_spent: list[float] = []
    for _ in range(ROUNDS):
        for concurrency, found in rates.items():
            rate, taken, each = _rate(ours, concurrency)
            spent_on[concurrency].append(each)
            found.append(rate)
            latencies[concurrency] += taken
        if peer is not None:
            rate, _, each = _rate(peer, 8)
            peers_rates.append(rate)
            peers_spent.append(each)
    _check_reuse(ours, spent)
    for concurrency, found in rates.items():
        say(f"  {concurrency} chains: {number(spread(found).median)}/s")
    if peers_rates:
        ratios = [one / two for one, two in zip(rates[8], peers_rates, strict=True)]
        against = f"{spread(ratios)}; {number(spread(rates[8]).median)}/s / {number(spread(peers_rates).median)}/s"
        note = (
            "8 chains, one core each; stateful tokens signed with ES256; WAL and synchronous=FULL on both sides; "
            "simplejwt 5.5.1 on Django 5.2.19, gunicorn with one thread, HS256. The run spent a token "
            "twice: the session ended."
        )
    else:
        ratios = [one / STORED_PEER for one in rates[8]]
        against = f"{number(spread(rates[8]).median)}/s / {number(STORED_PEER)}/s, NOT measured in this run"
        note = (
            "The peer is not installed (`python -m benchmarks.peers`): its figure is from another run of another day."
        )
    rows = [
        Row(what="refreshes/s on SQLite / simplejwt with blacklist", reached=spread(ratios).median, unit="x",
            at_least=10.0 if peers_rates else None, spread=against, note=note)
    ]  # fmt: skip
    if peers_spent:
        by_cpu = spread([two / one for one, two in zip(spent_on[8], peers_spent, strict=True)])
        ours_each, peers_each = (number(spread(found).median * 1e6) for found in (spent_on[8], peers_spent))
        rows.append(
            Row(what="  the same by processor time: one of simplejwt's / one of ours", reached=by_cpu.median, unit="x",
                spread=f"{by_cpu}; {peers_each} us / {ours_each} us",
                note="All threads of each server. Where other programs run too this is the one to read.")
        )  # fmt: skip
    for concurrency, found in rates.items():
        p50, p99 = (percentile(latencies[concurrency], part) * 1000 for part in (0.5, 0.99))
        rows.append(
            Row(what=f"  refreshes/s, {concurrency} chains", reached=spread(found).median, unit="/s",
                spread=f"{spread(found)}; p50 {number(p50)} ms, p99 {number(p99)} ms")
        )  # fmt: skip
    return rows


def _check_reuse(ours: dict[str, Any], spent: Path) -> None:
    """The first tokens of all, long spent: each must be refused and end its session, so that the newest dies too."""
    for tokens in (spent, ours["tokens"]):
        found = machine.load({**ours, "tokens": str(tokens), "concurrency": 4, "seconds": 0.2})
        assert set(found["statuses"]) == {"400"}, found["statuses"]
