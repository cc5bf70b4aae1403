"""Many at once, through two stores on one backend: nothing is lost and nobody wins twice."""

import asyncio
from dataclasses import replace
from itertools import cycle

from ostiary.domain.account import ADMIN
from ostiary.revocation.entry import Cursor
from ostiary.stores.port import Add, Append, Expect, Remove, Store, Swap
from ostiary.testing import builders
from ostiary.testing.store_contract.base import StoreCase, add

# ruff: noqa: S101 - tests assert

MANY = 50


class Races(StoreCase):
    """M-42, M-05: the races that the services rely on the store to decide."""

    async def test_one_swap_wins_each_revision(self, store: Store, other: Store) -> None:
        """M-42: of fifty swaps of one revision exactly one is done, and what is stored is the winner's."""
        await add(store, builders.session())
        for revision in range(1, 6):
            swaps = [builders.session(client_label=f"{revision}-{i}", revision=revision) for i in range(MANY)]
            won = await asyncio.gather(
                *(which.write(Swap(swap)) for which, swap in zip(cycle((store, other)), swaps, strict=False))
            )
            assert won.count(True) == 1
            winner = swaps[won.index(True)]
            assert await other.sessions.get("session-1") == replace(winner, revision=revision + 1)

    async def test_one_add_of_an_id_wins(self, store: Store, other: Store) -> None:
        """Fifty new records with one id: the first stays."""
        new = [builders.throttle(failures=i) for i in range(MANY)]
        won = await asyncio.gather(
            *(which.write(Add(record)) for which, record in zip(cycle((store, other)), new, strict=False))
        )
        assert won.count(True) == 1
        assert await other.throttles.get("throttle-1") == replace(new[won.index(True)], revision=1)

    async def test_one_spends_it(self, store: Store, other: Store) -> None:
        """M-52, M-62: of fifty who use what may be used once, through two processes, one does."""
        won = await asyncio.gather(
            *(which.write(Add(builders.spent())) for which, _ in zip(cycle((store, other)), range(MANY), strict=False))
        )
        assert won.count(True) == 1
        assert await other.spent.get("spent-1") == builders.spent(revision=1)

    async def test_one_session_gets_the_place(self, store: Store, other: Store) -> None:
        """M-45: of fifty logins that draw one place in a status list one is written, and nothing of the others."""
        place = builders.spent("status:0.77")
        won = await asyncio.gather(
            *(
                which.write(Add(builders.session(f"s{i}", kind="stateless", statuses=("0.77.1.0.9",))), Add(place))
                for i, which in zip(range(MANY), cycle((store, other)), strict=False)
            )
        )
        assert won.count(True) == 1
        written = [await other.sessions.get(f"s{i}") for i in range(MANY)]
        assert [session is not None for session in written] == won
        assert [session.statuses for session in written if session is not None] == [("0.77.1.0.9",)]

    async def test_one_account_gets_the_name(self, store: Store, other: Store) -> None:
        """Fifty registrations of one user name: one account has it, and there is one account."""
        new = [builders.account(f"a{i}", username_key="same") for i in range(MANY)]
        won = await asyncio.gather(
            *(which.write(Add(record)) for which, record in zip(cycle((store, other)), new, strict=False))
        )
        assert won.count(True) == 1
        assert await store.accounts.page(limit=100) == [replace(new[won.index(True)], revision=1)]

    async def test_no_increment_is_lost(self, store: Store, other: Store) -> None:
        """Fifty who read, raise and swap until they win raise it by fifty."""
        await add(store, builders.throttle(failures=0))

        async def raise_it(which: Store) -> None:
            while True:
                read = await which.throttles.get("throttle-1")
                assert read is not None
                if await which.write(Swap(replace(read, failures=read.failures + 1))):
                    return

        await asyncio.gather(*(raise_it(which) for which, _ in zip(cycle((store, other)), range(MANY), strict=False)))
        assert await store.throttles.get("throttle-1") == builders.throttle(failures=MANY, revision=MANY + 1)

    async def test_expected_record_cannot_change_meanwhile(self, store: Store, other: Store) -> None:
        """Sessions that expect their account are all begun before it is disabled, or not at all."""
        await add(store, builders.account())
        expected = builders.account(revision=1)
        begin = [
            which.write(Expect(expected), Add(builders.session(f"s{i}")))
            for which, i in zip(cycle((store, other)), range(MANY), strict=False)
        ]
        disable = other.write(Swap(replace(expected, disabled=True)))
        *begun, disabled = await asyncio.gather(*begin, disable)
        assert disabled is True
        assert len(await other.sessions.of_account("account-1")) == begun.count(True)
        assert await store.write(Expect(expected), Add(builders.session("late"))) is False

    async def test_two_administrators_cannot_demote_each_other(self, store: Store, other: Store) -> None:
        """Whoever swaps the issuer's record first wins; the other one has to look again."""
        await add(store, builders.account("a", roles=(ADMIN,)), builders.account("b", roles=(ADMIN,)))
        issuer = await store.issuer()
        won = await asyncio.gather(
            store.write(Swap(issuer), Swap(builders.account("a", revision=1))),
            other.write(Swap(issuer), Swap(builders.account("b", revision=1))),
        )
        assert won.count(True) == 1
        assert await other.accounts.count_enabled_admins() == 1

    async def test_one_removal_wins(self, store: Store, other: Store) -> None:
        """M-62: a record that can be removed once is removed once."""
        await add(store, builders.throttle())
        gone = builders.throttle(revision=1)
        won = await asyncio.gather(
            *(which.write(Remove(gone)) for which, _ in zip(cycle((store, other)), range(MANY), strict=False))
        )
        assert won.count(True) == 1

    async def test_acknowledged_writes_are_seen_at_once(self, store: Store, other: Store) -> None:
        """M-05: what one process was told is stored, the next read of another process finds."""
        for i in range(20):
            writer, reader = (store, other) if i % 2 else (other, store)
            await add(writer, builders.session(f"s{i:02}"))
            assert await reader.sessions.get(f"s{i:02}") is not None
            assert (await reader.sessions.page(after=f"s{i - 1:02}" if i else "", limit=100)) != []
            assert await writer.write(Append(builders.entry(f"s{i:02}")))
            assert (await reader.revocations.probe(Cursor(), 100)).items[-1].entry.id == f"s{i:02}"

    async def test_follower_misses_nothing(self, store: Store, other: Store) -> None:
        """M-30: a replica that reads on while two processes append sees every entry once, in the log's order."""
        written = 0

        async def write(which: Store, name: str) -> None:
            nonlocal written
            for i in range(MANY // 2):
                assert await which.write(Append(builders.entry(f"{name}-{i:02}")))
                written += 1

        async def follow() -> list[str]:
            cursor, seen, last = Cursor(), list[str](), False
            while True:
                probe = await other.revocations.probe(cursor, 7)
                assert probe.matches
                seen += [item.entry.id for item in probe.items]
                if probe.items:
                    cursor = probe.items[-1].cursor
                if last and probe.complete:
                    return seen
                last = written == MANY // 2 * 4
                await asyncio.sleep(0)

        writers = [write(store, "a"), write(other, "b"), write(store, "c"), write(other, "d")]
        following = asyncio.create_task(follow())
        await asyncio.gather(*writers)
        seen = await following
        assert len(seen) == len(set(seen)) == written
        for name in "abcd":
            assert [entry for entry in seen if entry.startswith(name)] == [f"{name}-{i:02}" for i in range(MANY // 2)]
        assert seen == [item.entry.id for item in (await store.revocations.probe(Cursor(), 1000)).items]

    async def test_touch_and_swap_do_not_disturb_each_other(self, store: Store, other: Store) -> None:
        """M-42: a session may be touched while it is being rotated; the rotation wins its revision all the same."""
        await add(store, builders.session())
        for revision in range(1, 11):
            swap = builders.session(version=revision + 1, revision=revision)
            swapped, _ = await asyncio.gather(
                store.write(Swap(swap)), other.sessions.touch({"session-1": swap.last_seen_at + revision})
            )
            assert swapped is True
        found = await store.sessions.get("session-1")
        assert found is not None
        assert (found.version, found.revision) == (11, 11)
