"""A demoted administrator loses the rights at once, whatever the credential says (M-30, M-41)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.scenario.world import ON_POSTGRES, Carrier, Device, Server

from ostiary.domain.account import ADMIN, USER, Account

pytestmark = pytest.mark.anyio


async def _set_roles(root: Device, account: Account, *roles: str) -> None:
    reply = await root.patch(f"/v1/admin/accounts/{account.id}", {"roles": list(roles)})
    assert reply.status == 200, reply
    assert reply.json["account"]["roles"] == sorted(roles)
    assert reply.json["ended"] == 0
    assert reply.json["bound"] in (0.0, root.server.system.bound)  # 0 as soon as nobody else can be there


async def _stays_logged_in(device: Device) -> None:
    """A stateless token says what is no longer true and is refused; one refresh mends it. The others just go on."""
    if device.carrier.kind == "stateless":
        refused = await device.look()
        if device.carrier.transport == "cookie" and refused.status == 200:
            return
        assert (refused.status, refused.code) == (401, "invalid_token")
        assert (await device.renew()).status == 200
    assert (await device.me()).status == 200


@ON_POSTGRES
async def test_demotion_takes_the_rights_at_once(server: Server, carrier: Carrier) -> None:
    """Kinds with data on the server get 403 on the next request; a stateless token gets 401, its successor 403."""
    root = await server.admin()
    account = await server.account("bob", ADMIN, USER)
    bob = await server.log_in("bob", carrier)
    assert (await bob.get("/v1/admin/accounts")).status == 200

    await _set_roles(root, account, USER)

    refused = await bob.get("/v1/admin/accounts")
    if carrier.kind == "stateless":
        assert (refused.status, refused.code) == (401, "invalid_token")
        assert (await bob.renew()).status == 200
        refused = await bob.get("/v1/admin/accounts")
    assert (refused.status, refused.code) == (403, "forbidden")
    assert (await bob.me()).json["account"]["roles"] == [USER]
    assert (await bob.me()).json["session"]["id"] == bob.session_id


async def test_promotion_arrives_without_a_new_login(server: Server, carrier: Carrier) -> None:
    """Renewal re-reads the roles; the other kinds read them anyway (M-41)."""
    root = await server.admin()
    account = await server.account("bob")
    bob = await server.log_in("bob", carrier)
    assert (await bob.get("/v1/admin/accounts")).status == 403

    await _set_roles(root, account, ADMIN, USER)

    await _stays_logged_in(bob)
    assert (await bob.get("/v1/admin/accounts")).status == 200


async def test_to_and_fro(server: Server, carrier: Carrier) -> None:
    """However often the roles change, what was true before never comes back into force."""
    root = await server.admin()
    account = await server.account("bob", ADMIN, USER)
    bob = await server.log_in("bob", carrier)
    as_admin = bob.copy()
    await _set_roles(root, account, USER)
    await _set_roles(root, account, ADMIN, USER)

    status = (await as_admin.get("/v1/admin/accounts")).status

    assert status == (401 if carrier.kind == "stateless" else 200)


async def test_a_change_that_was_under_way_is_refused(server: Server, carrier: Carrier) -> None:
    """Whoever begins a request as an administrator and sends its body after the demotion is none any more."""
    root = await server.admin()
    account = await server.account("bob", ADMIN, USER)
    victim = await server.account("carol")
    bob = await server.log_in("bob", carrier)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"roles": '
        begun.set()
        await go_on.wait()
        yield b'["admin"]}'

    async with asyncio.TaskGroup() as group:
        request = group.create_task(bob.send("PATCH", f"/v1/admin/accounts/{victim.id}", content=body()))
        await begun.wait()
        await _set_roles(root, account, USER)
        go_on.set()

    assert request.result().status in (401, 403)
    untouched = await server.system.accounts.get(victim.id)
    assert untouched.roles == (USER,)


async def test_nobody_is_logged_out_by_a_change_of_roles(server: Server, kind: Carrier) -> None:
    """While an administrator changes roles back and forth, a busy `session` or `stateful` client never sees 401."""
    root = await server.admin()
    account = await server.account("bob")
    bob = await server.log_in("bob", kind)
    seen: set[int] = set()
    over = False

    async def busy(device: Device) -> None:
        while not over:
            reply = await device.me()
            seen.add(reply.status)
            if reply.status == 401:
                await device.renew()
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(busy(bob.copy()))
        for turn in range(20):
            await _set_roles(root, account, *([ADMIN, USER] if turn % 2 else [USER, "auditor"]))
        over = True

    assert seen <= ({200, 401} if kind.kind == "stateless" else {200})
