"""Follows the issuer's revocation feed: two threads that keep a replica and its lease, whatever the application does.

One asks: every quarter of the lease, when it heard of something, and when a request cannot wait. The lease runs from
the moment the question was *sent*, less the age of the answer; without a lease nothing is accepted. The other one
listens: what it hears refuses at once, and lends nothing.
"""

import asyncio
import contextlib
import functools
import logging
import math
import os
import secrets
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING

from ostiary import limits
from ostiary.clock import Clock
from ostiary.errors import OstiaryError, Unavailable
from ostiary.revocation.entry import Cursor
from ostiary.revocation.replica import Next, Replica, Sent
from ostiary.verifier.feed_over_http import FeedOverHttp, probe_of
from ostiary.verifier.issuer_client import ClientProof

if TYPE_CHECKING:
    import ssl

log = logging.getLogger("ostiary.verifier")

_FIRST_LEASE = 2.0  # seconds, until the issuer says its own
_PAUSE = 0.25  # seconds before somebody who failed tries again
_CHANCE = secrets.SystemRandom()


class Following:
    """`ostiary.verifier.sources.Revocations` by the feed of `issuer`; what the client's key signs is meant for
    `audience`, the issuer if none is named. Starts by itself at the first question; `start`
    does it before."""

    def __init__(
        self,
        issuer: str,
        client: ClientProof,
        *,
        clock: Clock,
        url: str | None = None,
        audience: str | None = None,
        ssl_context: "ssl.SSLContext | None" = None,
    ) -> None:
        self.replica = Replica(lease=_FIRST_LEASE)
        self._clock = clock
        self._feed_as = functools.partial(
            FeedOverHttp,
            url or f"{issuer.rstrip('/')}/v1/revocations",
            authorization=lambda: client.header(audience or issuer, clock.wall()),
            ssl_context=ssl_context,
        )
        self._failed = False
        self._begin()
        _ALL.add(self)

    def _begin(self) -> None:
        """Under a name of its own, and without a lease."""
        self.replica.lease_until = -math.inf
        self._feed = self._feed_as(node=secrets.token_hex(8))
        self._lock = threading.Lock()
        self._learning = threading.Lock()
        self._waiting: list[Future[None]] = []
        self._look = threading.Event()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    async def start(self) -> None:
        """Begin. Does not wait: what has no lease yet waits by itself."""
        self._run()

    async def stop(self) -> None:
        """End. Nothing is accepted any more until it is started again."""
        await asyncio.to_thread(self.stop_blocking)

    def stop_blocking(self) -> None:
        """The same without an event loop."""
        self._stopped.set()
        self._look.set()
        self._feed.interrupt()
        for thread in self._threads:
            thread.join(limits.FETCH_SECONDS)
        self._threads = []
        with self._learning:
            self.replica.lease_until = -math.inf
        self._feed.leave()
        self._feed = self._feed_as(node=secrets.token_hex(8))  # a goodbye that comes late is not for who starts again

    async def ask(self) -> None:
        """Return when the replica holds everything that was committed before this call; raises Unavailable."""
        future = self._asked()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.FEED_ASK_SECONDS):
                await asyncio.shield(asyncio.wrap_future(future))
                return
        raise Unavailable(private="the revocation feed did not answer in time")

    def ask_blocking(self) -> None:
        """The same without an event loop."""
        try:
            self._asked().result(limits.FEED_ASK_SECONDS)
        except FutureTimeout:
            raise Unavailable(private="the revocation feed did not answer in time") from None

    def _asked(self) -> "Future[None]":
        """All who ask before a question is sent share it; nobody joins one that has been sent."""
        self._run()
        future: Future[None] = Future()
        with self._lock:
            self._waiting.append(future)
        self._look.set()
        return future

    def _run(self) -> None:
        with self._lock:
            if self._threads and all(thread.is_alive() for thread in self._threads):
                return
            self._stopped = threading.Event()
            works: tuple[Callable[[threading.Event], None], ...] = (self._keep_asking, self._keep_listening)
            self._threads = [
                threading.Thread(target=work, args=(self._stopped,), name=f"ostiary-{work.__name__}", daemon=True)
                for work in works
            ]
            for thread in self._threads:
                thread.start()

    def _keep_asking(self, stopped: threading.Event) -> None:
        feed = self._feed
        while not stopped.is_set():
            hinted = self._look.is_set()
            self._look.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, []
            try:
                before, begun = self.replica.cursor, self._clock.monotonic()
                is_fresh = self._ask(stopped, fresh=bool(waiting)) >= begun
                if hinted and self.replica.cursor != before:
                    self._ask(stopped)  # tells that it has been applied: somebody may be waiting for that
            except OstiaryError as error:
                self._tell_failure(error)
                for future in waiting:
                    future.set_exception(Unavailable(private=error.private))
                stopped.wait(_PAUSE)
                continue
            except Exception:
                log.exception("the revocation feed could not be followed")
                for future in waiting:
                    future.set_exception(Unavailable(private="the revocation feed could not be followed"))
                stopped.wait(_PAUSE)
                continue
            self._failed = False
            for future in waiting:
                if is_fresh:
                    future.set_result(None)
                else:
                    future.set_exception(Unavailable(private="the relay could not ask the issuer"))
            self._look.wait(self.replica.lease / 4 * (0.9 + 0.2 * _CHANCE.random()))
        feed.close()

    def _ask(self, stopped: threading.Event, *, fresh: bool = False) -> float:
        """Until the answer is complete; since when it was (monotonic). A relay that is to give a `fresh` one asks the
        issuer before each part of its answer: the last one says how old all of it is. Raises Unavailable, also for an
        answer that comes once it has stopped: nobody waits for it any more, so it must not lend anything."""
        replica = self.replica
        following, complete_at = Next.MORE, -math.inf
        has_adopted = False
        while following is not Next.DONE:
            before = replica.cursor
            sent = replica.on_send(self._clock.monotonic())
            answer = self._feed.ask(
                replica.cursor, timeout=max(0.1, min(replica.lease, limits.FETCH_SECONDS)), fresh=fresh
            )
            if not (math.isfinite(answer.lease) and answer.lease > 0 and answer.age >= 0):
                raise Unavailable(private="the revocation feed lends nothing")
            replica.lease = min(answer.lease, limits.FEED_LEASE_SECONDS)
            with self._learning:
                if stopped.is_set():
                    raise Unavailable(private="the revocation feed is no longer followed")
                complete_at = sent.at - answer.age
                following = replica.on_reply(Sent(complete_at, sent.splits), probe_of(answer))
                leads_nowhere = following is Next.MORE and not _is_further(before, replica.cursor)
                if leads_nowhere or (following is Next.ADOPT and has_adopted):  # two logs that answer by turns
                    raise Unavailable(private="the revocation feed does not go on")
                if following is Next.ADOPT:
                    replica.adopt(answer.generation, answer.everything)
                    has_adopted = True
        with self._learning:
            replica.lost(self._clock.wall())  # the issuer's own nodes put back what a log has lost
            replica.forget_expired(self._clock.wall())
        return complete_at

    def _keep_listening(self, stopped: threading.Event) -> None:
        while True:
            since = self._feed.interruptions  # before the look: who stops sets that first
            if stopped.is_set():
                return
            try:
                for entries in self._feed.hints(self.replica.cursor, since=since):
                    if stopped.is_set():
                        return
                    if entries:
                        with self._learning:
                            self.replica.hint(entries)
                        self._look.set()
            except OstiaryError as error:
                self._tell_failure(error)
            except Exception:
                log.exception("the revocation feed could not be heard")
            stopped.wait(_PAUSE + self.replica.lease / 4 * _CHANCE.random())

    def _tell_failure(self, error: OstiaryError) -> None:
        """Once, until it works again."""
        if not self._failed and not self._stopped.is_set():
            log.warning("%s", error.private)
        self._failed = True


def _is_further(before: Cursor, after: Cursor) -> bool:
    """Whether asking again can lead on: later in the log, or anew from its start."""
    return after.position > before.position or (after == Cursor() and before != Cursor())


_ALL: "weakref.WeakSet[Following]" = weakref.WeakSet()


def _begin_in_child() -> None:
    """A fork takes no thread along, but the name and the lease: what its parent says that it has applied would be
    taken for what the child has."""
    for following in list(_ALL):
        following._begin()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_in_child)
