"""Somebody copies the whole database: nothing in it logs anybody in (M-09)."""

import json
import re
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.world import CARRIERS, OTHER_PASSWORD, PASSWORD, SESSION_COOKIE, Device, Server, StartServer

from ostiary import jose
from ostiary.credentials.derived_keys import DerivedKeys, unseal
from ostiary.errors import Misconfigured
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


def _values(database: Path) -> Iterator[str | bytes]:
    """Every text and every sequence of bytes in every table, and the words of every text."""
    connection = sqlite3.connect(database)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608 - names of our own tables
            for value in row:
                if isinstance(value, bytes):
                    yield value
                elif isinstance(value, str):
                    yield value
                    yield from re.split(r"[^A-Za-z0-9_.+/=-]+", value)
    connection.close()


def _files(folder: Path) -> bytes:
    """The database with whatever SQLite keeps beside it."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "ostiary.db.key")


def _written(value: str | bytes) -> set[str]:
    """The forms in which a value could be tried as a credential."""
    if isinstance(value, str):
        return {value, "ost_st_" + value, "ost_rt_" + value} if value and "\n" not in value else set()
    encoded = urlsafe_b64encode(value).rstrip(b"=").decode()
    return {encoded, value.hex(), "ost_st_" + encoded, "ost_rt_" + encoded}


async def _lived_in(server: Server, clock: FakeClock) -> list[Device]:
    """A server on which something of everything has happened; devices of every carrier that are logged in."""
    await server.account("alice", email="alice@example.org", name="Alice Liddell")
    root = await server.admin()
    devices = [await server.log_in("alice", carrier) for carrier in CARRIERS]
    for device in devices:
        if device.carrier.renews:
            clock.advance(1.0)
            await device.renew()
        await device.prove()
    await server.device().log_in("alice", "not the password")
    await root.post("/v1/admin/keys/rotate")
    await root.post("/v1/password", {"current_password": PASSWORD, "new_password": OTHER_PASSWORD})
    await root.log_out()
    return devices


async def test_the_dump_authenticates_nobody(start_on_file: StartServer, clock: FakeClock, tmp_path: Path) -> None:
    """Every stored value, in every form, is refused as a credential, a cookie, a refresh token and a password."""
    async with start_on_file() as server:
        devices = await _lived_in(server, clock)
        await server.system.housekeeping.flush()
        tried = {form for value in _values(tmp_path / "ostiary.db") for form in _written(value) if len(form) < 4000}
        assert len(tried) > 200

        for form in tried:
            if not form.isascii() or not form.isprintable():
                continue
            thief = server.device(CARRIERS[1])
            thief.access = form
            assert (await thief.look()).status in (400, 401), form
            thief = server.device(CARRIERS[2])
            thief.refresh = form
            assert (await thief.renew()).status == 400, form
            if ";" not in form and "," not in form:
                thief = server.device(CARRIERS[0])
                thief.cookies[SESSION_COOKIE] = form
                assert (await thief.look()).status in (400, 401), form

        for device in devices:
            assert (await device.me()).status == 200


async def test_no_secret_stands_in_clear(start_on_file: StartServer, clock: FakeClock, tmp_path: Path) -> None:
    """No credential, no password and no part of one is in any table, nor anywhere else in the file."""
    async with start_on_file() as server:
        devices = await _lived_in(server, clock)
        secrets = {PASSWORD, OTHER_PASSWORD, "not the password"}
        for device in devices:
            parts = device.credential.split(".")
            secrets |= {device.credential, device.credential.removeprefix("ost_st_"), parts[-1]}
            if device.carrier.renews:
                secrets |= {device.refresh_token, device.refresh_token.removeprefix("ost_rt_")[40:80]}
        key = (tmp_path / "ostiary.db.key").read_text().strip()

    raw = _files(tmp_path)
    for secret in (*secrets, key):
        assert secret.encode() not in raw


async def test_private_keys_open_with_the_right_secret_only(start_on_file: StartServer, tmp_path: Path) -> None:
    """They are sealed, each for its own id: another secret, another id or one changed bit opens nothing."""
    async with start_on_file(secret_key=b"k" * 32) as server:
        keys = [key for key in await server.system.signing_keys.all() if key.sealed]
    right, wrong = DerivedKeys.from_secret(b"k" * 32), DerivedKeys.from_secret(b"x" * 32)
    assert len(keys) == 2
    for key in keys:
        assert "d" in json.loads(unseal(right.seal, key.sealed, context=key.id))
        flipped = key.sealed[:-1] + bytes([key.sealed[-1] ^ 1])
        for secret, sealed, context in (
            (wrong.seal, key.sealed, key.id),
            (right.seal, key.sealed, keys[0].id if key is keys[1] else keys[1].id),
            (right.seal, flipped, key.id),
            (right.seal, b"", key.id),
        ):
            with pytest.raises(Misconfigured):
                unseal(secret, sealed, context=context)


async def test_the_secret_alone_logs_nobody_in(start_on_file: StartServer, tmp_path: Path) -> None:
    """What is derived from the secret is bound to what only clients hold: a digest cannot be turned back."""
    async with start_on_file(secret_key=b"k" * 32) as server:
        await server.account("alice")
        phone = await server.log_in("alice", CARRIERS[0])
        session = await server.store.sessions.get(phone.session_id)
        assert session is not None
        assert session.token_digest is not None
        assert len(session.token_digest) == 32
        assert session.token_digest not in phone.credential.encode()


async def test_every_session_token_is_new(server: Server) -> None:
    """256 random bits at every login and every proof: nothing is fixed beforehand or used again."""
    planted = server.device(CARRIERS[0])
    planted.cookies[SESSION_COOKIE] = "ost_st_" + "A" * 43
    seen = set()
    for _ in range(3):
        assert (await planted.log_in("alice")).status == 200
        seen.add(planted.credential)
        assert (await planted.prove()).status == 200
        seen.add(planted.credential)

    assert len(seen) == 6
    assert all(len(token) == 50 and token.startswith("ost_st_") for token in seen)


async def test_tokens_differ_although_nothing_else_does(server: Server) -> None:
    """Two logins of one account in the same instant share no token."""
    devices = [await server.log_in("alice", CARRIERS[5]) for _ in range(3)]

    assert len({device.credential for device in devices}) == 3
    assert len({jose.decode_unverified(device.credential).claims["jti"] for device in devices}) == 3
    assert len({device.refresh_token for device in devices}) == 3
