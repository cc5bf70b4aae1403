"""An application under uvicorn, on a port of the loopback address: in the test's own event loop, or in a thread."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

STARTS_WITHIN = 60.0


@asynccontextmanager
async def in_this_loop(server: uvicorn.Server) -> AsyncIterator[int]:
    """Its port. In the end connections are cut, whatever is under way."""
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await serving


def listening() -> socket.socket:
    """From here on a connection waits instead of being refused."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(128)
    return made


@contextmanager
def in_a_thread(app: Any, at: socket.socket) -> Iterator[None]:
    """Until the block ends, with its lifespan."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]}, name="server under test")
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive(), "the server did not start"
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=STARTS_WITHIN)
    assert not thread.is_alive(), "the server did not stop"
