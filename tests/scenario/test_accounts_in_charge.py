"""Accounts disabled, enabled and deleted; everything ended; and always somebody in charge."""

import asyncio

import pytest
from tests.scenario.world import CARRIERS, ONE_OF_EACH_KIND, PASSWORD, Carrier, Device, Server, statuses

from ostiary.domain.account import ADMIN, USER
from ostiary.domain.audit import Event

pytestmark = pytest.mark.anyio


async def _is_dead(device: Device) -> None:
    assert (await device.copy().look()).code == "invalid_token"
    if device.carrier.renews:
        assert (await device.copy().renew()).code == "invalid_grant"


async def test_a_disabled_account_is_out_at_once(server: Server, carrier: Carrier) -> None:
    """Its sessions end, it cannot log in, and enabling it brings no session back (M-07, M-33)."""
    root = await server.admin()
    devices = [await server.log_in("alice", carrier) for _ in range(3)]
    path = f"/v1/admin/accounts/{devices[0].account_id}"

    disabled = await root.patch(path, {"disabled": True})

    assert (disabled.status, disabled.json["ended"], disabled.json["bound"]) == (200, 3, 0.0)
    for device in devices:
        await _is_dead(device)
    assert (await server.device(carrier).log_in("alice")).code == "invalid_credentials"
    enabled = await root.patch(path, {"disabled": False})
    assert (enabled.status, enabled.json["ended"]) == (200, 0)
    for device in devices:
        await _is_dead(device)
    assert (await server.log_in("alice", carrier)).session_id


async def test_a_deleted_account_is_gone(server: Server, carrier: Carrier) -> None:
    """Whoever takes its name afterwards is somebody else (M-33)."""
    root = await server.admin()
    device = await server.log_in("alice", carrier)

    deleted = await root.delete(f"/v1/admin/accounts/{device.account_id}")

    assert (deleted.status, deleted.json) == (200, {"ended": 1, "bound": 0.0})
    await _is_dead(device)
    assert (await server.device().log_in("alice")).code == "invalid_credentials"
    await server.account("alice")
    await _is_dead(device)
    assert (await server.log_in("alice", carrier)).account_id != device.account_id


async def test_owners_may_delete_themselves(server: Server, carrier: Carrier) -> None:
    """With the password; a stolen session alone cannot (M-33)."""
    device = await server.log_in("alice", carrier)
    kept = device.copy()
    refused = await device.delete("/v1/me", {"password": "not the password"})
    assert (refused.status, refused.code) == (403, "invalid_credentials")

    deleted = await device.delete("/v1/me", {"password": PASSWORD})

    assert (deleted.status, deleted.json) == (200, {"ended": 1, "bound": 0.0})
    await _is_dead(kept)


async def test_an_administrator_ends_sessions(server: Server, carrier: Carrier) -> None:
    """One by its id, then all of one account; each call says how many (M-07, M-33)."""
    root = await server.admin()
    devices = [await server.log_in("alice", carrier) for _ in range(3)]

    one = await root.delete(f"/v1/admin/sessions/{devices[0].session_id}")
    rest = await root.delete(f"/v1/admin/accounts/{devices[0].account_id}/sessions")

    assert one.json == {"ended": 1, "bound": 0.0}
    assert rest.json == {"ended": 2, "bound": 0.0}
    for device in devices:
        await _is_dead(device)
    assert (await root.me()).status == 200
    assert (await root.delete(f"/v1/admin/sessions/{devices[0].session_id}")).status == 404


async def test_everything_ends_at_once(server: Server) -> None:
    """One call, every account, every kind, the administrator included; new logins work at once (M-07, M-33)."""
    root = await server.admin()
    await server.account("bob")
    devices = [await server.log_in(name, carrier) for name in ("alice", "bob") for carrier in CARRIERS]
    for device in devices:
        assert (await device.me()).status == 200
    kept = root.copy()

    ended = await root.post("/v1/admin/end-everything")

    assert ended.json == {"ended": len(devices) + 1, "bound": 0.0}
    for device in (*devices, kept):
        await _is_dead(device)
    for carrier in CARRIERS:
        assert (await (await server.log_in("alice", carrier)).me()).status == 200
    (event,) = await server.events(Event.EVERYTHING_ENDED)
    assert event.actor == root.account_id


async def test_everything_can_be_ended_twice(server: Server, carrier: Carrier) -> None:
    """What began after the first time ends the second time."""
    for _ in range(2):
        device = await server.log_in("alice", carrier)
        assert (await device.me()).status == 200
        assert (await server.system.sessions.end_everything(actor="cli")).ended == 1
        await _is_dead(device)


async def test_the_last_administrator_is_protected(server: Server) -> None:
    """Demoting, disabling and deleting the last enabled one is 409 `last_admin`, whoever asks, and changes nothing."""
    root = await server.admin()
    path = f"/v1/admin/accounts/{root.account_id}"
    sleeping = await server.account("sleeping", ADMIN)
    assert (await root.patch(f"/v1/admin/accounts/{sleeping.id}", {"disabled": True})).status == 200

    for reply in (
        await root.patch(path, {"roles": [USER]}),
        await root.patch(path, {"disabled": True}),
        await root.delete(path),
        await root.delete("/v1/me", {"password": PASSWORD}),
    ):
        assert (reply.status, reply.code) == (409, "last_admin")

    assert (await root.get("/v1/admin/stats")).json["enabled_admins"] == 1
    assert (await root.patch(f"/v1/admin/accounts/{sleeping.id}", {"disabled": False})).status == 200
    assert (await root.patch(path, {"roles": [USER]})).status == 200


async def test_two_administrators_demote_each_other_at_once(server: Server, kind: Carrier) -> None:
    """Whoever comes second is told that the other one was the last, or is none any more: one of them stays."""
    for name in ("ada", "eve"):
        await server.account(name, ADMIN)
    ada, eve = [await server.log_in(name, kind) for name in ("ada", "eve")]

    replies = await asyncio.gather(
        ada.patch(f"/v1/admin/accounts/{eve.account_id}", {"roles": [USER]}),
        eve.patch(f"/v1/admin/accounts/{ada.account_id}", {"disabled": True}),
    )

    assert min(statuses(list(replies))) == 200
    assert max(statuses(list(replies))) in (401, 403, 409)
    assert await server.store.accounts.count_enabled_admins() == 1


async def test_fifty_administrators_remove_each_other_at_once(server: Server) -> None:
    """Everybody demotes, disables or deletes the next one in a circle: exactly one is left, however it interleaves."""
    names = [f"admin{number:02}" for number in range(50)]
    for name in names:
        await server.account(name, ADMIN)
    admins = [await server.log_in(name, ONE_OF_EACH_KIND[0]) for name in names]

    async def remove(number: int) -> int:
        path = f"/v1/admin/accounts/{admins[(number + 1) % 50].account_id}"
        actions = (
            lambda: admins[number].patch(path, {"roles": [USER]}),
            lambda: admins[number].patch(path, {"disabled": True}),
            lambda: admins[number].delete(path),
        )
        return (await actions[number % 3]()).status

    outcomes = await asyncio.gather(*(remove(number) for number in range(50)))

    assert set(outcomes) <= {200, 401, 403, 409}
    left = await server.store.accounts.count_enabled_admins()
    assert left == 50 - outcomes.count(200)
    assert left >= 1
    # whoever is left removes the rest; the last one cannot be removed
    for account in await server.store.accounts.page(limit=100):
        if account.is_enabled_admin and await server.store.accounts.count_enabled_admins() > 1:
            await server.system.accounts.delete(account.id, actor="cli")
    assert await server.store.accounts.count_enabled_admins() == 1


async def test_fifty_commands_remove_fifty_administrators_at_once(server: Server) -> None:
    """Without a circle to stop them, all but one succeed: the count and the change are one (M-30)."""
    accounts = [await server.account(f"admin{number:02}", ADMIN) for number in range(50)]

    outcomes = await asyncio.gather(
        *(server.system.accounts.delete(account.id, actor="cli") for account in accounts), return_exceptions=True
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert [getattr(outcome, "code", outcome) for outcome in refused] == ["last_admin"]
    assert await server.store.accounts.count_enabled_admins() == 1
