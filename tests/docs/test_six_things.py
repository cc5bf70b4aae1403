"""The six rows of the README's table "Six things that logins elsewhere get wrong", one test each."""

import asyncio

import pytest
from tests.docs.site import KINDS, OTHER_PASSWORD, PASSWORD, Client, opened

from ostiary.domain.refresh import RefreshState

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", KINDS)
async def test_logging_out_ends_it_on_the_server(kind: str) -> None:
    """A client that keeps its old token after a logout is refused, whatever the kind (M-06)."""
    async with opened() as (auth, _):
        client = await Client(auth).log_in(kind=kind, transport="bearer")
        assert await client.status() == 200
        assert (await client.post("/v1/logout")).json() == {"ended": 1, "bound": 0.0}
        assert await client.status() == 401


@pytest.mark.parametrize("kind", KINDS)
async def test_a_new_password_ends_every_other_session(kind: str) -> None:
    """The thief is out, cannot change the password first, and the owner goes on under new credentials (M-31)."""
    async with opened() as (auth, _):
        owner = await Client(auth).log_in(kind=kind, transport="bearer")
        thief = await Client(auth).log_in(kind=kind, transport="bearer")
        tried = await thief.post("/v1/password", json={"current_password": "guess", "new_password": OTHER_PASSWORD})
        assert tried.status_code == 403
        body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        changed = await owner.post("/v1/password", json=body)
        assert changed.status_code == 200
        assert changed.json()["ended"] == 1
        assert await thief.status() == 401
        assert await owner.status() == 401, "the owner's former credential is dead, too"
        owner.answer = changed.json()
        assert await owner.status() == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_a_demoted_administrator_is_none_at_the_next_request(kind: str) -> None:
    """New roles count at once: 403 where they are read, 401 and then 403 where the token carried them (M-30)."""
    async with opened() as (auth, _):
        ada = await Client(auth).log_in(kind=kind, transport="bearer")
        root = await Client(auth).log_in("root")
        assert await ada.status("/v1/admin/stats") == 200
        path = f"/v1/admin/accounts/{ada.answer['account']['id']}"
        changed = await root.call("PATCH", path, json={"roles": ["user"]})
        assert (changed.status_code, changed.json()["bound"]) == (200, 0.0)
        if kind == "stateless":
            assert await ada.status("/v1/admin/stats") == 401
            ada.answer = (await Client(auth).refresh(ada.answer["refresh_token"])).json()
        assert await ada.status("/v1/admin/stats") == 403


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_stolen_refresh_token_ends_the_session(kind: str) -> None:
    """Re-use of an old refresh token ends the session with its access token, and is audited (M-43)."""
    async with opened() as (auth, clock):
        owner = await Client(auth).log_in(kind=kind, transport="bearer")
        stolen = owner.answer["refresh_token"]
        owner.answer = (await Client(auth).refresh(stolen)).json()
        clock.advance(11)
        refused = await Client(auth).refresh(stolen)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert await owner.status() == 401
        root = await Client(auth).log_in("root")
        events = (await root.get("/v1/admin/audit?event=refresh.reused")).json()["events"]
        assert len(events) == 1


async def test_fifty_tabs_that_refresh_at_once_stay_logged_in() -> None:
    """All get the same new refresh token, and it is the one that lives (M-42)."""
    async with opened() as (auth, _):
        tab = await Client(auth).log_in(kind="stateless")
        answers = await asyncio.gather(*(Client(auth).refresh(tab.answer["refresh_token"]) for _ in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert (await Client(auth).refresh(answers[0].json()["refresh_token"])).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_the_store_logs_nobody_in(kind: str) -> None:
    """Nothing that a reader of the store finds is a credential, or is accepted as one (M-09)."""
    async with opened() as (auth, _):
        client = await Client(auth).log_in(kind=kind, transport="bearer")
        session = await auth.system.store.sessions.get(client.answer["session"]["id"])
        assert session is not None
        kept = [session.token_digest]
        if isinstance(session.refresh, RefreshState):
            kept += [session.refresh.digest, session.refresh.previous_digest, session.refresh.nonce]
        sent = [client.answer["access_token"], client.answer.get("refresh_token")]
        for digest in filter(None, kept):
            for text in filter(None, sent):
                assert digest.hex() not in text
                assert text.encode() not in digest
            for guess in (digest.hex(), f"ost_st_{digest.hex()[:43]}", f"ost_rt_{digest.hex()}"):
                probe = Client(auth)
                probe.answer = {"access_token": guess}
                assert await probe.status() == 401
                assert (await Client(auth).refresh(guess)).status_code == 400
