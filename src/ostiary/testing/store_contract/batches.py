"""A write does all of its changes or none."""

from typing import Any, ClassVar

import pytest

from ostiary.stores.port import Add, Append, Change, Expect, Remove, Store, Swap
from ostiary.testing import builders
from ostiary.testing.store_contract.base import StoreCase, add, everything

# ruff: noqa: S101 - tests assert

STORED: tuple[Any, ...] = (
    builders.account("anna"),
    builders.account("bert"),
    builders.session("old", token_digest=b"taken"),
    builders.session("other"),
    builders.throttle("counter"),
    builders.signing_key("key"),
    builders.client("service"),
    builders.spent("counter"),
)
IDS = ("old", "other", "new", "counter", "fresh")
GOOD: tuple[Change, ...] = (
    Add(builders.session("new")),
    Append(builders.entry("old")),
    Swap(builders.session("old", token_digest=b"taken", version=9, ended_at=1.0, revision=1)),
    Expect(builders.account("anna", revision=1)),
    Remove(builders.signing_key("key", revision=1)),
    Swap(builders.throttle("counter", failures=7, revision=1)),
    Swap(builders.client("service", epoch=1, revision=1)),
    Add(builders.spent("fresh")),
    Add(builders.audit_event()),
)
FAILING: dict[str, Change] = {
    "add: id taken": Add(builders.account("anna", username_key="free")),
    "add: user name taken": Add(builders.account("free", username_key="anna")),
    "add: token digest taken": Add(builders.session("free", token_digest=b"taken")),
    "add: spent already": Add(builders.spent("counter")),
    "swap: client stale": Swap(builders.client("service", epoch=9, revision=0)),
    "remove: client absent": Remove(builders.client("nothing", revision=1)),
    "swap: stale": Swap(builders.account("bert", disabled=True, revision=0)),
    "swap: absent": Swap(builders.account("nobody", revision=1)),
    "swap: user name taken": Swap(builders.account("bert", username_key="anna", revision=1)),
    "swap: token digest taken": Swap(builders.session("other", token_digest=b"taken", revision=1)),
    "expect: stale": Expect(builders.account("bert", revision=2)),
    "expect: absent": Expect(builders.throttle("nothing", revision=1)),
    "remove: stale": Remove(builders.account("bert", revision=2)),
    "remove: absent": Remove(builders.session("nothing", revision=1)),
}


class Batches(StoreCase):
    """The port's second promise."""

    failing: ClassVar = pytest.mark.parametrize("change", FAILING.values(), ids=FAILING.keys())

    async def test_all_changes_are_done(self, store: Store) -> None:
        """If every condition holds, every change is done, and the revisions say so."""
        await add(store, *STORED)
        assert await store.write(*GOOD) is True
        now = await everything(store, *IDS)
        assert now["sessions"] == [builders.session("new", revision=1), builders.session("other", revision=1)]
        assert now["throttles"] == [None, None, None, builders.throttle("counter", failures=7, revision=2), None]
        assert now["keys"] == []
        assert now["audit"] == [builders.audit_event(revision=1)]
        assert now["clients"] == [builders.client("service", epoch=1, revision=2)]
        assert now["spent"] == [
            None,
            None,
            None,
            builders.spent("counter", revision=1),
            builders.spent("fresh", revision=1),
        ]
        assert len(now["log"]) == 1  # type: ignore[arg-type]
        assert now["accounts"] == [builders.account("anna", revision=1), builders.account("bert", revision=1)]
        old = await store.sessions.get("old")
        assert old is not None
        assert (old.version, old.revision) == (9, 2)

    @failing
    async def test_nothing_is_done_if_one_condition_fails(self, store: Store, change: Change) -> None:
        """Wherever the failing change stands, the write is False and everything is as before, the log included."""
        await add(store, *STORED)
        before = await everything(store, *IDS)
        for place in range(len(GOOD) + 1):
            assert await store.write(*GOOD[:place], change, *GOOD[place:]) is False
            assert await everything(store, *IDS) == before
        assert await store.sessions.by_token_digest(builders.session("new").token_digest or b"") is None
        assert await store.write(*GOOD) is True

    async def test_changes_that_build_on_each_other_are_undone(self, store: Store) -> None:
        """A name given up and taken within a failed write belongs to whom it belonged before."""
        await add(store, *STORED)
        before = await everything(store, *IDS)
        renamed = builders.account("anna", username_key="renamed", revision=1)
        new = builders.account("new", username_key="anna")
        assert await store.write(Swap(renamed), Add(new), FAILING["expect: stale"]) is False
        assert await everything(store, *IDS) == before
        assert await store.accounts.by_username("anna") == builders.account("anna", revision=1)
        assert await store.accounts.by_username("renamed") is None

    async def test_failed_write_uses_up_no_position(self, store: Store) -> None:
        """Positions may have gaps, but what a failed write appended is never seen, nor does its position come back."""
        await add(store, *STORED)
        assert await store.write(Append(builders.entry("lost")), FAILING["swap: stale"]) is False
        assert await store.write(Append(builders.entry("kept")))
        now = await everything(store)
        assert [item.entry.id for item in now["log"]] == ["kept"]  # type: ignore[attr-defined]

    async def test_write_of_nothing_holds(self, store: Store) -> None:
        """No conditions, nothing to fail."""
        assert await store.write() is True
