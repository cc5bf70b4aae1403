"""The revocation log of the memory store."""

import asyncio
import bisect
import secrets
from collections.abc import AsyncIterator, Callable

from ostiary.revocation.entry import LOOK, Cursor, Entry, Hint, LogItem, Node, Probe

_NONCES = 2**53 - 1  # what JSON carries everywhere
_FORGOTTEN_AFTER = 86_400.0  # seconds that a node was not heard of: far longer than any lease


def _nonce() -> int:
    return 1 + secrets.randbelow(_NONCES)


class MemoryLog:
    """The log: a list of items, oldest first; and the nodes by name, each with what it has acknowledged and when."""

    def __init__(self, uptime: Callable[[], float]) -> None:
        self.items: list[LogItem] = []
        self.generation = _nonce()
        self._uptime = uptime
        self._last = 0
        self._nodes: dict[str, tuple[Cursor, float]] = {}
        self._descriptions: dict[str, str] = {}
        self._listening: set[asyncio.Queue[Hint]] = set()

    def append(self, *entries: Entry) -> Hint:
        """In one write; what can be said of it."""
        after = self.newest()
        for entry in entries:
            self._last += 1
            self.items.append(LogItem(position=self._last, nonce=_nonce(), entry=entry))
        return Hint(entries=entries, after=after, reached=self.newest())

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        probe = self._read(cursor, limit)
        if node:
            if node not in self._nodes:
                self._forget_silent()
            self._nodes[node] = (cursor if probe.matches else Cursor(), self._uptime())
        return probe

    def _forget_silent(self) -> None:
        since = self._uptime() - _FORGOTTEN_AFTER
        for silent in [name for name, (_, at) in self._nodes.items() if at < since]:
            del self._nodes[silent]
            self._descriptions.pop(silent, None)

    def _read(self, cursor: Cursor, limit: int) -> Probe:
        start = bisect.bisect_left(self.items, cursor.position, key=lambda item: item.position)
        if cursor != Cursor():
            here = self.items[start] if start < len(self.items) else None
            if here is None or (here.position, here.nonce) != (cursor.position, cursor.nonce):
                return Probe(generation=self.generation, matches=False, items=(), complete=False)
            start += 1
        items = tuple(self.items[start : start + limit])
        complete = start + len(items) == len(self.items)
        return Probe(generation=self.generation, matches=True, items=items, complete=complete)

    async def catch_up(self, cursor: Cursor) -> Probe | None:  # noqa: ARG002 - as the port has it
        """None: nobody has to read it but this process."""
        return None

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        if node not in self._nodes or cursor != self.newest():
            return False
        self._nodes[node] = (cursor, self._nodes[node][1])
        return True

    async def hints(self) -> AsyncIterator[Hint]:
        messages: asyncio.Queue[Hint] = asyncio.Queue()
        self._listening.add(messages)
        try:
            yield LOOK
            while True:
                yield await messages.get()
        finally:
            self._listening.discard(messages)

    def tell(self, hint: Hint) -> None:
        """Whoever listens."""
        for messages in self._listening:
            messages.put_nowait(hint)

    def newest(self) -> Cursor:
        """`head`."""
        if not self.items:
            return Cursor()
        return self.items[-1].cursor

    async def head(self) -> Cursor:
        return self.newest()

    async def nudge(self) -> None:
        self.tell(LOOK)

    async def pause(self, seconds: float, *, nodes: int) -> None:  # noqa: ARG002 - nobody tells
        await asyncio.sleep(seconds)

    async def behind(self, cursor: Cursor, *, within: float) -> int | None:
        if not self._read(cursor, 1).matches:
            return None
        since = self._uptime() - within
        return sum(acknowledged.position < cursor.position and at >= since for acknowledged, at in self._nodes.values())

    async def describe(self, node: str, description: str) -> None:
        if node in self._nodes:
            self._descriptions[node] = description

    async def nodes(self, *, within: float, limit: int) -> list[Node]:
        now = self._uptime()
        known = [
            Node(
                name=name,
                silent=now - at,
                acknowledged=cursor.position,
                description=self._descriptions.get(name, ""),
            )
            for name, (cursor, at) in self._nodes.items()
            if at >= now - within
        ]
        return sorted(known, key=lambda node: -node.silent)[:limit]

    async def leave(self, node: str) -> None:
        self._nodes.pop(node, None)
        self._descriptions.pop(node, None)

    async def purge(self, *, before: float) -> int:
        kept = [item for item in self.items[:-1] if item.entry.until >= before] + self.items[-1:]
        gone = len(self.items) - len(kept)
        self.items = kept
        return gone
