"""What `benchmarks.shared_store` measures, with Valkey, which fsyncs every write before it answers."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.servers.valkey import DURABLE, Server, server

from benchmarks import shared_store
from benchmarks.report import Row
from benchmarks.shared_store import Spent, cpu
from benchmarks.stats import number, spread

ROUNDS = 3


class _Valkey:
    """See `benchmarks.shared_store.Measured`."""

    name = "Valkey"
    committed = "on disk before the answer (appendfsync always)"
    seconds = 2.0

    def __init__(self, valkey: Server) -> None:
        self._valkey = valkey
        self.settings = {"valkey": valkey.url(timeout=10)}

    def rounds(self, nodes: int) -> int:  # noqa: ARG002 - as many for one as for two
        return ROUNDS

    def counts(self) -> tuple[float, ...]:
        """Processor time of Valkey; scripts that it ran, and microseconds in them."""
        assert self._valkey.process is not None
        scripts = self._valkey.info("commandstats").get("cmdstat_evalsha", {"calls": 0, "usec": 0})
        return cpu(self._valkey.process.pid), int(scripts["calls"]), int(scripts["usec"])

    def limit(self, spent: list[Spent], named: str) -> Row:
        shares = [
            (one.nodes / one.done * 1e6, cpu / one.done * 1e6, micros / max(1, calls))
            for one in spent
            for cpu, calls, micros in [one.counts]
        ]
        ours, theirs, micros = (spread([share[at] for share in shares]).median for at in range(3))
        return Row(
            what=f"  what limits it, {named}: a node's CPU for one refresh",
            reached=ours,
            unit="µs",
            spread=f"Valkey's {number(theirs)} µs; one script takes it {number(micros)} µs",
        )

    def looked(self) -> int:
        """Records that were looked up by their key; probes of the log look up none."""
        return int(self._valkey.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"])


def run(say: Callable[[str], None]) -> list[Row]:
    """About 150 seconds."""
    with server(**DURABLE) as valkey, tempfile.TemporaryDirectory() as name:
        return shared_store.run(_Valkey(valkey), Path(name), say)
