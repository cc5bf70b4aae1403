"""Listens to the feed that a relay follows, in a thread of its own, and hands on what it says as it says it."""

import asyncio
import secrets
import threading
from concurrent.futures import Future

import msgspec

from ostiary import limits
from ostiary.errors import OstiaryError, Unavailable
from ostiary.relay.copy import LogCopy, told
from ostiary.relay.news import News
from ostiary.relay.trouble import Trouble
from ostiary.verifier.feed_over_http import FeedOverHttp

PAUSE = 0.25  # seconds before it tries again
_STOP = 1.0  # seconds that its thread gets to end
_CHANCE = secrets.SystemRandom()
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


class Hearing:
    """From where `copy` has read on. `look` is set when something is heard: it is asked for at once, too."""

    def __init__(self, feed: FeedOverHttp, copy: LogCopy, news: News, look: asyncio.Event) -> None:
        self._feed = feed
        self._copy = copy
        self._news = news
        self._look = look
        self._trouble = Trouble()
        self._read = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. Nothing is heard before `begin`."""
        self._stopped.clear()
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._listen, args=(loop,), name="ostiary-relay-hints", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """The copy has been read: what comes now follows it."""
        self._read.set()

    def begin_again(self) -> None:
        """The copy is read from the start; nothing is heard until that is done."""
        self._read.clear()
        self._feed.interrupt()

    def stop(self) -> None:
        """Hear nothing more."""
        self._stopped.set()
        self._read.set()
        self._feed.interrupt()

    async def ended(self) -> None:
        """Return when its thread has ended, or has had its time."""
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _STOP)

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            self._read.wait()
            since = self._feed.interruptions  # before the looks: who stops, or begins again, says so first
            if self._stopped.is_set():
                return
            if not self._read.is_set():
                continue
            try:
                for data in self._feed.events(self._copy.cursor, since=since):
                    self._trouble.over()
                    if data:
                        heard: Future[None] = Future()
                        loop.call_soon_threadsafe(self._hear, data, heard)
                        heard.result(limits.FETCH_SECONDS)  # no more is read than can be handed on
            except OstiaryError as error:
                if not self._stopped.is_set():
                    self._trouble.tell(f"the feed cannot be heard: {error.private}")
            except (RuntimeError, TimeoutError):
                pass  # the loop has ended, or is late
            self._stopped.wait(PAUSE + self._copy.lease / 4 * _CHANCE.random())

    def _hear(self, data: bytes, done: "Future[None]") -> None:
        try:
            if self._news.heard([told(raw) for raw in _ITEMS.decode(data)], self._copy.cursor):
                self._look.set()
        except (msgspec.MsgspecError, Unavailable):
            done.set_exception(Unavailable(private="what the feed says cannot be read"))
        else:
            done.set_result(None)
