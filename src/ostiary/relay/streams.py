"""Those who listen: each is told what is said, as it is said; nobody holds the others up, or takes more memory than
his share."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator

from ostiary import limits
from ostiary.errors import Overloaded
from ostiary.relay.shares import Shares


class Reader:
    """One who listens. `over` is set when he is to be told nothing more."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.live = False  # what is said is for him; before, he is still catching up
        self.dropped = False
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()

    def tell(self, event: bytes) -> None:
        """Does not wait. One who reads too slowly is told nothing more."""
        self._waiting.append(event)
        self._bytes += len(event)
        self._wake.set()
        if self._bytes > limits.RELAY_STREAM_BYTES:
            self.dropped = True
            self.end()

    def end(self) -> None:
        self._waiting.clear()
        self._bytes = 0
        self.over.set()
        self._wake.set()

    async def next(self, patience: float) -> bytes:
        """All that was said since; nothing after so many seconds of silence, or if it is over."""
        if not self._waiting and not self.over.is_set():
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._wake.wait()
        said = b"".join(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return said


class Streams:
    """All of one relay."""

    def __init__(self) -> None:
        self._readers: set[Reader] = set()
        self._places = Shares(limits.RELAY_STREAMS, "streams of revocations")
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._readers)

    @contextlib.contextmanager
    def room(self, client: str = "") -> Iterator[Reader]:
        """For one of this client's. Raises Overloaded if there are too many, or the relay stops."""
        if self._closed:
            raise Overloaded(private="the relay stops")
        self._places.take(client)
        reader = Reader()
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            self._places.give_back(client)

    def tell(self, event: bytes) -> None:
        """To all who have caught up."""
        for reader in [reader for reader in self._readers if reader.live]:
            reader.tell(event)
            if reader.dropped:
                self.dropped += 1
                self._readers.discard(reader)

    def end(self) -> None:
        """For all who listen now: what was said does not go on."""
        for reader in self._readers:
            reader.end()

    def close(self) -> None:
        """For good."""
        self._closed = True
        self.end()
