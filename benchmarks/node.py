"""A child that follows a revocation log and notes when it first refused what.

python -m benchmarks.node STORE says "ready" in JSON when it follows, and for each line that it is sent answers with the
instants, by the clock that all processes of a machine share.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterable

import uvloop

from benchmarks.following import Nobody
from ostiary.clock import SYSTEM_CLOCK
from ostiary.revocation.entry import Entry, Hint, Probe
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Next, Replica, Sent
from ostiary.stores.port import Store
from ostiary.stores.postgres import PostgresStore
from ostiary.stores.sqlite import SqliteStore
from ostiary.stores.valkey import ValkeyStore


class Noting(Replica):
    """`heard`: when each id was first refused here."""

    def __init__(self, lease: float) -> None:
        super().__init__(lease=lease)
        self.heard: dict[str, float] = {}

    def told(self, hint: Hint) -> None:
        super().told(hint)
        self._note(hint.entries)

    def on_reply(self, sent: Sent, reply: Probe) -> Next:
        following = super().on_reply(sent, reply)
        self._note([item.entry for item in reply.items])
        return following

    def _note(self, entries: Iterable[Entry]) -> None:
        now = time.monotonic()
        for entry in entries:
            self.heard.setdefault(entry.id, now)


async def open_store(url: str) -> Store:
    """By the form of its address; a path is SQLite's."""
    if url.startswith("postgresql:"):
        return await PostgresStore.open(url)
    if url.startswith("valkey:"):
        return await ValkeyStore.open(url)
    return await SqliteStore.open(url)


async def _run(url: str) -> None:
    store = await open_store(url)
    store.announce()
    replica = Noting(lease=2.0)
    feed = Feed(replica, store.revocations, SYSTEM_CLOCK, Nobody())
    await feed.start(follow=True)
    print(json.dumps("ready"), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(replica.heard), flush=True)
        replica.heard = {}
    await feed.stop()
    await store.close()


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1]))
