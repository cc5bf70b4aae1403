"""python -m benchmarks.jose [--python PROGRAM ...]: measure `ostiary.jose` against its peers, print the table, write
benchmarks/results/jose.json and draw docs/jose-benchmark.svg. About three minutes for each Python once the
environments in .bench/ are there."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.jose import CHART, HOME, NEWER_PEERS, PEERS, RESULTS
from benchmarks.jose.chart import draw
from benchmarks.machine import ROOT, environment
from benchmarks.report import Row, table
from benchmarks.stats import number, spread

WANTED = ("3.11", "3.13")
CHARTED = ("HS256", "RS256", "ES256", "EdDSA")


def interpreter(wanted: str) -> str | None:
    """A Python of that version: on the PATH, or where pyenv keeps it."""
    places = [shutil.which(f"python{wanted}"), *sorted(Path.home().glob(f".pyenv/versions/{wanted}.*/bin/python"))]
    if wanted == f"{sys.version_info[0]}.{sys.version_info[1]}":
        places.insert(0, sys.executable)
    for place in places:
        if place and subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(place)
    return None


def prepared(python: str) -> str:
    """The Python of an environment with the peers, made where it is not there."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    label = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    home = HOME / f"jose-{label}"
    made = home / "bin" / "python"
    peers = (*PEERS, *(NEWER_PEERS if tuple(map(int, label.split("."))) >= (3, 12) else ()))
    stamp = home / ".peers"
    if not stamp.is_file() or stamp.read_text() != " ".join(peers):
        HOME.mkdir(exist_ok=True)
        (HOME / ".gitignore").write_text("*\n")
        print(f"Installing the peers for Python {label} (once) ...", file=sys.stderr)
        subprocess.run([python, "-m", "venv", str(home)], check=True)
        quiet = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run([made, *quiet, "-c", ROOT / "requirements.lock", "cryptography", "msgspec", *peers], check=True)
        stamp.write_text(" ".join(peers))
    return str(made)


def measured(python: str) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "benchmarks.jose.measure"],
        stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env={**environment(), "PYTHONNOUSERSITE": "1"},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ratio(
    what: str, found: Mapping[str, list[float]], base: str, at_most: float | None, ours: str = "ostiary", note: str = ""
) -> Row:
    pairs = zip(found[ours], found[base], strict=True)
    return Row(
        what=what, reached=min(found[ours]) / min(found[base]), unit="x", at_most=at_most, note=note,
        spread=f"{spread([one / two for one, two in pairs])}; "
        f"{number(min(found[ours]))} us / {number(min(found[base]))} us",
    )  # fmt: skip


def rows(found: dict[str, Any]) -> list[Row]:
    python = found["versions"]["python"]
    verify, sign, refuse, again, cache = (found[name] for name in ("verify", "sign", "refuse", "again", "cache"))
    note = "Cheapest round against cheapest round; spread: quartiles of the ratios within one round."
    rust = [name for name in verify["HS256"] if "Rust" in name]
    made = [
        ratio("HS256 verify + claims / PyJWT", verify["HS256"], "PyJWT", 0.22, note=note),
        ratio("HS256 verify + claims / joserfc", verify["HS256"], "joserfc", 0.40),
        *(ratio(f"HS256 verify + claims: {name} / PyJWT", verify["HS256"], "PyJWT", None, ours=name) for name in rust),
        *(ratio(f"{alg} verify + claims / bare", verify[alg], "bare primitive", 1.25) for alg in ("RS256", "ES256",
                                                                                                   "EdDSA")),
        ratio("Ed25519 verify: libsodium / OpenSSL, both bare", verify["EdDSA"], "bare primitive", None,
              ours="bare libsodium"),
        ratio("the same token again / PyJWT HS256", again, "PyJWT", 0.02),
        *(ratio("the same token again / ryjwt HS256", again, name, 1.0) for name in again if name.startswith("ryjwt")),
        ratio("HS256 sign / PyJWT", sign["HS256"], "PyJWT", 0.5),
        ratio("ES256 sign / bare", sign["ES256"], "bare primitive", 1.3),
        *(ratio(f"refusing a token: {name} / PyJWT", refuse[name], "PyJWT", 0.01) for name in refuse),
        Row(what="a full cache: 10,000 tokens of 1 KiB", reached=cache["MB"], unit="MB", at_most=25.0,
            spread=f"{cache['entries']} entries"),
    ]  # fmt: skip
    return [Row(**{**_fields(row), "what": f"{python}  {row.what}"}) for row in made]


def _fields(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def chart(runs: list[dict[str, Any]]) -> str:
    panels: dict[str, dict[str, float]] = {}
    for found in runs:
        python = ".".join(found["versions"]["python"].split(".")[:2])
        for alg in CHARTED:
            panels[f"{alg}, verify + claims, Python {python}"] = {
                name: min(values) for name, values in found["verify"][alg].items()
            }
    versions = {name: text for found in runs for name, text in found["versions"].items() if name != "python"}
    note = [
        "Ten claims; signature, iss, aud and exp demanded of every token; keys parsed once, no token remembered.",
        "Cheapest of many rounds in turns, microseconds of one core. Shorter is better.",
        ", ".join(f"{name} {text}" for name, text in versions.items()),
    ]
    return draw("One JWT at first sight", note, panels)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jose", description=__doc__)
    parser.add_argument("--python", action="append", help=f"an interpreter; by default those of {', '.join(WANTED)}")
    parser.add_argument("--prepare", action="store_true", help="only make the environments")
    options = parser.parse_args()
    programs = options.python or [found for found in map(interpreter, WANTED) if found]
    missing = [] if options.python else [wanted for wanted in WANTED if interpreter(wanted) is None]
    environments = [prepared(os.fspath(program)) for program in programs]
    if options.prepare:
        return 0
    runs = [measured(program) for program in environments]
    found = [row for run in runs for row in rows(run)]
    print(table(found))
    print()
    for run in runs:
        print(", ".join(f"{name} {text}" for name, text in run["versions"].items()))
    for wanted in missing:
        print(f"Python {wanted} is not here: not measured")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(runs) + "\n")
    if not missing:
        CHART.write_text(chart(runs))
    failed = sum(row.verdict == "FAIL" for row in found)
    print(f"{failed} targets missed" if failed else "every target reached")
    return 0


if __name__ == "__main__":
    sys.exit(main())
