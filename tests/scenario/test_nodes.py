"""Whoever administers sees every process that verifies credentials of the store, from whichever answers."""

from typing import Any

import pytest
from tests.scenario.test_two_servers import _cut
from tests.scenario.world import Device, Server, StartServer, until

from ostiary.revocation.entry import Cursor
from ostiary.services.clients import ClientFields
from ostiary.services.nodes import SILENT_SECONDS

pytestmark = pytest.mark.anyio


async def _nodes(root: Device) -> dict[str, dict[str, Any]]:
    """By name."""
    reply = await root.get("/v1/admin/stats")
    assert reply.status == 200, reply
    assert not reply.json["more_nodes"]
    return {node["id"]: node for node in reply.json["nodes"]}


async def _until_all_have_spoken(root: Device, *servers: Server) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}

    async def spoken() -> bool:
        found.clear()
        found.update(await _nodes(root))
        return all(server.system.feed.node in found and found[server.system.feed.node]["host"] for server in servers)

    await until(spoken)
    return found


async def test_every_node_is_seen_from_every_node(start_shared: StartServer) -> None:
    """Each with its lease's age, its replica, how far it has come, its bound and when it started; the one that answers
    says so; one that stops is gone at once (M-33)."""
    async with start_shared() as here:
        root = await here.admin()
        async with start_shared() as there:
            seen = await _until_all_have_spoken(root, here, there)
            names = {here.system.feed.node, there.system.feed.node}
            assert set(seen) == set(await _nodes(root.copy(there))) == names
            for name, node in seen.items():
                assert node["current"] == (name == here.system.feed.node)
                assert 0 <= node["lease_age"] <= SILENT_SECONDS
                assert node["lease"] == node["bound"] == 2.0
                assert node["pid"]
                assert node["version"]
                assert node["started_at"]
            other = await _nodes(root.copy(there))
            assert [name for name, node in other.items() if node["current"]] == [there.system.feed.node]

            await here.account("alice")
            for _ in range(3):
                await (await here.log_in("alice")).log_out()

            async def has_come_along() -> bool:
                node = (await _nodes(root))[there.system.feed.node]
                return node["behind"] == 0 and node["position"] >= 3

            await until(has_come_along)
        assert set(await _nodes(root)) == {here.system.feed.node}


async def test_a_node_that_hears_nothing_is_seen_to_fall_behind(start_shared: StartServer) -> None:
    """How much of the log it has not acknowledged, and for how long it has been silent (M-33)."""
    async with start_shared() as here, start_shared() as there:
        root = await here.admin()
        await here.account("alice")
        await _until_all_have_spoken(root, here, there)
        await _cut(there)
        before = (await _nodes(root))[there.system.feed.node]["position"]
        for _ in range(3):
            await (await here.log_in("alice")).log_out()
        head = await here.store.revocations.head()

        node = (await _nodes(root))[there.system.feed.node]
        assert node["behind"] == head.position - node["position"] >= 3
        assert node["position"] >= before

        async def own_is_complete() -> bool:
            return (await _nodes(root))[here.system.feed.node]["behind"] == 0

        await until(own_is_complete)


async def test_what_a_node_holds_is_told_again_and_again(start_shared: StartServer) -> None:
    """The size of its replica as it was seconds ago, seen from another node (M-33)."""
    async with start_shared() as here, start_shared() as there:
        root = await here.admin()
        await _until_all_have_spoken(root, here, there)
        await here.account("alice")
        await (await here.log_in("alice")).log_out()
        await there.system.feed.ask()
        held = len(there.system.context.replica)
        assert held > 0
        await there.system.nodes.tell()
        assert (await _nodes(root))[there.system.feed.node]["replica"]["entries"] == held


async def test_a_verifier_elsewhere_is_among_them(start_shared: StartServer) -> None:
    """It says nothing of itself, and counts into the bound all the same (M-02)."""
    async with start_shared() as here:
        root = await here.admin()
        await here.system.followers.probe(Cursor(), node="cli_x.follower")
        node = (await _nodes(root))["cli_x.follower"]
        assert (node["host"], node["lease"], node["replica"], node["current"]) == (None, None, None, False)
        page = await root.get("/admin/nodes")
        assert page.status == 200
        assert b"A verifier outside the store" in page.content


async def test_a_verifier_without_a_name_is_told_by_its_service(start_shared: StartServer) -> None:
    """Whoever runs the servers sees whose verifier says no name and is waited for: the name of the service, and, for
    each server that lends to it, an id of its own (M-33)."""
    async with start_shared() as here, start_shared() as there:
        root = await here.admin()
        ids = {}
        for name in ("Notes <b>", "Reports"):
            made = await here.system.clients.create(ClientFields(name=name), actor="cli")
            ids[name] = made.client.id
            for server in (here, there):
                await server.system.followers.probe(Cursor(), node="", client=made.client.id)
        await here.system.followers.probe(Cursor(), node=f"{ids['Reports']}.follower", client=ids["Reports"])
        nodes = await _nodes(root)
        expected = {
            f"{client}.unnamed-{server.system.feed.node[:8]}": name
            for name, client in ids.items()
            for server in (here, there)
        } | {f"{ids['Reports']}.follower": "Reports"}
        found = {name: node["client"] for name, node in nodes.items()}
        assert found == expected | dict.fromkeys((here.system.feed.node, there.system.feed.node))
        page = (await root.get("/admin/nodes")).content.decode()
        assert page.count("<bdi>Notes &lt;b&gt;</bdi>") == 2
        assert page.count("<bdi>Reports</bdi>") == 3
        assert page.count("Says no name") >= 4
        await here.system.clients.delete(ids["Reports"], actor="cli")
        assert (await _nodes(root))[f"{ids['Reports']}.follower"]["client"] is None


async def test_what_another_version_says_is_no_trouble(start_shared: StartServer) -> None:
    """A node that says what this program does not understand is listed by what the log knows of it (M-33)."""
    async with start_shared() as here:
        root = await here.admin()
        log = here.store.revocations
        for name, said in (("newer", '{"host": 1}'), ("broken", "\U0001f511 {"), ("list", "[]")):
            await log.probe(Cursor(), 1, node=name)
            await log.describe(name, said)
        nodes = await _nodes(root)
        assert {nodes[name]["host"] for name in ("newer", "broken", "list")} == {None}
        assert (await root.get("/admin")).status == (await root.get("/admin/nodes")).status == 200
