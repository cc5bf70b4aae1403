"""How long it takes until the server answers, and what importing costs."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks import machine
from benchmarks.report import Row
from benchmarks.requests import status
from benchmarks.stats import spread

_PRIMITIVES = (
    "import hmac, hashlib, msgspec\n"
    "from cryptography.exceptions import InvalidSignature\n"
    "from cryptography.hazmat.primitives import hashes, serialization\n"
    "from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa\n"
    "from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature, decode_dss_signature\n"
)
_IMPORTS = {
    "primitives": _PRIMITIVES,
    "jose": "import ostiary.jose\n",
    "jose in use": "import ostiary.jose\n" + _PRIMITIVES,
    "PyJWT in use": "import jwt\n" + _PRIMITIVES,
}
ROUNDS = 12


def _import_seconds(code: str) -> float:
    timed = f"import time; began = time.perf_counter()\n{code}print(time.perf_counter() - began)"
    done = subprocess.run(
        [sys.executable, "-c", timed], capture_output=True, text=True, check=True, timeout=60, env=machine.environment()
    )
    return float(done.stdout)


def _first_answer_seconds(directory: str) -> float:
    port = machine.free_port()
    began = time.perf_counter()
    arguments = ("-m", "ostiary.cli", "serve", "--port", str(port), "--database", f"sqlite:///{directory}/start.db")
    with machine.child(*arguments, stderr=subprocess.DEVNULL, cwd=directory) as process:
        while True:
            try:
                if status(port, "/readyz") == 200:
                    return time.perf_counter() - began
            except OSError:
                time.sleep(0.005)
            assert process.poll() is None, "the server ended"
            assert time.perf_counter() - began < 60, "no answer in a minute"


def run(say: Callable[[str], None]) -> list[Row]:
    """About 25 seconds."""
    say("starting and importing ...")
    taken: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    for _ in range(ROUNDS):
        for name, code in _IMPORTS.items():
            taken[name].append(_import_seconds(code))
    least = {name: min(values) for name, values in taken.items()}
    with tempfile.TemporaryDirectory() as directory:
        first = _first_answer_seconds(directory)
        again = [_first_answer_seconds(directory) for _ in range(5)]
    base = taken["primitives"]
    note = "Fresh processes, files in the page cache; fastest of the rounds; spread: in-round ratios."

    def ratio(what: str, name: str, at_most: float | None) -> Row:
        ratios = spread([one / two for one, two in zip(taken[name], base, strict=True)])
        return Row(what=what, reached=least[name] / least["primitives"], unit="x", at_most=at_most, spread=str(ratios),
                   note=note, detail={key: value * 1000 for key, value in least.items()})  # fmt: skip

    return [
        Row(
            what="`ostiary serve` until /readyz says 200",
            reached=spread(again).median,
            unit="s",
            spread=str(spread(again)),
        ),
        Row(what="  the same, making a new database", reached=first, unit="s"),
        ratio("import ostiary.jose / importing its primitives", "jose", 1.3),
        ratio("  ostiary.jose with the primitives loaded / primitives", "jose in use", None),
        ratio("  peer: PyJWT with the primitives loaded / primitives", "PyJWT in use", None),
    ]
