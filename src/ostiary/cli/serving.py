"""uvicorn, as every process of ours runs it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from ostiary.cli.request_heads import http_protocol
from ostiary.cli.slow_connections import SlowConnections


def config_of(app: ASGIApp, *, keep_alive: int, grace: int | None) -> uvicorn.Config:
    """`keep_alive`: seconds an idle connection stays. `grace`: seconds that answers under way get when the server is
    told to stop, None for as long as they take."""
    return uvicorn.Config(
        app,
        lifespan="off",  # whoever serves it starts and stops it
        log_config=None,
        access_log=False,  # a request line may hold a token
        proxy_headers=False,  # what a proxy says is for the application to believe or not
        server_header=False,
        http=http_protocol(),
        ws="none",
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=grace,
    )


class Server(uvicorn.Server):
    """Signals are ours: uvicorn would raise them again at its end, before the system has stopped. And nobody may take
    for ever to send a request."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """See ``uvicorn.Server``."""
        slow = SlowConnections(lambda: self.server_state.connections)
        watching = asyncio.create_task(slow.watch())
        try:
            await super().serve(sockets)
        finally:
            watching.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self, number: int) -> None:
        """The first signal asks, a second one does not wait for answers under way."""
        self.handle_exit(number, None)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
