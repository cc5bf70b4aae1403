"""python -m fuzz TARGET [libFuzzer options]: feed one of the targets (tokens, encrypted, keys) until time is up.

Inputs found on the way are kept in .fuzz/TARGET, so that the next run goes on from there; an input that breaks
something is written to fuzz/regressions/TARGET, where the tests replay it.
"""

import importlib
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parent.parent
TARGETS = ("tokens", "encrypted", "keys")


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        raise SystemExit(f"python -m fuzz {'|'.join(TARGETS)} [-max_total_time=SECONDS ...]")
    with atheris.instrument_imports(include=["ostiary.jose", "json.decoder"]):
        target = importlib.import_module(f"fuzz.{name}")
    corpus, crashes = ROOT / ".fuzz" / name, ROOT / "fuzz" / "regressions" / name
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate(target.seeds()):
        (corpus / f"seed-{at:03}").write_bytes(seed)
    options = [f"-artifact_prefix={crashes}/", f"-dict={ROOT / 'fuzz' / 'json.dict'}", "-print_final_stats=1"]
    # Slow inputs count as crashes: nothing that fits into a token may keep a server busy. By the wall clock, so with
    # room for a machine that has other work.
    options += ["-max_len=6000", "-timeout=60", "-report_slow_units=60", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[2:], str(corpus)], target.one_input)
    atheris.Fuzz()


main()
