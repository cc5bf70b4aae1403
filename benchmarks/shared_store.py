"""Refreshes, logins and authenticated requests a second, of nodes on a store that other machines could share too: what
is measured in the same way whatever the store."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from benchmarks import logins, machine, requests, seed
from benchmarks.report import Row
from benchmarks.stats import number, percentile, spread

STORED_PEER = 80.0
"""What simplejwt with its blacklist did on PostgreSQL, on the machine of the first comparison: one thread, eight
chains, fsync on."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Spent:
    """What refreshes cost between two looks: processor seconds of all nodes, the seconds that passed, how many were
    done, and the difference of the store's own `counts`."""

    nodes: float
    seconds: float
    done: int
    counts: tuple[float, ...]


class Measured(Protocol):
    """One store. `settings` are a node's; `committed` says when a write counts as done, as the end of a sentence."""

    name: str
    settings: dict[str, str]
    committed: str
    seconds: float

    def rounds(self, nodes: int) -> int:
        """How often refreshes are measured with so many nodes."""
        ...

    def counts(self) -> tuple[float, ...]:
        """Numbers that only grow."""
        ...

    def limit(self, spent: list[Spent], named: str) -> Row:
        """What limits refreshes, from what each measurement cost."""
        ...

    def looked(self) -> int:
        """Records that were looked up so far."""
        ...


def run(store: Measured, directory: Path, say: Callable[[str], None]) -> list[Row]:
    """About 150 seconds."""
    kinds = [str(kind) for kind in seed.KINDS]
    with _node(store, directory / "one", count=256, kinds=kinds, core=machine.SERVER_CORE) as (port, pid, seeded):
        say(f"refreshes on {store.name} ...")
        rows = _refreshes(store, directory, [(port, pid)], seeded["stateful"][:128], say)
        with _node(store, directory / "two", count=0, kinds=[], core=machine.LOAD_CORE) as (other, other_pid, _):
            nodes = [(port, pid), (other, other_pid)]
            rows += _refreshes(store, directory, nodes, seeded["stateful"][128:], say)
        say(f"logins on {store.name} ...")
        rows.append(_logins(store, directory, port, seeded["session"]))
        say(f"requests with {store.name} ...")
        rows += _requests(store, directory, port, pid, seeded, say)
    return rows


def cpu(pid: int) -> float:
    """Seconds of processor time, children of the dead included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.contextmanager
def _node(
    store: Measured, directory: Path, *, count: int, kinds: list[str], core: int
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Port, process and what was seeded."""
    port = machine.free_port()
    directory.mkdir()
    job = {"core": core, "port": port, "directory": str(directory), "count": count, "kinds": kinds, **store.settings}
    with machine.child("-m", "benchmarks.serving", json.dumps(job)) as child:
        told = machine.first_line(child)
        yield port, child.pid, json.loads(Path(told["seeded"]).read_text())


def _refreshes(
    store: Measured, directory: Path, nodes: list[tuple[int, int]], seeded: list[Any], say: Callable[[str], None]
) -> list[Row]:
    chains: dict[int, list[dict[str, Any]]] = {8: [], 32: [], 64: []}
    spent: list[Spent] = []
    share = len(seeded) // len(nodes)
    jobs = []
    for at, (port, _) in enumerate(nodes):
        tokens = directory / f"tokens-{len(nodes)}-{at}.json"
        tokens.write_text(json.dumps([each["refresh"] for each in seeded[at * share : (at + 1) * share]]))
        jobs.append(
            {
                "job": "chains", "port": port, "path": "/auth/oauth/token", "member": "refresh_token",
                "content_type": "application/x-www-form-urlencoded",
                "template": "grant_type=refresh_token&refresh_token=%s", "tokens": str(tokens),
                "seconds": store.seconds,
            }
        )  # fmt: skip
    with ThreadPoolExecutor(len(nodes)) as pool:
        for _ in range(store.rounds(len(nodes))):
            for concurrency, results in chains.items():
                before, began = (*store.counts(), sum(cpu(pid) for _, pid in nodes)), time.perf_counter()
                each = concurrency // len(nodes)
                found = list(pool.map(machine.load, [{**job, "concurrency": each} for job in jobs]))
                seconds = time.perf_counter() - began
                after = (*store.counts(), sum(cpu(pid) for _, pid in nodes))
                assert all(set(one["statuses"]) == {"200"} for one in found), found[0]["statuses"]
                results.append(
                    {
                        "rate": sum(one["statuses"]["200"] / one["seconds"] for one in found),
                        "latencies": [latency for one in found for latency in one["latencies"]],
                    }
                )
                *counts, ours = (later - earlier for later, earlier in zip(after, before, strict=True))
                done = sum(one["statuses"]["200"] for one in found)
                spent.append(Spent(ours, seconds, done, tuple(counts)))
    rows = []
    named = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    for concurrency, results in chains.items():
        rates = spread([found["rate"] for found in results])
        latencies = [latency for found in results for latency in found["latencies"]]
        p50, p99 = (percentile(latencies, part) * 1000 for part in (0.5, 0.99))
        say(f"  {named}, {concurrency} chains: {number(rates.median)}/s")
        rows.append(
            Row(
                what=f"refreshes/s on {store.name}, {named}, {concurrency} chains",
                reached=rates.median,
                unit="/s",
                at_least=10 * STORED_PEER if concurrency == 64 and len(nodes) == 1 else None,
                spread=f"{rates}; p50 {number(p50)} ms, p99 {number(p99)} ms",
                note=f"Each {store.committed}; stateful tokens signed with ES256. simplejwt with its blacklist did "
                f"{STORED_PEER:g}/s on PostgreSQL, in another run. Nodes, {store.name} and the clients share the "
                "machine's cores.",
            )
        )
    return [*rows, store.limit(spent, named)]


def _logins(store: Measured, directory: Path, port: int, seeded: list[Any]) -> Row:
    bodies = [
        ({"content-type": "application/json"}, json.dumps({"username": each["username"], "password": seed.PASSWORD}))
        for each in seeded
    ]
    (directory / "logins.json").write_text(json.dumps(bodies))
    bare, done = [], []
    for _ in range(2):
        bare.append(logins.hash_rate(machine.SERVER_CORE, 3.0))
        found = machine.load(logins._login_job(port, directory, 4, 4.0))
        assert set(found["statuses"]) == {"200"}, found["statuses"]
        done.append(found["statuses"]["200"] / found["seconds"])
        bare.append(logins.hash_rate(machine.SERVER_CORE, 3.0))
    return Row(
        what=f"logins/s on {store.name}",
        reached=spread(done).median,
        unit="/s",
        spread=f"{spread(done)}; the bare hash {number(spread(bare).median)}/s on the node's core",
        note=f"Argon2id 19 MiB, t=2, p=1; 4 clients; three writes a login, each {store.committed}.",
    )


def _requests(
    store: Measured, directory: Path, port: int, pid: int, seeded: dict[str, Any], say: Callable[[str], None]
) -> list[Row]:
    generator = requests.Generator(directory, port)
    rows = []
    for kind in seed.KINDS:
        # stateful ones were refreshed, which leaves their access tokens as they were
        headers = [each["header"] for each in seeded[kind]]
        headers = [header for header in headers if requests.status(port, "/me", header) == 200]
        assert len(headers) >= 100, f"{kind}: {len(headers)}"
        requests._prepare(generator, str(kind), headers)
        generator.run(str(kind), "/me", requests.SECONDS)
        before = store.looked()
        ratio, by_cpu, _, alike = requests._of_kind(generator, str(kind), pid)
        looked = store.looked() - before
        asked = sum(int(each["requests"]) for each in ratio.detail["slots"][str(kind)])
        say(f"  {kind}: {number(ratio.reached)} of the open route's rate, {looked} look-ups for {asked} requests")
        rows.append(
            Row(
                what=f"requests/s with login / open, {store.name}, {kind}",
                reached=ratio.reached,
                unit="x",
                at_least=0.90,
                spread=f"{ratio.spread}; {looked} look-ups for {asked} requests",
                note=ratio.note.replace("SQLite", store.name),
            )
        )
        rows += [replace(row, note=row.note.replace("SQLite", store.name)) for row in (by_cpu, alike)]
    return rows
