"""The processes of the demonstration besides the auth server: started once it runs, ended with it."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_ENDING = 5.0  # seconds that a process may take to stop when it is asked

Command = Sequence[str]


class Processes:
    """Each in a session of its own, so that Ctrl-C reaches the demonstration first and ends them in order."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, command: Command, **environ: str) -> None:
        """`python command...`, with these variables besides what the environment has."""
        self._running.append(
            subprocess.Popen(  # noqa: S603 - our own modules, and words that we made
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                env={**_environment(), **environ},
                start_new_session=True,
            )
        )

    def stop(self) -> None:
        """Ask all of them, then wait for each."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(_ENDING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    """Whatever was started in the block ends with it."""
    started = Processes()
    try:
        yield started
    finally:
        started.stop()


def free_port(wanted: int) -> int:
    """This port of 127.0.0.1, or another one if it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    return wanted


def file_server(root: Path, issuer: str, port: int, client: str, secret: Path) -> Command:
    """The download server, as anybody starts it."""
    return [
        *("-m", "ostiary.cli", "download-server", "--root", str(root), "--state", str(root.with_name("downloads.db"))),
        *("--issuer", issuer, "--audience", f"http://127.0.0.1:{port}", "--port", str(port)),
        *("--client", client, "--client-secret-file", str(secret)),
    ]  # fmt: skip


def reports_service(issuer: str, port: int, client: str, secret: Path) -> Command:
    """See `ostiary.cli.demo_reports`."""
    return ["-m", "ostiary.cli.demo_reports", issuer, str(port), client, str(secret)]


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OSTIARY_")}  # noqa: TID251
