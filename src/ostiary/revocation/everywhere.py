"""Waiting until no node accepts what was ended: by asking how many still may, and at the latest by the lease."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from ostiary import limits
from ostiary.errors import OstiaryError
from ostiary.revocation.entry import Cursor

_PAUSE = 0.0002  # seconds before the first look; each later pause is a little longer than the one before
_GROWTH = 1.15
_LONGEST_PAUSE = 0.05
_TOLD_SECONDS = 0.003  # for nodes that the write has nudged; after that, the message may have been lost


class Followers(Protocol):
    """Who follows the log: see `ostiary.stores.port.Revocations`."""

    async def head(self) -> Cursor: ...
    async def nudge(self) -> None: ...
    async def pause(self, seconds: float, *, nodes: int) -> None: ...
    async def behind(self, cursor: Cursor, *, within: float) -> int | None: ...


async def refused_everywhere(log: Followers, monotonic: Callable[[], float], lease: float, *, nudged: bool) -> None:
    """Return when every node refuses what was committed before the call. Never raises an OstiaryError: if nobody can
    tell, time does.

    `lease`: the longest of any node, in seconds. A node counts as soon as it has probed once, before it accepts
    anything, and until its lease is over; so when all that count have acknowledged the newest item, none is left that
    does not know. `nudged`: they have been, by the write itself.
    """
    wait = lease * (1 + limits.CLOCK_DRIFT)
    began = monotonic()
    deadline, nudge_at = began + wait, began + _TOLD_SECONDS
    with contextlib.suppress(OstiaryError, TimeoutError):
        async with asyncio.timeout(wait):
            if nudged:
                head = await log.head()
            else:
                head, _ = await asyncio.gather(log.head(), log.nudge())
            count, pause = 1, _PAUSE
            while monotonic() < deadline:
                await log.pause(pause, nodes=count)
                behind = await log.behind(head, within=wait)
                if behind == 0:
                    return
                count, pause = behind or 1, min(pause * _GROWTH, _LONGEST_PAUSE)
                if nudged and monotonic() >= nudge_at:
                    nudged = False
                    await log.nudge()
    while (left := deadline - monotonic()) > 0:  # noqa: ASYNC110 - time is what it waits for
        await asyncio.sleep(max(left, _PAUSE))
