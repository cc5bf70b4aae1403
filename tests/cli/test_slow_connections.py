"""Whoever does not say what they want loses the connection; whoever waits, for an answer or between two, does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from tests.servers.asgi import in_this_loop

from ostiary.cli.slow_connections import SlowConnections

pytestmark = pytest.mark.anyio
PATIENCE = 0.4
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Answering:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def looked_at(app: Answering, http: str) -> AsyncIterator[tuple[int, SlowConnections]]:
    """Its port, and what looks at its connections when it is told to."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, http=http, ws="none"))
    slow = SlowConnections(lambda: server.server_state.connections, seconds=PATIENCE)
    async with in_this_loop(server) as port:
        try:
            yield port, slow
        finally:
            app.may_answer.set()


@asynccontextmanager
async def served(app: Answering, http: str) -> AsyncIterator[int]:
    """As `ostiary serve` does it, with less patience. Its port."""
    async with looked_at(app, http) as (port, slow):
        watching = asyncio.create_task(slow.watch())
        try:
            yield port
        finally:
            watching.cancel()


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    """One piece after the other, until nobody listens any more."""
    with suppress(ConnectionError):
        while True:
            writer.write(text)
            await writer.drain()
            await asyncio.sleep(PATIENCE / 8)


@pytest.mark.parametrize("http", ["httptools", "h11"])
@pytest.mark.parametrize("begun", [b"", WHOLE], ids=["first", "after a request"])
@pytest.mark.parametrize("text", [b"\r\n", b"X-A: b\r\n"], ids=["empty lines", "header after header"])
async def test_headers_without_end(anyio_backend: str, http: str, begun: bytes, text: bytes) -> None:
    """A connection that sends something now and then, and never a whole request, is closed."""
    async with served(Answering(), http) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun + (b"" if text == b"\r\n" else b"GET / HTTP/1.1\r\n"))
        dripping = asyncio.create_task(drip(writer, text))
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                await reader.read()  # ends when the server closes
        dripping.cancel()
        writer.close()


async def test_nothing_at_all(anyio_backend: str) -> None:
    """A connection that never sends anything is closed."""
    async with served(Answering(), "httptools") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()


async def test_who_waits_is_let_wait(anyio_backend: str) -> None:
    """An answer may take its time, and a connection may rest between two requests for as long as uvicorn lets it."""
    app = Answering()
    async with looked_at(app, "httptools") as (port, slow):
        resting, asking, empty = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        resting[1].write(WHOLE)
        assert (await resting[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        app.may_answer.clear()
        app.asked.clear()
        asking[1].write(WHOLE)
        await app.asked.wait()
        slow.look(0.0)
        slow.look(PATIENCE)
        async with asyncio.timeout(20):
            assert await empty[0].read() == b""
        app.may_answer.set()
        assert (await asking[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        resting[1].write(WHOLE)
        assert (await resting[0].readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        for _, writer in (resting, asking, empty):
            writer.close()
