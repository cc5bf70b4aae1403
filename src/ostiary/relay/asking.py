"""Asks the feed that a relay follows, again and again: a lease for all who follow the relay.

It asks sixteen times in a lease, when it hears of something, when somebody who follows it has come further, and when a
follower needs to know what is true now: all who ask for that before a question is sent share it. What followers want is
asked for so many times a second, so that one who asks in a loop does not have the issuer asked as often: beyond that a
question is sent a little later, and who waits for it is told no less.
"""

import asyncio
import contextlib
import functools
import math
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from ostiary import limits
from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Unavailable
from ostiary.relay.allowance import Allowance
from ostiary.relay.copy import Heard, LogCopy
from ostiary.relay.hearing import PAUSE, Hearing
from ostiary.relay.ledger import Ledger
from ostiary.relay.news import News
from ostiary.relay.trouble import Trouble
from ostiary.revocation.entry import Cursor
from ostiary.revocation.wire import written
from ostiary.verifier.feed_over_http import FeedOverHttp

_PART = 16  # of a lease: what each relay of a chain adds to the age
_PACE = 0.002  # seconds between questions, at least
_STOP = 1.0  # seconds that its thread gets to end
_CHANCE = secrets.SystemRandom()
_HEARD = msgspec.json.Decoder(Heard)


class Asking:
    """`asked`, `failed`: questions, and those without a good answer. `look` is set by whoever wants one soon."""

    def __init__(
        self,
        feed: FeedOverHttp,
        copy: LogCopy,
        ledger: Ledger,
        news: News,
        hearing: Hearing,
        look: asyncio.Event,
        clock: Clock,
    ) -> None:
        self.asked = 0
        self.failed = 0
        self._feed = feed
        self._copy = copy
        self._ledger = ledger
        self._news = news
        self._hearing = hearing
        self._look = look
        self._clock = clock
        self._trouble = Trouble()
        self._waiting: list[asyncio.Future[None]] = []
        self._allowance = Allowance(limits.RELAY_QUESTIONS)
        self._is_wanted = False  # by a follower, since the last question
        self._later: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = ThreadPoolExecutor(1, "ostiary-relay")
        self._task = asyncio.create_task(self._keep_asking(), name="ostiary-relay")

    async def stop(self) -> None:
        """Ask nothing more. Who waits is refused."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._not_later()
        _settle(self._waiting, Unavailable(private="the relay has stopped"))
        self._waiting = []

    async def ended(self) -> None:
        """Close the connection. A question that is under way is not waited for."""
        if self._thread is not None:
            closing = asyncio.get_running_loop().run_in_executor(self._thread, self._feed.close)
            await asyncio.wait([closing], timeout=_STOP)
            self._thread.shutdown(wait=False)

    async def through(self) -> None:
        """Return when the copy holds all that was committed before this call. Raises Unavailable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self.want()
        try:
            async with asyncio.timeout(self._patience):
                await future
        except TimeoutError:
            raise Unavailable(private="the issuer did not answer in time") from None

    def want(self) -> None:
        """A follower wants a question: at once, or with those who want one until it may be sent."""
        self._is_wanted = True
        loop = asyncio.get_running_loop()
        wait = self._allowance.wait(loop.time())
        if wait <= 0:
            self._look.set()
        elif self._later is None:
            self._later = loop.call_later(wait, self._look.set)

    def _not_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    @property
    def _patience(self) -> float:
        """Seconds that one question may take: what comes later would lend too little."""
        lease = self._copy.lease or limits.FETCH_SECONDS
        return max(0.1, min(lease / 2, limits.FETCH_SECONDS))

    async def _keep_asking(self) -> None:
        while True:
            self._look.clear()
            if self._is_wanted:  # whatever it is sent for: nobody has to be asked once more
                self._is_wanted = False
                self._not_later()
                self._allowance.take(asyncio.get_running_loop().time())
            waiting, self._waiting = self._waiting, []
            begun = self._clock.monotonic()
            try:
                await self._ask(fresh=bool(waiting))
                self._trouble.over()
                error = None if self._copy.complete_at >= begun else "the relay upstream could not ask the issuer"
            except OstiaryError as trouble:
                error = trouble.private
                self.failed += 1
                self._trouble.tell(f"the feed cannot be read: {error}")
            except Exception:  # noqa: BLE001 - told with its traceback; who ends here would leave all without a lease
                error = "the feed could not be read"
                self.failed += 1
                self._trouble.tell(error, defect=True)
            _settle(waiting, Unavailable(private=error) if error else None)
            await asyncio.sleep(PAUSE if self._trouble.lasts else _PACE)
            due = min(self._copy.lease or math.inf, limits.FEED_LEASE_SECONDS) / _PART
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due * (0.9 + 0.2 * _CHANCE.random())):
                    await self._look.wait()

    async def _ask(self, *, fresh: bool) -> None:
        """Until the answer is complete."""
        copy, done, before = self._copy, False, self._copy.cursor
        heard_before = self._news.ahead()
        while not done:
            sent = self._clock.monotonic()
            query = {"fresh": "1"} if fresh else {}
            if copy.cursor != Cursor():
                query["cursor"] = written(copy.cursor)
            applied = self._ledger.applied(copy.cursor, sent)
            if applied != copy.cursor:
                query["acknowledged"] = written(applied)
            incarnation = copy.incarnation
            self.asked += 1
            heard = await self._exchange(query)
            try:
                done, items = copy.take(sent, heard)
            finally:
                if copy.incarnation != incarnation:
                    self._begin_again()
            self._news.read(items)
        self._news.forget(heard_before)
        self._hearing.begin()
        if copy.cursor != before and self._ledger.applied(copy.cursor, self._clock.monotonic()) == copy.cursor:
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
        self._hearing.begin_again()
        self._ledger.begin_again()
        self._news.begin_again()


def _settle(waiting: Iterable["asyncio.Future[None]"], error: Unavailable | None) -> None:
    for future in waiting:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
