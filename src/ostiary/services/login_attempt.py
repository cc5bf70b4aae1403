"""One attempt to log in, or to prove a password, while it is under way."""

from collections.abc import Callable
from typing import Protocol, Self

from ostiary.domain.throttle import Throttle
from ostiary.services.login_counters import Counter
from ostiary.services.login_gates import Gate
from ostiary.stores.port import Change


class Writes(Protocol):
    """Who counts attempts, and writes what comes of them."""

    async def begin(self, attempt: "Attempt") -> None:
        """Raises TooManyAttempts if it may not be made now."""

    async def end(self, attempt: "Attempt", *, failed: bool) -> None:
        """`failed`: an exception left it. Raises TooManyAttempts if it had no place after all."""

    async def failed(self, attempt: "Attempt", changes: tuple[Change, ...]) -> None:
        """See `Attempt.failed`."""

    async def forgiven(self, attempt: "Attempt", changes: tuple[Change, ...]) -> bool:
        """See `Attempt.write`."""
        ...


class Attempt:
    """One attempt, under way once entered. Call `succeeded` if the password was right, `take_back` if nobody looked at
    it; otherwise it stays counted. `counted`: in the store, not only in this process; `before`: the counters as they
    were then."""

    def __init__(
        self, throttling: Writes, counters: list[Counter], *, ready: Callable[[], None], durable: bool
    ) -> None:
        self._throttling = throttling
        self.counters = counters
        self.gates = list[Gate]()
        self.ready = ready
        self.durable = durable
        self.entered_at = 0.0
        self.counted = False
        self.before: list[Throttle | None] = []
        self.right = False
        self.is_taken_back = False
        self.over = False
        self._under_way = True

    async def __aenter__(self) -> Self:
        """Raises TooManyAttempts if it may not be made now."""
        await self._throttling.begin(self)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self._throttling.end(self, failed=kind is not None)

    def succeeded(self) -> None:
        """The password was right."""
        self.right = True

    def take_back(self) -> None:
        """Nobody looked at the password, and nobody will."""
        self.is_taken_back = True

    @property
    def is_unknown(self) -> bool:
        """Whether it has to be counted, since nobody can say that it was no guess."""
        return not (self.counted or self.right or self.over or self.is_taken_back)

    @property
    def lowers(self) -> bool:
        """Whether the store counts something that is over with it."""
        if self.over:
            return False
        return self.right or (self.is_taken_back and self.counted) or any(gate.everywhere for gate in self.gates)

    def gone(self) -> None:
        """It is under way no longer, as far as this process counts; may be repeated."""
        if self._under_way:
            self._under_way = False
            for gate in self.gates:
                gate.under_way -= 1
                gate.uncounted -= not self.counted

    async def failed(self, *changes: Change) -> None:
        """The password was wrong: write `changes`, with what the attempt counts if that is not stored yet. Raises
        TooManyAttempts if it had no place after all; then nothing may be told of it."""
        await self._throttling.failed(self, changes)

    async def write(self, *changes: Change) -> bool:
        """What a right password leads to, in one write with its forgiveness; as `Store.write`. Raises as `failed`."""
        return await self._throttling.forgiven(self, changes)
