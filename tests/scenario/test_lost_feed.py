"""The revocation log is lost, and the sessions are not: what it refused stays refused on every node."""

import sqlite3
from pathlib import Path

import pytest
from tests.scenario.test_two_servers import _cut
from tests.scenario.world import CARRIERS, Carrier, Server, StartServer, until

from ostiary.domain.audit import Event
from ostiary.revocation.entry import Cursor

pytestmark = pytest.mark.anyio

STATELESS = CARRIERS[5]


def _lose_the_log(folder: Path) -> None:
    """As a feed in another database would be lost: its items, and that there was such a log."""
    with sqlite3.connect(folder / "ostiary.db") as connection:
        connection.execute("DELETE FROM revocations")
        connection.execute("UPDATE revocation_logs SET generation = generation % 1000000 + 1")


async def _status(server: Server, device: "object") -> int:
    return int((await device.copy(server).look()).status)  # type: ignore[attr-defined]


async def test_what_a_lost_log_refused_is_accepted_by_nobody(
    start_on_file: StartServer, tmp_path: Path, kind: Carrier
) -> None:
    """A node that never heard of the end cannot read of it any more; it refuses all that is older than the log, and a
    new login counts (M-30)."""
    async with start_on_file() as here, start_on_file() as there:
        await here.account("alice")
        ended, other = await here.log_in("alice", kind), await here.log_in("alice", kind)
        assert await _status(there, ended) == await _status(there, other) == 200
        cut = await _cut(there)
        assert (await ended.log_out()).status == 200

        _lose_the_log(tmp_path)
        cut.is_cut = False
        await there.system.feed.ask()

        assert await _status(there, ended) == await _status(there, other) == 401

        async def here_too() -> bool:
            return await _status(here, other) == 401

        await until(here_too)
        again = await here.log_in("alice", kind)
        assert await _status(here, again) == await _status(there, again) == 200


async def test_everybody_logs_in_again_once(start_on_file: StartServer, tmp_path: Path) -> None:
    """However many nodes notice it, everything is ended once, and the trail says why."""
    async with start_on_file() as one, start_on_file() as two, start_on_file() as three:
        await one.account("alice")
        before = (await one.store.issuer()).everything
        _lose_the_log(tmp_path)
        for server in (one, two, three):
            await server.system.feed.ask()

        assert (await one.store.issuer()).everything == before + 1
        events = await one.events(Event.EVERYTHING_ENDED)
        assert [(event.actor, event.detail) for event in events] == [
            ("system", '{"reason":"the revocation log was lost"}')
        ]


async def test_it_is_noticed_after_a_restart_too(start_on_file: StartServer, tmp_path: Path, kind: Carrier) -> None:
    """No process that knew the former log has to be alive: the issuer's record remembers which it was."""
    async with start_on_file() as here:
        await here.account("alice")
        ended = await here.log_in("alice", kind)
        other = await here.log_in("alice", kind)
        kept = ended.copy()
        await ended.log_out()
    _lose_the_log(tmp_path)

    async with start_on_file() as there:
        assert await _status(there, kept) == await _status(there, other) == 401
        assert await _status(there, await there.log_in("alice", kind)) == 200


async def test_first_start_ends_nothing(start_on_file: StartServer, kind: Carrier) -> None:
    """A new log beside a new issuer is not a lost one, and restarts do not lose it."""
    async with start_on_file() as here:
        await here.account("alice")
        phone = await here.log_in("alice", kind)
    async with start_on_file() as there:
        assert (await there.store.issuer()).everything == 0
        assert await _status(there, phone) == 200


async def test_what_a_node_knew_goes_back_into_the_log(start_on_file: StartServer, tmp_path: Path) -> None:
    """The log lost its end, and is still the same log: whoever heard of an entry appends it again, so that a node that
    starts later hears of it."""
    async with start_on_file() as here:
        await here.account("alice")
        first, second = await here.log_in("alice", STATELESS), await here.log_in("alice", STATELESS)
        kept = second.copy()
        await first.log_out()
        await second.log_out()
        await here.system.feed.ask()
        with sqlite3.connect(tmp_path / "ostiary.db") as connection:
            connection.execute("DELETE FROM revocations WHERE entry_id = ?", (second.session_id,))

        async def restored() -> bool:
            await here.system.feed.ask()
            log = await here.store.revocations.probe(Cursor(), 1000)
            return second.session_id in {item.entry.id for item in log.items}

        await until(restored)
        async with start_on_file() as there:
            assert await _status(there, kept) == 401


async def test_more_revocations_than_there_is_room_for(start_on_file: StartServer, kind: Carrier) -> None:
    """M-32: a crowded replica lets an end of everything cover them; nothing that was ended is accepted again, memory is
    freed, and a new login counts."""
    async with start_on_file() as here, start_on_file() as there:
        await here.account("alice")
        ended = [await here.log_in("alice", kind) for _ in range(6)]
        kept = [device.copy() for device in ended]
        for device in ended[:5]:
            await device.log_out()
        replicas = [server.system.context.replica for server in (here, there)]
        for replica in replicas:
            replica.max_entries = 4

        async def freed() -> bool:
            for server in (here, there):
                await server.system.feed.ask()
            return all(len(replica) == 0 and replica.floor > 0 for replica in replicas)

        await until(freed)
        for server in (here, there):
            assert {await _status(server, device) for device in kept} == {401}
        again = await here.log_in("alice", kind)
        assert await _status(here, again) == await _status(there, again) == 200
        assert (await here.store.issuer()).everything in (1, 2)
