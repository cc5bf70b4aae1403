"""The rows of SECURITY.md that name this file, one test or more each."""

import asyncio
import logging
from typing import Any

import pytest
from tests.docs.site import KINDS, PASSWORD, Client, opened

from ostiary.credentials.access_token import PRIVATE_CLAIMS
from ostiary.jose import decode_unverified

pytestmark = pytest.mark.anyio

EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


async def test_on_the_network() -> None:
    """Every cookie of ours is Secure, HttpOnly and bound to this host; an https issuer sends HSTS (M-08)."""
    async with opened() as (auth, _):
        for kind in KINDS:
            client = Client(auth)
            body = {"username": "ada", "password": PASSWORD, "kind": kind, "transport": "cookie"}
            response = await client.post("/v1/login", json=body)
            lines = response.headers.get_list("set-cookie")
            assert len(lines) == (2 if kind == "session" else 3)
            for line in lines:
                assert line.startswith("__Host-ostiary_")
                for attribute in ("Path=/", "Secure", "HttpOnly", "SameSite="):
                    assert f"; {attribute}" in line
                assert "Domain" not in line
                assert "Max-Age" not in line
            assert sum(map(len, client.cookies.values())) < 4096
            assert "max-age=" in response.headers["strict-transport-security"]


@pytest.mark.parametrize("kind", KINDS)
async def test_another_site_changes_nothing(kind: str) -> None:
    """A request that another site's page makes the browser send is refused, and nothing is changed (M-50)."""
    async with opened() as (auth, _):
        client = await Client(auth).log_in(kind=kind, transport="cookie")
        for method, path, body in (
            ("POST", "/v1/logout", None),
            ("PATCH", "/v1/me", {"display_name": "Mallory"}),
            ("POST", "/v1/sessions/end-all", None),
            ("POST", "/v1/login", {"username": "ada", "password": PASSWORD}),
            ("POST", "/v1/accounts", {"username": "new", "password": PASSWORD}),
        ):
            refused = await client.call(method, path, headers=EVIL, json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "csrf_rejected"), path
        me = await client.get("/v1/me", headers=EVIL)
        assert me.json()["account"]["display_name"] is None
        assert "access-control-allow-origin" not in me.headers
        assert me.headers["x-frame-options"] == "DENY"


async def test_injected_script_cannot_read_cookies_and_pages_run_our_file_alone() -> None:
    """Pages run scripts of our own files only and turn no text into markup, and credentials in cookies are not repeated
    in any body (M-08)."""
    async with opened() as (auth, _):
        client = await Client(auth).log_in(kind="stateless", transport="cookie")
        assert "access_token" not in client.answer
        assert "refresh_token" not in client.answer
        for path in ("/", "/login", "/signup", "/account"):
            page = await client.get(path, headers={"Accept": "text/html"})
            assert page.status_code == 200
            policy = page.headers["content-security-policy"].split("; ")
            assert {"default-src 'none'", "script-src 'self'", "trusted-types 'none'"} <= set(policy)
            assert page.text.count("<script") == page.text.count('<script type="module" src="/static/pages.') == 1
            assert "localStorage" not in page.text


async def test_logs_and_audit_hold_no_credential(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is logged or audited on the way, no password, token or cookie is in it."""
    caplog.set_level(logging.DEBUG)
    async with opened() as (auth, _):
        secrets = {PASSWORD, "a wrong password, typed"}
        for kind in KINDS:
            client = await Client(auth).log_in(kind=kind, transport="bearer")
            secrets |= {client.answer["access_token"], client.answer.get("refresh_token", PASSWORD)}
            await client.post("/v1/logout")
            assert await client.status() == 401
            await Client(auth).refresh(client.answer.get("refresh_token", "ost_rt_nothing"))
        await Client(auth).post("/v1/login", json={"username": "ada", "password": "a wrong password, typed"})
        root = await Client(auth).log_in("root")
        audit = (await root.get("/v1/admin/audit?limit=100")).text
        for secret in secrets:
            assert secret not in caplog.text
            assert secret not in audit


async def test_guessing_is_bounded_also_in_parallel() -> None:
    """Of twenty guesses at once five are looked at; after the waits have grown, a hundred close the account."""
    async with opened() as (auth, clock):

        async def guess(peer: str) -> int:
            body = {"username": "ada", "password": "a guess, and a wrong one"}
            return int((await Client(auth, peer=peer).post("/v1/login", json=body)).status_code)

        statuses = await asyncio.gather(*(guess(f"203.0.{n}.1") for n in range(20)))
        assert sorted(statuses) == [401] * 5 + [429] * 15
        looked_at = 5
        for n in range(95):
            clock.advance(901)
            looked_at += await guess(f"203.1.{n}.1") == 401
        assert looked_at == 100
        clock.advance(86_400)
        assert await guess("203.2.1.1") == 429


async def test_the_owner_is_not_locked_out_of_a_known_device() -> None:
    """Somebody fails a hundred times on purpose; the owner's own browser still logs in, others do not."""
    async with opened() as (auth, clock):
        owner = await Client(auth).log_in()
        del owner.cookies["__Host-ostiary_session"]
        for n in range(100):
            body = {"username": "ada", "password": "a guess, and a wrong one"}
            await Client(auth, peer=f"203.1.{n}.1").post("/v1/login", json=body)
            clock.advance(901)
        right = {"username": "ada", "password": PASSWORD}
        assert (await Client(auth).post("/v1/login", json=right)).status_code == 429
        assert (await owner.post("/v1/login", json=right)).status_code == 200


async def test_logins_do_not_tell_who_exists() -> None:
    """Unknown name, wrong password, disabled account: the same answer, and one hash each."""
    async with opened() as (auth, _):
        account = await auth.system.accounts.create(username="gone", password=PASSWORD, actor="test")
        from ostiary.services.accounts import AccountPatch

        await auth.system.accounts.change(account.id, AccountPatch(disabled=True), actor="test")
        answers: list[Any] = []
        hasher = auth.system.passwords._hasher
        for username, password in (("nobody", PASSWORD), ("ada", "a wrong one, this is"), ("gone", PASSWORD)):
            before = hasher.computed
            response = await Client(auth).post("/v1/login", json={"username": username, "password": password})
            answers.append((response.status_code, dict(response.headers), response.content))
            assert hasher.computed == before + 1
        assert answers[0] == answers[1] == answers[2]
        assert answers[0][0] == 401


async def test_an_account_reaches_nothing_of_others() -> None:
    """Others' sessions look as if they were not there; a sign-up cannot bring a role; without one there is 403."""
    async with opened() as (auth, _):
        ada = await Client(auth).log_in()
        signed_up = await Client(auth).post(
            "/v1/accounts", json={"username": "eve", "password": PASSWORD, "role": "admin"}
        )
        assert signed_up.status_code == 422
        assert (
            await Client(auth).post("/v1/accounts", json={"username": "eve", "password": PASSWORD})
        ).status_code == 201
        eve = await Client(auth).log_in("eve")
        assert (await eve.call("DELETE", f"/v1/sessions/{ada.answer['session']['id']}")).status_code == 404
        assert await eve.status("/v1/admin/accounts") == 403
        assert await ada.status() == 200


async def test_administrators_are_audited_asked_again_and_never_all_gone() -> None:
    """What they do is written down; changes need a fresh password; the last one stays."""
    async with opened() as (auth, clock):
        root = await Client(auth).log_in("root")
        ada_id = (await Client(auth).log_in()).answer["account"]["id"]
        clock.advance(301)
        stale = await root.call("PATCH", f"/v1/admin/accounts/{ada_id}", json={"roles": ["user"]})
        assert (stale.status_code, stale.json()["code"]) == (403, "reauthentication_required")
        await root.post("/v1/reauthenticate", json={"password": PASSWORD})
        assert (await root.call("PATCH", f"/v1/admin/accounts/{ada_id}", json={"roles": ["user"]})).status_code == 200
        own = root.answer["account"]["id"]
        last = await root.call("PATCH", f"/v1/admin/accounts/{own}", json={"disabled": True})
        assert (last.status_code, last.json()["code"]) == (409, "last_admin")
        events = (await root.get(f"/v1/admin/audit?account={ada_id}&event=account.roles_changed")).json()["events"]
        assert [event["actor"] for event in events] == [own]


async def test_tokens_say_nothing_personal() -> None:
    """A stateful token refers only, a stateless one has ids, roles and scope; neither a name nor an address (M-03)."""
    async with opened() as (auth, _):
        for kind in ("stateful", "stateless"):
            client = await Client(auth).log_in(kind=kind)
            claims = decode_unverified(client.answer["access_token"]).claims
            assert not PRIVATE_CLAIMS & set(claims)
            assert ("roles" in claims) == (kind == "stateless")
            assert "ada" not in str(dict(claims)).replace(claims["sid"], "").replace(str(claims.get("sub")), "")
