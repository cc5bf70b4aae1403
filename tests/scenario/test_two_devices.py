"""Two devices: one login carries many requests, and each device can be ended from the other."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.scenario.world import CARRIERS, Carrier, Server

pytestmark = pytest.mark.anyio


async def test_one_login_carries_many_requests(server: Server, carrier: Carrier) -> None:
    """Whatever carries it, one login is recognised in every later request (M-01)."""
    phone = await server.log_in("alice", carrier)

    for _ in range(5):
        reply = await phone.me()
        assert reply.status == 200
        assert reply.json["account"]["username"] == "alice"
        assert reply.json["session"]["id"] == phone.session_id
        assert reply.json["kind"] == carrier.kind


async def test_both_devices_are_listed_and_told_apart(server: Server, carrier: Carrier) -> None:
    """Each device sees both sessions and which of them is its own."""
    phone = await server.log_in("alice", carrier)
    laptop = await server.log_in("alice", CARRIERS[0])

    listed = (await phone.get("/v1/sessions")).json["sessions"]

    assert {row["id"]: row["current"] for row in listed} == {phone.session_id: True, laptop.session_id: False}


async def test_the_ended_device_is_refused_on_its_very_next_request(server: Server, carrier: Carrier) -> None:
    """Ended from the other device, a session is refused at once, by everything that it held (M-06, M-33)."""
    phone = await server.log_in("alice", carrier)
    laptop = await server.log_in("alice", CARRIERS[0])
    assert (await phone.me()).status == 200  # recognised, and so remembered

    ended = await laptop.delete(f"/v1/sessions/{phone.session_id}")

    assert (ended.status, ended.json) == (200, {"ended": 1, "bound": 0.0})
    refused = await phone.look()
    assert (refused.status, refused.code) == (401, "invalid_token")
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    if carrier.renews:
        assert (await phone.renew()).code == "invalid_grant"
    assert (await laptop.me()).status == 200
    assert (await laptop.delete(f"/v1/sessions/{phone.session_id}")).status == 404


async def test_requests_that_are_running_meanwhile_end_with_it(server: Server, carrier: Carrier) -> None:
    """No request that starts after the ending call has answered gets through, however busy the device is."""
    phone = await server.log_in("alice", carrier)
    laptop = await server.log_in("alice", CARRIERS[0])
    late: list[int] = []
    over = False

    async def hammer() -> None:
        while not over:
            await phone.copy().me()
            await asyncio.sleep(0)

    async def look() -> None:
        late.append((await phone.copy().look()).status)

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(hammer())
        await asyncio.sleep(0)
        assert (await laptop.delete(f"/v1/sessions/{phone.session_id}")).status == 200
        await asyncio.gather(*(look() for _ in range(20)))
        over = True

    assert late == [401] * 20


async def test_somebody_elses_session_cannot_be_ended(server: Server, carrier: Carrier) -> None:
    """A session of another account does not exist for the caller."""
    await server.account("mallory")
    phone = await server.log_in("alice", carrier)
    mallory = await server.log_in("mallory", carrier)

    assert (await mallory.delete(f"/v1/sessions/{phone.session_id}")).status == 404
    assert (await phone.me()).status == 200


async def test_end_others_keeps_only_the_asking_device(server: Server, carrier: Carrier) -> None:
    """Everything but the session that asks is over, and the answer says how many that were (M-33)."""
    phone = await server.log_in("alice", carrier)
    others = [await server.log_in("alice", other) for other in CARRIERS]

    ended = await phone.post("/v1/sessions/end-others")

    assert ended.json == {"ended": len(CARRIERS), "bound": 0.0}
    assert (await phone.me()).status == 200
    assert [(await other.look()).status for other in others] == [401] * len(CARRIERS)


async def test_end_all_ends_the_asking_device_too(server: Server, carrier: Carrier) -> None:
    """Nothing of the account is left, neither access nor refresh (M-07, M-33)."""
    phone = await server.log_in("alice", carrier)
    others = [await server.log_in("alice", other) for other in CARRIERS]
    kept = phone.copy()

    ended = await phone.post("/v1/sessions/end-all")

    assert ended.json == {"ended": len(CARRIERS) + 1, "bound": 0.0}
    for device in (kept, *others):
        assert (await device.look()).status == 401
        if device.carrier.renews:
            assert (await device.renew()).status == 400


async def test_a_request_whose_body_is_still_on_its_way_ends_with_the_session(server: Server, carrier: Carrier) -> None:
    """A request that an ended device had begun changes nothing any more when the rest of it arrives."""
    phone = await server.log_in("alice", carrier)
    laptop = await server.log_in("alice", CARRIERS[0])
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"display_name": '
        begun.set()
        await go_on.wait()
        yield b'"Mallory"}'

    async with asyncio.TaskGroup() as group:
        request = group.create_task(phone.send("PATCH", "/v1/me", content=body()))
        await begun.wait()
        assert (await laptop.delete(f"/v1/sessions/{phone.session_id}")).status == 200
        go_on.set()

    assert request.result().status == 401
    assert (await laptop.me()).json["account"]["display_name"] == "Alice Liddell"
