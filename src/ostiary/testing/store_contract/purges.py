"""Purging removes what was over strictly before an instant, and touching moves only what it may."""

import math
from typing import ClassVar

import pytest

from ostiary.domain.session import Session
from ostiary.stores.port import Add, Append, Store, Swap
from ostiary.testing import builders
from ostiary.testing.builders import NOW
from ostiary.testing.store_contract.base import StoreCase, add, at_revision

# ruff: noqa: S101 - tests assert

OVER = NOW + 100.0 + 1 / 3
"""An instant that no whole number of seconds or of microseconds names."""
JUST_AFTER = math.nextafter(OVER, math.inf)
FAR = NOW + 1e9

OVER_SESSIONS: dict[str, Session] = {
    "ended": builders.session(ended_at=OVER),
    "ended, would have expired earlier": builders.session(ended_at=OVER, expires_at=NOW, idle_lifetime=1.0),
    "ended, its token expires later": builders.session(ended_at=NOW, credential_expires_at=OVER),
    "idle": builders.session(last_seen_at=OVER, idle_lifetime=0.0),
    "expired": builders.session(expires_at=OVER, idle_lifetime=1e6),
    "expired, its token expires later": builders.session(expires_at=NOW + 1, credential_expires_at=OVER),
    "idle, its token expires later": builders.session(idle_lifetime=1.0, credential_expires_at=OVER),
}


class Purges(StoreCase):
    """M-32: memory and tables return to what is alive."""

    over: ClassVar = pytest.mark.parametrize("session", OVER_SESSIONS.values(), ids=OVER_SESSIONS.keys())

    @over
    async def test_session_is_purged_strictly_after_it_was_over(self, store: Store, session: Session) -> None:
        """A session stays at the instant at which it and its last token were over, and goes at the next."""
        await add(store, session, builders.session("live", expires_at=FAR, idle_lifetime=1e9))
        assert await store.sessions.purge(before=OVER) == 0
        assert await store.sessions.get(session.id) == at_revision(session, 1)
        assert await store.sessions.purge(before=JUST_AFTER) == 1
        assert await store.sessions.get(session.id) is None
        assert await store.sessions.by_token_digest(session.token_digest or b"") is None
        assert [found.id for found in await store.sessions.page(limit=9)] == ["live"]
        assert await store.sessions.purge(before=JUST_AFTER) == 0

    async def test_purge_follows_changes(self, store: Store) -> None:
        """What was swapped or touched is judged by what it is now."""
        await add(
            store, builders.session("swapped", idle_lifetime=1.0), builders.session("touched", idle_lifetime=10.0)
        )
        assert await store.write(Swap(builders.session("swapped", idle_lifetime=1e6, expires_at=FAR, revision=1)))
        await store.sessions.touch({"touched": NOW + 100})
        assert await store.sessions.purge(before=NOW + 110) == 0
        assert await store.sessions.count_not_ended(everything=0, now=NOW + 109) == 2
        assert await store.sessions.purge(before=NOW + 111) == 1
        assert [found.id for found in await store.sessions.page(limit=9)] == ["swapped"]

    async def test_touch_does_not_prolong_what_expires(self, store: Store) -> None:
        """Activity moves the idle end, never beyond the end."""
        await add(store, builders.session(expires_at=NOW + 50, idle_lifetime=40.0))
        await store.sessions.touch({"session-1": NOW + 39})
        assert await store.sessions.count_not_ended(everything=0, now=NOW + 49) == 1
        assert await store.sessions.count_not_ended(everything=0, now=NOW + 50) == 0
        assert await store.sessions.purge(before=NOW + 50) == 0
        assert await store.sessions.purge(before=NOW + 51) == 1

    async def test_throttles_are_purged_by_their_last_failure(self, store: Store) -> None:
        """Strictly before, to the last bit."""
        await add(
            store, builders.throttle("over", last_failure_at=OVER), builders.throttle("live", last_failure_at=FAR)
        )
        assert await store.throttles.purge(before=OVER) == 0
        assert await store.throttles.purge(before=JUST_AFTER) == 1
        assert await store.throttles.get("over") is None
        assert await store.throttles.get("live") is not None

    async def test_spent_is_purged_by_its_end(self, store: Store) -> None:
        """M-62: what was spent stays spent until its end, to the last bit, and only then may be forgotten."""
        end = 2 * OVER
        await add(store, builders.spent("over", until=end), builders.spent("live", until=2 * FAR))
        assert await store.spent.purge(before=end) == 0
        assert await store.spent.get("over") == builders.spent("over", until=end, revision=1)
        assert await store.spent.purge(before=math.nextafter(end, math.inf)) == 1
        assert await store.spent.get("over") is None
        assert await store.spent.get("live") is not None
        assert await store.write(Add(builders.spent("over", until=end)))

    async def test_events_are_purged_by_their_time(self, store: Store) -> None:
        """Strictly before, to the last bit."""
        await add(store, builders.audit_event("over", at=OVER), builders.audit_event("live", at=FAR))
        assert await store.audit.purge(before=OVER) == 0
        assert await store.audit.purge(before=JUST_AFTER) == 1
        assert [event.id for event in await store.audit.page(limit=9)] == ["live"]

    async def test_purge_of_many(self, store: Store) -> None:
        """However many are over, one call removes and counts them all."""
        await add(store, *(builders.session(f"s{i}", ended_at=float(i)) for i in range(600)))
        await add(store, *(builders.session(f"t{i}", expires_at=float(i)) for i in range(600)))
        await add(store, *(builders.throttle(f"t{i}", last_failure_at=float(i)) for i in range(1200)))
        assert await store.sessions.purge(before=550.0) == 1100
        assert await store.throttles.purge(before=1100.0) == 1100
        assert len(await store.sessions.page(limit=1000)) == 50
        assert await store.write(*(Append(builders.entry(str(i), until=float(i))) for i in range(1200)))
        assert await store.revocations.purge(before=1100.0) == 1100

    async def test_touch_only_raises(self, store: Store) -> None:
        """Activity moves `last_seen_at` forwards, changes no revision, and passes over what is ended or unknown."""
        ended = builders.session("ended", ended_at=NOW)
        await add(store, builders.session("later"), builders.session("earlier"), builders.session("same"), ended)
        seen = {"later": NOW + 1 / 3, "earlier": NOW - 1, "same": NOW, "ended": NOW + 5, "unknown": NOW + 5}
        await store.sessions.touch(seen)
        assert await store.sessions.get("later") == builders.session("later", last_seen_at=NOW + 1 / 3, revision=1)
        for unmoved in (builders.session("earlier"), builders.session("same"), ended):
            assert await store.sessions.get(unmoved.id) == at_revision(unmoved, 1)
        assert await store.sessions.get("unknown") is None
        assert await store.write(Swap(builders.session("later", last_seen_at=NOW + 2, revision=1)))

    async def test_touch_of_many_or_none(self, store: Store) -> None:
        """Any number of sessions may be touched at once."""
        await add(store, *(builders.session(f"s{i:04}") for i in range(1100)))
        await store.sessions.touch({})
        await store.sessions.touch({f"s{i:04}": NOW + i for i in range(1100)})
        for i in (0, 1, 499, 500, 999, 1000, 1099):
            touched = await store.sessions.get(f"s{i:04}")
            assert touched is not None
            assert touched.last_seen_at == NOW + i
