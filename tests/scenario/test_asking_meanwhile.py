"""Whoever is shut out while their change is under way changes nothing: the write itself is on condition that they may
still ask for it (M-30, M-31)."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.scenario.world import ONE_OF_EACH_KIND, PASSWORD, Carrier, Device, Reply, Server

from ostiary.domain.account import ADMIN, USER, Account
from ostiary.domain.session import EndReason
from ostiary.domain.signing_key import KeyState
from ostiary.http.endpoints import Auth
from ostiary.http.routes import ENDPOINTS
from ostiary.services.accounts import AccountPatch
from ostiary.services.clients import ClientFields
from ostiary.stores.port import Change, Remove, Swap

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("store_name", ["memory", "sqlite", "postgres", "valkey", "mixed"], indirect=True),
]
Meanwhile = Callable[[], Awaitable[Reply]]


def before_the_change_of(server: Server, account_id: str, meanwhile: Meanwhile, patch: pytest.MonkeyPatch) -> list[int]:
    """Let something happen between what a change of this account was judged by and its write; what that answered."""
    write = server.store.write
    answered: list[int] = []

    async def late(*changes: Change, durable: bool = True) -> bool:
        changed = {
            change.record.id
            for change in changes
            if isinstance(change, Swap | Remove) and isinstance(change.record, Account)
        }
        if account_id in changed and not answered:
            answered.append(0)  # what follows may write it too
            answered[0] = (await meanwhile()).status
        return await write(*changes, durable=durable)

    patch.setattr(server.store, "write", late)
    return answered


@pytest.mark.parametrize("kind", ONE_OF_EACH_KIND, ids=str)
@pytest.mark.parametrize("how", ["logged out", "others ended", "everything ended"])
async def test_a_profile_is_not_changed_by_a_session_that_has_ended(
    server: Server, kind: Carrier, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of the own profile that was under way when its session ended is 401, and the profile as it was."""
    root, owner = await server.admin(), await server.log_in("alice", kind)
    other, same = await server.log_in("alice", kind), owner.copy()
    meanwhile: dict[str, Meanwhile] = {
        "logged out": same.log_out,
        "others ended": lambda: other.post("/v1/sessions/end-others"),
        "everything ended": lambda: root.post("/v1/admin/end-everything"),
    }
    answered = before_the_change_of(server, owner.account_id, meanwhile[how], monkeypatch)

    refused = await owner.patch("/v1/me", {"display_name": "Somebody Else"})

    assert answered == [200]
    assert (refused.status, refused.code) == (401, "invalid_token")
    assert (await server.system.accounts.get(owner.account_id)).display_name == "Alice Liddell"


async def _demoted(server: Server) -> tuple[Device, Meanwhile]:
    """An administrator with a fresh proof, and the demotion by another one."""
    root, bob = await server.admin(), await server.account("bob", ADMIN, USER)
    device = await server.log_in("bob")
    return device, lambda: root.patch(f"/v1/admin/accounts/{bob.id}", {"roles": [USER]})


@pytest.mark.parametrize("what", ["roles", "disable", "delete"])
async def test_an_administrator_demoted_meanwhile_changes_nobody(
    server: Server, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that was under way when the role was taken away is 403, and the other account as it was."""
    carol = await server.account("carol")
    bob, demotion = await _demoted(server)
    answered = before_the_change_of(server, carol.id, demotion, monkeypatch)

    place = f"/v1/admin/accounts/{carol.id}"
    if what == "delete":
        refused = await bob.delete(place)
    else:
        refused = await bob.patch(place, {"roles": [ADMIN]} if what == "roles" else {"disabled": True})

    assert answered == [200]
    assert (refused.status, refused.code) == (403, "forbidden")
    assert await server.system.accounts.get(carol.id) == carol


async def test_a_password_is_not_reset_by_who_was_demoted_during_the_hash(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the new password is hashed the administrator is demoted: it is 403, and the old password stays."""
    carol = await server.account("carol")
    bob, demotion = await _demoted(server)
    assert (await bob.get("/admin")).status == 200
    hash_, answered = server.hasher.hash, []

    async def slowly(password: str) -> str:
        monkeypatch.setattr(server.hasher, "hash", hash_)
        answered.append((await demotion()).status)
        return await hash_(password)

    monkeypatch.setattr(server.hasher, "hash", slowly)

    refused = await bob.send("POST", f"/admin/accounts/{carol.id}/password", form={})

    assert answered == [200]
    assert refused.status == 403
    assert await server.system.accounts.get(carol.id) == carol
    assert (await server.device().log_in("carol", PASSWORD)).status == 200


@pytest.mark.parametrize("by", ["call", "page", "password"])
async def test_failures_of_login_are_not_forgiven_by_who_was_demoted_meanwhile(
    server: Server, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-30: to enable an account that is enabled, or to reset its password, forgives its failures; asked for by who was
    demoted meanwhile it is 403, and they count on. Asked for by who may, they are forgiven in that one write."""
    carol, throttles = await server.account("carol"), server.store.throttles
    other, guesser = await server.admin("other"), server.device()
    for _ in range(5):
        assert (await guesser.log_in("carol", "not it at all, but long")).status == 401
    bob, demotion = await _demoted(server)
    counters = [change.record.id for change in await _forgiveness(server, "carol")]
    assert len(counters) == 1
    write, answered = server.store.write, []

    async def late(*changes: Change, durable: bool = True) -> bool:
        if not answered and any(isinstance(change, Remove) and change.record.id in counters for change in changes):
            answered.append(0)
            answered[0] = (await demotion()).status
        return await write(*changes, durable=durable)

    monkeypatch.setattr(server.store, "write", late)

    async def forgive(device: Device) -> Reply:
        if by == "call":
            return await device.patch(f"/v1/admin/accounts/{carol.id}", {"disabled": False})
        what = "enable" if by == "page" else "password"
        return await device.send("POST", f"/admin/accounts/{carol.id}/{what}", form={})

    refused = await forgive(bob)

    assert (refused.status, answered) == (403, [200])
    assert (await throttles.get(counters[0])) is not None
    assert (await guesser.log_in("carol", PASSWORD)).status == 429
    assert (await forgive(other)).status in (200, 303)
    assert await throttles.get(counters[0]) is None


async def _forgiveness(server: Server, username: str) -> list[Remove]:
    found = await server.system.accounts._throttling.forgiveness(username)
    return [change for change in found if isinstance(change, Remove)]


BY_ADMINISTRATORS: dict[str, dict[str, Any]] = {
    "PATCH /v1/admin/accounts/{account}": {"json": {"disabled": True}},
    "DELETE /v1/admin/accounts/{account}": {},
    "DELETE /v1/admin/accounts/{account}/sessions": {},
    "DELETE /v1/admin/sessions/{session}": {},
    "POST /v1/admin/keys/rotate": {},
    "DELETE /v1/admin/keys/{signer}": {},
    "POST /v1/admin/end-everything": {},
    "POST /v1/admin/clients": {"json": {"name": "another"}},
    "PATCH /v1/admin/clients/{client}": {"json": {"name": "another"}},
    "DELETE /v1/admin/clients/{client}": {},
    "POST /v1/admin/clients/{client}/secret": {},
    "POST /admin/accounts/{account}/roles": {"form": {"roles": "user, admin"}},
    "POST /admin/accounts/{account}/disable": {"form": {}},
    "POST /admin/accounts/{disabled}/enable": {"form": {}},
    "POST /admin/accounts/{account}/end": {"form": {}},
    "POST /admin/accounts/{account}/password": {"form": {}},
    "POST /admin/accounts/{account}/delete": {"form": {}},
    "POST /admin/sessions/{session}/end": {"form": {}},
    "POST /admin/keys/rotate": {"form": {}},
    "POST /admin/keys/{retiring}/retire": {"form": {}},
    "POST /admin/keys/{signer}/revoke": {"form": {}},
    "POST /admin/clients": {"form": {"name": "another"}},
    "POST /admin/clients/{client}/secret": {"form": {}},
    "POST /admin/clients/{client}/delete": {"form": {}},
    "POST /admin/end-everything": {"form": {}},
}
"""Every change that an administrator may ask for, of what `_things` makes."""


async def _things(server: Server) -> dict[str, str]:
    await server.account("carol")
    carol = await server.log_in("carol")
    disabled = await server.account("dave")
    await server.system.accounts.change(disabled.id, AccountPatch(disabled=True), actor="cli")
    made = await server.system.clients.create(ClientFields(name="one"), actor="cli")
    await server.system.signing_keys.rotate(actor="cli")
    kids = {key.state: key.id for key in await server.system.signing_keys.all()}
    return {
        "account": carol.account_id,
        "disabled": disabled.id,
        "session": carol.session_id,
        "client": made.client.id,
        "signer": kids[KeyState.ACTIVE],
        "retiring": kids[KeyState.RETIRING],
    }


def _places(method: str, path: str) -> tuple[str, ...]:
    """A row of the table of endpoints, whatever its parameters are called."""
    return (method, *("{}" if part.startswith("{") else part for part in path.split("/")))


@pytest.mark.parametrize("how", ["demoted", "ended", "everything ended"])
async def test_no_change_is_written_for_an_administrator_who_was_shut_out_meanwhile(
    server: Server, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-30: whatever it is, what was under way when the role was taken away is 403, when the session or everything
    ended 401, and nothing is written."""
    dangerous = {
        _places(endpoint.method, endpoint.path)
        for endpoint in ENDPOINTS
        if endpoint.auth is Auth.FRESH_ADMIN or (endpoint.auth is Auth.ADMIN and endpoint.method != "GET")
    }
    assert {_places(*name.split()) for name in BY_ADMINISTRATORS} == dangerous
    things = await _things(server)
    await server.account("root", ADMIN, USER)
    bob = await server.account("bob", ADMIN, USER)
    device = await server.log_in("bob")
    system, write = server.system, server.store.write
    before: list[Callable[[], Awaitable[object]]] = []
    written: list[bool] = []

    async def shut_out() -> None:
        if how == "demoted":
            await system.accounts.change(bob.id, AccountPatch(roles=(USER,)), actor="cli")
        elif how == "ended":
            await system.sessions.end(device.session_id, reason=EndReason.ENDED_BY_ADMIN, actor="cli")
        else:
            await system.sessions.end_everything(actor="cli")

    async def late(*changes: Change, durable: bool = True) -> bool:
        if not before:
            return await write(*changes, durable=durable)
        await before.pop()()
        written.append(await write(*changes, durable=durable))
        return written[-1]

    monkeypatch.setattr(server.store, "write", late)
    for name, sent in BY_ADMINISTRATORS.items():
        method, path = name.format_map(things).split()
        before.append(shut_out)
        refused = await device.send(method, path, **sent)
        assert (name, refused.status, written) == (name, 403 if how == "demoted" else 401, [False])
        written.clear()
        if how == "demoted":
            await system.accounts.change(bob.id, AccountPatch(roles=(ADMIN, USER)), actor="cli")
        else:
            device = await server.log_in("bob")
            things["session"] = (await server.log_in("carol")).session_id
