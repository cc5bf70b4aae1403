"""The load generator: a small HTTP/1.1 client on raw sockets, in a process and on a core of its own.

python -m benchmarks.load JOB runs one job and prints its result as JSON. Jobs:

* `probe`: `rate` requests a second for `seconds`, whether or not the last ones have been answered; latencies from the
  moment at which each should have been sent.
* `loop`: `concurrency` clients that send the next request when the last one is answered (bodies and headers in turn).
* `chains`: the same for refreshes; each client spends the refresh token that it was given last.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import machine


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("closed"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) >= length and self._answer is not None:
            self._buffer = b""
            answer, self._answer = self._answer, None
            if not answer.done():
                answer.set_result((int(head[9:12]), rest))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        assert self._transport is not None
        assert self._answer is None, "one request at a time"
        answer = self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await answer


async def connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


def request_of(port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"host: 127.0.0.1:{port}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Tally:
    """Latencies by status."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.statuses: dict[int, int] = {}
        self.began = time.perf_counter()

    def add(self, status: int, latency: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latencies.append(latency)

    def told(self) -> dict[str, Any]:
        return {
            "seconds": time.perf_counter() - self.began,
            "statuses": self.statuses,
            "latencies": [round(value, 6) for value in self.latencies],
        }


async def probe(job: dict[str, Any]) -> dict[str, Any]:
    port = job["port"]
    request = request_of(port, "GET", job["path"], job.get("headers", {}))
    idle = [await connect(port) for _ in range(job.get("connections", 16))]
    tally = Tally()
    under_way: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        connection = idle.pop() if idle else await connect(port)
        status, _ = await connection.ask(request)
        tally.add(status, time.perf_counter() - due)
        idle.append(connection)

    step = 1.0 / job["rate"]
    begins = time.perf_counter()
    for at in range(int(job["rate"] * job["seconds"])):
        due = begins + at * step
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        await asyncio.wait(under_way, timeout=20)
    return tally.told()


async def _clients(job: dict[str, Any], next_of: Callable[[int], Iterator[Any]], step: Any) -> dict[str, Any]:
    """`concurrency` clients until the time is over. Those under way then are waited for, and counted."""
    tally = Tally()
    ends = time.perf_counter() + job["seconds"]

    async def client(number: int) -> None:
        connection = await connect(job["port"])
        state = next_of(number)
        while time.perf_counter() < ends:
            began = time.perf_counter()
            status = await step(connection, state)
            tally.add(status, time.perf_counter() - began)

    await asyncio.gather(*(client(number) for number in range(job["concurrency"])))
    return tally.told()


async def loop(job: dict[str, Any]) -> dict[str, Any]:
    port = job["port"]
    requests = [
        request_of(port, job["method"], job["path"], headers, body.encode())
        for headers, body in json.loads(Path(job["requests"]).read_text())
    ]
    turns = cycle(requests)

    async def step(connection: Connection, state: Iterator[bytes]) -> int:
        return (await connection.ask(next(state)))[0]

    return await _clients(job, lambda _number: turns, step)


async def chains(job: dict[str, Any]) -> dict[str, Any]:
    """`template` has one `%s` for the refresh token; `member` is where the answer has the next one."""
    port = job["port"]
    tokens = json.loads(Path(job["tokens"]).read_text())
    headers = {"content-type": job["content_type"]}

    async def step(connection: Connection, state: list[str]) -> int:
        request = request_of(port, "POST", job["path"], headers, (job["template"] % state[0]).encode())
        status, body = await connection.ask(request)
        if status == 200:
            state[0] = json.loads(body)[job["member"]]
        return status

    last = [[token] for token in tokens]
    result = await _clients(job, lambda number: last[number], step)  # type: ignore[arg-type, return-value]
    Path(job["tokens"]).write_text(json.dumps([state[0] for state in last]))
    return result


JOBS = {"probe": probe, "loop": loop, "chains": chains}

if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    machine.pin(machine.LOAD_CORE)
    print(json.dumps(uvloop.run(JOBS[wanted["job"]](wanted))))
