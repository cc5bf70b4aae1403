"""What the processes do that the SQLite tests start: `python sqlite_child.py <what> <file> ...`."""

import asyncio
import sqlite3
import sys
from dataclasses import replace
from itertools import count

from ostiary.stores.port import Add, Append, Store, Swap
from ostiary.stores.sqlite import SqliteStore
from ostiary.testing import builders


async def write_for_ever(store: Store, name: str) -> None:
    """Eight at once; each id is printed once its write, of three records that belong together, is acknowledged."""

    async def worker(number: int) -> None:
        for i in count():
            one = f"{name}-{number}-{i}"
            session = builders.session(one, client_label="x" * 500)
            assert await store.write(Add(session), Append(builders.entry(one)), Add(builders.audit_event(one)))
            print(one, flush=True)

    await asyncio.gather(*map(worker, range(8)))


async def count_up(store: Store, times: str) -> None:
    """Raise a counter that others raise too, and add a record for each time."""
    for i in range(int(times)):
        while True:
            read = await store.throttles.get("shared")
            assert read is not None
            raised = replace(read, failures=read.failures + 1)
            if await store.write(Swap(raised), Add(builders.audit_event(f"{raised.failures:06}"))):
                break
        print(i, flush=True)


async def just_open(store: Store) -> None:
    """A first start."""
    print(await store.issuer())


def lock(path: str) -> None:
    """Hold the write lock until a line comes in."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    sys.stdin.readline()
    connection.execute("ROLLBACK")
    connection.close()


async def main(what: str, path: str, *arguments: str) -> None:
    store = await SqliteStore.open(path, busy_timeout=30.0)
    jobs = {"write_for_ever": write_for_ever, "count_up": count_up, "just_open": just_open}
    await jobs[what](store, *arguments)
    await store.close()


if __name__ == "__main__":
    if sys.argv[1] == "lock":
        lock(sys.argv[2])
    else:
        asyncio.run(main(*sys.argv[1:]))
