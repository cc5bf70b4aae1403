"""Who follows the log, how far each has come, and how they are told that there is something new."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from ostiary.revocation.entry import LOOK, Cursor, Hint
from ostiary.stores.port import Add, Append, Store
from ostiary.testing import builders
from ostiary.testing.store_contract.base import StoreCase
from ostiary.testing.store_contract.log import after, append

# ruff: noqa: S101 - tests assert

LEASE = 60.0
"""Seconds. Nothing here waits for them: see `StoreCase.age`."""


@asynccontextmanager
async def listening(store: Store) -> AsyncIterator[list[Hint]]:
    """What `hints` has yielded so far; entered once it listens."""
    heard: list[Hint] = []

    async def listen() -> None:
        async for hint in store.revocations.hints():
            heard.append(hint)  # noqa: PERF401 - it is looked at while it grows

    task = asyncio.create_task(listen())
    try:
        await until(lambda: bool(heard), task)
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], task: "asyncio.Task[None] | None" = None) -> None:
    """Wait for it, half a minute at most."""
    async with asyncio.timeout(30):
        while not condition():
            assert task is None or not task.done(), "hints ended"
            await asyncio.sleep(0.002)


def _more(heard: list[Hint], before: int) -> bool:
    return len(heard) > before


def _more_looks(heard: list[Hint], before: int) -> bool:
    return heard.count(LOOK) > before


class Nodes(StoreCase):
    """M-30, M-33: `?wait=all` rests on these."""

    async def behind(self, store: Store, cursor: Cursor) -> int | None:
        """Of the nodes that probed within a lease."""
        return await store.revocations.behind(cursor, within=LEASE)

    async def test_head_is_the_newest_item(self, store: Store, other: Store) -> None:
        """Whoever wrote it; nothing before the first; a purge does not change it."""
        assert await store.revocations.head() == Cursor()
        items = await append(store, "1", "2", until=1.0)
        assert await other.revocations.head() == after(items[-1])
        items = await append(other, "3", until=1.0)
        await store.revocations.purge(before=2.0)
        assert await store.revocations.head() == after(items[-1])

    async def test_node_is_behind_until_it_says_that_it_has_read(self, store: Store, other: Store) -> None:
        """Having been answered is not having applied: only the next probe's cursor acknowledges."""
        await self.age(store, 2 * LEASE)
        items = await append(store, "1", "2")
        head = after(items[-1])
        await store.revocations.probe(Cursor(), 10, node="a")
        await other.revocations.probe(Cursor(), 10, node="b")
        assert await self.behind(store, head) == await self.behind(other, head) == 2
        await store.revocations.probe(head, 10, node="a")
        assert await self.behind(store, head) == await self.behind(other, head) == 1
        await other.revocations.probe(after(items[0]), 10, node="b")
        assert await self.behind(store, head) == 1
        assert await self.behind(store, after(items[0])) == 0
        await other.revocations.probe(head, 10, node="b")
        assert await self.behind(store, head) == await self.behind(other, head) == 0
        await append(store, "3")
        assert await self.behind(other, await store.revocations.head()) == 2

    async def test_node_is_known_from_its_first_probe_on(self, store: Store, other: Store) -> None:
        """Flaw class: a node that read before an entry was written, and of which the writer does not know yet."""
        await self.age(store, 2 * LEASE)
        assert (await store.revocations.probe(Cursor(), 10, node="a")).items == ()
        await append(other, "1")
        assert await self.behind(other, await other.revocations.head()) == 1

    async def test_probe_without_a_node_leaves_no_trace(self, store: Store) -> None:
        """Whoever only looks is not waited for."""
        await self.age(store, 2 * LEASE)
        await append(store, "1")
        await store.revocations.probe(Cursor(), 10)
        assert await self.behind(store, await store.revocations.head()) == 0

    async def test_cursor_that_does_not_match_acknowledges_nothing(self, store: Store) -> None:
        """Flaw class: a position in a log that was lost counts in the one that took its place."""
        await self.age(store, 2 * LEASE)
        items = await append(store, "1", "2")
        wrong = [Cursor(position=items[1].position, nonce=items[1].nonce + 1), Cursor(position=2**40, nonce=1)]
        for cursor in wrong:
            assert not (await store.revocations.probe(cursor, 10, node="a")).matches
            assert await self.behind(store, after(items[0])) == 1
        await store.revocations.probe(after(items[1]), 10, node="a")
        assert await self.behind(store, after(items[1])) == 0
        await store.revocations.probe(wrong[0], 10, node="a")
        assert await self.behind(store, after(items[1])) == 1

    async def test_node_that_was_silent_for_longer_is_not_waited_for(self, store: Store, other: Store) -> None:
        """Its lease is over. When it asks again, it is waited for again."""
        await self.age(store, 2 * LEASE)
        await store.revocations.probe(Cursor(), 10, node="a")
        await append(store, "1")
        head = await store.revocations.head()
        assert await self.behind(other, head) == 1
        await self.age(store, LEASE + 1)
        assert await self.behind(other, head) == 0
        await store.revocations.probe(Cursor(), 10, node="a")
        assert await self.behind(other, head) == 1

    async def test_node_that_left_is_not_waited_for(self, store: Store, other: Store) -> None:
        """Leaving twice, or without having been there, is no mistake."""
        await self.age(store, 2 * LEASE)
        await store.revocations.probe(Cursor(), 10, node="a")
        await other.revocations.probe(Cursor(), 10, node="b")
        await append(store, "1")
        head = await store.revocations.head()
        await store.revocations.leave("a")
        await store.revocations.leave("a")
        await other.revocations.leave("nobody")
        assert await self.behind(store, head) == await self.behind(other, head) == 1
        await other.revocations.leave("b")
        assert await self.behind(store, head) == 0

    async def test_every_node_is_listed_with_what_it_says(self, store: Store, other: Store) -> None:
        """M-33: whoever looks sees each node that asked lately, how long it has been silent, how far it has come and
        what it said of itself last; one that said nothing, too."""
        items = await append(store, "1", "2")
        await store.revocations.probe(after(items[0]), 10, node="a")
        await self.age(store, LEASE / 2)
        await other.revocations.probe(Cursor(), 10, node="b.2")
        await store.revocations.describe("a", "first")
        await store.revocations.describe("a", '{"host": "node-1 \U0001f511 张", "quote": "\'"}')
        for who in (store, other):
            first, second = await who.revocations.nodes(within=LEASE, limit=9)
            assert (first.name, first.acknowledged) == ("a", items[0].position)
            assert first.description == '{"host": "node-1 \U0001f511 张", "quote": "\'"}'
            assert (second.name, second.acknowledged, second.description) == ("b.2", 0, "")
            assert LEASE > first.silent >= LEASE / 2 > second.silent >= 0.0
            assert [node.name for node in await who.revocations.nodes(within=LEASE, limit=1)] == ["a"]

    async def test_what_a_node_says_outlives_its_probes(self, store: Store) -> None:
        """A probe does not have to repeat it, and a silent node is listed again with it when it asks again."""
        await store.revocations.probe(Cursor(), 10, node="a")
        await store.revocations.describe("a", "said")
        await self.age(store, LEASE + 1)
        assert await store.revocations.nodes(within=LEASE, limit=9) == []
        await store.revocations.probe(Cursor(), 10, node="a")
        assert [node.description for node in await store.revocations.nodes(within=LEASE, limit=9)] == ["said"]

    async def test_nothing_is_kept_of_who_is_not_known(self, store: Store, other: Store) -> None:
        """Neither of one that never probed nor of one that has left: not even if it says something afterwards."""
        assert await store.revocations.nodes(within=LEASE, limit=9) == []
        await store.revocations.describe("nobody", "said")
        await other.revocations.probe(Cursor(), 10, node="a")
        await other.revocations.describe("a", "said")
        await other.revocations.leave("a")
        await other.revocations.describe("a", "said")
        assert await store.revocations.nodes(within=LEASE, limit=9) == []
        await other.revocations.probe(Cursor(), 10, node="a")
        assert [node.description for node in await store.revocations.nodes(within=LEASE, limit=9)] == [""]

    async def test_lost_item_cannot_be_told_of(self, store: Store) -> None:
        """Neither one that was purged nor one of another log; nor does a fresh log claim to know everybody."""
        await self.age(store, 2 * LEASE)
        items = await append(store, "1", "2", until=1.0)
        await store.revocations.purge(before=2.0)
        assert await self.behind(store, after(items[0])) is None
        assert await self.behind(store, Cursor(position=items[1].position, nonce=items[1].nonce + 1)) is None
        assert await self.behind(store, Cursor(position=2**40, nonce=1)) is None
        assert await self.behind(store, after(items[1])) == 0

    async def test_nothing_to_acknowledge_before_the_first_item(self, store: Store) -> None:
        """`Cursor()` is acknowledged by whoever probed."""
        await self.age(store, 2 * LEASE)
        await store.revocations.probe(Cursor(), 10, node="a")
        assert await self.behind(store, Cursor()) == 0

    async def test_every_write_to_the_log_is_hinted_at(self, store: Store, other: Store) -> None:
        """M-30: whoever listens hears soon of what another process appended; a hint that carries entries carries
        those that were written."""
        async with listening(store) as heard:
            for i in range(5):
                before = len(heard)
                entry = builders.entry(f"ses_{i}")
                assert await other.write(Append(entry))
                await until(partial(_more, heard, before))
                assert {said for hint in heard[before:] for said in hint.entries} <= {entry}

    async def test_hint_says_where_its_entries_stand(self, store: Store, other: Store) -> None:
        """M-33: of a write that nobody disturbed, the place of its entries: whoever stands before them has, with them,
        read up to the newest item."""
        async with listening(store) as heard:
            stands = Cursor()
            for count in (1, 3, 1, 2):
                before = len(heard)
                assert await other.write(*(Append(builders.entry(f"ses_{stands.position}_{i}")) for i in range(count)))
                await until(partial(_more, heard, before))
                if heard[-1] != LOOK:
                    assert (heard[-1].after, len(heard[-1].entries)) == (stands, count)
                    assert heard[-1].reached == await store.revocations.head()
                stands = await store.revocations.head()

    async def test_acknowledging_the_newest_item_needs_no_probe(self, store: Store, other: Store) -> None:
        """It counts for whoever waits, from wherever it is seen."""
        await self.age(store, 2 * LEASE)
        await store.revocations.probe(Cursor(), 10, node="a")
        assert await store.revocations.acknowledge("a", Cursor())
        head = after((await append(other, "1", "2"))[-1])
        assert await self.behind(store, head) == 1
        assert await store.revocations.acknowledge("a", head)
        assert await self.behind(store, head) == await self.behind(other, head) == 0
        assert await store.revocations.acknowledge("a", head)
        assert [node.acknowledged for node in await other.revocations.nodes(within=LEASE, limit=9)] == [head.position]

    async def test_only_the_newest_item_is_acknowledged_so(self, store: Store) -> None:
        """Flaw class: a node is taken to know of what it has not read. Whoever stands elsewhere has to ask, and what it
        said before goes on to count."""
        await self.age(store, 2 * LEASE)
        items = await append(store, "1", "2")
        first, head = after(items[0]), after(items[-1])
        await store.revocations.probe(first, 10, node="a")
        another = Cursor(position=head.position, nonce=head.nonce + 1)
        beyond = Cursor(position=head.position + 1, nonce=head.nonce)
        for cursor in (Cursor(), first, another, beyond, Cursor(position=2**70, nonce=1)):
            assert not await store.revocations.acknowledge("a", cursor)
            assert await self.behind(store, first) == 0
            assert await self.behind(store, head) == 1

    async def test_acknowledging_makes_nobody_known_or_alive(self, store: Store) -> None:
        """M-33: it lends nothing, so nobody is waited for because of it; a node that left stays away."""
        await self.age(store, 2 * LEASE)
        head = after((await append(store, "1"))[-1])
        assert not await store.revocations.acknowledge("never heard of", head)
        await store.revocations.probe(head, 10, node="a")
        await self.age(store, 2 * LEASE)
        await store.revocations.acknowledge("a", head)
        assert await store.revocations.nodes(within=LEASE, limit=9) == []
        await store.revocations.leave("a")
        assert not await store.revocations.acknowledge("a", head)
        assert await store.revocations.nodes(within=4 * LEASE, limit=9) == []

    async def test_hint_never_says_a_wrong_place(self, store: Store, other: Store) -> None:
        """Flaw class: of writers that overtake one another, one names an item before its own that is not; whoever went
        by it would never read what stands between."""
        writes = [(who, i) for i in range(10) for who in (store, other)]
        async with listening(store) as heard:
            done = await asyncio.gather(
                *(
                    who.write(*(Append(builders.entry(f"ses_{n}_{i}_{j}")) for j in range(1 + i % 3)))
                    for n, (who, i) in enumerate(writes)
                )
            )
            assert all(done)
            before = len(heard)
            await store.revocations.nudge()
            await until(partial(_more, heard, before))
        items = (await store.revocations.probe(Cursor(), 100)).items
        cursors = [Cursor(), *map(after, items)]
        for hint in heard:
            if hint.reached is not None:
                assert hint.after is not None
                first, last = cursors.index(hint.after), cursors.index(hint.reached)
                assert tuple(item.entry for item in items[first:last]) == hint.entries

    async def test_pause_ends(self, store: Store, other: Store) -> None:
        """M-33: whoever waits looks again, whether or not anybody says that it is worth while."""
        await store.revocations.nudge()
        await asyncio.wait_for(store.revocations.pause(0.001, nodes=3), 30)
        await other.revocations.probe(Cursor(), 10, node="a")
        await asyncio.wait_for(store.revocations.pause(0.001, nodes=1), 30)

    async def test_an_awaited_write_nudges_everybody_who_listens(self, store: Store, other: Store) -> None:
        """Whoever waits for all nodes need not tell them so afterwards, whatever else the write changes."""
        async with listening(store) as here, listening(other) as there:
            for who, also in ((store, ()), (other, (Add(builders.account()),))):
                before = here.count(LOOK), there.count(LOOK)
                assert await who.write(*also, Append(builders.entry(f"ses_{len(also)}"), awaited=True))
                await until(partial(_more_looks, here, before[0]))
                await until(partial(_more_looks, there, before[1]))

    async def test_nudge_reaches_everybody_who_listens(self, store: Store, other: Store) -> None:
        """Without anything having been written."""
        async with listening(store) as here, listening(other) as there:
            for who in (store, other):
                before = len(here), len(there)
                await who.revocations.nudge()
                await until(partial(_more, here, before[0]))
                await until(partial(_more, there, before[1]))
        assert {*here, *there} == {LOOK}
