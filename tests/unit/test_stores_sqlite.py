"""What only the SQLite store does: lanes, group commit, query plans."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ostiary import limits
from ostiary.errors import InvalidRequest, Overloaded, Unavailable
from ostiary.revocation.entry import LOOK, Cursor, Hint
from ostiary.stores.port import Add, Append, Expect, Remove, Swap
from ostiary.stores.rows import prefix_end
from ostiary.stores.sqlite import SqliteStore
from ostiary.testing import builders

pytestmark = pytest.mark.anyio


@pytest.fixture
def tmp_path(on_disk: Path) -> Path:
    """What is proven here is about a disk."""
    return on_disk


async def hold_writer(store: SqliteStore) -> tuple[threading.Event, "asyncio.Future[Any]"]:
    """Keep the writer busy until the event is set, from now on."""
    begun, event = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> bool:
        begun.set()
        return event.wait(30)

    held = store._lanes.writer.submit(hold)
    assert await asyncio.to_thread(begun.wait, 30)
    return event, held


async def queued(store: SqliteStore, count: int) -> None:
    """Return when so many jobs wait for the writer, which is held."""
    async with asyncio.timeout(30):
        while store._lanes.writer._queue.qsize() != count:  # noqa: ASYNC110 - they come at the end of a turn
            await asyncio.sleep(0)


async def trace(store: SqliteStore, lane: str, seen: list[str] | None) -> None:
    callback = None if seen is None else seen.append
    await getattr(store._lanes, lane).submit(lambda connection: connection.set_trace_callback(callback))


async def test_waiting_writes_share_one_commit(store: SqliteStore) -> None:
    """M-42: whatever waits when the writer wakes up costs one commit, and each write has its own answer."""
    seen: list[str] = []
    await trace(store, "writer", seen)
    event, held = await hold_writer(store)
    writes = [asyncio.ensure_future(store.write(Add(builders.throttle(f"t{i // 2}")))) for i in range(40)]
    await queued(store, 40)
    event.set()
    await held
    assert await asyncio.gather(*writes) == [True, False] * 20
    assert len(seen) > 40
    assert seen.count("COMMIT") <= 3  # of the trace itself, of what held the writer, of all the writes
    assert [await store.throttles.get(f"t{i}") for i in range(20)] == [
        builders.throttle(f"t{i}", revision=1) for i in range(20)
    ]


async def test_a_swap_is_one_statement_of_what_differs(store: SqliteStore) -> None:
    """M-40: what is expected is seen by the statement that changes, and columns that stay are not written, so that
    their indexes are left alone."""
    was = builders.session(refresh=builders.refresh_state(), revision=1)
    account, issuer = builders.account(revision=1), await store.issuer()
    assert await store.write(Add(was), Add(account))
    seen: list[str] = []
    await trace(store, "writer", seen)
    renewed = replace(was, last_seen_at=was.last_seen_at + 1, refresh=builders.refresh_state(generation=2))
    assert await store.write(Swap(renewed, was), Expect(account), Expect(issuer))
    await trace(store, "writer", None)
    (update,) = [text for text in seen if " sessions " in text]
    assert not [text for text in seen if text.startswith("SELECT")]
    written = update[: update.index(" WHERE ")]
    for column in ("last_seen_at", "idle_expires_at", "revision", "refresh_generation", "refresh_digest"):
        assert f" {column} = " in written
    for column in ("id", "account_id", "kind", "ended_at", "token_digest", "audience"):
        assert f" {column} = " not in written
    assert await store.sessions.get(was.id) == replace(renewed, revision=2)


async def test_a_swap_with_many_expectations_holds_them_all(store: SqliteStore) -> None:
    """However many records are expected: each is, and what is swapped is swapped only if all are as they were read."""
    accounts = [builders.account(f"a{i}", username_key=f"a{i}", revision=1) for i in range(12)]
    assert await store.write(Add(builders.session()), *map(Add, accounts))
    session = builders.session(revision=1)
    assert await store.write(Swap(session, session), *map(Expect, accounts))
    for at in (0, 3, 4, 11):
        stale = [*accounts]
        stale[at] = replace(stale[at], revision=2)
        for some in (stale, stale[at : at + 1], stale[max(0, at - 3) : at + 1]):
            assert not await store.write(Swap(replace(session, revision=2)), *map(Expect, some))
    assert await store.sessions.get(session.id) == replace(session, revision=2)


async def test_error_of_one_job_is_its_own(store: SqliteStore) -> None:
    """A text that cannot be stored, or a mistake in a job, fails that write and none beside it."""
    event, held = await hold_writer(store)
    writes = [
        asyncio.ensure_future(store.write(Add(builders.throttle("good")))),
        asyncio.ensure_future(store.write(Append(builders.entry()), Add(builders.account("a", email="\ud800")))),
        asyncio.ensure_future(store.write(Append(builders.entry()), Add(builders.throttle("b", failures=2**70)))),
        asyncio.ensure_future(store.write(Append(builders.entry()), Add(builders.throttle("c", failures=None)))),
        asyncio.ensure_future(store.write(Append(builders.entry()), Add(builders.throttle("d", failures=object())))),
        asyncio.ensure_future(store.write(Append(builders.entry()), Add(object()))),  # type: ignore[arg-type]
        asyncio.ensure_future(store.write(Add(builders.throttle("too")))),
    ]
    await queued(store, 7)
    event.set()
    await held
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    kinds = [outcome if isinstance(outcome, bool) else type(outcome) for outcome in outcomes]
    assert kinds == [True, InvalidRequest, InvalidRequest, Unavailable, Unavailable, KeyError, True]
    assert (await store.revocations.probe(Cursor(), 9)).items == ()
    with pytest.raises(InvalidRequest):
        await store.accounts.by_username("\ud800")


async def test_full_queue_is_overloaded(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flaw class: unbounded memory. Beyond the bound a write is refused before it has begun."""
    event, held = await hold_writer(store)
    monkeypatch.setattr(limits, "STORE_QUEUE", 3)
    writes = [asyncio.ensure_future(store.write(Add(builders.throttle(f"t{i}")))) for i in range(8)]
    await asyncio.sleep(0)
    event.set()
    await held
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert any(isinstance(outcome, Overloaded) for outcome in outcomes)
    for i, outcome in enumerate(outcomes):
        assert (await store.throttles.get(f"t{i}") is not None) is (outcome is True)


async def test_close_finishes_what_was_submitted(store: SqliteStore) -> None:
    """A write that was accepted is done and answered, also when the store closes at the same time."""
    event, held = await hold_writer(store)
    write = asyncio.ensure_future(store.write(Add(builders.throttle())))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await store.write(Add(builders.throttle("late")))
    event.set()
    assert await held
    await closing
    assert await write is True
    for read in (store.accounts.get("x"), store.accounts.page(limit=1), store.issuer(), store.sessions.purge(before=1)):
        with pytest.raises(Unavailable):
            await read


async def test_cancelled_write_still_happens(store: SqliteStore) -> None:
    """M-06: a client that hangs up while its session is being ended does not keep the session."""
    event, held = await hold_writer(store)
    write = asyncio.ensure_future(store.write(Add(builders.throttle())))
    await asyncio.sleep(0)
    write.cancel()
    event.set()
    await held
    assert await store.write()
    assert await store.throttles.get("throttle-1") is not None


def test_loop_that_was_closed_stops_nobody(tmp_path: Path) -> None:
    """Answers for a loop that is gone are dropped, and the threads go on for the next one."""
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    store = first.run_until_complete(SqliteStore.open(tmp_path / "ostiary.db"))

    async def leave_one_behind() -> threading.Event:
        event, _ = await hold_writer(store)
        store._lanes.writer.submit(lambda connection: None)
        return event

    event = first.run_until_complete(leave_one_behind())
    first.close()
    event.set()
    assert second.run_until_complete(store.write(Add(builders.throttle())))
    second.run_until_complete(store.close())
    second.run_until_complete(second.shutdown_default_executor())
    second.close()


async def test_slow_listing_does_not_hold_up_look_ups(store: SqliteStore) -> None:
    """Flaw class: one administrator's search makes every log-in wait."""
    event = threading.Event()
    held = store._lanes.slow.submit(lambda connection: event.wait(30))
    assert await store.accounts.get("x") is None
    assert await store.write(Add(builders.throttle()))
    event.set()
    await held


async def test_hint_is_given_once(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """M-30: the hint costs a probe only when there was an append or a nudge, and each is told of once."""
    looks = 0

    async def called(*_: object, **__: object) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)

    monkeypatch.setattr(store._calls, "called", called)
    monkeypatch.setattr(store._calls, "listen", lambda: False)
    log, told = store.revocations, list[Hint]()

    async def listen() -> None:
        async for hint in log.hints():
            told.append(hint)

    async def looked() -> None:
        seen = looks
        while looks < seen + 3:  # noqa: ASYNC110 - each turn is a look
            await asyncio.sleep(0)

    listening = asyncio.create_task(listen())
    await looked()
    assert told == [LOOK]
    assert await store.write(Add(builders.throttle()))
    await looked()
    assert told == [LOOK]
    assert await store.write(Append(builders.entry()))
    await looked()
    assert [hint.entries for hint in told] == [(), (builders.entry(),)]
    for count in (3, 4):
        await log.nudge()
        await looked()
        assert told[2:] == [LOOK] * (count - 2)
    listening.cancel()


async def test_each_who_listens_hears_of_what_was_appended(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """M-30: a server's own feed and those who follow it listen to one log, and none takes the news from the other."""
    looks = 0

    async def called(*_: object, **__: object) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)

    monkeypatch.setattr(store._calls, "called", called)
    monkeypatch.setattr(store._calls, "listen", lambda: False)
    told: tuple[list[Hint], list[Hint]] = ([], [])

    async def listen(hints: list[Hint]) -> None:
        async for hint in store.revocations.hints():
            hints.append(hint)

    async def looked() -> None:
        seen = looks
        while looks < seen + 6:  # noqa: ASYNC110 - they take turns, so each looks
            await asyncio.sleep(0)

    listening = [asyncio.create_task(listen(hints)) for hints in told]
    try:
        await looked()
        assert told == ([LOOK], [LOOK])
        assert await store.write(Append(builders.entry()))
        await looked()
        assert [[hint.entries for hint in hints] for hints in told] == [[(), (builders.entry(),)]] * 2
    finally:
        for task in listening:
            task.cancel()


async def test_replaced_file_gives_no_lease(store: SqliteStore, tmp_path: Path) -> None:
    """Flaw class: a server goes on with a file that nobody else writes to any more."""
    path = tmp_path / "ostiary.db"
    await store.revocations.probe(Cursor(), 10)
    path.rename(tmp_path / "old.db")
    with pytest.raises(Unavailable):
        await store.revocations.probe(Cursor(), 10)
    await (await SqliteStore.open(path)).close()
    with pytest.raises(Unavailable):
        await store.revocations.probe(Cursor(), 10)


Call = Callable[[SqliteStore], Any]
CALLS: dict[str, Call] = {
    "account": lambda store: store.accounts.get("a"),
    "account by user name": lambda store: store.accounts.by_username("a"),
    "accounts": lambda store: store.accounts.page(after="a", limit=9),
    "accounts by search": lambda store: store.accounts.page(start="a", after="aa", limit=9),
    "accounts by search for the last character": lambda store: store.accounts.page(start="\U0010ffff", limit=9),
    "accounts by e-mail": lambda store: store.accounts.page_by_email(start="a", limit=9),
    "accounts by e-mail, a later page": lambda store: store.accounts.page_by_email(
        start="a", after=("ab", "1"), limit=9
    ),
    "administrators": lambda store: store.accounts.page(only="admins", after="a", limit=9),
    "disabled accounts": lambda store: store.accounts.page(only="disabled", start="b", limit=9),
    "session": lambda store: store.sessions.get("a"),
    "session by token": lambda store: store.sessions.by_token_digest(b"a"),
    "sessions of account": lambda store: store.sessions.of_account("a"),
    "sessions": lambda store: store.sessions.page(after="a", limit=9),
    "sessions by account": lambda store: store.sessions.page(account_id="a", limit=9),
    "sessions by kind": lambda store: store.sessions.page(kind="a", limit=9),
    "sessions by when they were seen": lambda store: store.sessions.latest(everything=0, kind="a", limit=9),
    "sessions behind one": lambda store: store.sessions.latest(everything=0, kind="a", before=(1.0, "a"), limit=9),
    "sessions seen lately": lambda store: store.sessions.count_seen(everything=0, kind="a", since=1.0),
    "sessions counted": lambda store: store.sessions.count_not_ended(everything=0, now=1.0),
    "sessions purged": lambda store: store.sessions.purge(before=1.0),
    "sessions touched": lambda store: store.sessions.touch({"a": 1.0}),
    "throttle": lambda store: store.throttles.get("a"),
    "throttles purged": lambda store: store.throttles.purge(before=1.0),
    "events": lambda store: store.audit.page(limit=9),
    "events of account": lambda store: store.audit.page(account_id="a", before="b", limit=9),
    "events of session": lambda store: store.audit.page(session_id="a", limit=9),
    "events of a kind": lambda store: store.audit.page(event="a", limit=9),
    "events counted": lambda store: store.audit.count_since("a", 1.0),
    "events purged": lambda store: store.audit.purge(before=1.0),
    "log": lambda store: store.revocations.probe(Cursor(position=1, nonce=1), 9),
    "acknowledgement": lambda store: store.revocations.acknowledge("n", Cursor(position=1, nonce=1)),
    "log from the start": lambda store: store.revocations.probe(Cursor(), 9),
    "log purged": lambda store: store.revocations.purge(before=1.0),
    "swap": lambda store: store.write(Swap(builders.session(revision=1))),
    "expect": lambda store: store.write(Expect(builders.account(revision=1))),
    "remove": lambda store: store.write(Remove(builders.account(revision=1))),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_no_statement_reads_a_whole_table(store: SqliteStore, call: Call) -> None:
    """M-70: every question is answered by searching an index, or by walking one in the order asked for, never by
    reading all rows or sorting them first; so it stays fast with a million of each."""
    seen: list[str] = []
    for lane in ("quick", "slow", "log", "writer"):
        await trace(store, lane, seen)
    store._watching.set_trace_callback(seen.append)
    await call(store)
    store._watching.set_trace_callback(None)
    for lane in ("quick", "slow", "log", "writer"):
        await trace(store, lane, None)
    statements = [text for text in seen if text.startswith(("SELECT", "UPDATE", "DELETE"))]
    assert statements

    def plans(connection: sqlite3.Connection) -> list[str]:
        return [row[3] for text in statements for row in connection.execute("EXPLAIN QUERY PLAN " + text)]

    for step in await store._lanes.quick.submit(plans):
        in_order = step.startswith(
            ("SCAN sessions USING INDEX sqlite_auto", "SCAN audit_events USING INDEX sqlite_auto")
        )
        one_row = step in ("SCAN revocation_logs", "SCAN CONSTANT ROW") or step.startswith("SCAN (subquery")
        assert not step.startswith("SCAN") or in_order or one_row, step


@pytest.mark.parametrize(
    ("prefix", "end"),
    [("a", "b"), ("az", "a{"), ("\ud7ff", "\ue000"), ("a\U0010ffff", "b"), ("\U0010ffff", None), ("", None)],
)
async def test_range_of_a_prefix_ends_above_all_that_start_with_it(prefix: str, end: str | None) -> None:
    """The next text that does not start with it, in code point order, surrogates left out."""
    assert prefix_end(prefix) == end
