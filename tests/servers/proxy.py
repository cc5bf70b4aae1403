"""A TCP proxy on the test's own event loop, whose line can be cut: connections break, and new ones are refused."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator


class Proxy:
    """To 127.0.0.1:`to`, at `port`."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.port = 0
        self._is_cut = False
        self.serving: set[asyncio.Task[object]] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Nothing passes from now on."""
        self._is_cut = True
        for pump in self._pumps:
            pump.cancel()

    def mend(self) -> None:
        self._is_cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        pumps = [asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer))]
        self._pumps.update(pumps)
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pumps.difference_update(pumps)
            writer.transport.abort()
            back.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@contextlib.asynccontextmanager
async def proxy(to: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """With `tls` it speaks TLS to whoever connects."""
    made = Proxy(to)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.cut()
        server.close()
        await asyncio.gather(*made.serving, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)  # what was aborted is closed by the loop
