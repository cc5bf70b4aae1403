"""Verifiers outside the store that follow what is revoked: one question and its answer, and a stream of hints.

A follower's lease runs from the moment it sent its question, as a node's does, and while it runs it may accept what has
just been ended: so as long as one may have a lease, this process promises no less than that lease. A follower that says
its name counts as a node, and `wait=all` waits for it.

What a stream says is a hint: it comes within milliseconds, may be lost with its connection, and lends no lease.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from ostiary import limits
from ostiary.domain.spent import Spent
from ostiary.errors import OstiaryError, Overloaded, Unavailable
from ostiary.revocation.entry import Cursor, LogItem, Probe
from ostiary.revocation.feed import Feed
from ostiary.revocation.wire import unnamed
from ostiary.services.context import Context
from ostiary.stores.port import Add

_FOLLOWED = "followed"
"""The name under which a store keeps that a lease was lent by it to somebody outside."""
_FOLLOWED_SECONDS = 10 * 365 * 86_400.0  # that it is kept for; each process that lends writes it anew if it is gone

log = logging.getLogger("ostiary.followers")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAnswer:
    """What followed a cursor. `everything` is the issuer's count, that of the log which `probe` names. What is said was
    complete `age` seconds before this answer was made; it may be gone by for `lease` seconds from when it was asked
    for, less the age."""

    probe: Probe
    everything: int
    lease: float
    age: float = 0.0


class Followers:
    """Use cases of following. `lease` in seconds: the setting."""

    def __init__(self, context: Context, feed: Feed, *, lease: float) -> None:
        self._context = context
        self._log = context.store.revocations
        self._feed = feed
        self._lease = lease
        self._streams = 0
        self._told = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._shared: dict[tuple[Cursor, asyncio.Event], asyncio.Task[Probe]] = {}
        self._closed = False
        self._remembered = False

    async def start(self) -> None:
        """Before the first request: a service may have a lease from before a restart, also one that was removed since.
        The only server of a store knows whether one ever followed; elsewhere every registered one may be following by
        now."""
        store = self._context.store
        followed = await store.spent.get(_FOLLOWED) is not None
        if followed or (store.others_serve() and await store.clients.page(limit=1)):
            self._context.agreed.follow(self._context.clock.monotonic(), self._lease, named=False)

    def close(self) -> None:
        """End every stream: the server stops."""
        self._closed = True
        self._wake()
        if self._listener is not None:
            self._listener.cancel()

    async def probe(
        self,
        cursor: Cursor,
        *,
        node: str,
        client: str = "",
        applied: Cursor | None = None,
        limit: int | None = None,
        lends: bool = True,
    ) -> FeedAnswer:
        """What was committed before this call, after `cursor`. `client`: whose follower asks. `applied`: how far a
        relay's followers have come, if not so far. `lends`: somebody may go by it. Raises Unavailable."""
        page = limit or limits.REVOCATION_PAGE
        if not node and lends and self._feed.node:
            # cannot say either that it knows: for as long as it may have a lease, all servers find one that does not
            await self._log.probe(Cursor(), 1, node=unnamed(client, self._feed.node))
        if node and applied is not None and applied != cursor:
            # known, and shown to be able to commit, before the log is read for it
            await self._log.probe(applied, 1, node=node)
            probe = await self._log.probe(cursor, page)
        else:
            probe = await self._log.probe(cursor, page, node=node)
        issuer = await self._context.store.issuer()
        if self._context.store.shared and issuer.log_generation != probe.generation:
            # the log was made anew, and nobody has ended yet what it had forgotten
            await self._feed.ask()
            issuer = await self._context.store.issuer()
            if issuer.log_generation != probe.generation:
                raise Unavailable(private="the log was made anew")
        if lends:
            await self._remember_following()
            self._context.agreed.follow(self._context.clock.monotonic(), self._lease, named=bool(node))
        return FeedAnswer(probe=probe, everything=issuer.everything, lease=self._lease)

    async def _remember_following(self) -> None:
        """Before this process lends anything, on the disk: whoever starts after it has to know. Raises Unavailable."""
        if not self._remembered:
            until = self._context.now() + _FOLLOWED_SECONDS
            await self._context.write(Add(Spent(id=_FOLLOWED, until=until)))  # False: it is there already
            self._remembered = True

    async def leave(self, node: str) -> None:
        """A follower that stops is no longer waited for."""
        await self._log.leave(node)

    @contextlib.contextmanager
    def room(self) -> Iterator[None]:
        """Around one stream. Raises Overloaded if too many follow already."""
        if self._streams >= limits.FEED_STREAMS or self._closed:
            raise Overloaded(private="too many streams of revocations")
        self._streams += 1
        self._listen()
        try:
            yield
        finally:
            self._streams -= 1

    async def stream(self, cursor: Cursor) -> AsyncIterator[tuple[LogItem, ...] | None]:
        """What follows `cursor`, in portions, and then what comes, as it comes. None from time to time, where nothing
        does: the connection lives. Ends when the log is another one, cannot be read, or the server stops."""
        with contextlib.suppress(OstiaryError):
            while not self._closed:
                told = self._told
                probe = await self._together(cursor, told)
                if not probe.matches:
                    return
                if probe.items:
                    cursor = probe.items[-1].cursor
                    yield probe.items
                if not probe.complete:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(limits.FEED_KEEP_ALIVE):
                        await told.wait()
                    continue
                yield None

    async def _together(self, cursor: Cursor, told: asyncio.Event) -> Probe:
        """Streams that stand at the same place, and have heard the same, share one look: what was said after it was
        sent sets `told`, and they look again."""
        key = (cursor, told)
        task = self._shared.get(key)
        if task is None:
            task = asyncio.create_task(self._log.probe(cursor, limits.REVOCATION_PAGE), name="ostiary-stream")
            self._shared[key] = task
            task.add_done_callback(lambda _: self._shared.pop(key, None))
        return await asyncio.shield(task)

    def _listen(self) -> None:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._hear(), name="ostiary-followers")

    async def _hear(self) -> None:
        while self._streams:
            try:
                async for _ in self._log.hints():
                    self._wake()
                    if not self._streams:
                        return
            except OstiaryError:
                pass  # readiness tells of it
            except Exception:
                log.exception("revocations could not be heard")
            await asyncio.sleep(self._lease / 4)
            self._wake()

    def _wake(self) -> None:
        self._told.set()
        self._told = asyncio.Event()
