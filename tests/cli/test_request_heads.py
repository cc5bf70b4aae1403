"""What a connection may send before it is known what it asks for."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from tests.servers.asgi import in_this_loop

from ostiary import limits
from ostiary.cli.request_heads import http_protocol

pytestmark = pytest.mark.anyio
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


class Remembering:
    """Answers 200 once it has the body and is told to, and remembers the headers that it has then."""

    def __init__(self) -> None:
        self.seen: list[list[tuple[bytes, bytes]]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await self.may_answer.wait()
        self.seen.append(list(scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def served(app: Remembering) -> AsyncIterator[int]:
    """As `ostiary serve` does it. Its port."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, http=http_protocol(), ws="none")
    async with in_this_loop(uvicorn.Server(config)) as port:
        try:
            yield port
        finally:
            app.may_answer.set()


async def flood(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """The same piece, until nobody takes it any more."""
    with suppress(ConnectionError):
        while True:
            writer.write(piece)
            await writer.drain()


@pytest.mark.parametrize(
    ("begun", "piece", "status", "code"),
    [
        (b"GET /", b"a" * 8192, b"414", "target_too_long"),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 8192, b"431", "headers_too_large"),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 1000, b"431", "headers_too_large"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n",
            b"a: b\r\n" * 1000,
            b"431",
            "headers_too_large",
        ),
    ],
    ids=["path", "header", "headers", "second request"],
)
async def test_a_head_without_end_is_refused(
    anyio_backend: str, begun: bytes, piece: bytes, status: bytes, code: str
) -> None:
    """Headers without end, and a path without end, are refused and the connection is closed, before memory is full of
    them (section 1; RFC 9112 section 3)."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        if b"\r\n\r\n" in begun:
            assert b" 200 " in await reader.readline()
            await reader.readuntil(b"\r\n\r\nok")
        flooding = asyncio.create_task(flood(writer, piece))
        assert b" %s " % status in await reader.readline()
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"application/problem+json" in head
        assert json.loads(await reader.readuntil(b"}"))["code"] == code
        with suppress(ConnectionError):
            assert await reader.read() == b""
        await flooding
        writer.close()
        assert len(app.seen) == begun.count(b"\r\n\r\n")


async def test_requests_ahead_of_answers_are_bounded(anyio_backend: str) -> None:
    """Requests sent one after the other without waiting are answered in order; too many end the connection, before
    memory is full of them (section 1)."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(b"GET / HTTP/1.1\r\nN: %d\r\n\r\n" % number for number in range(20)))
        for _ in range(20):
            assert b" 200 " in await reader.readline()
            await reader.readuntil(b"\r\n\r\nok")
        assert app.seen == [[(b"n", b"%d" % number)] for number in range(20)]
        app.may_answer.clear()
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" * (limits.PIPELINED_REQUESTS + 2))
        with suppress(ConnectionError):
            assert await reader.read() == b""  # ends when the server closes
        assert len(app.seen) == 20
        writer.close()


async def test_a_large_head_that_ends_is_the_applications(anyio_backend: str) -> None:
    """What is over in time is handed on, so that the refusal has all the headers that answers have."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * (limits.HEAD_BYTES // 2))
        await writer.drain()
        writer.write(b"\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()


async def test_trailers_are_no_headers(anyio_backend: str) -> None:
    """What follows a body is never taken for a header (RFC 9110 section 6.5.1)."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED + b"Authorization: Bearer x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
    assert [name for name, _ in app.seen[0]] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (CHUNKED + b"X: ", b"a" * 8192),
        (CHUNKED, b"a: b\r\n" * 1000),
        (CHUNKED.removesuffix(b"0\r\n") + b"2;x=", b"a" * 8192),
    ],
    ids=["trailer", "trailers", "extension of a chunk"],
)
async def test_a_trailer_without_end_is_431(anyio_backend: str, begun: bytes, piece: bytes) -> None:
    """What follows a body without end is refused and the connection is closed, before memory is full of it
    (section 1)."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        flooding = asyncio.create_task(flood(writer, piece))
        assert b" 431 " in await reader.readline()
        with suppress(ConnectionError):
            await reader.read()  # ends when the server closes
        await flooding
        writer.close()


async def test_a_long_body_in_small_pieces_is_no_trailer(anyio_backend: str) -> None:
    """How large a body may be is the application's to say, in however many pieces it comes."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED.removesuffix(b"0\r\n"))
        for _ in range(200):
            writer.write(b"400\r\n" + b"a" * 1024 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
    assert len(app.seen) == 1


@pytest.mark.parametrize(
    ("target", "host"),
    [(b"/", b"x"), (b"http://evil.example/", b"evil.example"), (b"http://[::1]:81/a?b", b"[::1]:81"), (b"*", b"x")],
)
async def test_a_whole_url_says_which_host_is_meant(anyio_backend: str, target: bytes, host: bytes) -> None:
    """A Host header beside an absolute-form target does not count (RFC 9112 section 3.2.2)."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
    assert app.seen == [[(b"host", host)]]


@pytest.mark.parametrize(("size", "status"), [(limits.HEAD_BYTES - 1, 200), (limits.HEAD_BYTES, 414)])
async def test_an_address_that_nobody_parses_is_414(anyio_backend: str, size: int, status: int) -> None:
    """An address that is too long is told so, also where its head ends at once (RFC 9112 section 3)."""
    async with served(Remembering()) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" %d " % status in await reader.readline()
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        *(b"GET / HTTP/%s\r\nHost: x\r\n\r\n" % version for version in (b"2.0", b"0.9", b"3.0", b"1.2", b"2")),
        b"POST / HTTP/2.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=repr,
)
async def test_what_is_no_http_is_told_as_a_problem(anyio_backend: str, sent: bytes) -> None:
    """What cannot be parsed is 400 `invalid_request`, as everywhere (section 1); so is the line of a request that calls
    itself another version of HTTP than this syntax has (RFC 9113 section 3.3)."""
    app = Remembering()
    async with served(app) as port, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert b" 400 " in await reader.readline()
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"application/problem+json" in head
        assert b"\r\ndate: " in b"\r\n" + head
        assert json.loads(await reader.readuntil(b"}"))["code"] == "invalid_request"
        writer.close()
        assert app.seen == []
