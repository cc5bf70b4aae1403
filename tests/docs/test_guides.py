"""What the guides say beyond commands: the steps of silent refresh, the examples, restoring a backup, keys."""

import ast
import json
import re
import sqlite3
import subprocess
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from tests.docs.reading import ROOT
from tests.docs.site import CHEAP, ISSUER, KINDS, PASSWORD, Client, opened
from tests.docs.walking import environment, serving
from tests.servers.ports import free_port

from ostiary import Ostiary, Settings
from ostiary.verifier import Refused, Verifier

REFRESH = "__Host-ostiary_refresh"


def request_of(client: Client, **headers: str) -> Request:
    """A plain Starlette request with this client's credentials."""
    lines = {"host": "id.example", **headers}
    if client.cookies:
        lines["cookie"] = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    elif client.answer:
        lines["authorization"] = f"Bearer {client.answer['access_token']}"
    raw = [(name.encode(), value.encode()) for name, value in lines.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw, "client": ("198.51.100.7", 1)})


@pytest.mark.anyio
async def test_the_steps_of_silent_refresh() -> None:
    """Log in, use, renew, reload, log out with the cookie alone: as single-page-apps.md has it (M-44)."""
    same_origin = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}
    async with opened() as (auth, clock):
        page = await Client(auth).log_in(kind="stateless", transport="split")
        assert "refresh_token" not in page.answer
        assert set(page.cookies) == {REFRESH, "__Host-ostiary_device"}
        bearer = {"Authorization": f"Bearer {page.answer['access_token']}"}
        assert (await page.get("/v1/me", headers=bearer)).status_code == 200
        clock.advance(page.answer["expires_in"] * 0.8)
        former = page.cookies[REFRESH]
        renewed = await page.post("/oauth/token", form={"grant_type": "refresh_token"}, headers=same_origin)
        assert set(renewed.json()) >= {"access_token", "expires_in"}
        assert "refresh_token" not in renewed.json()
        assert page.cookies[REFRESH] != former
        clock.advance(86_400)
        reloaded = await page.post("/oauth/token", form={"grant_type": "refresh_token"}, headers=same_origin)
        assert reloaded.status_code == 200
        clock.advance(400)
        out = await page.post("/v1/logout", headers=same_origin)
        assert out.json() == {"ended": 1, "bound": 0.0}
        nobody = await Client(auth).post("/oauth/token", form={"grant_type": "refresh_token"})
        assert (nobody.status_code, nobody.json()["error"]) == (400, "invalid_request")


def test_the_module_has_what_the_guide_tells() -> None:
    """Each member of the table exists, and no other; the size is the one that is told (M-44)."""
    text = (ROOT / "docs/guide/single-page-apps.md").read_text(encoding="utf-8")
    module = (ROOT / "src/ostiary/http/pages/static/ostiary-client.js").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(\w+)", text, re.MULTILINE))
    given = module[module.rindex("  return {") :]
    assert told == set(re.findall(r"^    (?:async )?(\w+)[,:(]", given, re.MULTILINE))
    assert "under 4 KB" in text
    assert len(module.encode()) < 4096


@pytest.mark.anyio
async def test_the_page_on_another_origin_of_the_same_site() -> None:
    """With the two settings of the guide, the listed origin may log in, refresh and read; another may not (M-51)."""
    settings = {"cors_origins": ("https://app.example",), "trusted_origins": ("https://app.example",)}
    async with opened(**settings) as (auth, _):
        theirs = {"Origin": "https://app.example", "Sec-Fetch-Site": "same-site"}
        page = Client(auth)
        body = {"username": "ada", "password": PASSWORD, "kind": "stateless", "transport": "split"}
        answer = await page.post("/v1/login", json=body, headers=theirs)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        renewed = await page.post("/oauth/token", form={"grant_type": "refresh_token"}, headers=theirs)
        assert renewed.status_code == 200
        other = {"Origin": "https://other.example", "Sec-Fetch-Site": "same-site"}
        refused = await page.post("/oauth/token", form={"grant_type": "refresh_token"}, headers=other)
        assert (refused.status_code, refused.json()) == (403, refused.json() | {"error": "csrf_rejected"})


@pytest.mark.anyio
async def test_a_stolen_device_is_seen_and_ended() -> None:
    """The owner finds it in the list and ends it, or all others at once."""
    async with opened() as (auth, _):
        owner, lost, other = [await Client(auth).log_in() for _ in range(3)]
        listed = (await owner.get("/v1/sessions")).json()["sessions"]
        assert len(listed) == 3
        assert [one["id"] for one in listed if one["current"]] == [owner.answer["session"]["id"]]
        ended = await owner.call("DELETE", f"/v1/sessions/{lost.answer['session']['id']}")
        assert ended.json() == {"ended": 1, "bound": 0.0}
        assert await lost.status() == 401
        assert (await owner.post("/v1/sessions/end-others")).json()["ended"] == 1
        assert await other.status() == 401
        assert await owner.status() == 200


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
async def test_sizes_are_about_what_is_said(kind: str) -> None:
    """The table of kinds tells how large a credential is."""
    said = {"session": 50, "stateful": 450, "stateless": 600}[kind]
    async with opened(role_scopes={"user": ("notes:read", "notes:write")}) as (auth, _):
        client = await Client(auth).log_in(kind=kind, transport="bearer")
        assert abs(len(client.answer["access_token"]) - said) <= said * 0.15


@pytest.mark.anyio
async def test_the_dependencies_judge_plain_requests() -> None:
    """`auth.caller`, `auth.account` and `auth.require` work with any Starlette request, as FastAPI hands them in."""
    async with opened() as (auth, clock):
        with pytest.raises(HTTPException) as refused:
            await auth.caller(request_of(Client(auth)))
        assert (refused.value.status_code, refused.value.detail) == (401, "not_authenticated")
        assert refused.value.headers is not None
        assert "WWW-Authenticate" in refused.value.headers
        client = await Client(auth).log_in(kind="stateless", transport="bearer")
        caller = await auth.caller(request_of(client))
        assert caller.account_id == client.answer["account"]["id"]
        assert (await auth.account(request_of(client))).username == "ada"
        assert await auth.require("admin", fresh=300)(request_of(client)) == caller
        with pytest.raises(HTTPException) as missing:
            await auth.require("auditor")(request_of(client))
        assert (missing.value.status_code, missing.value.detail) == (403, "forbidden")
        cookie_borne = await Client(auth).log_in()
        clock.advance(299)
        assert await auth.require("admin", fresh=300)(request_of(cookie_borne))
        clock.advance(1)
        with pytest.raises(HTTPException) as stale:
            await auth.require("admin", fresh=300)(request_of(cookie_borne))
        assert (stale.value.status_code, stale.value.detail) == (403, "reauthentication_required")


def test_the_example_for_litestar_asks_for_what_exists() -> None:
    """It is parsed, since Litestar is not installed here (tests/scenario/test_frameworks.py has the others), and uses
    only what `Ostiary` has."""
    tree = ast.parse((ROOT / "examples/litestar_app.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "auth"
    }
    assert used == {"lifespan", "asgi", "protect"}
    auth = Ostiary(Settings(database="memory:"))
    assert all(name in dir(auth) for name in used)


@pytest.mark.anyio
async def test_a_restored_backup_revives_nothing_once_everything_is_ended(tmp_path: Path) -> None:
    """A session that was ended after the backup lives again in its copy, until everything is ended there."""

    async def on(path: Path) -> Ostiary:
        settings = Settings(database=f"sqlite:///{path}", issuer=ISSUER, secret_key=b"k" * 32)
        auth = Ostiary(settings, password_parameters=CHEAP)
        await auth.start()
        return auth

    first = await on(tmp_path / "ostiary.db")
    await first.system.accounts.create(username="ada", password=PASSWORD, actor="test")
    client = await Client(first).log_in()
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(tmp_path / "ostiary.db")) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)
    kept = dict(client.cookies)
    await client.post("/v1/logout")
    await first.stop()
    second = await on(backup)
    try:
        thief: Any = Client(second)
        thief.cookies = kept
        assert await thief.status() == 200
        await second.system.sessions.end_everything(actor="test")
        assert await thief.status() == 401
    finally:
        await second.stop()


def test_the_command_line_ends_it_in_a_running_server(tmp_path: Path) -> None:
    """What `ostiary session end` ends, a server on the same file refuses soon after, and the bound is the lease."""
    port = free_port()
    run = partial(subprocess.run, cwd=tmp_path, env=environment(), check=True, capture_output=True, text=True)
    run(["ostiary", "account", "create", "ada", "--password-stdin"], input=PASSWORD)
    base = f"http://127.0.0.1:{port}"
    with serving(tmp_path, port=port), httpx2.Client(base_url=base, timeout=30) as client:
        body = {"username": "ada", "password": PASSWORD, "kind": "stateless"}
        token = client.post("/v1/login", json=body).json()["access_token"]
        ask = partial(client.get, "/v1/csrf", headers={"Authorization": f"Bearer {token}"})
        assert ask().status_code == 200
        told = json.loads(run(["ostiary", "session", "end", "--account", "ada", "--json"]).stdout)
        assert told == {"ended": 1, "bound": 2.0}
        deadline = time.monotonic() + 60
        while (status := ask().status_code) != 401:
            assert status in (200, 503)
            assert time.monotonic() < deadline, "still accepted"


def test_another_service_checks_with_public_keys_alone(tmp_path: Path) -> None:
    """The resource server's rules, against a running issuer: its audience, its role, and until the token expires."""
    port = free_port()
    (tmp_path / "ostiary.toml").write_text('audiences = ["https://notes.example.com"]\n')
    issuer = f"http://127.0.0.1:{port}"
    with serving(tmp_path, port=port), httpx2.Client(base_url=issuer, timeout=30) as client:
        client.post("/v1/accounts", json={"username": "ada", "password": PASSWORD})
        body = {"username": "ada", "password": PASSWORD, "kind": "stateless"}
        login = client.post("/v1/login", json=body | {"audience": "https://notes.example.com"}).json()
        sent = {"Authorization": f"Bearer {login['access_token']}"}
        assert client.get("/v1/me", headers=sent).status_code == 401, "not meant for the issuer"
        verifier = Verifier(issuer=issuer, audience="https://notes.example.com")
        assert verifier.authenticate_sync(sent, role="user").account_id == login["account"]["id"]
        with pytest.raises(Refused) as missing:
            verifier.authenticate_sync(sent, role="admin")
        assert verifier.answer(missing.value).status == 403
        for_issuer = client.post("/v1/login", json=body).json()["access_token"]
        with pytest.raises(Refused) as refused:
            verifier.authenticate_sync({"Authorization": f"Bearer {for_issuer}"})
        assert verifier.answer(refused.value).status == 401


@pytest.mark.anyio
async def test_a_key_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that `OSTIARY_SECRET_KEY_FILE` names is used, and none is made beside the database."""
    key = tmp_path / "secret_key"
    key.write_bytes(b"c2VjcmV0IGtleSBvZiB0aGlzIHRlc3QsIG5vdCBvZiBhbnkgc2VydmVy\n")
    flags = {"database": f"sqlite:///{tmp_path / 'ostiary.db'}", "issuer": ISSUER}
    settings = Settings.load(flags=flags, environ={"OSTIARY_SECRET_KEY_FILE": str(key)})
    assert settings.secret_key == key.read_bytes().strip()
    auth = Ostiary(settings, password_parameters=CHEAP)
    async with auth.lifespan():
        assert not (tmp_path / "ostiary.db.key").exists()
