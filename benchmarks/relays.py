"""What relays cost, and how much later those behind them refuse: real processes, over HTTP."""

import asyncio
import hashlib
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.cli.conftest import GOOD_PASSWORD, Shell
from tests.scenario.elsewhere import Process, free_port, get, running
from tests.servers.valkey import DURABLE, server

from benchmarks import machine
from benchmarks.report import Row
from benchmarks.stats import percentile
from ostiary.verifier import CredentialRefused, Verifier

API = "https://api.example"
ROUNDS = 60
FOLLOWERS = 1000
SECONDS = 10.0
SECRET = "ost_cs_follower"
_PROGRAM = str(Path(sys.executable).with_name("ostiary"))
_LEASE = 2.0


class _World:
    """An issuer on Valkey, and two relays in a row. `feeds`: what those follow who are behind none, one and two."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        valkey = stack.enter_context(server(**DURABLE))
        environ = {"OSTIARY_VALKEY": valkey.url(timeout=10), "OSTIARY_SECRET_KEY": secrets.token_hex(32)}
        shell = Shell(folder=folder)
        made = shell("account", "create", "ada", "--password-stdin", stdin=GOOD_PASSWORD, **environ)
        assert made.code == 0, made.err
        created = shell("client", "create", "relay", "--json", **environ).json
        self.client = (created["client"]["id"], created["client_secret"])
        (folder / "first").write_text(self.client[1])
        (folder / "second").write_text(SECRET)
        (folder / "followers").write_text(f"far {hashlib.sha256(SECRET.encode()).hexdigest()}\n")

        def start(*arguments: str, **more: str) -> Process:
            port = free_port()
            program = [_PROGRAM, *arguments, "--port", str(port)]
            return stack.enter_context(running(program, f"http://127.0.0.1:{port}", folder, **more))

        self.issuer = start("serve", OSTIARY_AUDIENCES=API, **environ)
        common = ["relay", "--issuer", self.issuer.url, "--followers", str(folder / "followers")]
        first = start(*common, "--client", self.client[0], "--client-secret-file", str(folder / "first"))
        second = start(
            *common, "--client", "far", "--client-secret-file", str(folder / "second"), "--upstream", first.url
        )
        self.relays = (first, second)
        self.feeds = [(self.issuer.url, self.client), (first.url, ("far", SECRET)), (second.url, ("far", SECRET))]
        self._connection = HTTPConnection("127.0.0.1", int(self.issuer.url.rpartition(":")[2]))

    def post(self, path: str, body: Any = None, token: str = "") -> Any:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        self._connection.request("POST", path, json.dumps(body) if body is not None else None, headers)
        answer = self._connection.getresponse()
        said = json.loads(answer.read())
        assert answer.status == 200, said
        return said

    def log_in(self) -> str:
        body = {"username": "ada", "password": GOOD_PASSWORD, "kind": "stateless", "transport": "bearer"}
        return str(self.post("/v1/login", {**body, "audience": [API, self.issuer.url]})["access_token"])


@contextmanager
def _verifying(world: _World, depth: int) -> Iterator[Verifier]:
    url, client = world.feeds[depth]
    verifier = Verifier(issuer=world.issuer.url, audience=API, client=client, feed_uri=f"{url}/v1/revocations")
    try:
        yield verifier
    finally:
        verifier._revocations.stop_blocking()  # type: ignore[union-attr]


def _accepted(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify_sync(token)
    except CredentialRefused:
        return False
    return True


def _lags(world: _World, depth: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the answer until refused, and until `?wait=all` answers."""
    lags, waits = [], []
    with _verifying(world, depth) as verifier:
        assert _accepted(verifier, world.log_in())
        time.sleep(_LEASE * 1.5)  # those who measured before have no lease any more
        for at in range(2 * ROUNDS):
            token = world.log_in()
            assert _accepted(verifier, token)
            began = time.perf_counter()
            world.post("/v1/logout" + ("?wait=all" if at % 2 else ""), token=token)
            answered = time.perf_counter()
            while _accepted(verifier, token):
                assert at % 2 == 0, "accepted after wait=all"
                time.sleep(0.0002)
            if at % 2:
                waits.append((answered - began) * 1000)
            else:
                lags.append((time.perf_counter() - answered) * 1000)
    return lags, waits


async def _follow(port: int, number: int, counts: dict[str, int], until: float) -> None:
    """As a verifier does, but for asking when it hears of something: a stream, and a question every quarter of a lease.
    What it takes to begin is not counted."""
    authorization = b64encode(f"far:{SECRET}".encode()).decode()
    head = f"Host: 127.0.0.1\r\nAuthorization: Basic {authorization}\r\n"

    async def hear() -> None:
        listening, hearing = await asyncio.open_connection("127.0.0.1", port)
        target = f"/v1/revocations?cursor={cursor}"
        hearing.write(f"GET {target} HTTP/1.1\r\n{head}Accept: text/event-stream\r\n\r\n".encode())
        while data := await listening.read(65536):
            counts["heard"] += len(data)

    hears: asyncio.Task[None] | None = None
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    cursor = ""
    await asyncio.sleep(_LEASE / 4 * number / FOLLOWERS)
    while time.perf_counter() < until:
        began = time.perf_counter()
        at = f"&cursor={cursor}" if cursor else ""
        writer.write(f"GET /v1/revocations?node=n{number}{at} HTTP/1.1\r\n{head}\r\n".encode())
        top = await reader.readuntil(b"\r\n\r\n")
        length = int(top.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        if b" 200 " not in top.partition(b"\r\n")[0]:  # the machine is too busy for anybody to have a lease
            counts["refused"] += 1
            await asyncio.sleep(_LEASE / 8)
            continue
        cursor = json.loads(body)["cursor"]
        if hears is None:
            hears = asyncio.create_task(hear())
        else:
            counts["answered"] += len(top) + length
        await asyncio.sleep(max(0.0, _LEASE / 4 - (time.perf_counter() - began)))
    if hears is not None:
        hears.cancel()
    writer.close()


def crowd(port: int, seconds: float) -> None:
    """Many followers in one process, which says when all have begun, and at the end what they were sent."""

    async def main() -> dict[str, int]:
        counts = {"heard": 0, "answered": 0, "refused": 0}
        until = time.perf_counter() + seconds
        follows = [asyncio.create_task(_follow(port, number, counts, until)) for number in range(FOLLOWERS)]
        await asyncio.gather(*follows)
        return counts

    print(json.dumps(asyncio.run(main())), flush=True)


def _crowded(world: _World, *, ends: int) -> tuple[float, float, float]:
    """Processor seconds of the relay a second, bytes a follower and second, and milliseconds of `?wait=all`, while
    that many sessions are ended."""
    port = int(world.relays[0].url.rpartition(":")[2])
    code = f"from benchmarks.relays import crowd; crowd({port}, {SECONDS + 4})"
    waits = []
    with machine.child("-c", code) as process:
        while json.loads(get(f"{world.relays[0].url}/readyz").content)["followers"] < FOLLOWERS:
            time.sleep(0.05)
        pid = world.relays[0].process.pid
        tokens = [world.log_in() for _ in range(ends)]
        before, began = machine.process_seconds(pid), time.perf_counter()
        for token in tokens:
            at = time.perf_counter()
            world.post("/v1/logout?wait=all", token=token)
            waits.append((time.perf_counter() - at) * 1000)
        time.sleep(max(0.0, began + SECONDS - 4 - time.perf_counter()))
        took = time.perf_counter() - began
        spent = (machine.process_seconds(pid) - before) / took
        out, _ = process.communicate(timeout=60)
    counts = json.loads(out)
    told = (counts["heard"] + counts["answered"]) / FOLLOWERS / (SECONDS + 4)
    assert counts["refused"] == 0, "too busy to measure"
    return spent, told, statistics.median(waits) if waits else 0.0


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(say: Callable[[str], None]) -> list[Row]:
    """About two minutes."""
    rows = []
    with ExitStack() as stack:
        world = _World(Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        for depth, name in enumerate(("no relay", "one relay", "two relays")):
            say(f"behind {name} ...")
            lags, waits = _lags(world, depth)
            note = f"Valkey that fsyncs, {ROUNDS} ends each, a verifier in the measuring process."
            for what, values in (("ended until refused", lags), ("`?wait=all`", waits)):
                for part in (0.5, 0.99):
                    rows.append(
                        Row(
                            what=f"{what}, {name}, p{part * 100:.0f}",
                            reached=percentile(values, part), unit="ms", note=note,
                        )
                    )  # fmt: skip
        say(f"{FOLLOWERS} followers of one relay ...")
        quiet, bytes_quiet, _ = _crowded(world, ends=0)
        ends = 20
        busy, _, wait = _crowded(world, ends=ends)
        alone, crowd_of = (_resident(relay.process.pid) for relay in reversed(world.relays))
    rows += [
        Row(what=f"{FOLLOWERS} followers of a relay, nothing ends", reached=quiet, unit="of one core"),
        Row(what="  bytes to each, a second", reached=bytes_quiet, unit="B"),
        Row(what=f"{FOLLOWERS} followers, {ends} ends with `?wait=all` in a row", reached=busy, unit="of one core"),
        Row(what="  `?wait=all`, half of them", reached=wait, unit="ms"),
        Row(what="memory of a relay that nobody follows", reached=alone / 1e6, unit="MB"),
        Row(what=f"  beyond that, with {FOLLOWERS}, to each", reached=(crowd_of - alone) / FOLLOWERS / 1e3, unit="KB"),
    ]
    return rows
