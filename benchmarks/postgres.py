"""Refreshes, logins and authenticated requests a second with PostgreSQL, which waits for its disk as it comes."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.servers.postgres import Cluster, cluster

from benchmarks import logins, machine, requests, seed
from benchmarks.report import Row
from benchmarks.stats import number, percentile, spread

ROUNDS = 4
SECONDS = 3.0
STORED_PEER = 80.0
"""What simplejwt with its blacklist did on PostgreSQL, on the machine of the first comparison: one thread, eight
chains, fsync on."""
_TICKS = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _node(
    server: Cluster, directory: Path, *, count: int, kinds: list[str], core: int
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Port, process and what was seeded."""
    port = machine.free_port()
    directory.mkdir()
    job = {"core": core, "port": port, "directory": str(directory), "count": count, "kinds": kinds}
    with machine.child(
        "-m", "benchmarks.serving", json.dumps({**job, "database": server.url(schema="bench")})
    ) as child:
        told = machine.first_line(child)
        yield port, child.pid, json.loads(Path(told["seeded"]).read_text())


def run(say: Callable[[str], None]) -> list[Row]:
    """About 150 seconds."""
    rows: list[Row] = []
    with cluster(shared_buffers="128MB") as server, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with _node(
            server, directory / "one", count=256, kinds=[str(kind) for kind in seed.KINDS], core=machine.SERVER_CORE
        ) as (port, pid, seeded):
            say("refreshes on PostgreSQL ...")
            rows += _refreshes(server, directory, [(port, pid)], seeded["stateful"][:128], say)
            with _node(server, directory / "two", count=0, kinds=[], core=machine.LOAD_CORE) as (other, other_pid, _):
                nodes = [(port, pid), (other, other_pid)]
                rows += _refreshes(server, directory, nodes, seeded["stateful"][128:], say)
            say("logins on PostgreSQL ...")
            rows.append(_logins(directory, port, seeded["session"]))
            say("requests with PostgreSQL ...")
            rows += _requests(server, directory, port, pid, seeded, say)
    return rows


def _cpu(pid: int) -> float:
    """Seconds of processor time, children of the dead included."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _used(server: Cluster, nodes: list[tuple[int, int]]) -> tuple[float, float, int]:
    """Processor time of the nodes, that of PostgreSQL, and how often it has waited for its disk."""
    fsyncs = int(server.sql("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"))
    return sum(_cpu(pid) for _, pid in nodes), sum(_cpu(pid) for pid in server.children()), fsyncs


def _refreshes(
    server: Cluster, directory: Path, nodes: list[tuple[int, int]], seeded: list[Any], say: Callable[[str], None]
) -> list[Row]:
    chains: dict[int, list[dict[str, Any]]] = {8: [], 32: [], 64: []}
    shares: list[tuple[float, ...]] = []
    share = len(seeded) // len(nodes)
    jobs = []
    for at, (port, _) in enumerate(nodes):
        tokens = directory / f"tokens-{len(nodes)}-{at}.json"
        tokens.write_text(json.dumps([each["refresh"] for each in seeded[at * share : (at + 1) * share]]))
        jobs.append(
            {
                "job": "chains", "port": port, "path": "/auth/oauth/token", "member": "refresh_token",
                "content_type": "application/x-www-form-urlencoded",
                "template": "grant_type=refresh_token&refresh_token=%s", "tokens": str(tokens), "seconds": SECONDS,
            }
        )  # fmt: skip
    with ThreadPoolExecutor(len(nodes)) as pool:
        for _ in range(ROUNDS if len(nodes) == 1 else 2):
            for concurrency, results in chains.items():
                before, began = _used(server, nodes), time.perf_counter()
                each = concurrency // len(nodes)
                found = list(pool.map(machine.load, [{**job, "concurrency": each} for job in jobs]))
                spent = time.perf_counter() - began
                assert all(set(one["statuses"]) == {"200"} for one in found), found[0]["statuses"]
                done = sum(one["statuses"]["200"] for one in found)
                results.append(
                    {
                        "rate": sum(one["statuses"]["200"] / one["seconds"] for one in found),
                        "latencies": [latency for one in found for latency in one["latencies"]],
                    }
                )
                ours, theirs, fsyncs = (
                    after - earlier for after, earlier in zip(_used(server, nodes), before, strict=True)
                )
                shares.append((ours / done * 1e6, theirs / done * 1e6, done / max(1, fsyncs), ours / spent))
    rows = []
    named = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    for concurrency, results in chains.items():
        rates = spread([found["rate"] for found in results])
        latencies = [latency for found in results for latency in found["latencies"]]
        p50, p99 = (percentile(latencies, part) * 1000 for part in (0.5, 0.99))
        say(f"  {named}, {concurrency} chains: {number(rates.median)}/s")
        rows.append(
            Row(
                what=f"refreshes/s on PostgreSQL, {named}, {concurrency} chains",
                reached=rates.median,
                unit="/s",
                at_least=10 * STORED_PEER if concurrency == 64 and len(nodes) == 1 else None,
                spread=f"{rates}; p50 {number(p50)} ms, p99 {number(p99)} ms",
                note="Committed with fsync on before the answer; stateful tokens signed with ES256. simplejwt with its "
                f"blacklist did {STORED_PEER:g}/s on PostgreSQL, in another run. Nodes, PostgreSQL and the clients "
                "share the machine's cores.",
            )
        )
    ours, theirs, together, busy = (spread([share[at] for share in shares]).median for at in range(4))
    rows.append(
        Row(
            what=f"  what limits it, {named}: processor time of a refresh in its node",
            reached=ours,
            unit="us",
            spread=f"in PostgreSQL {number(theirs)} us; {number(together)} refreshes a wait for the disk; nodes got "
            f"{number(busy)} cores of a shared machine",
        )
    )
    return rows


def _logins(directory: Path, port: int, seeded: list[Any]) -> Row:
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
        what="logins/s on PostgreSQL",
        reached=spread(done).median,
        unit="/s",
        spread=f"{spread(done)}; the bare hash {number(spread(bare).median)}/s on the node's core",
        note="Argon2id 19 MiB, t=2, p=1; 4 clients; three writes a login, each committed with fsync on.",
    )


def _requests(
    server: Cluster, directory: Path, port: int, pid: int, seeded: dict[str, Any], say: Callable[[str], None]
) -> list[Row]:
    generator = requests.Generator(directory, port)
    generator.prepare("open", "/open", [])
    generator.prepare("open too", "/open-too", [])
    rows = []
    for kind in seed.KINDS:
        # stateful ones were refreshed, which leaves their access tokens as they were
        headers = [each["header"] for each in seeded[kind]]
        headers = [header for header in headers if requests.status(port, "/me", header) == 200]
        assert len(headers) >= 100, f"{kind}: {len(headers)}"
        generator.prepare("open, sent the credential", "/open", headers)
        generator.prepare(str(kind), "/me", headers)
        generator.run(str(kind), "/me", requests.SECONDS)
        reads = "SELECT sum(calls) FROM (SELECT seq_scan + idx_scan AS calls FROM pg_stat_user_tables "
        reads += "WHERE relname IN ('sessions', 'accounts')) t"
        time.sleep(1.5)  # the server adds up its counts once a second
        before = int(server.sql(reads))
        found = requests._of_kind(generator, str(kind), pid)
        time.sleep(1.5)
        looked = int(server.sql(reads)) - before
        ratio, by_cpu = found[:2]
        asked = sum(int(each["requests"]) for each in ratio.detail["slots"][str(kind)])
        say(f"  {kind}: {number(ratio.reached)} of the open route's rate, {looked} look-ups for {asked} requests")
        rows.append(
            Row(
                what=f"requests/s with login / open, PostgreSQL, {kind}",
                reached=ratio.reached,
                unit="x",
                at_least=0.90,
                spread=f"{ratio.spread}; {looked} scans of sessions and accounts for {asked} requests",
                note=ratio.note.replace("SQLite", "PostgreSQL"),
            )
        )
        rows.append(replace(by_cpu, note=by_cpu.note.replace("SQLite", "PostgreSQL")))
    return rows
