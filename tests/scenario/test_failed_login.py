"""A login that fails says nothing: not whether the account exists, nor whether it is disabled (contract section 5)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.scenario.world import CARRIERS, DEVICE_COOKIE, PASSWORD, Carrier, Server, StartServer

from ostiary.stores.port import Change

pytestmark = pytest.mark.anyio

CASES = (("nobody", PASSWORD), ("sleeping", PASSWORD), ("alice", "not the password"), ("sleeping", "nor this"))


@dataclass
class Written:
    """What went to the store, without what it was about."""

    writes: list[tuple[str, ...]] = field(default_factory=list)


@contextmanager
def _watching(server: Server) -> Iterator[Written]:
    seen = Written()
    store: Any = server.store
    real = store.write

    async def write(*changes: Change, durable: bool = True) -> bool:
        kinds = (f"{type(change).__name__} {type(getattr(change, 'record', None)).__name__}" for change in changes)
        seen.writes.append(tuple(kinds))
        return bool(await real(*changes, durable=durable))

    store.write = write
    try:
        yield seen
    finally:
        store.write = real


async def test_all_failures_look_alike(server: Server, carrier: Carrier) -> None:
    """Status, headers, body, hashes computed and writes to the store are the same for every cause."""
    await server.account("sleeping")
    account = await server.system.accounts.find("sleeping")
    root = await server.admin()
    await root.patch(f"/v1/admin/accounts/{account.id}", {"disabled": True})
    seen = []
    for username, password in CASES:
        before = server.hasher.computed
        with _watching(server) as written:
            reply = await server.device(carrier).log_in(username, password)
        seen.append((reply.status, sorted(reply.headers.multi_items()), reply.content, server.hasher.computed - before))
        # the first attempt on a name adds its counter, later ones swap it: the same for all
        writes = [tuple(kind.replace("Swap", "Add") for kind in write) for write in written.writes]
        counted, event = ("Add Throttle", "Add Throttle"), ("Add AuditEvent",)
        assert writes == ([(*event, *counted)] if server.store.shared else [counted, event])

    assert seen[0][0] == 401
    assert seen[0][3] == 1
    assert all(other == seen[0] for other in seen[1:])


async def test_whoever_is_logged_in_learns_no_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session whose cookie comes along is looked up whether or not the name that is tried has an account: else the
    time that it takes would tell."""
    await server.account("mallory")
    mallory = await server.log_in("mallory", CARRIERS[0])
    del mallory.cookies[DEVICE_COOKIE]
    looked_up: list[str] = []
    get = server.store.sessions.get

    async def noted(session_id: str) -> Any:
        looked_up.append(session_id)
        return await get(session_id)

    monkeypatch.setattr(server.store.sessions, "get", noted)
    seen = []
    for username in ("alice", "nobody", "not a\tname"):
        looked_up.clear()
        reply = await mallory.copy().log_in(username, "not the password")
        seen.append((reply.status, len(looked_up)))

    assert seen[0][0] == 401
    assert seen[0][1] >= 1
    assert all(other == seen[0] for other in seen[1:])


async def test_a_login_at_the_only_server_is_one_write(start_on_file: StartServer) -> None:
    """Right, it leaves no trace on the counters that start at nothing; wrong, it is counted with its event, so that no
    answer is given of an attempt that is not stored."""
    async with start_on_file() as server:
        await server.account("alice")
        with _watching(server) as written:
            assert (await server.device().log_in("alice", PASSWORD)).status == 200
        assert written.writes == [("Swap Account", "Add Session", "Add AuditEvent")]
        with _watching(server) as written:
            assert (await server.device().log_in("alice", "wrong")).status == 401
            assert (await server.device().log_in("alice", PASSWORD)).status == 200
        assert [len(write) for write in written.writes] == [3, 4]


async def test_the_refusal_names_no_scheme_that_fits_no_login(server: Server) -> None:
    """401 carries a challenge without `error`: no credential was sent (RFC 6750 section 3.1)."""
    reply = await server.device(CARRIERS[0]).log_in("nobody")

    assert reply.headers["www-authenticate"] == 'Bearer realm="ostiary"'
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers.get_list("set-cookie") == []
    assert "nobody" not in reply.content.decode()


async def test_what_was_typed_is_kept_nowhere(server: Server) -> None:
    """People type passwords into the wrong field: a failed login's user name is not stored (flaw class: leaks)."""
    typed = "hunter2 is my password"
    await server.device().log_in(typed, "whatever it is")

    (event, *_) = await server.events("login.failed")

    assert typed not in repr(event)


async def test_a_login_asks_for_what_exists(server: Server) -> None:
    """Transport `split` has no meaning for sessions, an unknown audience is refused, both before any password."""
    device = server.device(Carrier("session", "split"))
    before = server.hasher.computed
    assert (await device.log_in("alice")).status == 422
    elsewhere = await server.device(CARRIERS[5]).log_in("alice", audience="https://elsewhere.example")
    assert (elsewhere.status, elsewhere.code) == (400, "invalid_target")
    unknown = await server.device().log_in("alice", role="admin")
    assert (unknown.status, unknown.code) == (422, "invalid_request")

    assert server.hasher.computed == before
