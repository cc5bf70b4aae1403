"""What is to be simulated, and what was seen."""

import math
from dataclasses import dataclass, field

RESOLUTION = 0.001  # seconds of one bin of a distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated. Seconds, bytes; `ways`: from the log to each region, one way.

    `cut`: from when to when the last region's root cannot reach the log. `dead`: from when on every tenth relay is
    silent; its nodes turn to another one after the first question that is not answered. `relay_lease`: relays ask four
    times in it. `age_counts` False is the mistake of a relay that does not say its age.
    """

    seed: int = 1
    nodes: int = 10_000
    relays: int = 34  # of one region
    ways: tuple[float, ...] = (0.0005, 0.040, 0.075)
    near: float = 0.0005  # one way within a region, and as much again by chance
    lease: float = 2.0
    relay_lease: float = 0.5
    per_second: int = 100_000
    stands_for: int = 2000
    batch: float = 0.1  # the log tells what is new so often
    item_bytes: int = 130
    way_out: float = 25e9 / 8  # bytes a second that one relay can send
    seconds: float = 5.0  # in which sessions are ended
    after: float = 2.5  # watched after that
    hints: bool = True
    cut: tuple[float, float] | None = None
    dead: float | None = None
    age_counts: bool = True


@dataclass
class Seen:
    """What came of it. `learnt`: for each region, how many (revocation, node) pairs by milliseconds from the answer
    of the call to the node's refusal. `leased`: for each region, the part of its nodes that had a lease, by sample.
    `latest`: how long after the call was answered a node may have accepted, at most. `late`: pairs later than the
    lease."""

    plan: Plan
    learnt: list[dict[int, int]] = field(default_factory=list)
    leased: list[list[float]] = field(default_factory=list)
    pairs: int = 0
    late: int = 0
    latest: float = 0.0
    unknown: int = 0  # pairs of which the node had not learnt when the run ended
    probes_of_log: int = 0
    probes_of_relays: int = 0
    busiest: float = 0.0  # the part of the time that the busiest relay was sending

    def quantile(self, part: float, region: int | None = None) -> float:
        """Seconds."""
        counts: dict[int, int] = {}
        for of_region in self.learnt if region is None else [self.learnt[region]]:
            for at, count in of_region.items():
                counts[at] = counts.get(at, 0) + count
        left = part * sum(counts.values())
        for at in sorted(counts):
            left -= counts[at]
            if left <= 0:
                return (at + 1) * RESOLUTION
        return math.inf
