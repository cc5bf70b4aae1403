"""The process of `ostiary download-server`: the application, on uvicorn."""

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

from ostiary.cli.listening import listen
from ostiary.cli.logs import configure_logs
from ostiary.cli.output import note
from ostiary.cli.serving import Server, config_of, loop_factory
from ostiary.downloads import DownloadServer
from ostiary.errors import Misconfigured
from ostiary.settings import state_folder
from ostiary.version import __version__

_GRACE = 30  # seconds that downloads under way get when the server is told to stop
_KEEP_ALIVE = 30
UNSENT = 128 * 1024  # bytes; what a client breaks off before must not count as delivered to it


def run_file_server(
    root: Path,
    *,
    issuer: str,
    audience: str,
    host: str,
    port: int,
    state: Path | None,
    valkey: str | None,
    client: tuple[str, str] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Raises Misconfigured or Unavailable for what keeps it from starting."""
    configure_logs("auto")
    if state is None and valkey is None:
        state = _default_state()
    app = DownloadServer(root, issuer=issuer, audience=audience, state=state, valkey=valkey, client=client)
    with (
        contextlib.closing(listen(host, port, unsent=UNSENT)) as listener,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        name, number = listener.getsockname()[:2]
        where = "a Valkey" if valkey is not None else state
        runner.run(
            _serve(
                app,
                listener,
                f"Ostiary {__version__} hands out the files below {root} for tokens of {issuer}; "
                f"what was spent is kept in {where}.\nListening on {name} port {number}; Ctrl-C stops it.",
            )
        )


def secret_in(path: Path) -> str:
    """The one line of the file. Raises Misconfigured."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as wrong:
        raise Misconfigured(f"The client's secret cannot be read from {path}.") from wrong


async def _serve(app: DownloadServer, listener: socket.socket, greeting: str) -> None:
    server = Server(config_of(app, keep_alive=_KEEP_ALIVE, grace=_GRACE))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop, number)
    await app.start()
    try:
        note(greeting)
        await server.serve(sockets=[listener])
    finally:
        await app.stop()


def _default_state() -> Path:
    folder = state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"The state folder cannot be made ({error.strerror}): name a file with --state") from None
    return folder / "downloads.db"
