"""Running the real executable, each time in a folder of its own and with nothing of ours in the environment."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.servers.pipes import widen

EXECUTABLE = Path(sys.executable).with_name("ostiary")
GOOD_PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout, read."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """`shell("account", "list")` runs `ostiary account list`."""

    folder: Path

    def __call__(self, *arguments: str, stdin: str | bytes = b"", **environ: str) -> Result:
        """Keyword arguments are environment variables."""
        done = subprocess.run(
            [EXECUTABLE, *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environ(**environ),
            timeout=120,
            check=False,
        )
        return Result(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def environ(self, **more: str) -> dict[str, str]:
        """The environment without anything that is Ostiary's or that colours output."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OSTIARY_", "COV_"))}
        return {**kept, "NO_COLOR": "1", **more}

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """The same, running on. Nobody reads what it says before it ends: there has to be room for a lot of it."""
        started = subprocess.Popen(
            [EXECUTABLE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environ(**environ),
        )
        widen(started.stdout)
        widen(started.stderr)
        return started


@pytest.fixture
def ostiary(tmp_path: Path) -> Shell:
    """The executable in an empty folder, where `ostiary.db` will be made."""
    return Shell(folder=tmp_path)


@pytest.fixture
def add(ostiary: Shell) -> Callable[..., dict[str, Any]]:
    """`add("alice", "--role", "admin")` creates an account and returns it."""

    def create(name: str, *options: str) -> dict[str, Any]:
        made = ostiary("account", "create", name, *options, "--password-stdin", "--json", stdin=GOOD_PASSWORD)
        assert made.code == 0, made.err
        account: dict[str, Any] = made.json["account"]
        return account

    return create
