"""Being far behind: what is told in bulk is what is told item by item."""

import base64
import hashlib

import pytest

from ostiary import limits
from ostiary.domain.session import ENDED_VERSION
from ostiary.revocation.entry import Cursor, Entry, Scope
from ostiary.revocation.replica import Next, Replica
from ostiary.stores.port import Append, Store
from ostiary.testing import builders
from ostiary.testing.builders import NOW
from ostiary.testing.store_contract.base import StoreCase

# ruff: noqa: S101 - tests assert

_SEVERAL = 500  # items of one write


def ended(count: int, *, seed: int = 1) -> list[Entry]:
    """Sessions that ended one after the other; their ids are what such ids are."""
    digests = [hashlib.sha256(f"{seed} {at}".encode()).digest() for at in range(count)]
    ids = ["ses_" + base64.urlsafe_b64encode(digest[:16]).decode()[:22] for digest in digests]
    return [builders.entry(name, value=ENDED_VERSION, until=NOW + at / 100) for at, name in enumerate(ids)]


async def append(store: Store, entries: list[Entry]) -> None:
    """In their order."""
    for start in range(0, len(entries), _SEVERAL):
        assert await store.write(*map(Append, entries[start : start + _SEVERAL]))


async def follow(store: Store, *, in_bulk: bool, young: int = 10**6) -> tuple[Replica, int]:
    """One that has read it all, and how many answers were in bulk."""
    replica, answers, following = Replica(lease=2.0, young=young), 0, Next.MORE
    while following is not Next.DONE:
        bulk = await store.revocations.catch_up(replica.cursor) if in_bulk else None
        if bulk is not None:
            answers += 1
            assert not bulk.complete
            assert len(bulk.packed) + len(bulk.items) > 0
            assert sum(len(ids) for _, ids in bulk.packed) <= 22 * limits.CATCH_UP_ITEMS
        reply = bulk or await store.revocations.probe(replica.cursor, 1000)
        following = replica.on_reply(replica.on_send(1.0), reply)
        if following is Next.ADOPT:
            replica.adopt(reply.generation, 0)
    assert replica.cursor == await store.revocations.head()
    assert replica.lease_until == 3.0
    return replica, answers


def odd() -> list[Entry]:
    """What stands between ended sessions, and is told as it is."""
    some = ended(30, seed=2)
    return [
        *(builders.entry(entry.id, value=3) for entry in some[:3]),
        *(builders.entry(entry_id, value=ENDED_VERSION) for entry_id in ("short", "abc_" + "x" * 22, some[3].id[:16])),
        *(builders.entry(f"acc_{i}", scope=Scope.ACCOUNT, value=2) for i in range(5)),
        builders.entry("", scope=Scope.EVERYTHING, value=1),
        builders.entry("k", scope=Scope.KEY, value=1, until=NOW + 1e9),
        builders.entry("ses_" + "." * 21 + "x", value=ENDED_VERSION - 1),
    ]


class CatchingUp(StoreCase):
    """M-32: a process that starts, or was away, learns of everything."""

    async def test_a_long_log_is_told_in_bulk(self, store: Store) -> None:
        """Who reads it so learns the same as who reads item by item: of each id the same value, wherever it begins."""
        entries, between = ended(2 * limits.CATCH_UP_LEAST + 900), odd()
        for at, entry in enumerate(between):
            entries.insert(1 + 211 * at, entry)
        await append(store, entries)
        await append(store, entries[:50])

        one_by_one, _ = await follow(store, in_bulk=False)
        in_bulk, answers = await follow(store, in_bulk=True)
        packed, _ = await follow(store, in_bulk=True, young=10)

        assert answers > 0 or not store.shared
        for entry in entries:
            for replica in (in_bulk, packed):
                assert replica.session_version(entry.id) == one_by_one.session_version(entry.id), entry
                assert replica.account_epoch(entry.id) == one_by_one.account_epoch(entry.id)
                assert replica.key_is_revoked(entry.id) == one_by_one.key_is_revoked(entry.id)
        assert len(in_bulk) == len(one_by_one)
        for entry in ended(100, seed=3):
            assert packed.session_version(entry.id) == 0
        in_bulk.forget_expired(NOW + 1e9)
        assert len(in_bulk) == 0

    @pytest.mark.parametrize("odd_one", ["mark", "letters"])
    async def test_what_cannot_be_packed_is_told_in_its_order(self, store: Store, odd_one: str) -> None:
        """A mark divides what stands before it from what follows, and an id that is none of ours may hold anything."""
        entries = ended(limits.CATCH_UP_LEAST + 100)
        odd_id = "ses_" + "\u00e9" * 22
        if odd_one == "mark":
            entries.insert(1000, builders.entry("mark", scope=Scope.EVERYTHING, value=0))
        else:
            entries.insert(1000, builders.entry(odd_id, value=ENDED_VERSION))
        await append(store, entries)

        replica, _ = await follow(store, in_bulk=True)

        assert all(replica.session_version(entry.id) == ENDED_VERSION for entry in entries if entry.value)
        assert (replica.session_version(odd_id) == ENDED_VERSION) is (odd_one == "letters")

    async def test_little_is_told_item_by_item(self, store: Store) -> None:
        """Nobody packs a few."""
        await append(store, ended(100))
        head = await store.revocations.head()

        assert await store.revocations.catch_up(Cursor()) is None
        assert await store.revocations.catch_up(head) is None

    async def test_only_after_an_item_that_the_log_holds(self, store: Store) -> None:
        """Whoever stood in a log that was lost since it asked last has not read what now stands before its place."""
        await append(store, ended(2 * limits.CATCH_UP_LEAST + 900))
        last = (await store.revocations.probe(Cursor(), 10)).items[-1]

        held = await store.revocations.catch_up(Cursor(position=last.position, nonce=last.nonce))
        assert held is not None or not store.shared
        assert await store.revocations.catch_up(Cursor(position=last.position, nonce=last.nonce ^ 1)) is None
        assert await store.revocations.catch_up(Cursor(position=10**9, nonce=last.nonce)) is None

    async def test_what_was_purged_is_not_told_in_bulk_either(self, store: Store) -> None:
        """The log forgets, and what is packed of it with it; what comes afterwards is told as ever."""
        await append(store, ended(limits.CATCH_UP_LEAST + 100))
        await store.revocations.purge(before=NOW + 1e9)

        replica, answers = await follow(store, in_bulk=True)
        assert (len(replica), answers) == (1, 0)

        more = ended(2 * limits.CATCH_UP_LEAST, seed=5)
        await append(store, more)
        replica, answers = await follow(store, in_bulk=True)
        assert len(replica) == 1 + len(more)
        assert answers > 0 or not store.shared
        assert all(replica.session_version(entry.id) == ENDED_VERSION for entry in more)
