"""With `encrypt_stateless`, nobody but the issuer can read a stateless token; everything else about it stays."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.scenario.world import CARRIERS, ISSUER, ONE_OF_EACH_KIND, Carrier, Device, Server, StartServer

from ostiary import jose, limits
from ostiary.domain.account import ADMIN, USER
from ostiary.domain.signing_key import KeyState, SigningKey
from ostiary.errors import Misconfigured
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

STATELESS = tuple(carrier for carrier in CARRIERS if carrier.kind == "stateless")


@pytest.fixture
async def server(start: StartServer) -> AsyncIterator[Server]:
    """A server that encrypts, and alice."""
    async with start(encrypt_stateless=True) as running_server:
        await running_server.account("alice", email="alice@example.org", name="Alice Liddell")
        yield running_server


@pytest.fixture(params=STATELESS, ids=str)
def carrier(request: pytest.FixtureRequest) -> Carrier:
    """The encrypted kind in every transport."""
    found: Carrier = request.param
    return found


def _segments(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)) for segment in token.split(".")]


def _header(device: Device) -> dict[str, Any]:
    return dict(json.loads(_segments(device.credential)[0]))


async def _hiders(server: Server) -> dict[KeyState, SigningKey]:
    return {key.state: key for key in await server.system.signing_keys.all() if key.encrypts}


async def _is_dead(device: Device) -> None:
    kept = device.copy()
    kept.cookies.pop("__Host-ostiary_refresh", None)
    refused = await kept.look()
    assert (refused.status, refused.code) == (401, "invalid_token")


async def test_no_claim_is_readable_on_the_wire(server: Server, carrier: Carrier) -> None:
    """M-24: five segments; the outer header says how, and nothing about whom."""
    root = await server.account("root", ADMIN, USER)
    phone = await server.log_in("root", carrier)
    segments = _segments(phone.credential)
    assert len(segments) == 5
    assert set(_header(phone)) == {"alg", "enc", "cty", "kid"}
    assert (_header(phone)["alg"], _header(phone)["enc"], _header(phone)["cty"]) == ("A256KW", "A256GCM", "JWT")
    wire = b"".join(segments) + phone.credential.encode()
    for private in (
        b'"root"',  # with quotes, which base64 never has: four letters turn up by chance
        b'"admin"',
        root.id.encode(),
        ISSUER.encode(),
        phone.session_id.encode(),
        b'"roles"',
        b'"iss"',
    ):
        assert private not in wire
    assert (await phone.me()).json["account"]["id"] == root.id
    with pytest.raises(jose.MalformedToken):
        jose.decode_unverified(phone.credential)


async def test_other_kinds_are_as_they_were(server: Server) -> None:
    """A reference has nothing to hide: it is signed, and that is all (M-03)."""
    for carrier in ONE_OF_EACH_KIND[:2]:
        phone = await server.log_in("alice", carrier)
        assert phone.credential.count(".") == (2 if carrier.kind == "stateful" else 0)
        assert (await phone.me()).status == 200


async def test_every_change_counts_as_for_any_stateless_token(
    server: Server, clock: FakeClock, carrier: Carrier
) -> None:
    """Logout, the end of all, a demotion, a disabled account and time end it on the next request (M-06, M-30)."""
    root = await server.admin()
    for how in ("logout", "admin", "roles", "disabled", "time"):
        account = await server.account(how, USER, ADMIN)
        phone = await server.log_in(how, carrier)
        kept = phone.copy()
        assert (await kept.me()).status == 200
        path = f"/v1/admin/accounts/{account.id}"
        if how == "logout":
            assert (await phone.log_out()).json["bound"] == 0.0
        elif how == "admin":
            await root.delete(f"/v1/admin/sessions/{phone.session_id}")
        elif how == "roles":
            await root.patch(path, {"roles": [USER]})
        elif how == "disabled":
            await root.patch(path, {"disabled": True})
        else:
            clock.advance(300.0)
        await _is_dead(kept)
        if how in ("roles", "time"):
            assert (await phone.renew()).status == 200
            assert (await phone.me()).status == 200


async def test_an_expired_one_still_logs_out(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """Contract section 5: a token that has expired says whose logout it is, also from inside a JWE."""
    phone = await server.log_in("alice", carrier)
    clock.advance(301.0)
    left = await phone.log_out()
    assert (left.status, left.json["ended"]) == (200, 1)


async def test_rotation_goes_unnoticed(server: Server, clock: FakeClock, carrier: Carrier) -> None:
    """The next key is there before it encrypts, the former decrypts until nothing that it hid can be alive, and its
    secret is then gone from the store."""
    root = await server.admin()
    phone = await server.log_in("alice", carrier)
    before = await _hiders(server)
    assert _header(phone)["kid"] == before[KeyState.ACTIVE].id

    rotated = await root.post("/v1/admin/keys/rotate")

    after = await _hiders(server)
    assert after[KeyState.ACTIVE].id == before[KeyState.UPCOMING].id
    assert after[KeyState.RETIRING].id == before[KeyState.ACTIVE].id
    assert rotated.json["key"]["algorithm"] == "ES256"
    unseen = phone.copy()
    assert (await unseen.me()).status == 200
    assert (await phone.renew()).status == 200
    assert _header(phone)["kid"] == after[KeyState.ACTIVE].id
    assert (await phone.me()).status == 200

    clock.advance(1000.0)
    await server.system.housekeeping.purge()
    retired = (await _hiders(server))[KeyState.RETIRED]
    assert (retired.id, retired.sealed) == (before[KeyState.ACTIVE].id, b"")
    assert (await phone.renew()).status == 200


async def test_a_revoked_key_reads_nothing_any_more(server: Server, carrier: Carrier) -> None:
    """What it hid and nobody has recognised yet is refused; a refresh hides the next token under the next key."""
    root = await server.admin()
    phone = await server.log_in("alice", carrier)
    keys = await _hiders(server)

    assert (await root.delete(f"/v1/admin/keys/{keys[KeyState.ACTIVE].id}")).status == 200

    await _is_dead(phone)
    assert (await phone.renew()).status == 200
    assert _header(phone)["kid"] == keys[KeyState.UPCOMING].id
    assert (await phone.me()).status == 200


async def test_encryption_keys_stay_at_home(server: Server) -> None:
    """They are never published, sealed in the store, and no listing shows more than that they are there."""
    root = await server.admin()
    jwks = (await server.send("GET", "/.well-known/jwks.json", headers=[])).json
    listed = (await root.get("/v1/admin/keys")).json["keys"]
    for key in (await _hiders(server)).values():
        assert key.id not in {published["kid"] for published in jwks["keys"]}
        assert key.public_jwk == ""
        assert b'"k"' not in key.sealed
        assert key.id in {view["kid"] for view in listed}
    assert {view["algorithm"] for view in listed} == {"ES256", "A256KW"}


async def test_what_others_encrypt_or_leave_unsigned_opens_nothing(server: Server) -> None:
    """Flaw classes 46 and 47: keys of others, our `kid` on them, and, even under our own key, claims without a good
    signature or without `cty`."""
    phone = await server.log_in("alice", STATELESS[0])
    ring = server.system.signing_keys.ring
    assert ring.hider
    inner = ring.show(phone.credential)
    claims = json.dumps(jose.decode_unverified(inner).claims).encode()
    foreign = jose.EncryptionKey.generate("A256KW", kid=ring.hider.kid)
    stranger = jose.sign(jose.decode_unverified(inner).claims, jose.Key.generate("ES256"), typ="at+jwt")
    head, body, tail = inner.split(".")
    bad = [
        jose.encrypt_token(inner, foreign),
        jose.encrypt_token(inner, jose.EncryptionKey.generate("ECDH-ES").public()),
        jose.encrypt(claims, ring.hider, cty="JWT"),
        jose.encrypt(inner.encode(), ring.hider),
        jose.encrypt_token(stranger, ring.hider),
        jose.encrypt_token(f"{head}.{body}.{tail[::-1]}", ring.hider),
        jose.encrypt_token(jose.encrypt_token(inner, ring.hider), ring.hider),
        phone.credential[:-2] + ("AA" if not phone.credential.endswith("AA") else "BB"),
        "A" * limits.ENCRYPTED_CREDENTIAL_CHARS,
        "....",
        phone.credential + ".",
        phone.credential + "A" * limits.ENCRYPTED_CREDENTIAL_CHARS,
    ]
    for credential in bad:
        phone.access = credential
        refused = await phone.look()
        assert (refused.status, refused.code) == (401, "invalid_token"), credential
    phone.access = inner
    assert (await phone.look()).status == 200


async def test_the_setting_can_change_while_people_are_logged_in(start_on_file: StartServer, carrier: Carrier) -> None:
    """Restarts with another setting: old tokens are accepted, new ones follow it, keys are made and retired."""
    async with start_on_file() as server:
        await server.account("alice")
        phone = await server.log_in("alice", carrier)
        assert phone.credential.count(".") == 2
    for encrypts in (True, True, False):
        async with start_on_file(encrypt_stateless=encrypts) as server:
            phone = phone.copy(server)
            assert (await phone.me()).status == 200
            assert (await phone.renew()).status == 200
            assert phone.credential.count(".") == (4 if encrypts else 2)
            assert (await phone.me()).status == 200


async def test_a_process_with_another_setting_takes_no_key_away(start_on_file: StartServer) -> None:
    """A command that was not told of the setting may rotate: the server beside it goes on under the next key."""
    async with start_on_file(encrypt_stateless=True) as server, start_on_file() as command:
        await server.account("alice")
        phone = await server.log_in("alice", STATELESS[0])
        former = _header(phone)["kid"]
        await command.system.signing_keys.rotate()
        await server.system.feed.ask()
        assert (await phone.me()).status == 200
        assert (await phone.renew()).status == 200
        assert _header(phone)["kid"] not in (former, "")
        assert (await phone.me()).status == 200


async def test_two_servers_of_one_store(start_shared: StartServer, carrier: Carrier) -> None:
    """What one encrypts the other reads, after a rotation too, and what one ends the other refuses (M-05)."""
    async with start_shared(encrypt_stateless=True) as first, start_shared(encrypt_stateless=True) as second:
        await first.account("alice")
        phone = await first.log_in("alice", carrier)
        assert (await phone.copy(second).me()).status == 200
        await first.system.signing_keys.rotate()
        assert (await phone.renew()).status == 200
        assert (await phone.copy(second).me()).status == 200
        await phone.copy(second).log_out()
        await first.system.feed.ask()
        await _is_dead(phone)


async def test_a_token_is_never_sent_in_the_clear_instead(server: Server) -> None:
    """Without a key there is no token (fail closed)."""
    await server.system.feed.ask()  # the log tells of the keys that were made: they are not read again from here on
    keys = server.system.signing_keys
    from dataclasses import replace

    await server.system.feed.ask()  # what the log says of keys has been read, so nobody reads them again
    keys._ring = replace(keys.ring, hider=None)
    with pytest.raises(Misconfigured):
        keys.ring.hide("a.b.c", server.system.context.random)
    assert (await server.device(STATELESS[0]).log_in("alice")).status == 500


async def test_all_cookies_together_are_small(start: StartServer) -> None:
    """Under 4096 bytes with everything that a login sets, though a third is added (M-08)."""
    scopes = tuple(f"service:{number:04}:everything" for number in range(45))
    async with start(encrypt_stateless=True, role_scopes={"user": scopes}) as server:
        await server.account("alice")
        phone = await server.log_in("alice", Carrier("stateless", "cookie"), remember=True)
        assert len(phone.credential) > 2400
        assert sum(len(name) + len(value) + 3 for name, value in phone.cookies.items()) < 4096
        assert (await phone.me()).status == 200
