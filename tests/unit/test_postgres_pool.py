"""The pool of connections, without a server: who gets a place that somebody else has given up."""

import asyncio

import pytest

from ostiary.stores.postgres.pool import Pool

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

    pool = Pool("test", connect, size=1, longest=60.0)
    gives_up = asyncio.create_task(pool.run(job))
    waits = asyncio.create_task(pool.run(job))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(attempts) == len(pool._waiting) == 1
    gives_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(attempts) == 2
    attempts[1].set_result(Connected())
    assert await waits == "done"
    assert await pool.run(job) == "done"
    assert len(attempts) == 2
