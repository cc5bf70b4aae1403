"""Two processes on one store: what one ends, the other refuses within the lease, whatever happens to the feed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from tests.scenario.world import Carrier, Device, Server, StartServer, until

from ostiary.domain.account import ADMIN, USER
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Cursor, Hint, Probe
from ostiary.revocation.feed import Source
from ostiary.services.accounts import AccountPatch
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

LEASE = 2.0


@dataclass
class Cut:
    """A log that cannot be reached until it is mended; what it said before still counts."""

    inner: Source
    is_cut: bool = True
    asked: int = 0

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        self.asked += 1
        if self.is_cut:
            raise Unavailable(private="cut")
        return await self.inner.probe(cursor, limit, node=node)

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        return None

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        return not self.is_cut and await self.inner.acknowledge(node, cursor)

    def hints(self) -> AsyncIterator[Hint]:
        return self.inner.hints()

    async def leave(self, node: str) -> None:
        await self.inner.leave(node)


async def _cut(server: Server, *, asks_on_schedule: bool = True) -> Cut:
    """From now on this server hears nothing of what the others revoke: also a question that was under way is over."""
    feed = server.system.feed
    ends = ("ostiary-hints",) if asks_on_schedule else ("ostiary-hints", "ostiary-feed")
    async with feed._probing:
        source = Cut(feed._source)
        feed._source = source
        for task in feed._tasks:
            if task.get_name() in ends:
                task.cancel()
    return source


async def _refuses(device: Device) -> None:
    async def refused() -> bool:
        return (await device.copy().look()).status == 401

    await until(refused)


async def test_one_login_counts_everywhere(start_shared: StartServer, carrier: Carrier) -> None:
    """Log in at node 1, use at node 2, renew at node 2, end at node 1, refused at node 2 (M-05)."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        phone = await here.log_in("alice", carrier)
        away = phone.copy(there)
        assert (await away.me()).json["session"]["id"] == phone.session_id
        if carrier.renews:
            assert (await away.renew()).status == 200
            assert (await away.copy(here).look()).status == 200
        ended = await away.copy(here).log_out()
        assert (ended.status, ended.json["ended"]) == (200, 1)

        await _refuses(away)


async def test_the_bound_that_is_told_covers_the_other_server(start_shared: StartServer, kind: Carrier) -> None:
    """Whatever bound an ending call tells, a credential that it ended is accepted nowhere after it (M-33)."""
    async with start_shared() as here, start_shared(clock=FakeClock()) as there:
        await here.account("alice")
        phone = await here.log_in("alice", kind)
        away = phone.copy(there)
        assert (await away.look()).status == 200
        await _cut(there)

        ended = await phone.log_out()
        there.clock.advance(ended.json["bound"])

        assert (await away.look()).status == 503


@pytest.mark.parametrize("how", ["disabled", "deleted", "end_all", "end_everything", "reset"])
async def test_whatever_ends_an_account_reaches_the_other_server(
    start_shared: StartServer, how: str, kind: Carrier
) -> None:
    """Every way to end more than one session travels (M-07)."""
    async with start_shared() as here, start_shared() as there:
        account = await here.account("alice")
        away = (await here.log_in("alice", kind)).copy(there)
        assert (await away.look()).status == 200

        if how == "disabled":
            root = await here.admin()
            await root.patch(f"/v1/admin/accounts/{account.id}", {"disabled": True})
        elif how == "deleted":
            await here.system.accounts.delete(account.id, actor="cli")
        elif how == "end_all":
            await here.system.sessions.end_all(account.id, actor="cli")
        elif how == "end_everything":
            await here.system.sessions.end_everything(actor="cli")
        else:
            await here.system.password_changes.reset(account.id, "an entirely new password", actor="cli")

        await _refuses(away)


async def test_a_demotion_reaches_the_other_server(start_shared: StartServer, kind: Carrier) -> None:
    """On every node, in all three kinds (M-30)."""
    async with start_shared() as here, start_shared() as there:
        root = await here.admin()
        account = await here.account("bob", ADMIN, USER)
        bob = (await here.log_in("bob", kind)).copy(there)
        assert (await bob.get("/v1/admin/stats")).status == 200

        await root.patch(f"/v1/admin/accounts/{account.id}", {"roles": [USER]})

        async def has_no_rights() -> bool:
            return (await bob.get("/v1/admin/stats")).status in (401, 403)

        await until(has_no_rights)
        if kind.kind == "stateless":
            assert (await bob.renew()).status == 200
        refused = await bob.get("/v1/admin/stats")
        assert (refused.status, refused.code) == (403, "forbidden")
        assert (await bob.look()).status == 200


async def test_a_refresh_elsewhere_knows_of_a_demotion_at_once(start_shared: StartServer) -> None:
    """The account that a node remembers from the last refresh is worth nothing once another node changed it, also
    before the node has heard of that (M-30)."""
    async with start_shared() as here, start_shared() as there:
        account = await here.account("bob", ADMIN, USER)
        bob = (await here.log_in("bob", Carrier("stateless", "bearer"))).copy(there)
        assert (await bob.renew()).status == 200
        assert (await bob.get("/v1/admin/stats")).status == 200
        await here.admin()
        await _cut(there)

        await here.system.accounts.change(account.id, AccountPatch(roles=(USER,)), actor="cli")

        assert (await bob.renew()).status == 200
        refused = await bob.get("/v1/admin/stats")
        assert (refused.status, refused.code) == (403, "forbidden")


@pytest.mark.parametrize("how", ["session", "account", "everything", "disabled"])
async def test_a_refresh_elsewhere_knows_of_an_end_at_once(start_shared: StartServer, how: str) -> None:
    """The session that a node remembers from the last refresh is worth nothing once another node ended it, also before
    the node has heard of that (M-07)."""
    async with start_shared() as here, start_shared() as there:
        account = await here.account("alice")
        away = (await here.log_in("alice", Carrier("stateful", "bearer"))).copy(there)
        assert (await away.renew()).status == 200
        assert (await away.renew()).status == 200
        await _cut(there)

        if how == "session":
            await away.copy(here).log_out()
        elif how == "account":
            await here.system.sessions.end_all(account.id, actor="cli")
        elif how == "everything":
            await here.system.sessions.end_everything(actor="cli")
        else:
            await here.system.accounts.change(account.id, AccountPatch(disabled=True), actor="cli")

        refused = await away.renew()
        assert (refused.status, refused.code) == (400, "invalid_grant")
        refused = await away.copy(here).renew()
        assert (refused.status, refused.code) == (400, "invalid_grant")


async def test_a_session_that_is_renewed_in_turns(start_shared: StartServer) -> None:
    """Each node remembers another state of the session than it has by now: whoever renews it in turns is never refused,
    and what was renewed twice elsewhere is reuse for both (M-42, M-43)."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        phone = await here.log_in("alice", Carrier("stateless", "bearer"))
        away = phone.copy(there)
        assert (await away.renew()).status == 200
        thief = away.copy()
        back = away.copy(here)
        assert (await back.renew()).status == 200
        away = back.copy(there)
        assert (await away.renew()).status == 200

        refused = await thief.renew()

        assert (refused.status, refused.code) == (400, "invalid_grant")
        for device in (away, away.copy(here)):
            refused = await device.renew()
            assert (refused.status, refused.code) == (400, "invalid_grant")


async def test_a_rotated_key_signs_for_both(start_shared: StartServer, renewing: Carrier) -> None:
    """What one signs with its new key, the other accepts at once: the key was published before it signed."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        for _ in range(3):
            await here.system.signing_keys.rotate()
            phone = await here.log_in("alice", renewing)
            assert (await phone.copy(there).look()).status == 200

            async def both_publish() -> bool:
                sets = [await server.send("GET", "/.well-known/jwks.json", headers=[]) for server in (here, there)]
                return sets[0].content == sets[1].content

            await until(both_publish)


async def test_a_revoked_key_reaches_the_other_server(start_shared: StartServer, renewing: Carrier) -> None:
    """Also there, every token that it signed is refused, and a refresh helps (M-07)."""
    async with start_shared() as here, start_shared() as there:
        await here.account("alice")
        away = (await here.log_in("alice", renewing)).copy(there)
        assert (await away.look()).status == 200
        kept = away.copy()
        kept.cookies.pop("__Host-ostiary_refresh", None)

        revoked = here.system.signing_keys.ring.signer.kid

        await here.system.signing_keys.revoke(revoked or "")

        await _refuses(kept)

        async def signs_with_another() -> bool:  # to try instead would use up `refreshes_per_minute` on a slow machine
            return there.system.signing_keys.ring.signer.kid != revoked

        await until(signs_with_another)
        assert (await away.renew()).status == 200
        assert (await away.look()).status == 200


async def test_a_server_that_hears_nothing_says_503_never_401(start_shared: StartServer, carrier: Carrier) -> None:
    """Within the lease it trusts what it heard; beyond it, it does not know and says so; mended, it knows at once."""
    async with start_shared() as here, start_shared(clock=FakeClock()) as there:
        await here.account("alice")
        phone = await here.log_in("alice", carrier)
        other = await here.log_in("alice", carrier)
        away, ended = phone.copy(there), other.copy(there)
        assert (await away.look()).status == (await ended.look()).status == 200
        cut = await _cut(there)
        assert (await other.log_out()).status == 200

        there.clock.monotonic = there.system.context.replica.lease_until - 0.001
        assert (await away.look()).status == 200
        there.clock.monotonic += 0.001

        for device in (away, ended):
            for _ in range(2):
                refused = await device.look()
                assert (refused.status, refused.code) == (503, "unavailable")
                assert int(refused.headers["retry-after"]) >= 1
                assert "www-authenticate" not in refused.headers
                assert refused.headers.get_list("set-cookie") == []
        ready = await there.send("GET", "/readyz", headers=[])
        assert ready.status == 503
        assert {check["name"]: check["ok"] for check in ready.json["checks"]} == {
            "store": True,
            "migrations": True,
            "signing_key": True,
            "revocation_lease": False,
        }

        cut.is_cut = False

        assert (await away.look()).status == 200
        assert (await ended.look()).status == 401
        assert (await there.send("GET", "/readyz", headers=[])).status == 200


async def test_nobody_accepts_beyond_the_lease(start_shared: StartServer, kind: Carrier) -> None:
    """However the cut server's clock runs, no credential that was ended is accepted a lease after it was ended."""
    async with start_shared() as here, start_shared(clock=FakeClock()) as there:
        await here.account("alice")
        phone = await here.log_in("alice", kind)
        away = phone.copy(there)
        assert (await away.look()).status == 200
        await _cut(there)
        await phone.log_out()
        ended_at = there.clock.monotonic
        accepted = []
        for _ in range(30):
            status = (await away.look()).status
            assert status in (200, 503)
            if status == 200:
                accepted.append(there.clock.monotonic - ended_at)
            there.clock.advance(0.1)

        assert accepted
        assert max(accepted) < LEASE


async def test_hanging_is_no_answer(start_shared: StartServer, kind: Carrier) -> None:
    """A log that neither answers nor fails is given up after half a lease: 503, not a request that hangs."""
    async with start_shared(lease=0.1) as here, start_shared(lease=0.1) as there:
        await here.account("alice")
        away = (await here.log_in("alice", kind)).copy(there)
        assert (await away.look()).status == 200

        class Hanging(Cut):
            async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
                await asyncio.Event().wait()
                raise AssertionError

        there.system.feed._source = Hanging(there.system.feed._source)
        there.clock.advance(0.1)

        assert (await away.look()).status == 503


async def test_parallel_requests_share_one_question(start_on_file: StartServer, kind: Carrier) -> None:
    """When the lease is gone, a hundred requests ask the log once or twice between them, not a hundred times. (Nobody
    else asks it: how often the schedule does meanwhile depends on the machine.)"""
    async with start_on_file() as server:
        await server.account("alice")
        phone = await server.log_in("alice", kind)
        assert (await phone.look()).status == 200
        source = await _cut(server, asks_on_schedule=False)
        source.is_cut = False
        server.clock.advance(LEASE)

        replies = await asyncio.gather(*(phone.copy().look() for _ in range(100)))

        assert {reply.status for reply in replies} == {200}
        assert source.asked <= 2


async def test_the_command_line_beside_a_server(start_shared: StartServer, kind: Carrier) -> None:
    """A process that does not serve tells the lease as its bound, and the running server keeps it (M-33)."""
    from ostiary.compose import open_system

    async with start_shared() as server:
        await server.account("alice")
        phone = await server.log_in("alice", kind)
        assert (await phone.look()).status == 200
        async with open_system(server.auth.settings, clock=server.clock.clock) as command:
            ended = await command.sessions.end_all(phone.account_id, actor="cli")

            assert (ended.ended, ended.bound) == (1, LEASE)

        await _refuses(phone)


async def test_one_server_alone_tells_a_bound_of_nothing(start_shared: StartServer, kind: Carrier) -> None:
    """On every store that others could share: 0 while nobody does, the lease while somebody does, 0 again when that
    one has stopped (M-33). A log that was just made does not know everybody yet, and tells the lease."""
    async with start_shared() as here:
        await here.account("alice")

        async def alone() -> bool:
            return (await (await here.log_in("alice", kind)).log_out()).json["bound"] == 0

        await until(alone)
        async with start_shared() as there:
            away = (await here.log_in("alice", kind)).copy(there)
            assert (await away.look()).status == 200
            await _cut(there)
            assert (await away.copy(here).log_out()).json["bound"] > 0
        await until(alone)
