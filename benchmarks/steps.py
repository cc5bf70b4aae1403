"""Where the request path spends its time: each step alone, without a target. Not part of a plain `make bench`."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import uvloop

from benchmarks import seed
from benchmarks.inprocess import microseconds, scope_of
from benchmarks.report import Row
from ostiary import Ostiary
from ostiary.domain.session import Kind

ROUNDS = 60


def _least(step: Callable[[Any], object], inputs: Sequence[Any]) -> float:
    clock = time.thread_time_ns
    found = []
    for _ in range(ROUNDS):
        began = clock()
        for item in inputs:
            step(item)
        found.append((clock() - began) / len(inputs) / 1000)
    return min(found)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that does nothing."""


async def _steps() -> list[Row]:
    auth = Ostiary(seed.settings_for("memory:", 8000))
    rows = []
    async with auth.lifespan():
        protected = auth.protect(_nothing)
        for kind in (Kind.SESSION, Kind.STATELESS):
            seeded = await seed.sessions(auth.system, kind, 1000)
            scopes = [scope_of("/me", each.header) for each in seeded]
            for _ in range(2):
                await microseconds(protected, scopes)
            authenticator, known = auth.services.authenticator, auth.system.recognition.known
            now = time.time()
            credentials = [each.header[1].rpartition("=" if kind is Kind.SESSION else " ")[2] for each in seeded]
            remembered = known.by_cookie if kind is Kind.SESSION else known.by_authorization
            entries = [remembered[each.header[1].encode()] for each in seeded]
            callers = [known.find(credential, now) for credential in credentials]
            refuses = auth.system.context.replica.refuses
            bare = min([await microseconds(_nothing, scopes) for _ in range(ROUNDS)])
            whole = min([await microseconds(protected, scopes) for _ in range(ROUNDS)])
            steps = {
                "an empty loop": _least(lambda _: None, scopes),
                "finding the credential and recognising it at once": _least(
                    lambda scope: authenticator.known(scope, now),  # noqa: B023
                    scopes,
                ),
                "  of that, recognising": _least(lambda entry: known.at_once(entry, now), entries),  # noqa: B023
                "recognising it after something was revoked": _least(
                    lambda text: known.find(text, now),  # noqa: B023
                    credentials,
                ),
                "  of that, the look at revocations": _least(
                    lambda caller: refuses(caller.session_id, 1, caller.account_id, caller.epoch, ""),  # noqa: B023
                    callers,
                ),
                "Protect as a whole": whole - bare,
            }
            rows += [Row(what=f"{kind}: {name}", reached=spent, unit="us") for name, spent in steps.items()]
    return rows


def run(say: Callable[[str], None]) -> list[Row]:
    """About 5 seconds."""
    say("steps of the request path ...")
    return uvloop.run(_steps())
