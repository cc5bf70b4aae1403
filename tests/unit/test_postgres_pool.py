"""The pool of connections, without a server: who gets a place that somebody else has given up."""

import asyncio

import pytest

from ostiary.stores.postgres import pool
from ostiary.stores.postgres.pool import Pool, Watch

pytestmark = pytest.mark.anyio


class Connected:
    """As much of a connection as the pool asks for."""

    def is_closed(self) -> bool:
        """Never."""
        return False

    def terminate(self) -> None:
        """Nothing to do."""


async def test_who_waits_gets_the_place_of_one_who_gave_up_connecting(anyio_backend: str) -> None:
    """Connecting is cancelled: the place is free, and whoever waits for one need not wait for a job that never ends."""
    attempts: list[asyncio.Future[Connected]] = []

    async def connect() -> Connected:
        attempts.append(asyncio.get_running_loop().create_future())
        return await attempts[-1]

    async def job(connection: Connected) -> str:
        return "done"

    one = Pool("test", connect, size=1, longest=60.0)
    gives_up = asyncio.create_task(one.run(job))
    waits = asyncio.create_task(one.run(job))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(attempts) == len(one._waiting) == 1
    gives_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(attempts) == 2
    attempts[1].set_result(Connected())
    assert await waits == "done"
    assert await one.run(job) == "done"
    assert len(attempts) == 2


@pytest.mark.parametrize("stood_still", [0.0, 60.0], ids=["the server", "this process"])
async def test_who_stood_still_himself_does_not_take_the_server_for_gone(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch, stood_still: float
) -> None:
    """Flaw class: a process that the system let wait, longer than the server has for its answer, gives all of its jobs
    up, whose answers it has not read yet."""
    monkeypatch.setattr(pool, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(pool, "LATE_SECONDS", 30.0)  # and in earnest this process does not stand still for so long
    loop, passed = asyncio.get_running_loop(), 0.0
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + passed)

    class Silent(Connected):
        async def fetchval(self, _: str) -> int:
            nonlocal passed
            passed = 1.0 + stood_still
            return await loop.create_future()  # type: ignore[no-any-return]

    async def connect() -> Silent:
        return Silent()

    assert await Watch(connect)._answers() is (stood_still > 0)
