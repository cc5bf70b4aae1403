"""python -m benchmarks.simulation [NAME ...]: simulate, measure, draw docs/guide/scale-*.svg. Two to six minutes."""

import json
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.simulation import cost, plots
from benchmarks.simulation.plan import Plan, Seen
from benchmarks.simulation.world import simulate

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "simulation"
GUIDE = ROOT / "docs" / "guide"

_USUAL = Plan(seconds=3.0)
PLANS = {
    "healthy": _USUAL,
    "silent": replace(_USUAL, hints=False),
    "cut": replace(_USUAL, cut=(0.5, 3.5), after=5.0),
    "dead": replace(_USUAL, dead=0.5, after=5.0),
}


def told(seen: Seen) -> dict[str, object]:
    """As it is kept, and drawn from."""
    regions = range(len(seen.learnt))
    parts = (0.5, 0.9, 0.99, 0.999, 1.0)
    return {
        "pairs": seen.pairs,
        "late": seen.late,
        "latest": seen.latest,
        "unknown": seen.unknown,
        "quantiles": {str(part): seen.quantile(part) for part in parts},
        "of regions": [{str(part): seen.quantile(part, region) for part in parts} for region in regions],
        "learnt": [sorted(learnt.items()) for learnt in seen.learnt],
        "leased": seen.leased,
        "probes of the log": seen.probes_of_log,
        "probes of relays": seen.probes_of_relays,
        "busiest relay sends": seen.busiest,
    }


def main() -> int:
    logging.getLogger("ostiary").setLevel(logging.ERROR)
    names = sys.argv[1:] or [*PLANS, "cost", "plots"]
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in names:
        began = time.perf_counter()
        if name == "plots":
            found = {path.stem: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
            for stem, picture in plots.pictures(found).items():
                (GUIDE / f"{stem}.svg").write_text(picture, encoding="utf-8")
            continue
        result = cost.measure() if name == "cost" else told(simulate(PLANS[name]))
        (RESULTS / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")
        short = {what: value for what, value in result.items() if what not in {"learnt", "leased"}}
        print(f"{name} ({time.perf_counter() - began:.0f} s): {json.dumps(short, indent=1)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
