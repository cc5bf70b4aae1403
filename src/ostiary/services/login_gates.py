"""What a process keeps in memory of the attempts that are under way on each counter."""

import asyncio
from dataclasses import replace

from ostiary import limits
from ostiary.domain.throttle import Throttle, changed
from ostiary.services.login_counters import Counter

UNDER_WAY = "under way: "


class Gate:
    """This process's attempts on one counter, `uncounted` of them in memory only. `left` is there if somebody waits,
    and is set, and gone, whenever one of them has ended. `stored` is the counter as this process knows it, if
    `is_read`: whoever writes it finds out whether that is still true. `everywhere` is the record of attempts under way
    in all processes, kept where `is_shared`."""

    __slots__ = ("everywhere", "is_read", "is_shared", "left", "lock", "stored", "uncounted", "under_way", "users")

    def __init__(self) -> None:
        self.under_way = 0
        self.uncounted = 0
        self.users = 0
        self.lock = asyncio.Lock()
        self.left: asyncio.Event | None = None
        self.is_read = False
        self.stored: Throttle | None = None
        self.everywhere: Throttle | None = None
        self.is_shared = False

    def others(self, now: float, others_than: int) -> int:
        """How many further attempts that the store counts are under way, here or elsewhere, but for `others_than`."""
        return max(self.under_way - self.uncounted - others_than, count_everywhere(self.everywhere, now) - 1)

    def with_uncounted(self, counter: Counter, now: float) -> Throttle:
        """The counter as if all that are under way were stored."""
        throttle = self.stored or Throttle(id=counter.id)
        if self.uncounted == 0:
            return throttle
        raised = counter.raised(throttle, now)
        return raised if self.uncounted == 1 else changed(raised, failures=raised.failures + self.uncounted - 1)

    def has_left(self) -> None:
        """One of them has ended: who waits looks again."""
        if self.left is not None:
            self.left.set()
            self.left = None


def marked(counters: list[Counter], gates: list[Gate], now: float, step: int) -> list[Throttle | None]:
    """The records of attempts under way everywhere, one more or less; None where nobody else would look at them."""
    return [
        replace(
            gate.everywhere or Throttle(id=UNDER_WAY + counter.id),
            failures=max(0, count_everywhere(gate.everywhere, now) + step),
            last_failure_at=now,
        )
        if gate.everywhere is not None or (step > 0 and gate.is_shared)
        else None
        for counter, gate in zip(counters, gates, strict=True)
    ]


def count_everywhere(everywhere: Throttle | None, now: float) -> int:
    """Attempts under way in all processes, as far as they are told of."""
    if everywhere is None or abs(now - everywhere.last_failure_at) >= limits.ATTEMPT_SECONDS:
        return 0
    return everywhere.failures


def as_stored(throttle: Throttle | None) -> Throttle | None:
    """The store keeps it under the next revision."""
    return None if throttle is None else changed(throttle, revision=throttle.revision + 1)


def forget(gates: list[Gate]) -> None:
    for gate in gates:
        gate.is_read = False


class Locked:
    """All of them, always in the same order: the network's, then the account's."""

    __slots__ = ("_gates", "_held")

    def __init__(self, gates: list[Gate]) -> None:
        self._gates = gates
        self._held: list[asyncio.Lock] = []

    async def __aenter__(self) -> None:
        try:
            for gate in self._gates:
                await gate.lock.acquire()
                self._held.append(gate.lock)
        except BaseException:
            self._release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._release()

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()
