"""A revocation is remembered for as long as it can refuse something, and then it is gone (M-32)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.scenario.world import CARRIERS, OTHER_PASSWORD, PASSWORD, Carrier, Server, StartServer, until

from ostiary.domain.account import ADMIN, USER
from ostiary.revocation.entry import Cursor
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

LONGEST = 900.0 + 240.0 + 30.0 + 60.0
"""Seconds after which nothing that was issued before can be alive: the longest life, with every allowance."""


async def test_what_fails_once_is_done_the_next_time(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody foresaw ends no background work: memory would grow from then on (M-32)."""
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("not foreseen")

    task = asyncio.create_task(server.system.housekeeping._every(0.0, work))
    await until(_is_so(lambda: len(tries) > 1 or task.done()))
    task.cancel()
    assert len(tries) > 1
    assert "housekeeping failed" in caplog.text


def _is_so(look: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def looked() -> bool:
        return look()

    return looked


async def _end_in_every_way(server: Server, carrier: Carrier) -> None:
    root = await server.admin()
    for how in ("logout", "password", "proof", "roles", "disabled", "deleted", "all"):
        account = await server.account(f"{how}-{carrier}")
        device = await server.log_in(account.username, carrier)
        path = f"/v1/admin/accounts/{account.id}"
        if how == "logout":
            reply = await device.log_out()
        elif how == "password":
            reply = await device.post("/v1/password", {"current_password": PASSWORD, "new_password": OTHER_PASSWORD})
        elif how == "proof":
            reply = await device.prove()
        elif how == "roles":
            reply = await root.patch(path, {"roles": [ADMIN, USER]})
        elif how == "disabled":
            reply = await root.patch(path, {"disabled": True})
        elif how == "deleted":
            reply = await root.delete(path)
        else:
            reply = await device.post("/v1/sessions/end-all")
        assert reply.status == 200, how
    key = next(key for key in await server.system.signing_keys.all())
    await root.delete(f"/v1/admin/keys/{key.id}")


async def test_memory_returns_to_zero(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """Whatever was ended: when its last credential has expired, no replica and no log holds anything of it."""
    await _end_in_every_way(server, carrier)
    replica = server.system.context.replica
    recognition = server.system.recognition
    assert len(replica) >= 7
    clock.advance(LONGEST)

    await server.system.housekeeping.purge()

    async def forgotten() -> bool:
        await server.system.housekeeping.forget()  # the feed may just be reading what it wrote itself
        return len(replica) == 0

    await until(forgotten)
    assert not any(table.waits for table in (replica._sessions, replica._accounts, replica._keys))
    assert (len(recognition.known._entries), len(recognition.known._seen)) == (0, 0)
    left = await server.store.revocations.probe(Cursor(), 1000)
    assert len(left.items) <= 1  # the newest stays, so that cursors can match


async def test_it_is_not_forgotten_too_early(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """Housekeeping at every moment of a token's life revives nothing."""
    phone = await server.log_in("alice", carrier)
    assert (await phone.look()).status == 200
    kept = phone.copy()
    await phone.log_out()
    for _ in range(100):
        clock.advance(10.0)
        await server.system.housekeeping.forget()
        await server.system.housekeeping.purge()
        assert (await kept.look()).status == 401


async def test_the_replica_does_not_grow_with_logins(server: Server, carrier: Carrier) -> None:
    """Logging in and using it leaves nothing to remember: only endings do."""
    for _ in range(10):
        phone = await server.log_in("alice", carrier)
        await phone.me()
        if carrier.renews:
            await phone.renew()

    assert len(server.system.context.replica) == 0


async def test_ended_records_are_purged(server: Server, clock: FakeClock) -> None:
    """The store, too, forgets sessions that ended or expired, failed attempts and old events, each in its time."""
    for carrier in CARRIERS:
        await (await server.log_in("alice", carrier)).log_out()
        await server.log_in("alice", carrier)
    await server.device().log_in("nobody")
    clock.advance(2_592_000.0 + 86_400.0 + 1000.0)

    first = await server.system.housekeeping.purge()

    assert first.sessions == 2 * len(CARRIERS)
    assert (first.throttles, first.audit_events) == (0, 0)
    clock.advance(400 * 86_400.0)
    second = await server.system.housekeeping.purge()
    assert second.throttles >= 1
    assert second.audit_events >= 2 * len(CARRIERS)


async def test_a_store_with_everything_purged_starts_again(start_on_file: StartServer, clock: FakeClock) -> None:
    """A server that starts long after everything was ended accepts nothing of it, with an empty memory."""
    async with start_on_file() as server:
        await server.account("alice")
        kept = [await server.log_in("alice", carrier) for carrier in CARRIERS]
        await server.system.sessions.end_all(kept[0].account_id, actor="cli")
    clock.advance(100 * 86_400.0)
    async with start_on_file() as second:
        await second.system.housekeeping.purge()
        await second.system.housekeeping.forget()
        assert len(second.system.context.replica) == 0
        for device in kept:
            assert (await device.copy(second).look()).status == 401
            if device.carrier.renews:
                assert (await device.copy(second).renew()).code == "invalid_grant"
