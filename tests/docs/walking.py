"""Doing what a page says: its commands, one after the other, in a folder of their own."""

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.reading import ROOT, Command
from tests.servers.pipes import widen

WRITTEN = "127.0.0.1:8000"
"""Where every page says that the server is."""
PATIENCE = 60.0  # seconds; only a machine in trouble needs them


def environment() -> dict[str, str]:
    """This process's, with our commands first and nothing of Ostiary's own set."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("OSTIARY_")}
    folder = str(Path(sys.executable).parent)
    return kept | {"PATH": f"{folder}{os.pathsep}{kept.get('PATH', '')}", "NO_PROXY": "127.0.0.1", "COLUMNS": "120"}


@contextmanager
def started(arguments: list[str], *, until: str, cwd: Path) -> Iterator[str]:
    """A process, running until the block ends; what it printed until the words that say that it is there."""
    process = subprocess.Popen(arguments, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    widen(process.stdout)  # nobody reads what it says after the words for which it was waited
    try:
        yield _printed(process.stdout.fileno(), until)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


def _printed(descriptor: int, until: str) -> str:
    printed = ""
    deadline = time.monotonic() + PATIENCE
    while until not in printed:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        more = os.read(descriptor, 65536) if ready else b""
        assert more, f"it stopped or said nothing more; it had said:\n{printed}"
        printed += more.decode()
    return printed


@contextmanager
def serving(folder: Path, *, port: int) -> Iterator[None]:
    """`ostiary serve` in this folder."""
    with started(["ostiary", "serve", "--port", str(port)], until="Listening", cwd=folder):
        yield


@dataclass(slots=True)
class Walk:
    """Runs commands. `variables` stand in for what a page leaves to the reader; `answer` is what was answered last."""

    folder: Path
    port: int
    connect_to: bool = False
    variables: dict[str, str] = field(default_factory=dict)
    refresh_token: str = "none"
    answer: Any = None

    def run(self, command: Command) -> None:
        """Run it; it must succeed, and print what the page says that it prints."""
        text = command.text.replace("ost_rt_...", self.refresh_token)
        if "curl " in text:
            text = text.replace("curl ", r"curl -w '\n%{http_code}' ", 1)
            if self.connect_to:
                text = text.replace("curl ", f"curl --connect-to {WRITTEN}:127.0.0.1:{self.port} ", 1)
        if not self.connect_to:
            text = text.replace(WRITTEN, f"127.0.0.1:{self.port}")
        done = subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env=environment() | self.variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if "curl " in text:
            self._check_answer(command, done.stdout)
        elif command.output:
            assert done.stdout.strip() == command.output, str(command)

    def _check_answer(self, command: Command, printed: str) -> None:
        body, _, status = printed.rpartition("\n")
        answer: Any = json.loads(body)
        expected: Any = json.loads(command.output) if command.output else None
        told = expected.get("status", 200) if isinstance(expected, dict) else None
        assert int(status) == told if told and told >= 400 else int(status) in (200, 201), f"{command}\n{printed}"
        if expected is not None:
            assert _like(answer, expected), f"{command}\n{printed}"
        self.answer = answer
        if isinstance(answer, dict):
            self.refresh_token = answer.get("refresh_token", self.refresh_token)


def make_targets() -> set[str]:
    """What can be made."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def _like(answer: Any, expected: Any) -> bool:
    """Equal, but for numbers with a fraction: those are measured, and another time others."""
    if isinstance(answer, float) and isinstance(expected, float):
        return True
    if isinstance(answer, dict) and isinstance(expected, dict):
        return answer.keys() == expected.keys() and all(_like(answer[name], expected[name]) for name in answer)
    return bool(answer == expected)
