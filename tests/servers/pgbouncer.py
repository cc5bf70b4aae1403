"""PgBouncer in transaction mode before a cluster of ours."""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.ports import free_port
from tests.servers.postgres import USER, Cluster


def program() -> str:
    """Its path. Skips the test where there is none; in CI that is a failure."""
    found = shutil.which("pgbouncer", path=os.defpath + ":/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("pgbouncer is missing: scripts/ensure-debian-packages installs it")
        pytest.skip("pgbouncer is missing: scripts/ensure-debian-packages installs it")
    return found


@contextlib.contextmanager
def bouncer(server: Cluster, folder: Path, **settings: object) -> Iterator[int]:
    """Its port, until the block ends. Three connections to the server for however many clients."""
    port = free_port()
    wanted = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "pool_mode": "transaction",
        "default_pool_size": 3,
        "auth_type": "any",
        "logfile": folder / "pgbouncer.log",
        **settings,
    }
    lines = [
        "[databases]",
        f"{USER} = host=127.0.0.1 port={server.port} dbname={USER} user={USER}",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in wanted.items()),
    ]
    configuration = folder / "pgbouncer.ini"
    configuration.write_text("\n".join(lines) + "\n")
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        for path in (folder, configuration):
            shutil.chown(path, user)
    command = [program(), "-q", str(configuration)]
    with subprocess.Popen(command, user=user, stderr=subprocess.DEVNULL) as process:
        try:
            while not _listens(port):
                assert process.poll() is None, (folder / "pgbouncer.log").read_text()
                os.sched_yield()
            yield port
        finally:
            process.kill()  # whatever is asked of it, some versions wait for those who are connected


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
