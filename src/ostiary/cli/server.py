"""Serving processes: the system is started first, so that what is wrong is told in one line; then uvicorn."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp

from ostiary.cli.listening import listen
from ostiary.cli.logs import configure_logs
from ostiary.cli.metrics_server import check_ports, metrics_served
from ostiary.cli.output import note
from ostiary.cli.serving import Server, config_of, loop_factory
from ostiary.cli.workers import Supervisor, Worker
from ostiary.compose import Ostiary
from ostiary.errors import Unavailable
from ostiary.settings import Settings
from ostiary.version import __version__

_GRACE = 10  # seconds that answers under way get when the server is told to stop
_KILL_AFTER = 5  # seconds more after which a worker that has not ended is killed
_KEEP_ALIVE = 75  # seconds an idle connection stays; longer than the usual proxies keep theirs

Started = Callable[[Ostiary], Awaitable[None]]


def run_server(
    settings: Settings, *, started: Started | None = None, application: Callable[[Ostiary], ASGIApp] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM. ``started`` runs once the system does, before the first request; ``application``
    makes what is served, by default the auth server alone. Raises what keeps the system from starting, and
    ``Misconfigured`` if the address cannot be listened on."""
    configure_logs(settings.log_format)
    with contextlib.closing(listen(settings.host, settings.port)) as listener:
        worker = None
        if settings.workers > 1:
            check_ports(settings.metrics_bind, workers=settings.workers)
            worker = Supervisor(settings.workers, grace=_GRACE + _KILL_AFTER).run()
            if worker is None:
                return
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(settings, listener, started or _announce, application or _auth_server, worker))


async def _serve(
    settings: Settings,
    listener: socket.socket,
    started: Started,
    application: Callable[[Ostiary], ASGIApp],
    worker: Worker | None,
) -> None:
    place = worker.number if worker is not None else 0
    auth = Ostiary(settings, worker=place)
    auth.warned = True  # on stderr, by the command
    server = Server(config_of(application(auth), keep_alive=_KEEP_ALIVE, grace=_GRACE))
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        with contextlib.suppress(Unavailable):  # it has not started yet
            auth.services.followers.close()  # else it would wait for streams that never end
        server.stop(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    if worker is not None:
        orphaned = worker.orphaned

        def abandoned() -> None:
            loop.remove_reader(orphaned)
            stop(signal.SIGTERM)

        loop.add_reader(orphaned, abandoned)
    await auth.start()
    try:
        async with metrics_served(settings.metrics_bind, auth.metrics, worker=place):
            if worker is None or (worker.is_first and place == 0):
                await started(auth)
            if worker is not None:
                worker.ready()
            await server.serve(sockets=[listener])
    finally:
        await auth.stop()


def _auth_server(auth: Ostiary) -> ASGIApp:
    return auth.asgi


async def _announce(auth: Ostiary) -> None:
    settings = auth.settings
    note(f"Ostiary {__version__} serves {settings.issuer} from {_whence(settings)}.")
    code = await auth.system.first_run.offer()
    if code is not None:
        link = f"{settings.issuer}/setup#{code}"
        note(f"There is no account yet. Make the administrator's, once, within a day of the first start: {link}")
    elif not settings.in_memory and not await auth.system.store.accounts.count_enabled_admins():
        name = "valkey" if settings.all_in_valkey else "database"
        where = f"--{name} {settings.shown()[name]}"
        note(f"There is no administrator yet: ostiary account create NAME --role admin {where}")
    workers = f" with {settings.workers} workers" if settings.workers > 1 else ""
    note(f"Listening on {settings.host} port {settings.port}{workers}; Ctrl-C stops it.")


def _whence(settings: Settings) -> str:
    if settings.in_memory:
        return "memory: all is gone when it stops"
    places = [] if settings.all_in_valkey else [str(settings.database_path or settings.shown()["database"])]
    return " and ".join([*places, *([settings.shown()["valkey"]] if settings.valkey else [])])
