"""Proving the password again: the session goes on under new credentials, for a while with more weight."""

import pytest
from tests.scenario.world import CARRIERS, Carrier, Server

from ostiary.domain.account import ADMIN
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

WINDOW = 300.0


async def test_all_former_credentials_die(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """New credentials at every change of privilege: what was held or copied before is dead, in every kind (M-09)."""
    phone = await server.log_in("alice", carrier)
    before = phone.copy()
    clock.advance(60.0)

    proven = await phone.prove()

    assert proven.status == 200
    assert proven.json["session"]["id"] == before.session_id
    assert (await before.look()).code == "invalid_token"
    if carrier.renews:
        assert (await before.renew()).code == "invalid_grant"
        assert (await phone.renew()).status == 200
    assert (await phone.me()).status == 200


async def test_auth_time_is_renewed_and_nothing_else(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """The proof is fresh; the session does not live longer for it. A refresh is no proof."""
    phone = await server.log_in("alice", carrier)
    first = (await phone.me()).json["session"]
    clock.advance(60.0)
    if carrier.renews:
        assert (await phone.renew()).status == 200
        assert (await phone.me()).json["session"]["auth_time"] == first["auth_time"]

    await phone.prove()

    second = (await phone.me()).json["session"]
    assert second["auth_time"] > first["auth_time"]
    assert second["expires_at"] == first["expires_at"]
    assert second["created_at"] == first["created_at"]


async def test_a_wrong_password_changes_nothing(server: Server, carrier: Carrier) -> None:
    """403: the caller is known, the proof is wrong; the old credentials live on."""
    phone = await server.log_in("alice", carrier)

    refused = await phone.prove("not the password")

    assert (refused.status, refused.code) == (403, "invalid_credentials")
    assert (await phone.me()).status == 200


async def test_other_devices_are_left_alone(server: Server, carrier: Carrier) -> None:
    """It concerns one session."""
    phone = await server.log_in("alice", carrier)
    other = await server.log_in("alice", carrier)

    await phone.prove()

    assert (await other.me()).status == 200


async def test_the_step_up_expires_after_its_window(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """Administrative changes need a proof younger than five minutes; reading does not; proving again opens the door."""
    await server.account("root", ADMIN)
    target = await server.account("bob")
    root = await server.log_in("root", carrier)
    path = f"/v1/admin/accounts/{target.id}"
    clock.advance(WINDOW - 1.0)
    if carrier.renews:
        assert (await root.renew()).status == 200
    assert (await root.patch(path, {"display_name": "Bob"})).status == 200
    clock.advance(1.0)

    refused = await root.patch(path, {"display_name": "Robert"})

    assert (refused.status, refused.code) == (403, "reauthentication_required")
    assert (await root.get(path)).json["account"]["display_name"] == "Bob"
    assert (await root.prove()).status == 200
    assert (await root.patch(path, {"display_name": "Robert"})).status == 200


async def test_everything_that_changes_others_needs_the_step_up(server: Server, clock: FakeClock) -> None:
    """No ending call of an administrator is open to a proof that is too old (M-33)."""
    root = await server.admin()
    alice = await server.log_in("alice", CARRIERS[0])
    clock.advance(WINDOW)
    calls = [
        ("PATCH", f"/v1/admin/accounts/{alice.account_id}", {"disabled": True}),
        ("DELETE", f"/v1/admin/accounts/{alice.account_id}", None),
        ("DELETE", f"/v1/admin/accounts/{alice.account_id}/sessions", None),
        ("DELETE", f"/v1/admin/sessions/{alice.session_id}", None),
        ("POST", "/v1/admin/end-everything", None),
        ("POST", "/v1/admin/keys/rotate", None),
        ("DELETE", "/v1/admin/keys/some-key", None),
    ]

    for method, path, body in calls:
        reply = await root.send(method, path, json=body)
        assert (reply.status, reply.code) == (403, "reauthentication_required"), path

    assert (await alice.me()).status == 200


async def test_a_proof_that_comes_too_late_brings_nothing_back(
    server: Server, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything was ended while the password was looked at: the session is over, and gets no new credential
    (M-07)."""
    phone = await server.log_in("alice", carrier)
    verify = server.hasher.verify

    async def and_then_everything_ends(stored: str | None, password: str) -> object:
        verdict = await verify(stored, password)
        await server.system.sessions.end_everything(actor="cli")
        return verdict

    monkeypatch.setattr(server.hasher, "verify", and_then_everything_ends)
    late = await phone.prove()

    assert (late.status, late.code) == (401, "invalid_token")
    assert (await phone.look()).status == 401
