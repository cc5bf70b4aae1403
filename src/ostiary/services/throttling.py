"""Counts login attempts, exactly, also when they come in parallel.

An attempt is counted as a failure before the password is looked at, and forgiven when it was right. Inside one process,
attempts that find every free place taken by attempts still under way wait for those instead of being refused: honest
parallel logins get through, guesses do not gain by being parallel. Between processes the store's counter decides.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from ostiary.credentials.derived_keys import digest
from ostiary.domain import throttle as rules
from ostiary.domain.throttle import Throttle
from ostiary.errors import TooManyAttempts
from ostiary.services.context import Context, judged_again
from ostiary.stores.port import Add, Remove, Swap


@dataclass(slots=True)
class Attempt:
    """One attempt under way. Call `succeeded` if the password was right; otherwise it stays counted."""

    right: bool = False

    def succeeded(self) -> None:
        """The password was right."""
        self.right = True


@dataclass(slots=True)
class _Gate:
    """This process's attempts on one counter."""

    under_way: int = 0
    users: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counter:
    """How one counter is judged, raised, and lowered after a success (given how many others are under way)."""

    id: str
    left: Callable[[Throttle, float], int]
    wait: Callable[[Throttle, float], float]
    raised: Callable[[Throttle, float], Throttle]
    forgiven: Callable[[Throttle, int], Throttle]


class Throttling:
    """Use cases of throttles."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._gates: dict[str, _Gate] = {}

    @asynccontextmanager
    async def attempt(self, name: str, *, network: str, device: str | None) -> AsyncIterator[Attempt]:
        """Around one look at a password. `name` is what was typed, in normal form: it is counted whether or not such an
        account exists. Raises TooManyAttempts if it may not be made now."""
        attempt = Attempt()
        async with AsyncExitStack() as stack:
            for counter in self._counters(name, network, device):
                await stack.enter_async_context(self._counted(counter, attempt))
            yield attempt

    async def forgive(self, name: str) -> None:
        """Forget the account's failures: an administrator enabled it, or its password was reset."""

        async def attempt() -> bool | None:
            counter = await self._context.store.throttles.get(self._account_id(name))
            return True if counter is None or await self._context.write(Remove(counter)) else None

        await judged_again(attempt)

    def _account_id(self, name: str) -> str:
        # a digest: people type passwords into the wrong field
        return "account:" + digest(self._context.derived.token_digest, "throttle " + name).hex()[:40]

    def _counters(self, name: str, network: str, device: str | None) -> list[_Counter]:
        policy = self._context.policy.throttle
        known = device is not None

        def of_account(identifier: str) -> _Counter:
            return _Counter(
                id=identifier,
                left=lambda throttle, now: rules.attempts_left(throttle, policy, now, known_device=known),
                wait=lambda throttle, now: rules.wait_of_account(throttle, policy, now, known_device=known),
                raised=rules.count_failure,
                forgiven=lambda throttle, others: replace(throttle, failures=min(throttle.failures, others)),
            )

        if known:
            return [of_account("device:" + digest(self._context.derived.token_digest, f"{name} {device}").hex()[:40])]
        network_id = "network:" + rules.network_of(network)
        return [
            _Counter(
                id=network_id,
                left=lambda throttle, now: (
                    0
                    if rules.wait_of_network(throttle, policy, now) > 0
                    else max(1, policy.address_failures - throttle.failures)
                ),
                wait=lambda throttle, now: rules.wait_of_network(throttle, policy, now),
                raised=lambda throttle, now: rules.count_network_failure(throttle, policy, now),
                forgiven=lambda throttle, _others: replace(throttle, failures=max(0, throttle.failures - 1)),
            ),
            of_account(self._account_id(name)),
        ]

    @asynccontextmanager
    async def _counted(self, counter: _Counter, attempt: Attempt) -> AsyncIterator[None]:
        gate = self._gates.setdefault(counter.id, _Gate())
        gate.users += 1
        try:
            await self._enter(counter, gate)
            try:
                yield
            except TooManyAttempts:
                # refused by the next counter before any password was looked at: this one need not remember it
                await self._leave(counter, gate, forgive=True)
                raise
            except BaseException:
                await self._leave(counter, gate, forgive=attempt.right)
                raise
            await self._leave(counter, gate, forgive=attempt.right)
        finally:
            gate.users -= 1
            if gate.users == 0:
                self._gates.pop(counter.id, None)

    async def _enter(self, counter: _Counter, gate: _Gate) -> None:
        async with gate.changed:
            while True:
                now = self._context.now()
                stored = await self._context.store.throttles.get(counter.id)
                throttle = stored or Throttle(id=counter.id)
                if counter.left(throttle, now) > 0:
                    raised = counter.raised(throttle, now)
                    if await self._context.write(Swap(raised) if stored else Add(raised)):
                        gate.under_way += 1
                        return
                elif gate.under_way == 0:
                    raise TooManyAttempts(math.ceil(counter.wait(throttle, now)))
                else:
                    await gate.changed.wait()

    async def _leave(self, counter: _Counter, gate: _Gate, *, forgive: bool) -> None:
        async with gate.changed:
            gate.under_way -= 1
            if forgive:

                async def lower() -> bool | None:
                    stored = await self._context.store.throttles.get(counter.id)
                    if stored is None:
                        return True
                    return await self._context.write(Swap(counter.forgiven(stored, gate.under_way))) or None

                await judged_again(lower)
            gate.changed.notify_all()
