"""Follows a revocation feed for others: asks, listens, and hands on.

                     ┌── asks: a lease for all ────►┐
  followers ──► Relay│   (ledger: who counts)       │ issuer, or another relay
            ◄── copy │◄── answers ──────────────────┤
            ◄── streams ◄── listens ◄───────────────┘

It asks sixteen times in a lease, when it hears of something, when somebody who follows it has come further, and when a
follower needs to know what is true now: all who ask for that before a question is sent share it.
"""

import asyncio
import contextlib
import functools
import logging
import math
import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from ostiary import limits
from ostiary.clock import SYSTEM_CLOCK, Clock
from ostiary.errors import OstiaryError, Unavailable
from ostiary.relay.chunks import Told
from ostiary.relay.copy import Heard, LogCopy, told
from ostiary.relay.ledger import Ledger
from ostiary.relay.streams import Streams
from ostiary.revocation.entry import Cursor
from ostiary.verifier.feed_over_http import FeedOverHttp, written

if TYPE_CHECKING:
    import ssl

log = logging.getLogger("ostiary.relay")

_PART = 16  # of a lease: what each relay of a chain adds to the age
_PAUSE = 0.25  # seconds before it tries again
_PACE = 0.002  # seconds between questions, at least
_FORGET = 30.0  # seconds
_STOP = 1.0  # seconds that each of its threads gets to end
_CHANCE = secrets.SystemRandom()
_HEARD = msgspec.json.Decoder(Heard)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


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
        self.asked = 0
        self.failed = 0
        self._clock = clock
        self._feed = FeedOverHttp(url, authorization=authorization, node=secrets.token_hex(8), ssl_context=ssl_context)
        self._waiting: list[asyncio.Future[None]] = []
        self._look = asyncio.Event()
        self._hinted: dict[Cursor, bytes] = {}  # told already, and not in the copy yet
        self._troubles: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._thread: ThreadPoolExecutor | None = None
        self._listener: threading.Thread | None = None
        self._read = threading.Event()
        self._stopped = threading.Event()

    # --- Lifetime ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin. Does not wait: until it has a lease it answers nobody."""
        self._stopped.clear()
        self._thread = ThreadPoolExecutor(1, "ostiary-relay")
        loop = asyncio.get_running_loop()
        self._listener = threading.Thread(target=self._listen, args=(loop,), name="ostiary-relay-hints", daemon=True)
        self._listener.start()
        works = (self._keep_asking(), self._keep_forgetting())
        self._tasks = [asyncio.create_task(work, name="ostiary-relay") for work in works]

    def close(self) -> None:
        """End every stream: the server stops."""
        self.streams.close()

    async def stop(self) -> None:
        """End. Says goodbye only if nobody has a lease by it: else silence says it when all of them are over."""
        self.close()
        self._stopped.set()
        self._read.set()
        self._feed.interrupt()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._settle(self._waiting, Unavailable(private="the relay has stopped"))
        self._waiting = []
        if not self.ledger.anybody(self._clock.monotonic()):
            await asyncio.to_thread(self._feed.leave)
        if self._thread is not None:  # a question that is under way is not waited for
            closing = asyncio.get_running_loop().run_in_executor(self._thread, self._feed.close)
            await asyncio.wait([closing], timeout=_STOP)
            self._thread.shutdown(wait=False)
        if self._listener is not None:
            await asyncio.to_thread(self._listener.join, _STOP)

    @property
    def lease_left(self) -> float:
        """Seconds, now."""
        return self.copy.lease_left(self._clock.monotonic())

    @property
    def age(self) -> float:
        """Seconds since the copy was complete; infinite if it never was."""
        return self.copy.age(self._clock.monotonic())

    # --- What followers ask ------------------------------------------------------------------------------------------

    async def answer(self, cursor: Cursor, *, name: str, applied: Cursor | None, fresh: bool) -> bytes:
        """What follows `cursor`, as JSON. `name`: of the follower, "" if it says none. `applied`: how far it, or
        whoever is behind it, has applied the log, if not up to `cursor`. `fresh`: the issuer is asked first. Raises
        Unavailable, also without a lease."""
        arrived = self._clock.monotonic()
        if fresh or self._hinted or cursor.position > self.copy.cursor.position:
            # who was told of something asks for it, sooner than the relay itself may have read it
            try:
                await self._ask_through()
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
        if self.ledger.answered(name, applied, now, copy.lease):
            self._look.set()
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
            self._look.set()

    async def events(self, cursor: Cursor, over: Callable[[asyncio.Event], None]) -> AsyncGenerator[bytes, None]:
        """What follows `cursor`, and then what comes, as it comes: Server-Sent Events. `over` is handed what is set
        when nothing more will come. Raises Unavailable, before the first."""
        with self.streams.room() as reader:
            over(reader.over)
            if cursor.position > self.copy.cursor.position:
                await self._ask_through()
            now, copy = self._clock.monotonic(), self.copy
            if copy.lease_left(now) <= 0:
                raise Unavailable(private="the relay has no lease")
            incarnation = copy.incarnation
            said = {"generation": copy.generation, "everything": copy.everything}
            yield _event("state", msgspec.json.encode({**said, "lease": copy.lease, "age": copy.age(now)}))
            while True:
                if copy.incarnation != incarnation or reader.over.is_set():
                    return
                page = copy.page(cursor)
                if not page.matches:
                    return
                if not page.texts:
                    break
                cursor = page.reached
                yield _items(page.texts, cursor)
            reader.live = True
            if self._hinted:
                reader.tell(_items(self._hinted.values(), next(reversed(self._hinted))))
            while not reader.over.is_set():
                said_now = await reader.next(limits.FEED_KEEP_ALIVE)
                if reader.over.is_set():
                    return
                yield said_now or b": \n\n"

    async def _ask_through(self) -> None:
        """Return when the copy holds all that was committed before this call. Raises Unavailable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._look.set()
        try:
            async with asyncio.timeout(self._patience):
                await future
        except TimeoutError:
            raise Unavailable(private="the issuer did not answer in time") from None

    # --- What it asks ------------------------------------------------------------------------------------------------

    @property
    def _patience(self) -> float:
        """Seconds that one question may take: what comes later would lend too little."""
        lease = self.copy.lease or limits.FETCH_SECONDS
        return max(0.1, min(lease / 2, limits.FETCH_SECONDS))

    async def _keep_asking(self) -> None:
        while True:
            self._look.clear()
            waiting, self._waiting = self._waiting, []
            begun = self._clock.monotonic()
            try:
                await self._ask(fresh=bool(waiting))
                self._troubles.discard("asking")
                error = None if self.copy.complete_at >= begun else "the relay upstream could not ask the issuer"
            except OstiaryError as trouble:
                error = trouble.private
                self.failed += 1
                self._tell("asking", f"the feed cannot be read: {error}")
            except Exception:  # noqa: BLE001 - told with its traceback; who ends here would leave all without a lease
                error = "the feed could not be read"
                self.failed += 1
                self._tell("asking", error, exc_info=True)
            self._settle(waiting, Unavailable(private=error) if error else None)
            await asyncio.sleep(_PAUSE if "asking" in self._troubles else _PACE)
            due = min(self.copy.lease or math.inf, limits.FEED_LEASE_SECONDS) / _PART
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due * (0.9 + 0.2 * _CHANCE.random())):
                    await self._look.wait()

    async def _ask(self, *, fresh: bool) -> None:
        """Until the answer is complete."""
        copy, done, before = self.copy, False, self.copy.cursor
        heard_before = [*self._hinted]
        while not done:
            sent = self._clock.monotonic()
            query = {"fresh": "1"} if fresh else {}
            if copy.cursor != Cursor():
                query["cursor"] = written(copy.cursor)
            applied = self.ledger.applied(copy.cursor, sent)
            if applied != copy.cursor:
                query["acknowledged"] = written(applied)
            incarnation = copy.incarnation
            self.asked += 1
            heard, fresh = await self._exchange(query), False
            try:
                done, items = copy.take(sent, heard)
            finally:
                if copy.incarnation != incarnation:
                    self._begin_again()
            self._hand_on(items)
        for cursor in heard_before:
            self._hinted.pop(cursor, None)  # the log does not hold it
        self._read.set()
        if copy.cursor != before and self.ledger.applied(copy.cursor, self._clock.monotonic()) == copy.cursor:
            self._look.set()  # nobody is behind: somebody upstream may be waiting to hear that

    async def _exchange(self, query: dict[str, str]) -> Heard:
        ask = functools.partial(self._feed.exchange, query, timeout=self._patience)
        body = await asyncio.get_running_loop().run_in_executor(self._thread, ask)
        try:
            return _HEARD.decode(body)
        except msgspec.MsgspecError as error:
            raise Unavailable(private=f"the revocation feed: {type(error).__name__} {error}") from None

    def _begin_again(self) -> None:
        """What was handed on so far does not go on."""
        self._read.clear()
        self._feed.interrupt()
        self._hinted = {}
        self.ledger.begin_again()
        self.streams.end()

    def _hand_on(self, items: Iterable[Told]) -> None:
        """What was read, to those who have not heard it."""
        fresh = [item for item in items if self._hinted.pop(item.cursor, None) is None]
        if fresh:
            self.streams.tell(_items([item.text for item in fresh], fresh[-1].cursor))

    async def _keep_forgetting(self) -> None:
        while True:
            await asyncio.sleep(_FORGET)
            for _ in self.copy.forget_expired(self._clock.wall()):
                await asyncio.sleep(0)

    # --- What it hears -----------------------------------------------------------------------------------------------

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            self._read.wait()
            if self._stopped.is_set():
                return
            try:
                for data in self._feed.events(self.copy.cursor):
                    self._troubles.discard("listening")
                    if data:
                        heard: Future[None] = Future()
                        loop.call_soon_threadsafe(self._hear, data, heard)
                        heard.result(limits.FETCH_SECONDS)  # no more is read than can be handed on
            except OstiaryError as error:
                self._tell("listening", f"the feed cannot be heard: {error.private}")
            except (RuntimeError, TimeoutError):
                pass  # the loop has ended, or is late
            self._stopped.wait(_PAUSE + self.copy.lease / 4 * _CHANCE.random())

    def _hear(self, data: bytes, done: "Future[None]") -> None:
        try:
            self._tell_on([told(raw) for raw in _ITEMS.decode(data)])
        except (msgspec.MsgspecError, Unavailable):
            done.set_exception(Unavailable(private="what the feed says cannot be read"))
        else:
            done.set_result(None)

    def _tell_on(self, items: list[Told]) -> None:
        """What was heard, to those who listen here; it is asked for at once, too."""
        head = self.copy.cursor.position
        news = [item for item in items if item.cursor.position > head and item.cursor not in self._hinted]
        if len(self._hinted) + len(news) > limits.RELAY_HINTS:
            self._hinted.clear()  # it will be said twice, which changes nothing
        if news:
            self._hinted.update((item.cursor, item.text) for item in news[-limits.RELAY_HINTS :])
            self.streams.tell(_items([item.text for item in news], news[-1].cursor))
            self._look.set()

    @staticmethod
    def _settle(waiting: Iterable["asyncio.Future[None]"], error: Unavailable | None) -> None:
        for future in waiting:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

    def _tell(self, trouble: str, text: str, *, exc_info: bool = False) -> None:
        """Once, until it works again."""
        if trouble not in self._troubles and not self._stopped.is_set():
            self._troubles.add(trouble)
            log.log(logging.ERROR if exc_info else logging.WARNING, "%s", text, exc_info=exc_info)


def _event(name: str, data: bytes, cursor: str = "") -> bytes:
    identity = b"id: " + cursor.encode() + b"\n" if cursor else b""
    return identity + b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _items(texts: Iterable[bytes], last: Cursor) -> bytes:
    return _event("items", b"[" + b",".join(texts) + b"]", written(last))
