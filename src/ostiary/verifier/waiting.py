"""Code that may have to wait, written once for callers that await and for callers that block.

A generator yields what it has to wait for; one of the two functions here drives it. What does not wait yields nothing.
"""

import asyncio
from collections.abc import Generator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Protocol, TypeVar

from ostiary import limits

_GRACE = 1.0  # seconds that a fetch gets beyond its deadline to say that it failed

T = TypeVar("T")


class Awaited(Protocol):
    """Something that ends. Neither way of waiting tells how it ended: whoever asked looks again."""

    async def wait(self) -> None: ...
    def wait_blocking(self) -> None: ...


class Flight:
    """One fetch under way in a thread of its own, which sets `landed` when it is over. Any number of threads and event
    loops wait for it, none for longer than a fetch may take."""

    def __init__(self) -> None:
        self.landed: Future[None] = Future()

    async def wait(self) -> None:
        # unlike `wait_for`, this does not cancel for the others what one of them stops waiting for
        await asyncio.wait((asyncio.wrap_future(self.landed),), timeout=limits.FETCH_SECONDS + _GRACE)

    def wait_blocking(self) -> None:
        wait_for((self.landed,), timeout=limits.FETCH_SECONDS + _GRACE)


Steps = Generator[Awaited, None, T]


async def run(steps: Steps[T]) -> T:
    """The result, waiting on the event loop."""
    while True:
        try:
            awaited = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        await awaited.wait()


def run_blocking(steps: Steps[T]) -> T:
    """The result, blocking this thread."""
    while True:
        try:
            awaited = next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        awaited.wait_blocking()
