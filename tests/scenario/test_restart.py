"""The server restarts: what was alive goes on, what was dead stays dead."""

import pytest
from tests.scenario.world import CARRIERS, PASSWORD, Carrier, Server, StartServer, settings_for

from ostiary import Ostiary
from ostiary.domain.account import ADMIN, USER
from ostiary.errors import Misconfigured
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


async def test_sessions_and_refresh_tokens_survive(
    start_on_file: StartServer, clock: FakeClock, carrier: Carrier
) -> None:
    """Nobody has to log in again, and nothing changes for the client (M-05)."""
    async with start_on_file() as server:
        await server.account("alice")
        phone = await server.log_in("alice", carrier)

    async with start_on_file() as restarted:
        again = phone.copy(restarted)
        assert (await again.me()).json["session"]["id"] == phone.session_id
        if carrier.renews:
            clock.advance(60.0)
            assert (await again.renew()).status == 200
            assert (await again.me()).status == 200


async def test_nothing_that_was_ended_revives(start_on_file: StartServer, clock: FakeClock, carrier: Carrier) -> None:
    """By whatever it was ended: no restart and no passage of time brings a credential back (M-06)."""
    async with start_on_file() as server:
        root = await server.admin()
        dead = {}
        for how in ("logout", "admin", "disabled", "deleted", "password", "roles", "reuse", "proof"):
            account = await server.account(how)
            device = await server.log_in(how, carrier)
            dead[how] = device.copy()
            path = f"/v1/admin/accounts/{account.id}"
            if how == "logout":
                await device.log_out()
            elif how == "admin":
                await root.delete(f"/v1/admin/sessions/{device.session_id}")
            elif how == "disabled":
                await root.patch(path, {"disabled": True})
            elif how == "deleted":
                await root.delete(path)
            elif how == "password":
                await device.post("/v1/password", {"current_password": PASSWORD, "new_password": "a new one for you"})
            elif how == "roles" and carrier.kind == "stateless":
                await root.patch(path, {"roles": [USER, ADMIN]})
            elif how == "reuse" and carrier.renews:
                await device.renew()
                clock.advance(10.0)
                await dead[how].copy().renew()
            else:
                await device.prove()

    for _ in range(4):
        async with start_on_file() as restarted:
            for how, device in dead.items():
                late = device.copy(restarted)
                if how in ("roles", "reuse"):
                    late.cookies.pop("__Host-ostiary_refresh", None)  # the session goes on: only this token is dead
                assert (await late.look()).status == 401, how
            await restarted.system.housekeeping.purge()
        clock.advance(100.0)


async def test_failed_logins_are_remembered(start_on_file: StartServer) -> None:
    """Crashing the server forgives nothing."""
    async with start_on_file() as server:
        await server.account("alice")
        for _ in range(5):
            assert (await server.device().log_in("alice", "not the password")).status == 401

    async with start_on_file() as restarted:
        assert (await restarted.device().log_in("alice", PASSWORD)).status == 429


async def test_end_everything_is_remembered(start_on_file: StartServer, carrier: Carrier) -> None:
    """The emergency stop holds across restarts (M-07)."""
    async with start_on_file() as server:
        await server.account("alice")
        phone = await server.log_in("alice", carrier)
        await server.system.sessions.end_everything(actor="cli")

    async with start_on_file() as restarted:
        assert (await phone.copy(restarted).look()).status == 401
        if carrier.renews:
            assert (await phone.copy(restarted).renew()).code == "invalid_grant"
        assert (await (await restarted.log_in("alice", carrier)).me()).status == 200


async def test_another_secret_key_does_not_open_the_file(start_on_file: StartServer, tmp_path: object) -> None:
    """A server with the wrong secret says so and serves nothing, rather than making keys of its own (M-09)."""
    async with start_on_file(secret_key=b"k" * 32) as server:
        await server.account("alice")
        phone = await server.log_in("alice", CARRIERS[5])

    with pytest.raises(Misconfigured, match="secret_key"):
        async with start_on_file(secret_key=b"x" * 32):
            pass

    async with start_on_file(secret_key=b"k" * 32) as right:
        assert (await phone.copy(right).me()).status == 200


async def test_a_memory_store_forgets(clock: FakeClock, tmp_path: object) -> None:
    """Nothing pretends to survive that does not: after a restart on memory everybody is a stranger, politely."""
    settings = settings_for("memory", tmp_path)  # type: ignore[arg-type]
    first = Server(Ostiary(settings, clock=clock.clock), clock)
    await first.auth.start()
    await first.account("alice")
    phone = await first.log_in("alice", CARRIERS[0])
    await first.auth.stop()
    second = Server(Ostiary(settings, clock=clock.clock), clock)

    assert (await phone.copy(second).look()).code == "invalid_token"

    await second.auth.stop()
