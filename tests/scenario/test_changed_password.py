"""An owner who sees a foreign login changes the password: everything else dies, the own session goes on (M-31)."""

import asyncio

import pytest
from tests.scenario.world import CARRIERS, OTHER_PASSWORD, PASSWORD, Carrier, Device, Server

from ostiary.domain.audit import Event
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

CHANGE = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}


async def _is_dead(device: Device) -> None:
    refused = await device.copy().look()
    assert (refused.status, refused.code) == (401, "invalid_token")
    if device.carrier.renews:
        assert (await device.copy().renew()).code == "invalid_grant"


async def test_every_other_session_dies_at_once(server: Server, carrier: Carrier) -> None:
    """However the foreign login travels, it is over, and cannot change the password back."""
    owner = await server.log_in("alice", carrier)
    foreign = [await server.log_in("alice", other, ip="203.0.113.9") for other in CARRIERS]

    changed = await owner.post("/v1/password", CHANGE)

    assert (changed.status, changed.json["ended"], changed.json["bound"]) == (200, len(CARRIERS), 0.0)
    for thief in foreign:
        again = {"current_password": OTHER_PASSWORD, "new_password": PASSWORD}
        assert (await thief.copy().post("/v1/password", again)).status == 401
        await _is_dead(thief)
    assert (await owner.me()).status == 200
    assert (await server.device().log_in("alice", PASSWORD)).code == "invalid_credentials"
    assert (await server.device().log_in("alice", OTHER_PASSWORD)).status == 200


async def test_the_own_session_goes_on_under_a_new_credential(server: Server, carrier: Carrier) -> None:
    """Same session, new credentials: whatever it held before is dead, also in a copy (M-09)."""
    owner = await server.log_in("alice", carrier)
    before = owner.copy()

    changed = await owner.post("/v1/password", CHANGE)

    assert changed.json["session"]["id"] == before.session_id
    assert owner.credential != before.credential
    await _is_dead(before)
    assert (await owner.me()).status == 200
    if carrier.renews:
        assert owner.refresh_token != before.refresh_token
        assert (await owner.renew()).status == 200
        assert (await owner.me()).status == 200


async def test_a_replaced_refresh_token_does_not_end_the_session(
    server: Server, clock: FakeClock, renewing: Carrier
) -> None:
    """A thief who shows the former refresh token gains nothing and does no harm to the session just secured."""
    owner = await server.log_in("alice", renewing)
    thief = owner.copy()
    await owner.post("/v1/password", CHANGE)
    for _ in range(3):
        clock.advance(60.0)

        assert (await thief.renew()).code == "invalid_grant"

        assert (await owner.renew()).status == 200
    assert not await server.events(Event.REFRESH_REUSED)


async def test_the_password_must_be_known(server: Server, carrier: Carrier) -> None:
    """A stolen session alone changes no password: 403, since the caller is known and the proof is wrong."""
    thief = await server.log_in("alice", carrier)

    refused = await thief.post("/v1/password", CHANGE | {"current_password": "not the password"})

    assert (refused.status, refused.code) == (403, "invalid_credentials")
    assert (await thief.me()).status == 200
    assert (await server.device().log_in("alice")).status == 200


async def test_guessing_through_a_stolen_session_is_slow(server: Server, clock: FakeClock, kind: Carrier) -> None:
    """Proofs are counted as logins are, and do not lock the owner out of logging in."""
    thief = await server.log_in("alice", kind)
    guess = CHANGE | {"current_password": "not the password"}
    statuses = [(await thief.post("/v1/password", guess)).status for _ in range(6)]
    assert statuses == [403] * 5 + [429]
    before = server.hasher.computed
    assert (await thief.post("/v1/password", CHANGE)).status == 429
    assert server.hasher.computed == before

    assert (await server.device().log_in("alice")).status == 200
    clock.advance(1.0)
    assert (await thief.post("/v1/password", guess)).status == 403
    assert (await thief.post("/v1/password", guess)).json["retry_after"] == 2


async def test_a_new_password_that_breaks_the_rules_changes_nothing(server: Server, kind: Carrier) -> None:
    """422 with reasons; both sessions and the old password live on."""
    owner = await server.log_in("alice", kind)
    other = await server.log_in("alice", kind)

    refused = await owner.post("/v1/password", CHANGE | {"new_password": "short"})

    assert (refused.status, refused.code) == (422, "password_rejected")
    assert [reason["code"] for reason in refused.json["reasons"]] == ["too_short"]
    assert (await owner.me()).status == (await other.me()).status == 200
    assert (await server.device().log_in("alice")).status == 200


async def test_owner_and_thief_change_it_at_the_same_moment(server: Server, kind: Carrier) -> None:
    """Exactly one of them wins, and the other one's session is dead: never both, never neither."""
    owner = await server.log_in("alice", kind)
    thief = await server.log_in("alice", kind, ip="203.0.113.9")
    theirs = {"current_password": PASSWORD, "new_password": "the password of the thief"}

    replies = await asyncio.gather(owner.post("/v1/password", CHANGE), thief.post("/v1/password", theirs))

    assert min(reply.status for reply in replies) == 200
    assert max(reply.status for reply in replies) in (401, 403)
    winner, loser = (owner, thief) if replies[0].status == 200 else (thief, owner)
    assert (await winner.me()).status == 200
    assert (await loser.look()).status == 401


async def test_logins_that_race_with_the_change_do_not_survive_it(server: Server, kind: Carrier) -> None:
    """A login with the former password is refused, or ends with all the others: none slips past the change."""
    owner = await server.log_in("alice", kind)
    thieves = [server.device(kind, ip=f"203.0.113.{number}") for number in range(15)]

    changed, *logins = await asyncio.gather(
        owner.post("/v1/password", CHANGE), *(thief.log_in("alice", PASSWORD) for thief in thieves)
    )

    assert changed.status == 200
    assert {login.status for login in logins} <= {200, 401, 429}
    for thief, login in zip(thieves, logins, strict=True):
        if login.status == 200:
            assert (await thief.look()).status == 401


async def test_a_reset_ends_everything_and_forgives(server: Server, kind: Carrier) -> None:
    """Whoever is in charge sets a new password: every session ends, failed logins are forgotten (M-07, M-33)."""
    device = await server.log_in("alice", kind)
    for _ in range(5):
        await server.device().log_in("alice", "not the password")
    assert (await server.device().log_in("alice", PASSWORD)).status == 429

    ended = await server.system.password_changes.reset(device.account_id, OTHER_PASSWORD, actor="cli")

    assert (ended.ended, ended.bound) == (1, 0.0)
    await _is_dead(device)
    assert (await server.device().log_in("alice", OTHER_PASSWORD)).status == 200


async def test_who_was_shut_out_deletes_no_account(
    server: Server, kind: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion whose proof was under way when the password changed is refused: what it proved is no longer the
    password, and whoever asked is no longer logged in."""
    owner = await server.log_in("alice", kind)
    thief = await server.log_in("alice", kind, ip="203.0.113.9")
    verify = server.hasher.verify
    changed: list[int] = []

    async def and_then_the_owner_changes_it(stored: str | None, password: str) -> object:
        verdict = await verify(stored, password)
        monkeypatch.setattr(server.hasher, "verify", verify)
        changed.append((await owner.post("/v1/password", CHANGE)).status)
        return verdict

    monkeypatch.setattr(server.hasher, "verify", and_then_the_owner_changes_it)
    refused = await thief.delete("/v1/me", {"password": PASSWORD})

    assert changed == [200]
    assert (refused.status, refused.code) == (401, "invalid_token")
    assert (await owner.me()).status == 200
    assert (await server.device().log_in("alice", OTHER_PASSWORD)).status == 200
