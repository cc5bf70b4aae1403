"""Reading a long log: the next page is asked for while this one is taken in."""

import asyncio
from typing import Protocol

from ostiary.revocation.entry import Cursor, Probe


class Pages(Protocol):
    """See `ostiary.stores.port.Revocations`."""

    async def catch_up(self, cursor: Cursor) -> Probe | None: ...


class Ahead:
    """The question for the page after the one that is being taken in. Pages lend nothing, so when they were asked for
    does not matter."""

    __slots__ = ("_cursor", "_page", "_pages")

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._cursor: Cursor | None = None
        self._page: asyncio.Task[Probe | None] | None = None

    async def ask(self, cursor: Cursor) -> None:
        """Send the question for what comes after this; the answer is not waited for."""
        self._cursor = cursor
        self._page = asyncio.create_task(self._pages.catch_up(cursor), name="ostiary-page")
        await asyncio.sleep(0)

    async def page(self, cursor: Cursor) -> Probe | None:
        """What comes after this, as was asked before if it was; else it is asked now."""
        if self._page is None or self._cursor != cursor:
            await self.stop()
            return await self._pages.catch_up(cursor)
        asked, self._page = self._page, None
        return await asked

    async def stop(self) -> None:
        """Nobody waits for the answer any more."""
        asked, self._page = self._page, None
        if asked is not None:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
