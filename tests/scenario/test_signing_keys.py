"""Signing keys change: nobody notices a rotation, and what a stolen key could sign is refused on the next request."""

import asyncio
import contextlib
import json

import pytest
from tests.scenario.world import CARRIERS, ONE_OF_EACH_KIND, Carrier, Device, Server, StartServer

from ostiary import jose
from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


def _kid(device: Device) -> str:
    return str(jose.decode_unverified(device.credential).header["kid"])


async def _published(server: Server) -> dict[str, dict[str, str]]:
    reply = await server.send("GET", "/.well-known/jwks.json", headers=[])
    return {key["kid"]: key for key in reply.json["keys"]}


async def _active(server: Server) -> str:
    return next(key.id for key in await server.system.signing_keys.all() if key.state is KeyState.ACTIVE)


async def test_rotation_goes_unnoticed(server: Server, renewing: Carrier) -> None:
    """What the former key signed is still accepted, the next key was published before it signed (M-63)."""
    root = await server.admin()
    phone = await server.log_in("alice", renewing)
    former, before = _kid(phone), await _published(server)

    rotated = await root.post("/v1/admin/keys/rotate")

    new = rotated.json["key"]["kid"]
    assert new != former
    assert new in before
    assert former in await _published(server)
    assert len(await _published(server)) == 3
    assert (await phone.me()).status == 200
    assert (await phone.renew()).status == 200
    assert _kid(phone) == new
    assert (await phone.me()).status == 200


async def test_keys_read_before_a_rotation_do_not_come_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow reading that began before a rotation ends after it: what signs is the new key all the same (M-63)."""
    keys, stored = server.system.signing_keys, server.system.context.store.signing_keys
    read = stored.all
    has_read, go = asyncio.Event(), asyncio.Event()

    async def slow() -> list[SigningKey]:
        monkeypatch.setattr(keys, "all", whole)
        records = await whole()
        has_read.set()
        await go.wait()
        return records

    async def whole() -> list[SigningKey]:
        return list(await read())

    before = await _active(server)
    monkeypatch.setattr(keys, "all", slow)
    reading = asyncio.create_task(keys.reload())
    await has_read.wait()
    rotating = asyncio.create_task(keys.rotate())
    while await _active(server) == before:  # noqa: ASYNC110 - a store sends no event
        await asyncio.sleep(0)
    await asyncio.wait({rotating}, timeout=0.2)  # it may be done, or wait for the reading
    go.set()
    await asyncio.gather(reading, rotating)
    assert keys.ring.signer.kid == await _active(server)


async def test_keys_rotate_on_schedule(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """After `signing_key_lifetime` the next key signs, which every verifier has long seen; not a moment earlier, and
    once however many processes find it due. A fresh one is published for the next time."""
    keys, house = server.system.signing_keys, server.system.housekeeping
    former, before = await _active(server), await _published(server)
    clock.advance(7_776_000.0 - 1.0)
    await house.purge()
    assert await _active(server) == former
    clock.advance(1.0)
    await asyncio.gather(*(house.purge() for _ in range(5)))
    new = await _active(server)
    assert new != former
    assert new in before
    assert set(before) < set(await _published(server))
    assert _kid(await server.log_in("alice", renewing)) == new
    await house.purge()
    assert await _active(server) == new
    assert not await keys.rotate_due(clock.wall)


async def test_no_key_signs_before_it_was_published_for_long(clock: FakeClock, start: StartServer) -> None:
    """Whatever the lifetime, the next key is published for an hour first; and 0 never rotates."""
    async with start(signing_key_lifetime=60.0) as eager:
        keys = eager.system.signing_keys
        for _ in range(2):
            former = await _active(eager)
            clock.advance(3599.0)
            assert not await keys.rotate_due(clock.wall)
            clock.advance(1.0)
            assert await keys.rotate_due(clock.wall)
            assert await _active(eager) != former


async def test_rotation_by_hand_only(clock: FakeClock, start: StartServer) -> None:
    """`signing_key_lifetime = 0`: housekeeping rotates nothing."""
    async with start(signing_key_lifetime=0.0) as patient:
        clock.advance(10 * 365 * 86_400.0)
        assert not await patient.system.signing_keys.rotate_due(clock.wall)


async def test_only_public_halves_are_published(server: Server) -> None:
    """No member of a private key ever leaves (RFC 7518 section 6)."""
    for key in (await _published(server)).values():
        assert set(key) == {"kty", "crv", "x", "y", "use", "alg", "kid"}


async def test_a_retired_key_is_forgotten(server: Server, clock: FakeClock, renewing: Carrier) -> None:
    """Housekeeping retires a key once all that it signed has expired, not earlier."""
    phone = await server.log_in("alice", renewing)
    former = _kid(phone)
    await server.system.signing_keys.rotate()
    clock.advance(900.0)
    await server.system.housekeeping.purge()
    assert former in await _published(server)
    clock.advance(60.0)

    await server.system.housekeeping.purge()

    assert former not in await _published(server)
    assert (await phone.renew()).status == 200


async def test_retiring_by_hand_refuses_at_once(server: Server, renewing: Carrier) -> None:
    """`retire` does not wait for the last token to expire; the session itself goes on with a refresh."""
    phone = await server.log_in("alice", renewing)
    kept = phone.copy()
    kept.cookies.pop("__Host-ostiary_refresh", None)
    assert (await kept.me()).status == 200
    former = _kid(phone)
    await server.system.signing_keys.rotate()

    await server.system.signing_keys.retire(former)

    assert (await kept.look()).code == "invalid_token"
    assert (await phone.renew()).status == 200
    assert (await phone.me()).status == 200


async def test_a_revoked_key_takes_its_tokens_with_it(server: Server, renewing: Carrier) -> None:
    """Every token that it signed is refused on the next request; a refresh gives ones of the next key (M-07, M-33)."""
    root = await server.admin()
    devices = [await server.log_in("alice", renewing) for _ in range(3)]
    for device in devices:
        assert (await device.me()).status == 200
    stolen = _kid(devices[0])

    revoked = await root.delete(f"/v1/admin/keys/{stolen}")

    assert (revoked.status, revoked.json) == (200, {"ended": 1, "bound": 0.0})
    assert stolen not in await _published(server)
    for device in devices:
        kept = device.copy()
        kept.cookies.pop("__Host-ostiary_refresh", None)
        assert (await kept.look()).code == "invalid_token"
        assert (await device.renew()).status == 200
        assert _kid(device) != stolen
        assert (await device.me()).status == 200
    again = await root.delete(f"/v1/admin/keys/{stolen}")
    assert (again.status, again.json["ended"]) == (200, 0)
    assert (await root.delete("/v1/admin/keys/no-such-key")).status == 404


@pytest.mark.parametrize("carrier", CARRIERS[:2], ids=str)
async def test_sessions_do_not_depend_on_keys(server: Server, carrier: Carrier) -> None:
    """A session token is not signed: no rotation and no revocation touches it."""
    root = await server.admin()
    phone = await server.log_in("alice", carrier)
    for key in await server.system.signing_keys.all():
        assert (await root.delete(f"/v1/admin/keys/{key.id}")).status == 200

    assert (await phone.me()).status == 200
    assert (await phone.prove()).status == 200


async def test_whoever_holds_the_revoked_key_signs_in_vain(server: Server) -> None:
    """A token made with the stolen private key is refused although its signature is right."""
    phone = await server.log_in("alice", ONE_OF_EACH_KIND[2])
    root = await server.admin()
    signer = server.system.signing_keys.ring.signer
    claims = jose.decode_unverified(phone.credential).claims
    forger = phone.copy()
    forger.access = jose.sign({**claims, "roles": ["admin"], "jti": "forged"}, signer, typ="at+jwt")
    assert (await forger.get("/v1/admin/accounts")).status == 200  # this is what the key was worth

    await root.delete(f"/v1/admin/keys/{_kid(phone)}")

    assert (await forger.get("/v1/admin/accounts")).code == "invalid_token"
    forger.access = jose.sign({**claims, "roles": ["admin"], "jti": "forged again"}, signer, typ="at+jwt")
    assert (await forger.get("/v1/admin/accounts")).code == "invalid_token"


async def test_no_forged_token_outlives_the_memory_of_its_key(server: Server, clock: FakeClock) -> None:
    """When the revocation of the key may be forgotten, what the thief signed for ten years is forgotten, too (M-32)."""
    phone = await server.log_in("alice", ONE_OF_EACH_KIND[2])
    forger = phone.copy()
    claims = dict(jose.decode_unverified(phone.credential).claims)
    claims["exp"] = int(clock.wall) + 10 * 365 * 86_400
    forger.access = jose.sign(claims, server.system.signing_keys.ring.signer, typ="at+jwt")
    assert (await forger.me()).status == 200
    await server.system.signing_keys.revoke(_kid(phone))
    assert len(server.system.context.replica) == 1
    clock.advance(2000.0)
    await server.system.housekeeping.forget()
    assert len(server.system.context.replica) == 0

    assert (await forger.look()).code == "invalid_token"


async def test_private_keys_lie_sealed(server: Server) -> None:
    """No stored key holds its private half in clear, and a key that can never sign again holds none (M-09)."""
    former = await _active(server)
    await server.system.signing_keys.rotate()
    await server.system.signing_keys.retire(former)
    upcoming = [key for key in await server.system.signing_keys.all() if key.state is KeyState.UPCOMING]
    await server.system.signing_keys.revoke(upcoming[0].id)

    for key in await server.system.signing_keys.all():
        assert "d" not in json.loads(key.public_jwk)
        assert b'"d"' not in key.sealed
        assert (key.sealed == b"") is (key.state in (KeyState.RETIRED, KeyState.REVOKED))


async def test_a_revoked_key_stays_revoked(start_on_file: StartServer, clock: FakeClock) -> None:
    """Neither a restart nor time brings it back, while its tokens could still be alive or afterwards."""
    async with start_on_file() as server:
        await server.account("alice")
        phone = await server.log_in("alice", ONE_OF_EACH_KIND[2])
        await server.system.signing_keys.revoke(_kid(phone))
    for _ in range(3):
        async with start_on_file() as restarted:
            assert (await phone.copy(restarted).look()).status == 401
            assert len(restarted.system.context.replica) <= 1
        clock.advance(140.0)


async def test_servers_that_start_at_once_make_one_key(start_shared: StartServer) -> None:
    """Several processes find an empty store at the same moment: one key signs, one is next, of each use (M-63)."""
    async with contextlib.AsyncExitStack() as stack:
        servers = await asyncio.gather(
            *(stack.enter_async_context(start_shared(encrypt_stateless=True)) for _ in range(4))
        )
        keys = await servers[0].system.signing_keys.all()
    assert sorted((key.algorithm, str(key.state)) for key in keys) == [
        ("A256KW", "active"),
        ("A256KW", "upcoming"),
        ("ES256", "active"),
        ("ES256", "upcoming"),
    ]
