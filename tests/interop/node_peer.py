"""One node process for all tests, asked by lines of JSON."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "node"


class NodePeer:
    """`jose` and `jsonwebtoken` (see node/other.mjs)."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "other.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._keys: set[str] = set()

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "node ended; its complaint is above"
        return json.loads(line)

    def learn(self, name: str, jwk: dict[str, Any], alg: str) -> str:
        """Hand a key over, once. Gives back its name."""
        if name not in self._keys:
            self.ask(do="key", name=name, jwk=jwk, alg=alg)
            self._keys.add(name)
        return name

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def installed(program: str, hint: str) -> str:
    """The program's path. Where it is missing, the test is skipped; with CI set, it fails."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        missing(f"{program} is not there; {hint}")
    assert found is not None
    return found


def missing(told: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)
