"""Listings are sorted by id, start after `after`, hold at most `limit`, and find exactly what they are asked for."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from ostiary.domain.account import Account
from ostiary.domain.session import Kind, Session
from ostiary.stores.port import Record, Remove, Store, Swap
from ostiary.testing import builders
from ostiary.testing.builders import NOW
from ostiary.testing.store_contract.base import StoreCase, add

# ruff: noqa: S101 - tests assert

SORTED_IDS = ["!", "0", "A", "B", "_", "a", "aa", "b", "~", "é", "张", "\ue000", "\uffff", "\U00010000", "\U0001f511"]


async def found(store: Store, start: str) -> list[str]:
    """The ids of all accounts whose user name begins so."""
    return [account.id for account in await store.accounts.page(start=start, limit=100)]


async def found_by_email(store: Store, start: str) -> list[str]:
    """The ids of all accounts whose e-mail begins so."""
    return [account.id for account in await store.accounts.page_by_email(start=start, limit=100)]


async def walk(page_after: Callable[[str], Awaitable[Sequence[Record]]], limit: int) -> list[str]:
    """The ids of all pages, each of which starts where the one before ended."""
    seen: list[str] = []
    for _ in range(100):
        page = await page_after(seen[-1] if seen else "")
        assert len(page) <= limit
        if not page:
            return seen
        seen += [record.id for record in page]
    raise AssertionError("the pages do not come to an end")


class Listings(StoreCase):
    """The port's last promise."""

    pages: ClassVar = pytest.mark.parametrize("limit", [1, 2, 4, 15, 16])

    @pages
    async def test_accounts_are_paged_by_name(self, store: Store, limit: int) -> None:
        """Every account is on exactly one page, in the order of the code points of the user name's normal form."""
        await add(store, *(builders.account(i.encode().hex(), username_key=i) for i in reversed(SORTED_IDS)))

        async def after(last: str) -> Sequence[Record]:
            name = bytes.fromhex(last).decode()
            return await store.accounts.page(after=name, limit=limit)

        assert [bytes.fromhex(one).decode() for one in await walk(after, limit)] == SORTED_IDS

    @pages
    async def test_sessions_are_paged_by_id(self, store: Store, limit: int) -> None:
        """The same for sessions; those that have ended are left out."""
        await add(store, *(builders.session(session_id) for session_id in SORTED_IDS))
        await add(store, builders.session("Ab", ended_at=1.0))
        seen = await walk(lambda last: store.sessions.page(after=last, limit=limit), limit)
        assert seen == SORTED_IDS

    @pages
    async def test_clients_are_paged_by_id(self, store: Store, limit: int) -> None:
        """The same for clients, whose names need not differ."""
        await add(store, *(builders.client(client_id, name="same") for client_id in reversed(SORTED_IDS)))
        seen = await walk(lambda last: store.clients.page(after=last, limit=limit), limit)
        assert seen == SORTED_IDS

    @pages
    async def test_events_are_paged_downwards(self, store: Store, limit: int) -> None:
        """Audit events come newest first, each on exactly one page."""
        await add(store, *(builders.audit_event(event_id) for event_id in SORTED_IDS))
        seen = await walk(lambda last: store.audit.page(before=last, limit=limit), limit)
        assert seen == SORTED_IDS[::-1]

    async def test_page_starts_after_a_name_that_is_gone(self, store: Store) -> None:
        """`after` is a place in the order, not a record that must exist, nor one that begins as it should."""
        await add(store, *(builders.account(i, username_key=f"n{i}", email=f"{i}@e.org") for i in ("a", "b", "c")))
        assert await store.write(Remove(builders.account("b", revision=1)))
        page, by_email = store.accounts.page, store.accounts.page_by_email
        assert [account.id for account in await page(after="nb", limit=5)] == ["c"]
        assert [account.id for account in await page(start="n", after="a", limit=5)] == ["a", "c"]
        assert await page(start="n", after="x", limit=5) == []
        assert [account.id for account in await by_email(start="", after=("b@e.org", "b"), limit=5)] == ["c"]
        assert [account.id for account in await by_email(start="c", after=("a", ""), limit=5)] == ["c"]
        assert await by_email(start="a", after=("b", ""), limit=5) == []

    async def test_search_finds_starts_of_names_and_addresses(self, store: Store) -> None:
        """How a user name's normal form or a folded e-mail begins, in the order of what was looked for."""
        people: list[Account] = [
            builders.account("1", username_key="alina", email="Alice@Example.ORG"),
            builders.account("2", username_key="alice", email=None),
            builders.account("3", username_key="bob", email="ALIBI@example.org"),
            builders.account("4", username_key="österreich", email="ÖSTLICH@example.org"),
            builders.account("6", username_key="alj", email="alj@example.org"),
            builders.account("5", username_key="al", email="alj@example.org"),
            builders.account("Ali", username_key="zed", email="zed@example.org"),
        ]
        await add(store, *people)
        assert await found(store, "ali") == ["2", "1"]
        assert await found(store, "al") == ["5", "2", "1", "6"]
        assert await found(store, "Ali") == []
        assert await found(store, "öst") == ["4"]
        assert await found(store, "lice") == []
        assert await found(store, "alicee") == []
        assert await found_by_email(store, "ali") == ["3", "1"]
        assert await found_by_email(store, "alj") == ["5", "6"]
        assert await found_by_email(store, "alice@example.o") == ["1"]
        assert await found_by_email(store, "östl") == ["4"]
        assert await found_by_email(store, "example") == []
        assert await found_by_email(store, "ALI") == []

    async def test_search_follows_changes(self, store: Store) -> None:
        """A renamed account is found by its new name and address only."""
        await add(store, builders.account("1", username_key="old", email="old@example.org"))
        assert await store.write(Swap(builders.account("1", username_key="new", email="New@example.org", revision=1)))
        assert await found(store, "old") == await found_by_email(store, "old") == []
        assert await found(store, "new") == await found_by_email(store, "new@") == ["1"]
        assert await store.write(Swap(builders.account("1", username_key="newer", email=None, revision=2)))
        assert await found_by_email(store, "new@") == []
        assert await store.write(Remove(builders.account("1", revision=3)))
        assert await found(store, "") == []

    async def test_wildcards_are_ordinary_characters(self, store: Store) -> None:
        """Flaw class: a pattern in a search matches more than itself."""
        names = ["%", "_", "*", "?", "[a]", "a%b", "a_b", "axb", "a\\b", "'", '"', "\U0010ffff", "\U0010ffff\U0010ffff"]
        await add(store, *(builders.account(f"id-{i:02}", username_key=name) for i, name in enumerate(names)))
        for query in ("%", "_", "*", "?", "[", "a%", "a_", "a\\", "'", '"', "%%", "_x", "\U0010ffff", "\ud7ff"):
            expected = [
                f"id-{i:02}" for name, i in sorted(zip(names, range(99), strict=False)) if name.startswith(query)
            ]
            assert await found(store, query) == expected

    @pages
    async def test_search_is_paged(self, store: Store, limit: int) -> None:
        """Whoever matches is on one page once; pages go on after the last; one e-mail may be of many."""
        await add(
            store,
            *(builders.account(f"{i:02}", username_key=f"x{i:02}", email=f"X{i % 3}@e.org") for i in range(20)),
            *(builders.account(f"y{i}", username_key=f"y{i}", email="w@other.example") for i in range(3)),
        )
        names = await walk(lambda last: store.accounts.page(start="x", after=last and f"x{last}", limit=limit), limit)
        assert names == [f"{i:02}" for i in range(20)]

        async def after(last: str) -> Sequence[Record]:
            place = (f"x{int(last) % 3}@e.org", last) if last else ("", "")
            return await store.accounts.page_by_email(start="x", after=place, limit=limit)

        assert await walk(after, limit) == sorted(names, key=lambda i: (int(i) % 3, i))

    @pages
    async def test_accounts_are_narrowed(self, store: Store, limit: int) -> None:
        """Enabled administrators alone, or disabled accounts alone; with a query, those of them that match it; what
        changes changes sides."""
        roles = {"a": ("admin", "user"), "b": ("user",), "c": ("admin",), "d": ("administrator",), "e": ("admin",)}
        await add(
            store,
            *(
                builders.account(i, username_key=f"name-{i}", email=f"{i}@example.org", roles=r, disabled=i in "be")
                for i, r in roles.items()
            ),
        )

        async def ids(only: str, start: str = "name-") -> list[str]:
            async def after(last: str) -> Sequence[Record]:
                name = f"name-{last}" if last else ""
                return await store.accounts.page(only=only, start=start, after=name, limit=limit)

            return await walk(after, limit)

        async def by_email(only: str, start: str) -> list[str]:
            async def after(last: str) -> Sequence[Record]:
                place = (f"{last}@example.org", last) if last else ("", "")
                return await store.accounts.page_by_email(only=only, start=start, after=place, limit=limit)

            return await walk(after, limit)

        assert await ids("admins") == await ids("admins", "") == await by_email("admins", "") == ["a", "c"]
        assert await ids("disabled") == await by_email("disabled", "") == ["b", "e"]
        assert await by_email("admins", "c@exa") == ["c"]
        assert await by_email("admins", "b") == await ids("admins", "name-b") == []
        assert await by_email("disabled", "b") == ["b"]
        assert await ids("disabled", "name-e") == ["e"]
        assert await store.write(Swap(builders.account("a", username_key="name-a", disabled=True, revision=1)))
        assert await ids("admins") == ["c"]
        assert await ids("disabled") == ["a", "b", "e"]

    async def test_sessions_are_filtered(self, store: Store) -> None:
        """Account and kind narrow the listing, together or alone; ended sessions are in none."""
        await add(
            store,
            builders.session("1", account_id="a"),
            builders.session("2", account_id="a", kind=Kind.STATELESS),
            builders.session("3", account_id="b", kind=Kind.STATELESS),
            builders.session("4", account_id="a", kind=Kind.STATELESS, ended_at=1.0),
            builders.session("5", account_id="a", expires_at=1.0),
        )

        async def ids(account_id: str = "", kind: str = "") -> list[str]:
            return [s.id for s in await store.sessions.page(account_id=account_id, kind=kind, limit=9)]

        assert await ids() == ["1", "2", "3", "5"]
        assert await ids("a") == ["1", "2", "5"]
        assert await ids("", "stateless") == ["2", "3"]
        assert await ids("a", "stateless") == ["2"]
        assert await ids("nobody") == []
        assert [session.id for session in await store.sessions.of_account("a")] == ["1", "2", "5"]
        assert await store.standing("a") == (0, 3)
        assert await store.write(Swap(builders.session("1", account_id="a", ended_at=5.0, revision=1)))
        assert [session.id for session in await store.sessions.of_account("a")] == ["2", "5"]
        issuer = await store.issuer()
        assert await store.write(Swap(replace(issuer, everything=7)))
        assert [await store.standing(account_id) for account_id in ("a", "b", "nobody")] == [(7, 2), (7, 1), (7, 0)]

    @pages
    async def test_latest_sessions_are_paged_by_when_they_were_seen(self, store: Store, limit: int) -> None:
        """Each of the kind and of the count is on exactly one page, the most recently seen first, those that were seen
        at one instant by id downwards; what was touched stands where it belongs now."""
        await add(
            store,
            *(
                builders.session(session_id, last_seen_at=NOW + 0.1 * (at // 5))
                for at, session_id in enumerate(SORTED_IDS)
            ),
            builders.session("kind", kind=Kind.STATEFUL),
            builders.session("count", everything=1),
            builders.session("ended", ended_at=1.0),
        )

        async def walked(kind: str = "session", everything: int = 0) -> list[str]:
            seen: list[Session] = []
            for _ in range(100):
                before = (seen[-1].last_seen_at, seen[-1].id) if seen else None
                page = await store.sessions.latest(everything=everything, kind=kind, before=before, limit=limit)
                assert len(page) <= limit
                if not page:
                    return [session.id for session in seen]
                seen += page
            raise AssertionError("the pages do not come to an end")

        assert await walked() == SORTED_IDS[::-1]
        assert await walked("stateful") == ["kind"]
        assert await walked(everything=1) == ["count"]
        assert await walked("stateless") == []
        await store.sessions.touch({"!": NOW + 9, "b": NOW + 8.25, "ended": NOW + 10, SORTED_IDS[-1]: NOW - 5})
        assert await walked() == ["!", "b", *(one for one in SORTED_IDS[::-1] if one not in ("!", "b"))]
        assert await store.write(Swap(builders.session("A", last_seen_at=NOW + 20, revision=1)))
        assert await store.write(Swap(builders.session("B", ended_at=NOW + 20, revision=1)))
        assert await store.write(Remove(builders.session("_", revision=1)))
        gone = ("!", "b", "A", "B", "_")
        assert await walked() == ["A", "!", "b", *(one for one in SORTED_IDS[::-1] if one not in gone)]

    async def test_latest_sessions_go_on_behind_a_place_that_is_gone(self, store: Store) -> None:
        """`before` is a place in the order, not a session that must exist."""
        await add(store, *(builders.session(one, last_seen_at=NOW + at) for at, one in enumerate("abc")))
        latest = store.sessions.latest

        async def ids(at: float, session_id: str) -> list[str]:
            return [one.id for one in await latest(everything=0, kind="session", before=(at, session_id), limit=9)]

        assert await ids(NOW + 1.5, "") == ["b", "a"]
        assert await ids(NOW + 1, "b") == ["a"]
        assert await ids(NOW + 1, "bb") == ["b", "a"]
        assert await ids(NOW - 1, "z") == []

    async def test_sessions_seen_lately_are_counted(self, store: Store) -> None:
        """Of one kind and count, not ended, from the very instant on; a touch counts."""
        await add(
            store,
            *(builders.session(f"s{at}", last_seen_at=NOW + at) for at in range(4)),
            builders.session("kind", last_seen_at=NOW + 9, kind=Kind.STATELESS),
            builders.session("count", last_seen_at=NOW + 9, everything=1),
            builders.session("ended", last_seen_at=NOW + 9, ended_at=NOW + 9),
        )

        async def counts(kind: str = "session", everything: int = 0) -> list[int]:
            count = store.sessions.count_seen
            return [await count(everything=everything, kind=kind, since=NOW + at) for at in (0, 2, 2.5, 3, 9, 9.5)]

        assert await counts() == [4, 2, 1, 1, 0, 0]
        assert await counts("stateless") == await counts("session", 1) == [1, 1, 1, 1, 1, 0]
        assert await counts("stateful") == [0] * 6
        await store.sessions.touch({"s0": NOW + 9, "ended": NOW + 99})
        assert await counts() == [4, 3, 2, 2, 1, 0]

    async def test_live_sessions_are_counted(self, store: Store) -> None:
        """Not ended, of this count, and neither idle nor expired: at the very instant it is over."""
        await add(
            store,
            builders.session("live", idle_lifetime=10.0),
            builders.session("expires", idle_lifetime=100.0, expires_at=NOW + 5, kind=Kind.STATELESS),
            builders.session("ended", ended_at=NOW),
            builders.session("earlier count", everything=1),
        )
        counts = [
            await store.sessions.count_not_ended(everything=0, now=NOW + after) for after in (0, 4.999, 5, 9.999, 10)
        ]
        assert counts == [2, 2, 1, 1, 0]
        assert await store.sessions.count_not_ended(everything=1, now=NOW) == 1
        of_kind = [await store.sessions.count_not_ended(everything=0, now=NOW + 1, kind=kind) for kind in Kind]
        assert of_kind == [1, 0, 1]

    async def test_events_are_filtered_and_counted(self, store: Store) -> None:
        """Account, session and event narrow the listing together; a count takes in its first instant."""
        await add(
            store,
            builders.audit_event("1", at=1.0, event="x", account_id="a", session_id="s"),
            builders.audit_event("2", at=2.0, event="x", account_id="a"),
            builders.audit_event("3", at=3.0, event="y", account_id="a", session_id="s"),
            builders.audit_event("4", at=4.0, event="x", account_id=None),
        )

        async def ids(**wanted: str) -> list[str]:
            return [event.id for event in await store.audit.page(limit=9, **wanted)]

        assert await ids(account_id="a") == ["3", "2", "1"]
        assert await ids(event="x") == ["4", "2", "1"]
        assert await ids(session_id="s") == ["3", "1"]
        assert await ids(session_id="s", event="x", account_id="a") == ["1"]
        assert await ids(event="x", before="4") == ["2", "1"]
        assert [await store.audit.count_since("x", since) for since in (0.0, 2.0, 2.5, 4.0, 4.5)] == [3, 2, 1, 1, 0]

    async def test_keys_are_sorted_by_id(self, store: Store) -> None:
        """All of them, whatever their state."""
        await add(store, builders.signing_key("b"), builders.signing_key("a", state="revoked"))
        assert [key.id for key in await store.signing_keys.all()] == ["a", "b"]
