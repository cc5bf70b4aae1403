"""`?wait=all`: answered when no node is left that does not know, and at the latest when every lease is over."""

import asyncio
from dataclasses import dataclass, field

import pytest

from ostiary import limits
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Cursor
from ostiary.revocation.everywhere import refused_everywhere

pytestmark = pytest.mark.anyio

HEAD = Cursor(position=7, nonce=7)
LEASE = 2.0


@dataclass
class Followers:
    """A log whose nodes acknowledge when the test says so. Each look takes `seconds` of the clock."""

    answers: list[int | None | Exception] = field(default_factory=list)
    seconds: float = 0.01
    now: float = 100.0
    nudges: int = 0
    asked: list[tuple[Cursor, float]] = field(default_factory=list)
    fails: bool = False

    def monotonic(self) -> float:
        return self.now

    async def head(self) -> Cursor:
        if self.fails:
            raise Unavailable(private="down")
        return HEAD

    async def nudge(self) -> None:
        self.nudges += 1

    async def pause(self, seconds: float, *, nodes: int) -> None:
        await asyncio.sleep(seconds)

    async def behind(self, cursor: Cursor, *, within: float) -> int | None:
        self.asked.append((cursor, within))
        self.now += self.seconds
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_it_ends_with_the_last_acknowledgement() -> None:
    """Everybody is told to look, and asked about the newest item, for as long as a lease can last."""
    log = Followers([3, 1, 1, 0])

    await refused_everywhere(log, log.monotonic, LEASE, nudged=False)

    assert log.nudges == 1
    assert log.asked == [(HEAD, LEASE * (1 + limits.CLOCK_DRIFT))] * 4
    assert log.now < 100.0 + LEASE


async def test_who_was_nudged_by_the_write_is_not_nudged_again() -> None:
    """Unless the message may have been lost: then once."""
    quick, slow = Followers([2, 0], seconds=0.0001), Followers([2, 2, 2, 2, 0])

    for log in (quick, slow):
        await refused_everywhere(log, log.monotonic, LEASE, nudged=True)

    assert (quick.nudges, slow.nudges) == (0, 1)


@pytest.mark.parametrize("answer", [1, None, Unavailable(private="down")])
async def test_otherwise_it_ends_with_the_leases(answer: int | None | Exception) -> None:
    """A node that is cut off, a log that cannot tell, a log that fails: then time decides, and never less of it."""
    log = Followers([answer], seconds=0.5)

    waiting = asyncio.create_task(refused_everywhere(log, log.monotonic, LEASE, nudged=False))
    async with asyncio.timeout(30):
        while not waiting.done():
            await asyncio.sleep(0.001)
            assert log.now >= 100.0 + LEASE or not waiting.done()
            log.now += 0.01

    assert log.now >= 100.0 + LEASE * (1 + limits.CLOCK_DRIFT)


async def test_a_log_that_is_down_from_the_start() -> None:
    """Nothing is raised: what was ended is ended."""
    log = Followers([0], fails=True)

    waiting = asyncio.create_task(refused_everywhere(log, log.monotonic, LEASE, nudged=False))
    async with asyncio.timeout(30):
        while not waiting.done():
            await asyncio.sleep(0.001)
            log.now += 0.01

    assert log.now >= 100.0 + LEASE * (1 + limits.CLOCK_DRIFT)
    assert log.asked == []
