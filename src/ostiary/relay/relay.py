"""Follows a revocation feed for others: asks, listens, and hands on.

                   ┌── asks: a lease for all ────►┐
followers ──► Relay│   (ledger: who counts)       │ issuer, or another relay
          ◄── copy │◄── answers ──────────────────┤
          ◄── streams ◄── news ◄── hears ◄────────┘
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

import msgspec

from ostiary import limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.errors import Unavailable
from ostiary.relay.asking import Asking
from ostiary.relay.copy import LogCopy
from ostiary.relay.hearing import Hearing
from ostiary.relay.ledger import Ledger
from ostiary.relay.news import News, items
from ostiary.relay.streams import Streams
from ostiary.revocation.entry import Cursor
from ostiary.revocation.wire import event, written
from ostiary.verifier.feed_over_http import FeedOverHttp

if TYPE_CHECKING:
    import ssl

_FORGET = 30.0  # seconds


class Relay:
    """Of the feed at `url`, as a client whose `Authorization` `authorization` gives. Raises Misconfigured."""

    def __init__(
        self,
        url: str,
        *,
        authorization: Callable[[], str],
        clock: Clock = SYSTEM_CLOCK,
        ssl_context: "ssl.SSLContext | None" = None,
    ) -> None:
        self.copy = LogCopy()
        self.ledger = Ledger()
        self.streams = Streams()
        self._clock = clock
        self._feed = FeedOverHttp(url, authorization=authorization, node=secrets.token_hex(8), ssl_context=ssl_context)
        self._look = asyncio.Event()
        self._news = News(self.streams)
        self._hearing = Hearing(self._feed, self.copy, self._news, self._look)
        self._asking = Asking(self._feed, self.copy, self.ledger, self._news, self._hearing, self._look, clock)
        self._forgetting: asyncio.Task[None] | None = None

    # --- Lifetime ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin. Does not wait: until it has a lease it answers nobody."""
        self._hearing.start()
        self._asking.start()
        self._forgetting = asyncio.create_task(self._keep_forgetting(), name="ostiary-relay")

    def close(self) -> None:
        """End every stream: the server stops."""
        self.streams.close()

    async def stop(self) -> None:
        """End. Says goodbye only if nobody has a lease by it: else silence says it when all of them are over."""
        self.close()
        self._hearing.stop()
        await self._asking.stop()
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.gather(self._forgetting, return_exceptions=True)
        if not self.ledger.anybody(self._clock.monotonic()):
            await asyncio.to_thread(self._feed.leave)
        await self._asking.ended()
        await self._hearing.ended()

    async def _keep_forgetting(self) -> None:
        while True:
            await asyncio.sleep(_FORGET)
            for _ in self.copy.forget_expired(self._clock.wall()):
                await asyncio.sleep(0)

    @property
    def asked(self) -> int:
        """How many questions it has sent."""
        return self._asking.asked

    @property
    def failed(self) -> int:
        """How many of them had no good answer."""
        return self._asking.failed

    @property
    def lease_left(self) -> float:
        """Seconds, now."""
        return self.copy.lease_left(self._clock.monotonic())

    @property
    def age(self) -> float:
        """Seconds since the copy was complete; infinite if it never was."""
        return self.copy.age(self._clock.monotonic())

    # --- What followers ask ------------------------------------------------------------------------------------------

    async def answer(
        self, cursor: Cursor, *, client: str = "", name: str, applied: Cursor | None, fresh: bool
    ) -> bytes:
        """What follows `cursor`, as JSON. `client`: whose place a follower takes. `name`: of the follower, "" if it
        says none. `applied`: how far it, or whoever is behind it, has applied the log, if not up to `cursor`. `fresh`:
        the issuer is asked first. Raises Unavailable, also without a lease, and Overloaded."""
        arrived = self._clock.monotonic()
        if fresh or self._news.is_ahead or cursor.position > self.copy.cursor.position:
            # who was told of something asks for it, sooner than the relay itself may have read it
            try:
                await self._asking.through()
            except Unavailable:
                if cursor.position > self.copy.cursor.position:
                    raise
        now, copy = self._clock.monotonic(), self.copy
        if copy.lease_left(now) <= 0:
            raise Unavailable(private="the relay has no lease")
        page = copy.page(cursor)
        applied = cursor if applied is None else applied
        if applied.position > cursor.position or not page.matches or not copy.holds(applied):
            applied = Cursor()
        # before anything is said: see rule 2 of the ledger. No wait is between the look at the copy and this.
        if self.ledger.answered(name, applied, now, copy.lease, client=client):
            self._asking.want()
        head = {
            "generation": copy.generation,
            "everything": copy.everything,
            "lease": copy.lease,
            "age": copy.age(arrived),
            "matches": page.matches,
            "complete": page.complete,
            "cursor": "" if page.reached == Cursor() else written(page.reached),
        }
        return msgspec.json.encode(head)[:-1] + b',"items":[' + b",".join(page.texts) + b"]}"

    def leave(self, name: str) -> None:
        """A follower that accepts nothing any more."""
        if self.ledger.left(name):
            self._asking.want()

    async def events(
        self, cursor: Cursor, over: Callable[[asyncio.Event], None], client: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """What follows `cursor`, and then what comes, as it comes: Server-Sent Events. `over` is handed what is set
        when nothing more will come. Raises Unavailable, before the first."""
        with self.streams.room(client) as reader:
            over(reader.over)
            if cursor.position > self.copy.cursor.position:
                await self._asking.through()
            now, copy = self._clock.monotonic(), self.copy
            if copy.lease_left(now) <= 0:
                raise Unavailable(private="the relay has no lease")
            incarnation = copy.incarnation
            said = {"generation": copy.generation, "everything": copy.everything}
            yield event("state", msgspec.json.encode({**said, "lease": copy.lease, "age": copy.age(now)}))
            while True:
                if copy.incarnation != incarnation or reader.over.is_set():
                    return
                page = copy.page(cursor)
                if not page.matches:
                    return
                if not page.texts:
                    break
                cursor = page.reached
                yield items(page.texts, cursor)
            reader.live = True
            if ahead := self._news.ahead_event():
                reader.tell(ahead)
            while not reader.over.is_set():
                said_now = await reader.next(limits.FEED_KEEP_ALIVE)
                if reader.over.is_set():
                    return
                yield said_now or b": \n\n"
