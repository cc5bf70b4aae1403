"""Counts who signs up, exactly, also when they come in parallel and at several processes.

A sign-up is counted before its name is looked for and its password is hashed, and stays counted whatever comes of it:
so neither names nor hashes can be asked for without end. One that is refused writes nothing.
"""

import asyncio
import math

from ostiary.domain import sign_ups as rules
from ostiary.domain.throttle import Throttle
from ostiary.errors import TooManyAttempts
from ostiary.services.context import Client, Context, judged_again
from ostiary.stores.port import Add, Change, Swap


class SignUps:
    """Use case of counting one."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = asyncio.Lock()  # one process does not race against itself

    async def count(self, client: Client) -> None:
        """Raises TooManyAttempts if this one is too many."""
        policy = self._context.policy.sign_ups
        counters = rules.counters_of(client.ip, policy)
        if not counters:
            return

        async def attempt() -> bool | None:
            now = self._context.now()
            found = await self._context.together(*(self._context.store.throttles.get(name) for name, _ in counters))
            throttles = [known or Throttle(id=name) for (name, _), known in zip(counters, found, strict=True)]
            waits = [
                rules.wait_of(throttle, limit, policy, now)
                for throttle, (_, limit) in zip(throttles, counters, strict=True)
            ]
            if max(waits) > 0:
                raise TooManyAttempts(math.ceil(max(waits)))
            changes: list[Change] = []
            for throttle, known in zip(throttles, found, strict=True):
                raised = rules.count_sign_up(throttle, policy, now)
                changes.append(Add(raised) if known is None else Swap(raised))
            # what it counts for is written durably, if anything is
            return await self._context.write(*changes, durable=False) or None

        async with self._turn:
            await judged_again(attempt)
