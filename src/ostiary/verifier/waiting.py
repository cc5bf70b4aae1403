"""Code that may have to wait, written once for callers that await and for callers that block.

A generator yields what it has to wait for; one of the two functions here drives it. What does not wait yields nothing.
"""

from collections.abc import Generator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Awaited(Protocol):
    """Something that ends. Neither way of waiting tells how it ended: whoever asked looks again."""

    async def wait(self) -> None: ...
    def wait_blocking(self) -> None: ...


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
