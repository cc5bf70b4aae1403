"""What `benchmarks.shared_store` measures, with PostgreSQL, which waits for its disk as it comes."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.postgres import Cluster, cluster

from benchmarks import shared_store
from benchmarks.report import Row
from benchmarks.shared_store import Spent, cpu
from benchmarks.stats import number, spread

ROUNDS = 4


class _PostgreSQL:
    """See `benchmarks.shared_store.Measured`."""

    name = "PostgreSQL"
    committed = "committed with fsync on"
    seconds = 3.0

    def __init__(self, server: Cluster) -> None:
        self._server = server
        self.settings = {"database": server.url(schema="bench")}

    def rounds(self, nodes: int) -> int:
        return ROUNDS if nodes == 1 else 2

    def counts(self) -> tuple[float, ...]:
        """Processor time of PostgreSQL, and how often it has waited for its disk."""
        fsyncs = int(self._server.sql("SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"))
        return sum(cpu(pid) for pid in self._server.children()), fsyncs

    def limit(self, spent: list[Spent], named: str) -> Row:
        shares = [
            (one.nodes / one.done * 1e6, cpu / one.done * 1e6, one.done / max(1, fsyncs), one.nodes / one.seconds)
            for one in spent
            for cpu, fsyncs in [one.counts]
        ]
        ours, theirs, together, busy = (spread([share[at] for share in shares]).median for at in range(4))
        return Row(
            what=f"  what limits it, {named}: processor time of a refresh in its node",
            reached=ours,
            unit="us",
            spread=f"in PostgreSQL {number(theirs)} us; {number(together)} refreshes a wait for the disk; nodes got "
            f"{number(busy)} cores of a shared machine",
        )

    def looked(self) -> int:
        """Scans of sessions and accounts."""
        time.sleep(1.5)  # the server adds up its counts once a second
        reads = "SELECT sum(calls) FROM (SELECT seq_scan + idx_scan AS calls FROM pg_stat_user_tables "
        return int(self._server.sql(reads + "WHERE relname IN ('sessions', 'accounts')) t"))


def run(say: Callable[[str], None]) -> list[Row]:
    """About 150 seconds."""
    with cluster(shared_buffers="128MB") as server, tempfile.TemporaryDirectory() as name:
        return shared_store.run(_PostgreSQL(server), Path(name), say)
