"""`metrics_bind`: /metrics on a port of its own, beside the server in the same process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn
from starlette.types import ASGIApp

from ostiary.cli.listening import listen
from ostiary.cli.serving import config_of

_KEEP_ALIVE = 5  # seconds an idle connection stays: one look is one request


def check_ports(bind: str | None, *, workers: int) -> None:
    """Before several workers start: else one that cannot have its port would be replaced for ever. Raises
    Misconfigured."""
    if bind is not None:
        for worker in range(workers):
            _listen(bind, worker).close()


def _listen(bind: str, worker: int) -> socket.socket:
    host, _, port = bind.rpartition(":")
    return listen(host.strip("[]"), int(port) + worker)


@contextlib.asynccontextmanager
async def metrics_served(bind: str | None, app: ASGIApp, *, worker: int = 0) -> AsyncIterator[None]:
    """While the block runs; does nothing without `bind`. Several workers take ports in a row. Raises Misconfigured if
    the address cannot be listened on."""
    if bind is None:
        yield
        return
    with contextlib.closing(_listen(bind, worker)) as listener:
        server = _Quiet(config_of(app, keep_alive=_KEEP_ALIVE, grace=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="ostiary-metrics")
        try:
            yield
        finally:
            server.should_exit = True
            await serving


class _Quiet(uvicorn.Server):
    """Signals are the main server's."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield
