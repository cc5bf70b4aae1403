"""Counts login attempts, exactly, also when they come in parallel.

An attempt is counted as a failure before the password is looked at, and forgiven when it was right. Inside one process,
attempts that find every free place taken by attempts still under way wait for those instead of being refused: honest
parallel logins get through, guesses do not gain by being parallel. Between processes the store's counter decides, and
where other processes serve the same store, a second record beside it says how many attempts are under way: who finds no
place left waits for those as well, by looking again. It counts for no longer than an attempt can take, since a process
may die.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from ostiary import limits
from ostiary.domain.throttle import Throttle
from ostiary.errors import TooManyAttempts
from ostiary.services.context import Context, judged_again
from ostiary.services.login_counters import Counter, Counters
from ostiary.stores.port import Add, Change, Remove, Swap

_UNDER_WAY = "under way: "
_LOOK_AGAIN = 0.03  # seconds; a password takes about as long


class Attempt:
    """One attempt under way. Call `succeeded` if the password was right; otherwise it stays counted."""

    def __init__(self, throttling: "Throttling", counters: "list[Counter]", gates: "list[_Gate]") -> None:
        self._throttling = throttling
        self._counters = counters
        self._gates = gates
        self.right = False
        self.over = False

    def succeeded(self) -> None:
        """The password was right."""
        self.right = True

    async def write(self, *changes: Change) -> bool:
        """What a right password leads to, in one write with its forgiveness; as `Store.write`."""
        async with _locked(self._gates):
            self.over = await self._throttling.lower(self._counters, self._gates, others_than=1, with_=changes)
        return self.over


class _Gate:
    """This process's attempts on one counter. `left` is set, and replaced, whenever one of them has ended. `stored` is
    the counter as this process knows it, if `is_read`: whoever writes it finds out whether that is still true.
    `everywhere` is the record of attempts under way in all processes, kept where `is_shared`."""

    __slots__ = ("everywhere", "is_read", "is_shared", "left", "lock", "stored", "under_way", "users")

    def __init__(self) -> None:
        self.under_way = 0
        self.users = 0
        self.lock = asyncio.Lock()
        self.left = asyncio.Event()
        self.is_read = False
        self.stored: Throttle | None = None
        self.everywhere: Throttle | None = None
        self.is_shared = False

    def others(self, now: float, others_than: int) -> int:
        """How many further attempts are under way, here or elsewhere, but for `others_than` of them."""
        return max(self.under_way - others_than, _count(self.everywhere, now) - 1)


class Throttling:
    """Use cases of throttles."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._counters = Counters(context)
        self._gates: dict[str, _Gate] = {}

    @asynccontextmanager
    async def attempt(
        self, name: str, *, network: str, device: str | None, durable: bool = True
    ) -> AsyncIterator[Attempt]:
        """Around one look at a password. `name` is what was typed, in normal form: it is counted whether or not such an
        account exists. `durable` False if whoever asks writes something durable before the attempt is answered, also
        when it fails. Raises TooManyAttempts if it may not be made now."""
        counters = self._counters.of(name, network, device)
        gates = [self._gates.setdefault(counter.id, _Gate()) for counter in counters]
        for gate in gates:
            gate.users += 1
        try:
            await self._enter(counters, gates, durable=durable)
            attempt = Attempt(self, counters, gates)
            try:
                yield attempt
            finally:
                await self._leave(counters, gates, attempt)
        finally:
            for counter, gate in zip(counters, gates, strict=True):
                gate.users -= 1
                if gate.users == 0:
                    self._gates.pop(counter.id, None)

    async def forgive(self, name: str) -> None:
        """Forget the account's failures: an administrator enabled it, or its password was reset."""

        async def attempt() -> bool | None:
            counter = await self._context.store.throttles.get(self._counters.account_id(name))
            return True if counter is None or await self._context.write(Remove(counter)) else None

        await judged_again(attempt)

    async def _enter(self, counters: list[Counter], gates: list[_Gate], *, durable: bool) -> None:
        """Count the attempt on all of its counters in one write, once all of them let it."""
        while True:
            async with _locked(gates):
                now = self._context.now()
                is_fresh = not any(gate.is_read for gate in gates)
                await self._read(counters, gates)
                blocking = None
                elsewhere = False
                raised = []
                for counter, gate in zip(counters, gates, strict=True):
                    throttle = gate.stored or Throttle(id=counter.id)
                    if counter.left(throttle, now) <= 0:
                        if is_fresh and gate.under_way == 0:
                            if _count(gate.everywhere, now) == 0:
                                raise TooManyAttempts(math.ceil(counter.wait(throttle, now)))
                            elsewhere = True
                        blocking = blocking or gate
                    raised.append(counter.raised(throttle, now))
                if blocking is None:
                    if await self._write(gates, raised, self._marked(counters, gates, now, 1), durable=durable):
                        for gate in gates:
                            gate.under_way += 1
                        return
                    continue  # another process counted at the same time: judged again
                if not is_fresh:  # another process may have given places back
                    _forget(gates)
                    continue
                left = blocking.left
                if elsewhere:
                    _forget(gates)
            if elsewhere:  # nobody there can tell us when it is over
                await asyncio.sleep(_LOOK_AGAIN)
            else:
                await left.wait()

    async def _leave(self, counters: list[Counter], gates: list[_Gate], attempt: Attempt) -> None:
        """It is over; a right one is taken off its counters again, in one write."""
        async with _locked(gates):
            for gate in gates:
                gate.under_way -= 1
            try:
                if not attempt.over and (attempt.right or any(gate.everywhere is not None for gate in gates)):

                    async def over() -> bool | None:
                        return await self.lower(counters, gates, forgive=attempt.right) or None

                    await judged_again(over)
            finally:
                for gate in gates:
                    gate.left.set()
                    gate.left = asyncio.Event()

    async def lower(
        self,
        counters: list[Counter],
        gates: list[_Gate],
        *,
        forgive: bool = True,
        others_than: int = 0,
        with_: tuple[Change, ...] = (),
    ) -> bool:
        """One attempt less, forgiven or not, in one write `with_` what it led to. `others_than`: 1 if it is still under
        way itself. To be called with the gates locked."""
        await self._read(counters, gates)
        now = self._context.now()
        lowered = [
            counter.forgiven(gate.stored, gate.others(now, others_than))
            if forgive and gate.stored is not None
            else None
            for counter, gate in zip(counters, gates, strict=True)
        ]
        return await self._write(gates, lowered, self._marked(counters, gates, now, -1), with_)

    def _marked(self, counters: list[Counter], gates: list[_Gate], now: float, step: int) -> list[Throttle | None]:
        """The records of attempts under way everywhere, one more or less; None where nobody else would look at them."""
        return [
            replace(
                gate.everywhere or Throttle(id=_UNDER_WAY + counter.id),
                failures=max(0, _count(gate.everywhere, now) + step),
                last_failure_at=now,
            )
            if gate.everywhere is not None or (step > 0 and gate.is_shared)
            else None
            for counter, gate in zip(counters, gates, strict=True)
        ]

    async def _write(
        self,
        gates: list[_Gate],
        throttles: Sequence[Throttle | None],
        marks: Sequence[Throttle | None],
        more: tuple[Change, ...] = (),
        *,
        durable: bool = True,
    ) -> bool:
        """One counter and one mark for each gate, None where there is none to write. False if anything was not as it
        was read."""
        changes: list[Change] = list(more)
        for gate, throttle, mark in zip(gates, throttles, marks, strict=True):
            if throttle is not None:
                changes.append(Swap(throttle) if gate.stored is not None else Add(throttle))
            if mark is not None:
                changes.append(Swap(mark) if gate.everywhere is not None else Add(mark))
        try:
            written = await self._context.write(*changes, durable=durable)
        except BaseException:
            _forget(gates)
            raise
        if not written:
            _forget(gates)
            return False
        for gate, throttle, mark in zip(gates, throttles, marks, strict=True):
            gate.stored = _as_stored(throttle) or gate.stored
            gate.everywhere = _as_stored(mark) or gate.everywhere
        return True

    async def _read(self, counters: list[Counter], gates: list[_Gate]) -> None:
        """Those that this process does not know."""
        unread = [(counter, gate) for counter, gate in zip(counters, gates, strict=True) if not gate.is_read]
        if not unread:
            return
        get = self._context.store.throttles.get
        found = await self._context.together(*(get(counter.id) for counter, _ in unread))
        marks: tuple[Throttle | None, ...] = (None,) * len(unread)
        store = self._context.store
        is_shared = store.shared and store.others_serve()
        if is_shared:
            marks = await self._context.together(*(get(_UNDER_WAY + counter.id) for counter, _ in unread))
        for (_, gate), throttle, mark in zip(unread, found, marks, strict=True):
            gate.stored, gate.everywhere, gate.is_shared, gate.is_read = throttle, mark, is_shared, True


def _count(everywhere: Throttle | None, now: float) -> int:
    """Attempts under way in all processes, as far as they are told of."""
    if everywhere is None or now >= everywhere.last_failure_at + limits.ATTEMPT_SECONDS:
        return 0
    return everywhere.failures


def _as_stored(throttle: Throttle | None) -> Throttle | None:
    """The store keeps it under the next revision."""
    return None if throttle is None else replace(throttle, revision=throttle.revision + 1)


def _forget(gates: list[_Gate]) -> None:
    for gate in gates:
        gate.is_read = False


class _locked:  # noqa: N801 - used as a function
    """All of them, always in the same order: the network's, then the account's."""

    __slots__ = ("_gates", "_held")

    def __init__(self, gates: list[_Gate]) -> None:
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
