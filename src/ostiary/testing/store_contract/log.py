"""The revocation log: in commit order, never missing an item, and honest about what it has forgotten."""

import math
from typing import ClassVar

import pytest

from ostiary.revocation.entry import Cursor, Entry, LogItem, Scope
from ostiary.stores.port import Append, Store
from ostiary.testing import builders
from ostiary.testing.builders import NOW
from ostiary.testing.store_contract.base import StoreCase, differences

# ruff: noqa: S101 - tests assert


def after(item: LogItem) -> Cursor:
    """The cursor of a replica that has read up to this item."""
    return item.cursor


async def append(store: Store, *ids: str, until: float = NOW) -> tuple[LogItem, ...]:
    """One entry a write; the whole log afterwards."""
    for entry_id in ids:
        assert await store.write(Append(builders.entry(entry_id, until=until)))
    return (await store.revocations.probe(Cursor(), 1000)).items


def ids(items: tuple[LogItem, ...]) -> list[str]:
    """Of the entries."""
    return [item.entry.id for item in items]


class Log(StoreCase):
    """M-32, M-30: what every replica follows."""

    impossible: ClassVar = pytest.mark.parametrize(
        "cursor",
        [
            Cursor(position=99, nonce=1),
            Cursor(position=2**53, nonce=2**53),
            Cursor(position=2**63, nonce=1),
            Cursor(position=10**30, nonce=10**30),
            Cursor(position=-1, nonce=1),
            Cursor(position=0, nonce=5),
        ],
    )

    async def test_empty_log_matches_the_first_cursor(self, store: Store) -> None:
        """Before the first item there is nothing to miss."""
        probe = await store.revocations.probe(Cursor(), 10)
        assert (probe.matches, probe.items, probe.complete) == (True, (), True)
        assert 0 < probe.generation < 2**53

    async def test_entries_come_back_exactly(self, store: Store) -> None:
        """Every scope, every value up to the largest that JSON carries, every instant to the last bit."""
        entries = [
            Entry(scope=scope, id=f"{scope.value}-\U0001f511", value=value, until=NOW + 1 / 3)
            for scope in Scope
            for value in (0, 1, 2**53 - 1)
        ]
        assert await store.write(*map(Append, entries))
        items = (await store.revocations.probe(Cursor(), 100)).items
        assert len(items) == len(entries)
        assert [differences(item.entry, entry) for item, entry in zip(items, entries, strict=True)] == [[]] * len(items)

    async def test_positions_grow_in_commit_order(self, store: Store, other: Store) -> None:
        """Whichever store wrote it, and also within one write, a later item has a higher position and its own nonce."""
        await append(store, "1")
        assert await other.write(Append(builders.entry("2")), Append(builders.entry("3")))
        items = await append(store, "4")
        assert ids(items) == ["1", "2", "3", "4"]
        positions = [item.position for item in items]
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        assert len({item.nonce for item in items}) == 4
        assert all(0 < item.nonce < 2**53 for item in items)

    async def test_probe_goes_on_after_the_cursor(self, store: Store) -> None:
        """Each item is told once, in portions, and only the last portion is complete."""
        items = await append(store, "1", "2", "3", "4", "5")
        cursor, seen, complete = Cursor(), list[LogItem](), list[bool]()
        for _ in range(3):
            probe = await store.revocations.probe(cursor, 2)
            assert probe.matches
            seen += probe.items
            complete.append(probe.complete)
            cursor = after(probe.items[-1])
        assert tuple(seen) == items
        assert complete == [False, False, True]
        at_end = await store.revocations.probe(cursor, 2)
        assert (at_end.matches, at_end.items, at_end.complete) == (True, (), True)
        exactly = await store.revocations.probe(after(items[2]), 2)
        assert (exactly.items, exactly.complete) == (items[3:], True)

    @impossible
    async def test_cursor_of_another_log_does_not_match(self, store: Store, cursor: Cursor) -> None:
        """Flaw class: a replica goes on after an item that this log never held, and misses what stands before it."""
        await append(store, "1", "2", "3")
        probe = await store.revocations.probe(cursor, 10)
        assert (probe.matches, probe.items, probe.complete) == (False, (), False)

    async def test_cursor_with_another_nonce_does_not_match(self, store: Store) -> None:
        """A position that was given again after the log was lost is told apart by its nonce."""
        items = await append(store, "1", "2")
        for item in items:
            for nonce in (item.nonce + 1, 0):
                assert not (await store.revocations.probe(Cursor(position=item.position, nonce=nonce), 10)).matches

    async def test_purge_forgets_strictly_older_items_and_keeps_the_newest(self, store: Store) -> None:
        """M-32: entries go once nothing can need them; the newest stays so that up-to-date replicas still match."""
        until = NOW + 1 / 3
        items = await append(store, "1", "2", until=until)
        assert await store.revocations.purge(before=until) == 0
        assert await store.revocations.purge(before=math.nextafter(until, math.inf)) == 1
        newest = items[-1]
        probe = await store.revocations.probe(after(newest), 10)
        assert (probe.matches, probe.items, probe.complete) == (True, (), True)
        assert not (await store.revocations.probe(after(items[0]), 10)).matches
        assert (await store.revocations.probe(Cursor(), 10)).items == (newest,)
        assert await store.revocations.purge(before=math.inf) == 0

    async def test_purge_of_the_middle_hides_nothing(self, store: Store) -> None:
        """A cursor whose item stays goes on with whatever is left after it."""
        assert await store.write(
            Append(builders.entry("1", until=9.0)),
            Append(builders.entry("2", until=1.0)),
            Append(builders.entry("3", until=9.0)),
            Append(builders.entry("4", until=1.0)),
        )
        items = (await store.revocations.probe(Cursor(), 10)).items
        assert await store.revocations.purge(before=5.0) == 1
        assert ids((await store.revocations.probe(after(items[0]), 10)).items) == ["3", "4"]
        assert not (await store.revocations.probe(after(items[1]), 10)).matches
        assert await append(store, "5") == (items[0], items[2], items[3], (await append(store))[-1])

    async def test_positions_are_never_given_again(self, store: Store) -> None:
        """After a purge the log goes on where it was."""
        items = await append(store, "1", "2", "3", until=1.0)
        await store.revocations.purge(before=2.0)
        assert (await append(store, "4"))[-1].position > items[-1].position

    async def test_generation_stays_while_the_log_lives(self, store: Store) -> None:
        """Writing, purging, closing and opening change no generation; the log goes on where it was."""
        items = await append(store, "1", "2", until=1.0)
        generation = (await store.revocations.probe(Cursor(), 1)).generation
        await store.revocations.purge(before=2.0)
        assert (await store.revocations.probe(Cursor(), 1)).generation == generation
        if not self.durable:
            return
        await store.close()
        again = await self.open_store()
        try:
            probe = await again.revocations.probe(after(items[-1]), 10)
            assert (probe.generation, probe.matches, probe.items) == (generation, True, ())
            assert (await append(again, "3"))[-1].position > items[-1].position
        finally:
            await again.close()
