"""Counts login attempts, exactly, also when they come in parallel.

An attempt is counted as a failure before the password is looked at, and forgiven when it was right. Inside one process,
attempts that find every free place taken by attempts still under way wait for those instead of being refused: honest
parallel logins get through, guesses do not gain by being parallel. One that nobody judged, because the hashes have no
room for it, is taken back as if it had not been made. Between processes the store's counter decides, and
where other processes serve the same store, a second record beside it says how many attempts are under way: who finds no
place left waits for those as well, by looking again. It counts for no longer than an attempt can take, since a process
may die.

A process that alone serves the store counts an attempt in its memory first, and in the store before what came of it is
told: a wrong one together with its event, a right one, which would be taken off again, not at all. If another process
has counted meanwhile, the attempt is judged once more by what is stored, and without a place nothing is told of it.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ostiary.domain.throttle import Throttle, taken_back
from ostiary.errors import TooManyAttempts
from ostiary.services.context import Context, judged_again
from ostiary.services.login_attempt import Attempt
from ostiary.services.login_counters import Counter, Counters
from ostiary.services.login_gates import UNDER_WAY, Gate, Locked, as_stored, count_everywhere, forget, marked
from ostiary.services.uninterrupted import to_its_end
from ostiary.stores.port import Add, Change, Remove, Swap

_LOOK_AGAIN = 0.03  # seconds; a password takes about as long


class Throttling:
    """Use cases of throttles."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._counters = Counters(context)
        self._gates: dict[str, Gate] = {}
        self._was_shared = True  # when it was looked at last

    def attempt(
        self,
        name: str,
        *,
        network: str,
        device: str | None,
        ready: Callable[[], None] = lambda: None,
        durable: bool = True,
    ) -> Attempt:
        """To be entered around one look at a password. `name` is what was typed, in normal form: it is counted whether
        or not such an account exists. `ready` is asked before anything is counted, and raises if nobody could look at a
        password now. `durable` False if whoever asks writes something durable before the attempt is
        answered, also when it fails."""
        return Attempt(self, self._counters.of(name, network, device), ready=ready, durable=durable)

    async def begin(self, attempt: Attempt) -> None:
        """Raises TooManyAttempts if it may not be made now."""
        for counter in attempt.counters:
            gate = self._gates.get(counter.id)
            if gate is None:
                gate = self._gates[counter.id] = Gate()
            gate.users += 1
            attempt.gates.append(gate)
        try:
            await self._enter(attempt)
        except BaseException:
            self._forget_unused(attempt)
            raise

    async def end(self, attempt: Attempt, *, failed: bool) -> None:
        """`failed`: an exception left it. Raises TooManyAttempts if it had no place after all."""
        try:
            try:
                if not failed and attempt.right and not attempt.counted and not attempt.over and self._is_shared():
                    await self._count_late(attempt, durable=False)  # before anything is told of it
            finally:
                await self._leave(attempt)
        finally:
            self._forget_unused(attempt)

    def _forget_unused(self, attempt: Attempt) -> None:
        for counter, gate in zip(attempt.counters, attempt.gates, strict=True):
            gate.users -= 1
            if gate.users == 0:
                self._gates.pop(counter.id, None)

    async def forgiveness(self, name: str) -> list[Change]:
        """What forgets the account's failures, in the write by which an administrator enables it or resets its
        password: nothing if there are none, and the write fails if another one is counted meanwhile."""
        counter = await self._context.store.throttles.get(self._counters.account_id(name))
        return [] if counter is None else [Remove(counter)]

    @property
    def _may_be_alone(self) -> bool:
        """Whether a write is saved by not counting in the store at once, if no other process serves it."""
        return self._context.serving and self._context.store.shared

    def _is_shared(self) -> bool:
        """Whether other processes may count, too."""
        self._was_shared = self._context.store.shared and self._context.store.others_serve()
        return self._was_shared

    async def _enter(self, attempt: Attempt) -> None:
        """Count the attempt on all of its counters, once all of them let it: in one write, or in memory."""
        counters, gates = attempt.counters, attempt.gates
        while True:
            async with Locked(gates):
                now = self._context.now()
                # who was alone is asked again before anything is told of the attempt: that finds whoever has come
                is_shared = self._was_shared and self._is_shared()
                if is_shared and any(gate.is_read and not gate.is_shared for gate in gates):
                    forget(gates)  # others have come since
                is_fresh = not any(gate.is_read for gate in gates)
                await self._read(counters, gates, is_shared=is_shared)
                blocking = refused = None
                elsewhere = False
                for counter, gate in zip(counters, gates, strict=True):
                    throttle = gate.with_uncounted(counter, now)
                    if counter.left(throttle, now) <= 0:
                        if is_fresh and gate.under_way == 0:
                            if count_everywhere(gate.everywhere, now) == 0:
                                refused = TooManyAttempts(math.ceil(counter.wait(throttle, now)))
                                break
                            elsewhere = True
                        blocking = blocking or gate
                if refused is not None:
                    if not is_shared and self._is_shared():  # others have come since: theirs may be under way
                        forget(gates)
                        continue
                    raise refused
                if blocking is None:
                    attempt.ready()
                    attempt.entered_at = now
                    if not is_shared and self._may_be_alone:
                        for gate in gates:
                            gate.uncounted += 1
                    elif not await self._count(attempt, now, durable=attempt.durable):
                        continue  # another process counted at the same time: judged again
                    for gate in gates:
                        gate.under_way += 1
                    return
                if not is_fresh:  # another process may have given places back
                    forget(gates)
                    continue
                left = blocking.left = blocking.left or asyncio.Event()
                if elsewhere:
                    forget(gates)
            if elsewhere:  # nobody there can tell us when it is over
                await asyncio.sleep(_LOOK_AGAIN)
            else:
                await left.wait()

    async def failed(self, attempt: Attempt, changes: tuple[Change, ...]) -> None:
        """See `Attempt.failed`."""
        if not attempt.counted:
            await self._count_late(attempt, changes)
        elif changes:
            await self._context.write(*changes)

    async def forgiven(self, attempt: Attempt, changes: tuple[Change, ...]) -> bool:
        """See `Attempt.write`."""
        if not attempt.counted and self._is_shared():
            await self._count_late(attempt, durable=False)
        last = attempt.gates[-1]  # the account's or the device's: a right password resets that one
        if not attempt.counted and last.is_read and (last.stored is None or last.stored.failures == 0):
            attempt.over = await self._context.write(*changes)
            return attempt.over
        async with Locked(attempt.gates):
            attempt.over = await self._lower(attempt, others_than=1, with_=changes)
        return attempt.over

    async def _count_late(self, attempt: Attempt, changes: tuple[Change, ...] = (), *, durable: bool = True) -> None:
        """Count in the store what was counted in memory. Raises TooManyAttempts if others took its place since."""
        counters, gates = attempt.counters, attempt.gates

        async def count() -> bool | None:
            async with Locked(gates):
                is_shared = self._is_shared()
                if is_shared:
                    forget(gates)
                await self._read(counters, gates, is_shared=is_shared)
                # a place among those that were taken meanwhile, not among those that are under way
                now = max(self._context.now(), attempt.entered_at)
                for counter, gate in zip(counters, gates, strict=True):
                    throttle = gate.stored or Throttle(id=counter.id)
                    if counter.left(throttle, now) <= 0:
                        attempt.over, attempt.right = True, False
                        raise TooManyAttempts(math.ceil(counter.wait(throttle, now)))
                at = min(attempt.entered_at, self._context.now())  # a clock that was set back has no later failures
                if not await self._count(attempt, at, changes, durable=durable):
                    return None
                for gate in gates:
                    gate.uncounted -= 1
                return True

        await judged_again(count)

    async def _count(self, attempt: Attempt, at: float, with_: tuple[Change, ...] = (), *, durable: bool) -> bool:
        """One attempt more on each of its counters, in one write. To be called with the gates locked."""
        counters, gates = attempt.counters, attempt.gates
        before = [gate.stored for gate in gates]
        raised = []
        for counter, gate in zip(counters, gates, strict=True):
            throttle = gate.stored or Throttle(id=counter.id)
            raised.append(counter.raised(throttle, at))
        if not await self._write(gates, raised, marked(counters, gates, at, 1), with_, durable=durable):
            return False
        attempt.counted, attempt.before = True, before
        return True

    async def _leave(self, attempt: Attempt) -> None:
        """It is over; a right one is taken off its counters again, in one write, and so is one that was taken back. One
        of which nobody knows whether it was right, because it was given up, stays counted. Whoever gives it up does not
        keep it from that, however often they say so."""
        settling = self._settle(attempt)
        try:
            await (to_its_end(settling) if attempt.is_unknown or attempt.lowers else settling)
        finally:
            attempt.gone()
            for gate in attempt.gates:
                gate.has_left()

    async def _settle(self, attempt: Attempt) -> None:
        """Bring the store up to what came of it."""
        try:
            if attempt.is_unknown:
                with suppress(TooManyAttempts):
                    await self._count_late(attempt, durable=attempt.durable)
        finally:
            async with Locked(attempt.gates):
                attempt.gone()
                if attempt.lowers:

                    async def over() -> bool | None:
                        return await self._lower(attempt, durable=not attempt.is_taken_back) or None

                    await judged_again(over)

    async def _lower(
        self, attempt: Attempt, *, others_than: int = 0, with_: tuple[Change, ...] = (), durable: bool = True
    ) -> bool:
        """One attempt less, forgiven if it was right, undone if it was taken back, in one write `with_` what it led to.
        `others_than`: 1 if it is still under way itself. To be called with the gates locked."""
        counters, gates = attempt.counters, attempt.gates
        await self._read(counters, gates)
        now = self._context.now()
        lowered: list[Throttle | None] = []
        befores = attempt.before or [None] * len(gates)
        for counter, gate, before in zip(counters, gates, befores, strict=True):
            stored = gate.stored
            if stored is not None and attempt.is_taken_back and attempt.counted:
                lowered.append(taken_back(stored, before))
            elif stored is None or not attempt.right:
                lowered.append(None)
            elif attempt.counted:
                lowered.append(counter.forgiven(stored, gate.others(now, others_than)))
            else:  # its own failure is not among those that are stored
                failures = counter.forgiven(counter.raised(stored, now), gate.others(now, 0)).failures
                lowered.append(replace(stored, failures=failures) if failures < stored.failures else None)
        marks = marked(counters, gates, now, -1) if attempt.counted else [None] * len(gates)
        return await self._write(gates, lowered, marks, with_, durable=durable)

    async def _write(
        self,
        gates: list[Gate],
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
                changes.append(Add(throttle) if gate.stored is None else Swap(throttle, was=gate.stored))
            if mark is not None:
                changes.append(Add(mark) if gate.everywhere is None else Swap(mark, was=gate.everywhere))
        if not changes:
            return True
        try:
            # whoever goes away meanwhile has to be told what was written, since it is not written twice
            written = await to_its_end(self._context.write(*changes, durable=durable))
        except BaseException:
            forget(gates)
            raise
        if not written:
            forget(gates)
            return False
        for gate, throttle, mark in zip(gates, throttles, marks, strict=True):
            gate.stored = as_stored(throttle) or gate.stored
            gate.everywhere = as_stored(mark) or gate.everywhere
        return True

    async def _read(self, counters: list[Counter], gates: list[Gate], *, is_shared: bool | None = None) -> None:
        """Those that this process does not know."""
        unread = [(counter, gate) for counter, gate in zip(counters, gates, strict=True) if not gate.is_read]
        if not unread:
            return
        if is_shared is None:
            is_shared = self._is_shared()
        ids = [counter.id for counter, _ in unread]
        asked = [*ids, *(UNDER_WAY + one for one in ids)] if is_shared else ids
        found = await self._context.together(*map(self._context.store.throttles.get, asked))
        marks = found[len(ids) :] or (None,) * len(ids)
        for (_, gate), throttle, mark in zip(unread, found, marks, strict=False):
            gate.stored, gate.everywhere, gate.is_shared, gate.is_read = throttle, mark, is_shared, True
