"""Adding, reading, swapping, expecting and removing one record."""

import asyncio
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from ostiary import limits
from ostiary.domain.account import ADMIN, Issuer
from ostiary.domain.session import Session
from ostiary.errors import Unavailable
from ostiary.stores.port import Add, Expect, Remove, Store, Swap
from ostiary.testing import builders
from ostiary.testing.builders import NOW
from ostiary.testing.store_contract.base import StoreCase, add, at_revision, find

# ruff: noqa: S101 - tests assert

PLAIN: dict[str, Any] = {
    "account": builders.account(),
    "session": builders.session(),
    "throttle": builders.throttle(),
    "signing key": builders.signing_key(),
    "client": builders.client(),
    "spent": builders.spent(),
    "audit event": builders.audit_event(),
}
CHANGED: dict[str, Any] = {
    "account": builders.account(display_name="Changed"),
    "session": builders.session(last_seen_at=NOW + 1),
    "throttle": builders.throttle(failures=2),
    "signing key": builders.signing_key(sealed=b""),
    "client": builders.client(epoch=7),
    "spent": builders.spent(until=2 * NOW + 1 / 3),
    "audit event": builders.audit_event(client_ip="192.0.2.1"),
}


class Records(StoreCase):
    """M-05, and the port's third promise."""

    kinds: ClassVar = pytest.mark.parametrize("kind", PLAIN)

    async def test_absence_is_none_or_empty(self, store: Store) -> None:
        """Nothing is found in an empty store, and nothing is raised."""
        assert await store.accounts.get("x") is None
        assert await store.accounts.by_username("x") is None
        assert await store.accounts.page(limit=5) == []
        assert await store.accounts.count_enabled_admins() == 0
        assert await store.sessions.get("x") is None
        assert await store.sessions.by_token_digest(b"x") is None
        assert await store.sessions.of_account("x") == []
        assert await store.sessions.page(limit=5) == []
        assert await store.sessions.count_not_ended(everything=0, now=NOW) == 0
        assert await store.throttles.get("x") is None
        assert await store.signing_keys.all() == []
        assert await store.clients.get("x") is None
        assert await store.clients.page(limit=5) == []
        assert await store.spent.get("x") is None
        assert await store.audit.page(limit=5) == []
        assert await store.audit.count_since("x", 0.0) == 0
        await store.check()

    @kinds
    async def test_add_never_replaces(self, store: Store, kind: str) -> None:
        """A second record of the same id is refused, and the first stays as it was."""
        await add(store, PLAIN[kind])
        assert await store.write(Add(CHANGED[kind])) is False
        assert await find(store, PLAIN[kind]) == at_revision(PLAIN[kind], 1)

    @kinds
    async def test_swap_never_creates(self, store: Store, kind: str) -> None:
        """Swapping a record that is not there is refused, at any revision, and nothing is there afterwards."""
        for revision in (0, 1):
            assert await store.write(Swap(at_revision(PLAIN[kind], revision))) is False
        assert await find(store, PLAIN[kind]) is None

    @kinds
    async def test_swap_needs_the_stored_revision_and_raises_it(self, store: Store, kind: str) -> None:
        """A stale or a future revision is refused; the right one is stored with the next."""
        await add(store, PLAIN[kind])
        for revision in (0, 2, -1):
            assert await store.write(Swap(at_revision(CHANGED[kind], revision))) is False
            assert await find(store, PLAIN[kind]) == at_revision(PLAIN[kind], 1)
        for revision in (1, 2, 3):
            assert await store.write(Swap(at_revision(CHANGED[kind], revision)))
            assert await find(store, PLAIN[kind]) == at_revision(CHANGED[kind], revision + 1)
            assert await store.write(Swap(at_revision(PLAIN[kind], revision))) is False

    @kinds
    async def test_swap_stores_the_whole_record_whatever_it_was(self, store: Store, kind: str) -> None:
        """A backend that is told what was read may write less; what is stored is the same, and so is the condition."""
        await add(store, PLAIN[kind])
        assert await store.write(Swap(at_revision(CHANGED[kind], 0), at_revision(PLAIN[kind], 1))) is False
        for revision, new, old in ((1, CHANGED, PLAIN), (2, PLAIN, CHANGED), (3, PLAIN, PLAIN)):
            was = at_revision(old[kind], revision)
            assert await store.write(Swap(at_revision(new[kind], revision), was))
            assert await find(store, PLAIN[kind]) == at_revision(new[kind], revision + 1)
            assert await store.write(Swap(at_revision(new[kind], revision), was)) is False

    async def test_a_session_that_was_touched_is_swapped_whole(self, store: Store) -> None:
        """What activity has moved since the session was read moves to where the swap says, and counts as seen then."""
        await add(store, builders.session())
        was = builders.session(revision=1)
        await store.sessions.touch({was.id: NOW + 60})
        renewed = replace(was, refresh=builders.refresh_state())
        assert await store.write(Swap(renewed, was))
        assert await find(store, was) == replace(renewed, revision=2)
        idle = was.idle_expires_at
        assert await store.sessions.count_not_ended(everything=0, now=idle - 0.001) == 1
        assert await store.sessions.count_not_ended(everything=0, now=idle) == 0
        without = replace(renewed, refresh=None, ended_at=NOW, revision=2)
        assert await store.write(Swap(without, replace(renewed, revision=2)))
        assert await find(store, was) == replace(without, revision=3)
        assert await store.sessions.of_account(was.account_id) == []

    async def test_expect_of_the_issuer(self, store: Store) -> None:
        """M-41: whoever writes on condition that nothing was ended for everybody writes nothing once it was."""
        await add(store, builders.account(), builders.session())
        issuer, account, session = await store.issuer(), builders.account(revision=1), builders.session(revision=1)
        assert await store.write(Swap(session, session), Expect(account), Expect(issuer))
        assert await store.write(Swap(replace(issuer, everything=1)))
        session = replace(session, revision=2)
        renewed = replace(session, last_seen_at=NOW + 1)
        assert await store.write(Swap(renewed, session), Expect(account), Expect(issuer)) is False
        assert await store.write(Swap(renewed), Expect(issuer), Add(builders.throttle())) is False
        assert await store.write(Expect(account), Expect(issuer)) is False
        assert await find(store, session) == session
        now = await store.issuer()
        assert await store.write(Swap(renewed, session), Expect(replace(account, revision=2)), Expect(now)) is False
        assert await store.write(Swap(renewed, session), Expect(account), Expect(now))
        assert await find(store, session) == replace(renewed, revision=3)

    @kinds
    async def test_expect_changes_nothing(self, store: Store, kind: str) -> None:
        """It holds while the revision is the stored one, however the rest of the record reads."""
        await add(store, PLAIN[kind])
        assert await store.write(Expect(at_revision(CHANGED[kind], 1)))
        for revision in (0, 2):
            assert await store.write(Expect(at_revision(PLAIN[kind], revision))) is False
        assert await find(store, PLAIN[kind]) == at_revision(PLAIN[kind], 1)

    @kinds
    async def test_remove_needs_the_stored_revision(self, store: Store, kind: str) -> None:
        """It removes what was read and nothing newer; afterwards the id is free, at revision 1 again."""
        await add(store, PLAIN[kind])
        assert await store.write(Remove(at_revision(PLAIN[kind], 2))) is False
        assert await find(store, PLAIN[kind]) is not None
        assert await store.write(Remove(at_revision(CHANGED[kind], 1)))
        assert await find(store, PLAIN[kind]) is None
        assert await store.write(Remove(at_revision(PLAIN[kind], 1))) is False
        assert await store.write(Expect(at_revision(PLAIN[kind], 1))) is False
        await add(store, CHANGED[kind])
        assert await find(store, PLAIN[kind]) == at_revision(CHANGED[kind], 1)

    async def test_issuer_cannot_be_added(self, store: Store) -> None:
        """There is one already."""
        assert await store.write(Add(Issuer(everything=9))) is False
        assert (await store.issuer()).everything == 0

    async def test_usernames_are_unique(self, store: Store) -> None:
        """M-09: no two accounts have one user name, be it by adding or by renaming; a name given up is free again."""
        await add(store, builders.account("a"), builders.account("b"))
        assert await store.write(Add(builders.account("c", username_key="a"))) is False
        assert await store.accounts.get("c") is None
        assert await store.write(Swap(builders.account("b", username_key="a", revision=1))) is False
        assert (await store.accounts.by_username("a")) == builders.account("a", revision=1)
        assert await store.write(Swap(builders.account("a", username_key="z", revision=1)))
        assert await store.accounts.by_username("a") is None
        assert await store.write(Swap(builders.account("b", username_key="a", revision=1)))
        assert await store.write(Remove(builders.account("a", revision=2)))
        assert await store.write(Add(builders.account("c", username_key="z")))
        found = await store.accounts.by_username("z")
        assert found is not None
        assert found.id == "c"

    async def test_token_digests_are_unique(self, store: Store) -> None:
        """M-09: no two sessions have one token digest, many may have none, and a replaced digest finds nothing."""
        await add(store, builders.session("a", token_digest=b"1"), builders.session("b", token_digest=b"2"))
        await add(store, *(builders.session(f"none-{i}", token_digest=None) for i in range(3)))
        assert await store.write(Add(builders.session("c", token_digest=b"1"))) is False
        assert await store.write(Swap(builders.session("b", token_digest=b"1", revision=1))) is False
        assert await store.write(Swap(builders.session("a", token_digest=b"3", revision=1)))
        assert await store.sessions.by_token_digest(b"1") is None
        found = await store.sessions.by_token_digest(b"3")
        assert found is not None
        assert found.id == "a"
        assert await store.write(Swap(builders.session("b", token_digest=None, revision=1)))
        assert await store.sessions.by_token_digest(b"2") is None

    async def test_expired_and_ended_records_are_returned(self, store: Store) -> None:
        """The domain judges, not the store: what was over long ago is found like everything else."""
        over: list[Session] = [
            builders.session("expired", expires_at=1.0),
            builders.session("idle", last_seen_at=1.0, idle_lifetime=0.0),
            builders.session("ended", ended_at=1.0, end_reason="logout"),
        ]
        await add(store, *over, builders.throttle(last_failure_at=1.0), builders.account(disabled=True))
        for session in over:
            assert await store.sessions.get(session.id) == at_revision(session, 1)
            assert session.token_digest is not None
            assert await store.sessions.by_token_digest(session.token_digest) == at_revision(session, 1)
        assert await store.throttles.get("throttle-1") is not None
        assert await store.accounts.get("account-1") is not None

    async def test_enabled_admins_are_counted(self, store: Store) -> None:
        """Only accounts that have the role and are enabled count, also after swaps and removals."""
        boss, plain = (
            builders.account("boss", roles=(ADMIN, "user")),
            builders.account("plain", roles=("administrator",)),
        )
        await add(store, boss, plain, builders.account("off", roles=(ADMIN,), disabled=True))
        assert await store.accounts.count_enabled_admins() == 1
        assert await store.write(Swap(replace(plain, roles=(ADMIN,), revision=1)))
        assert await store.accounts.count_enabled_admins() == 2
        assert await store.write(Swap(replace(boss, disabled=True, revision=1)))
        assert await store.accounts.count_enabled_admins() == 1
        assert await store.write(Remove(replace(plain, revision=2)))
        assert await store.accounts.count_enabled_admins() == 0

    async def test_cancelled_caller_breaks_nothing(self, store: Store) -> None:
        """Whoever stops waiting for a write or a read leaves a store that works for everybody else."""
        tasks = [
            asyncio.create_task(store.write(Add(builders.account(f"a{i}")))) if i % 2 else
            asyncio.create_task(store.accounts.get("a"))
            for i in range(20)
        ]  # fmt: skip
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError | bool | None) for outcome in done)
        await add(store, builders.account("after"))
        assert await store.accounts.get("after") is not None

    async def test_large_batch(self, store: Store) -> None:
        """M-05: a whole batch of an import goes in as one write."""
        await add(store, *(builders.account(f"account-{i:04}") for i in range(limits.IMPORT_BATCH)))
        assert len(await store.accounts.page(limit=1000)) == limits.IMPORT_BATCH

    async def test_closed_store_says_so(self, store: Store) -> None:
        """After `close`, which may be repeated, nothing is written and the reason is `unavailable`."""
        await store.close()
        await store.close()
        with pytest.raises(Unavailable):
            await store.check()
        with pytest.raises(Unavailable):
            await store.write(Add(builders.account()))
