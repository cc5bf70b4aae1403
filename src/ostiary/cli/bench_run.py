"""The measurements of `ostiary bench`: two nodes on one SQLite file, in this process, and a bare application.

A check is what authentication adds to a request of an application that does nothing else, in processor time of this
thread. How soon a session is refused is seen by asking the second node over and over, from the moment when the first
one has answered that it ended.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ostiary import jose
from ostiary.cli.progress import Progress
from ostiary.clock import SYSTEM_CLOCK
from ostiary.compose import Ostiary
from ostiary.credentials import opaque
from ostiary.domain.session import EndReason, Kind
from ostiary.services.context import Client
from ostiary.services.issuing import Issued
from ostiary.services.sign_in import LoginRequest
from ostiary.settings import Settings

LOOK_UP = "look-up for every request"
PLAIN_JWT = "JWT that nobody can end"
CONTRASTS = {
    LOOK_UP: "a session token that is looked up in this SQLite file each time, in process; a store across a network "
    "costs more.",
    PLAIN_JWT: "what libraries without a server do: the signature checked each time, accepted until it expires.",
}

_REQUESTS = 2000  # of one measurement of a check
_SLICES = 20
_PASSWORD = "ostiary-bench-on-this-machine"  # noqa: S105 - of an account that lives for ten seconds
_COOKIE = "__Host-ostiary_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to carry login state. `refused_ms` in ascending order."""

    name: str
    request_bytes: int
    lookups: float
    check_us: float
    refused_ms: tuple[float, ...]

    def as_members(self) -> dict[str, object]:
        """For JSON."""
        middle = self.refused_ms[len(self.refused_ms) // 2]
        return {
            "name": self.name,
            "bytes_per_request": self.request_bytes,
            "lookups_per_request": self.lookups,
            "microseconds_per_check": round(self.check_us, 2),
            "milliseconds_until_refused": {"median": round(middle, 3), "most": round(self.refused_ms[-1], 3)},
        }


def measure(rounds: int) -> list[Way]:
    """All ways, the three kinds first."""
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as folder:
        return asyncio.run(_measure(Path(folder), rounds))


async def _measure(folder: Path, rounds: int) -> list[Way]:
    settings = Settings(
        issuer="http://127.0.0.1:8000",
        database=f"sqlite:///{folder / 'ostiary.db'}",
        max_sessions=10_000,
        role_scopes={"user": ("notes:read", "notes:write")},
    )
    async with AsyncExitStack() as stack:
        first, second = Ostiary(settings), Ostiary(settings)
        await stack.enter_async_context(first.lifespan())
        await stack.enter_async_context(second.lifespan())
        counted = _Counted(first.system.store)
        await first.system.accounts.create(username="bench", password=_PASSWORD, roles=("user",), actor="bench")
        ways = []
        with Progress("bench", total=len(Kind) * (rounds + 1) + 2) as progress:
            done = 0
            for kind in Kind:
                issued = await _log_in(first, kind)
                check_us, lookups = await _check(first, counted, issued)
                done += 1
                progress.show(done)
                refused = []
                for _ in range(rounds):
                    refused.append(await _until_refused(first, second, kind))
                    done += 1
                    progress.show(done)
                ways.append(
                    Way(
                        name=kind.value,
                        request_bytes=sum(len(name) + len(value) + 4 for name, value in [_header(issued)]),
                        lookups=lookups,
                        check_us=check_us,
                        refused_ms=tuple(sorted(refused)),
                    )
                )
            ways.append(await _looked_up(first, await _log_in(first, Kind.SESSION)))
            progress.show(done + 1)
            ways.append(await _plain_jwt(first, await _log_in(first, Kind.STATELESS)))
            progress.show(done + 2)
        return ways


async def _log_in(node: Ostiary, kind: Kind) -> Issued:
    return await node.system.sign_in.login(LoginRequest(username="bench", password=_PASSWORD, kind=kind), Client())


def _header(issued: Issued) -> tuple[bytes, bytes]:
    """As the kind travels by default."""
    if issued.session.kind is Kind.SESSION:
        return b"cookie", f"{_COOKIE}={issued.access_token}".encode()
    return b"authorization", f"Bearer {issued.access_token}".encode()


# --- What a check costs ---------------------------------------------------------------------------------------------


async def _check(node: Ostiary, counted: "_Counted", issued: Issued) -> tuple[float, float]:
    """(microseconds that `protect` adds, look-ups for each request), after the first sight."""
    guarded = node.protect(_nothing)
    scope = _scope(_header(issued))
    await _status(guarded, scope)
    before = counted.reads
    added = await _added_us(
        lambda: guarded({**scope}, _receive, _ignore), lambda: _nothing({**scope}, _receive, _ignore)
    )
    return added, (counted.reads - before) / _REQUESTS


async def _looked_up(node: Ostiary, issued: Issued) -> Way:
    store, derived = node.system.store, node.system.context.derived

    async def look() -> None:
        session = await store.sessions.by_token_digest(opaque.token_digest(derived, issued.access_token))
        if session is None or not session.is_live(SYSTEM_CLOCK.wall(), 0):
            raise AssertionError("the session is gone")

    name, value = _header(issued)
    return Way(
        name=LOOK_UP,
        request_bytes=len(name) + len(value) + 4,
        lookups=1.0,
        # it waits for another thread: what the request waits, not what this thread works
        check_us=await _added_us(look, _async_nothing, clock=time.perf_counter_ns),
        refused_ms=(0.0,),
    )


async def _plain_jwt(node: Ostiary, issued: Issued) -> Way:
    keys = jose.KeySet([key.public() for key in _verifying_keys(node)])
    policy = jose.Policy(issuer=node.settings.issuer, audience=node.settings.issuer, type="at+jwt")

    async def verify() -> None:
        jose.verify(issued.access_token, keys, policy)

    name, value = _header(issued)
    return Way(
        name=PLAIN_JWT,
        request_bytes=len(name) + len(value) + 4,
        lookups=0.0,
        check_us=await _added_us(verify, _async_nothing),
        refused_ms=(issued.expires_in * 1000.0,),
    )


def _verifying_keys(node: Ostiary) -> list[jose.Key]:
    return [node.system.signing_keys.ring.signer]


async def _added_us(
    costly: Callable[[], Awaitable[None]],
    bare: Callable[[], Awaitable[None]],
    *,
    clock: Callable[[], int] = time.thread_time_ns,
) -> float:
    """The median of many slices, each beside a slice of the bare one: what the machine does meanwhile hits both."""
    count = _REQUESTS // _SLICES
    added = []
    for _ in range(_SLICES):
        spent = []
        for work in (costly, bare):
            began = clock()
            for _ in range(count):
                await work()
            spent.append(clock() - began)
        added.append((spent[0] - spent[1]) / count / 1000)
    return max(0.0, statistics.median(added))


# --- How soon it is refused -------------------------------------------------------------------------------------------


async def _until_refused(first: Ostiary, second: Ostiary, kind: Kind) -> float:
    """Milliseconds from the answer at the first node to the first refusal at the second, which knew the session."""
    issued = await _log_in(first, kind)
    guarded = second.protect(_nothing)
    scope = _scope(_header(issued))
    if await _status(guarded, scope) != 200:
        raise AssertionError("the second node does not accept what the first one issued")
    await first.system.sessions.end(issued.session.id, reason=EndReason.LOGOUT, actor="bench")
    answered = SYSTEM_CLOCK.monotonic()
    while await _status(guarded, scope) == 200:  # noqa: ASYNC110 - asking over and over is the measurement
        await asyncio.sleep(0)
    return max(0.0, (SYSTEM_CLOCK.monotonic() - answered) * 1000)


# --- Requests without a network -----------------------------------------------------------------------------------


def _scope(header: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", b"127.0.0.1:8000"), (b"accept", b"application/json"), header],
        "client": ("127.0.0.1", 50000),
    }


async def _status(app: ASGIApp, scope: dict[str, Any]) -> int:
    seen: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    await app({**scope}, _receive, send)
    return seen[0]


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - an ASGI application
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _async_nothing() -> None:
    return


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore(message: Message) -> None:
    if message.get("status", 200) != 200:
        raise AssertionError("a request was refused while it was measured")


class _Counted:
    """A store whose look-ups of sessions, accounts and the issuer are counted."""

    def __init__(self, store: Any) -> None:
        self.reads = 0
        for owner, names in (
            (store.sessions, ("get", "by_token_digest", "of_account")),
            (store.accounts, ("get", "by_username")),
            (store, ("issuer", "standing")),
        ):
            for name in names:
                setattr(owner, name, self._counting(getattr(owner, name)))

    def _counting(self, read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*arguments: Any, **named: Any) -> Any:
            self.reads += 1
            return await read(*arguments, **named)

        return counted
