"""Cores, clocks of other processes, and children that end with the benchmark."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ALLOWED = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE = _ALLOWED[0]
LOAD_CORE = _ALLOWED[-1]
ROOT = Path(__file__).parent.parent


def pin(core: int) -> None:
    """Keep this process, and the threads that it will start, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def loop_seconds(pid: int) -> float:
    """Processor time that a process's first thread has used: with asyncio, the event loop's (Linux)."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def process_seconds(pid: int) -> float:
    """Processor time that all threads of a process have used (Linux)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def environment() -> dict[str, str]:
    """For children: the same packages, this tree importable."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}


@contextlib.contextmanager
def child(*arguments: str, executable: str = sys.executable, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process with its output readable, ended with the block."""
    process = subprocess.Popen([executable, *arguments], stdout=subprocess.PIPE, text=True, env=environment(), **more)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON that a child of ours prints once it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a child ended before it was ready: {process.args}")
    found: dict[str, Any] = json.loads(line)
    return found


def load(job: dict[str, Any], timeout: float = 120.0) -> dict[str, Any]:
    """Run one job of `benchmarks.load` on the load generator's core and wait for its result."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", json.dumps(job)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        timeout=timeout,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
