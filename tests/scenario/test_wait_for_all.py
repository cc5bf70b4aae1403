"""`?wait=all` on a call that ends something: when it has answered, nobody accepts what it ended."""

import asyncio

import pytest
from tests.scenario.test_two_servers import _cut
from tests.scenario.world import OTHER_PASSWORD, PASSWORD, Carrier, Device, Reply, Server, StartServer

from ostiary.domain.account import USER
from ostiary.http.app import ENDPOINTS
from ostiary.revocation.entry import Cursor
from ostiary.stores.port import Append, Change
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


async def _end(how: str, here: Server, phone: Device, root: Device) -> Reply:
    account, session = f"/v1/admin/accounts/{phone.account_id}", f"/v1/admin/sessions/{phone.session_id}"
    if how == "logout":
        return await phone.post("/v1/logout?wait=all")
    if how == "revoke":
        return await phone.send("POST", "/oauth/revoke?wait=all", form={"token": phone.credential}, credential=False)
    if how == "end one's own":
        return await phone.delete(f"/v1/sessions/{phone.session_id}?wait=all")
    if how == "end all":
        return await phone.post("/v1/sessions/end-all?wait=all")
    if how == "end others":
        other = await here.log_in("alice", phone.carrier)
        return await other.post("/v1/sessions/end-others?wait=all")
    if how == "change the password":
        other = await here.log_in("alice", phone.carrier)
        body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        return await other.post("/v1/password?wait=all", body)
    if how == "delete oneself":
        return await phone.delete("/v1/me?wait=all", {"password": PASSWORD})
    if how == "disable":
        return await root.patch(f"{account}?wait=all", {"disabled": True})
    if how == "end an account's":
        return await root.delete(f"{account}/sessions?wait=all")
    if how == "end a session":
        return await root.delete(f"{session}?wait=all")
    if how == "delete":
        return await root.delete(f"{account}?wait=all")
    return await root.post("/v1/admin/end-everything?wait=all")


EVERY_WAY = (
    "logout",
    "revoke",
    "end one's own",
    "end all",
    "end others",
    "change the password",
    "delete oneself",
    "disable",
    "end an account's",
    "end a session",
    "delete",
    "end everything",
)


async def test_who_follows_without_a_name_is_waited_for_by_every_server(start_shared: StartServer) -> None:
    """A verifier that says no name never says what it knows: for as long as it may have a lease, whichever server it
    got that from, every server finds one node that has applied nothing (M-33)."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        await (await here.log_in("alice")).log_out()
        log, servers = here.store.revocations, {here.system.feed.node, there.system.feed.node}

        for cursor in (Cursor(), await log.head()):
            await there.system.followers.probe(cursor, node="")
            others = [node for node in await log.nodes(within=600.0, limit=10) if node.name not in servers]
            assert [node.acknowledged for node in others] == [0]


@pytest.mark.parametrize("how", EVERY_WAY)
async def test_when_it_has_answered_every_node_refuses(start_shared: StartServer, how: str, kind: Carrier) -> None:
    """Every ending call, every kind: bound 0, and the other server refuses at its very next request (M-33, M-07)."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        root = await here.admin()
        phone = await here.log_in("alice", kind)
        away = phone.copy(there)
        assert (await away.look()).status == 200

        reply = await _end(how, here, phone, root)

        assert (await away.look()).status == 401
        assert reply.status == 200
        if how != "revoke":
            assert reply.json["bound"] == 0


@pytest.mark.parametrize("how", EVERY_WAY)
async def test_the_nodes_are_asked_by_the_write_itself(
    start_shared: StartServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody wakes them a second time for their answer (M-33)."""
    async with start_shared() as here:
        await here.account("alice")
        root, phone = await here.admin(), await here.log_in("alice")
        write, awaited = here.store.write, list[bool]()

        async def noted(*changes: Change, durable: bool = True) -> bool:
            awaited.extend(change.awaited for change in changes if isinstance(change, Append))
            return await write(*changes, durable=durable)

        monkeypatch.setattr(here.store, "write", noted)
        await _end(how, here, phone, root)

        assert awaited
        assert all(awaited)


async def test_whether_one_call_waits_says_nothing_of_the_next(
    start_shared: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may run the calls of one connection, or those that came ahead, in a context of variables that an earlier
    one has left: the later call asks nobody, and what ended nothing takes no bound from what ended before (M-33)."""
    async with start_shared() as here:
        await here.account("alice")
        root, phone, tablet = await here.admin(), await here.log_in("alice"), await here.log_in("alice")
        write, awaited = here.store.write, list[bool]()

        async def noted(*changes: Change, durable: bool = True) -> bool:
            awaited.extend(change.awaited for change in changes if isinstance(change, Append))
            return await write(*changes, durable=durable)

        monkeypatch.setattr(here.store, "write", noted)
        reply = await phone.post("/v1/logout?wait=all")
        assert reply.status == 200
        await tablet.log_out()
        assert awaited == [True, False]

        async with start_shared():  # from now on the store has another node
            alone = (await root.patch(f"/v1/admin/accounts/{phone.account_id}", {"disabled": False})).json["bound"]
            assert alone == here.system.bound > 0


async def test_it_holds_on_every_store(start_shared: StartServer, kind: Carrier) -> None:
    """SQLite, PostgreSQL, Valkey, and two of them together (M-05)."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        for _ in range(3):
            phone = await here.log_in("alice", kind)
            away = phone.copy(there)
            assert (await away.look()).status == 200
            assert (await phone.post("/v1/logout?wait=all")).json == {"ended": 1, "bound": 0}
            assert (await away.look()).status == 401


async def test_a_demotion_waits_too(start_shared: StartServer, kind: Carrier) -> None:
    """Old roles count nowhere when it has answered (M-30)."""
    async with start_shared() as here, start_shared() as there:
        root = await here.admin()
        bob = await here.account("bob", "admin", USER)
        away = (await here.log_in("bob", kind)).copy(there)
        assert (await away.get("/v1/admin/stats")).status == 200

        reply = await root.patch(f"/v1/admin/accounts/{bob.id}?wait=all", {"roles": [USER]})

        assert (reply.status, reply.json["bound"]) == (200, 0)
        assert (await away.get("/v1/admin/stats")).status == (401 if kind.kind == "stateless" else 403)


async def test_a_login_that_ends_another_tells_the_bound(start_shared: StartServer, kind: Carrier) -> None:
    """The session beyond the cap ends with the same promise as any other (M-45, M-33)."""
    async with start_shared(max_sessions=1) as here, start_shared(max_sessions=1) as there:
        await here.account("alice")
        away = (await here.log_in("alice", kind)).copy(there)
        assert (await away.look()).status == 200
        body = {"username": "alice", "password": PASSWORD, "kind": kind.kind}

        told = await here.device(kind).post("/v1/login", body, credential=False)
        assert (told.json["ended"], told.json["bound"]) == (1, 2.0)
        waited = await here.device(kind).post("/v1/login?wait=all", body, credential=False)

        assert (waited.json["ended"], waited.json["bound"]) == (1, 0)
        assert (await away.look()).status == 401


async def test_a_node_that_is_cut_off_is_waited_for_until_its_lease_is_over(
    start_shared: StartServer, kind: Carrier
) -> None:
    """Then it says 503: it does not accept either, so the answer is still bound 0."""
    async with start_shared() as here, start_shared(clock=FakeClock()) as there:
        await here.account("alice")
        phone = await here.log_in("alice", kind)
        away = phone.copy(there)
        assert (await away.look()).status == 200
        await _cut(there)

        waiting = asyncio.create_task(phone.post("/v1/logout?wait=all"))
        while not waiting.done():
            accepted = (await away.look()).status == 200
            assert not (accepted and waiting.done())
            for server in (here, there):
                server.clock.advance(0.02)
            await asyncio.sleep(0.002)

        assert (await waiting).json == {"ended": 1, "bound": 0}
        assert (await away.look()).status == 503


async def test_a_server_that_stopped_is_not_waited_for(start_shared: StartServer, kind: Carrier) -> None:
    """It left, and it accepts nothing."""
    async with start_shared() as here:
        await here.account("alice")
        async with start_shared() as there:
            phone = await here.log_in("alice", kind)
            assert (await phone.copy(there).look()).status == 200
        async with asyncio.timeout(30):  # the clock stands still: nobody waits for a lease
            assert (await phone.post("/v1/logout?wait=all")).json["bound"] == 0


@pytest.mark.parametrize("value", ["", "1", "true", "All", "all,all", "none"])
async def test_any_other_value_is_refused_and_nothing_is_ended(server: Server, value: str) -> None:
    """422, before anything happens."""
    phone = await server.log_in()
    refused = await phone.post(f"/v1/logout?wait={value}")
    assert (refused.status, refused.code) == (422, "invalid_request")
    assert (await phone.look()).status == 200
    assert (await phone.post("/v1/logout?wait=all&wait=all")).status == 400
    assert (await phone.look()).status == 200


async def test_without_others_there_is_nothing_to_wait_for(server: Server) -> None:
    """On every store, at once."""
    phone = await server.log_in()
    async with asyncio.timeout(30):
        assert (await phone.post("/v1/logout?wait=all")).json == {"ended": 1, "bound": 0}


async def test_every_call_that_tells_a_bound_takes_it() -> None:
    """So that none is forgotten: whatever answers `ended` and `bound` waits."""
    tells = {
        (row.method, row.path)
        for row in ENDPOINTS
        for answer in row.answers.values()
        if isinstance(answer, type) and {"ended", "bound"} <= set(getattr(answer, "__struct_fields__", ()))
    }
    waits = {(row.method, row.path) for row in ENDPOINTS if row.ends}
    assert tells - waits == set()
