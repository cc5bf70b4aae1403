"""What those who listen to a relay are told: each item once, whether it is heard of first or read first."""

from collections.abc import Iterable

from ostiary import limits
from ostiary.relay.chunks import Told
from ostiary.relay.streams import Streams
from ostiary.revocation.entry import Cursor
from ostiary.revocation.wire import event


def items(texts: Iterable[bytes], last: Cursor) -> bytes:
    """Items, of which this is the last, as one event."""
    return event("items", b"[" + b",".join(texts) + b"]", last)


class News:
    """Tells `streams`."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._ahead: dict[Cursor, bytes] = {}

    @property
    def is_ahead(self) -> bool:
        """Whether something was told that has not been read yet."""
        return bool(self._ahead)

    def ahead(self) -> list[Cursor]:
        """What was told and has not been read yet, in the order in which it was heard."""
        return [*self._ahead]

    def ahead_event(self) -> bytes:
        """The same for one who begins to listen; b"" if there is nothing."""
        return items(self._ahead.values(), next(reversed(self._ahead))) if self._ahead else b""

    def heard(self, told: list[Told], head: Cursor) -> bool:
        """Tell what is not known yet; `head` is the newest item that has been read. Whether there was something."""
        news = [item for item in told if item.cursor.position > head.position and item.cursor not in self._ahead]
        if len(self._ahead) + len(news) > limits.RELAY_HINTS:
            self._ahead.clear()  # it will be said twice, which changes nothing
        if news:
            self._ahead.update((item.cursor, item.text) for item in news[-limits.RELAY_HINTS :])
            self._streams.tell(items([item.text for item in news], news[-1].cursor))
        return bool(news)

    def read(self, told: Iterable[Told]) -> None:
        """Tell what was read, unless it was told when it was heard."""
        fresh = [item for item in told if self._ahead.pop(item.cursor, None) is None]
        if fresh:
            self._streams.tell(items([item.text for item in fresh], fresh[-1].cursor))

    def forget(self, heard: Iterable[Cursor]) -> None:
        """What was heard before a question, and is not in the whole answer: the log does not hold it."""
        for cursor in heard:
            self._ahead.pop(cursor, None)

    def begin_again(self) -> None:
        """What was told so far does not go on: end every stream."""
        self._ahead = {}
        self._streams.end()
