"""When the system runs, and in which event loop."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from ostiary.compose.system import System


class Lifetime:
    """One system at a time. `open_one` opens it; `changed` is told which one runs now, or None.

    An event loop may be closed under a running system, with nobody to stop it: a test client that makes a loop for each
    request does that, and so do frameworks that run asynchronous views for synchronous servers. What belongs to a
    closed loop answers nobody, so the next request opens another system in its own.
    """

    def __init__(
        self,
        open_one: Callable[[], AbstractAsyncContextManager[System]],
        changed: Callable[[System | None, asyncio.AbstractEventLoop | None], None],
    ) -> None:
        self._open = open_one
        self._changed = changed
        self._stack: AsyncExitStack | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self.system: System | None = None

    @property
    def runs(self) -> bool:
        """True between `start` and `stop`, while its event loop lives."""
        return self._loop is not None and not self._loop.is_closed()

    async def start(self) -> None:
        """Start, unless it runs already."""
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = (loop, asyncio.Lock())
        async with self._turn[1]:
            if self.runs:
                return
            await self.stop()
            stack = AsyncExitStack()
            self.system = await stack.enter_async_context(self._open())
            self._stack, self._loop = stack, loop
            self._changed(self.system, loop)

    async def stop(self) -> None:
        """Stop, with everything collected written, if its event loop lives."""
        runs = self.runs
        stack, self._stack = self._stack, None
        self.system = self._loop = None
        self._changed(None, None)
        if stack is None:
            return
        # with its loop went the tasks and perhaps the connections; what is left is let go
        with contextlib.nullcontext() if runs else contextlib.suppress(Exception):
            await stack.aclose()
