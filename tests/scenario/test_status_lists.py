"""A third party reads status lists at one node; what ends, ends at another. On every store."""

import asyncio
import base64
import json
import zlib
from typing import Any

import pytest
from tests.scenario.world import CARRIERS, ISSUER, PASSWORD, Device, Server, StartServer

from ostiary import limits

pytestmark = pytest.mark.anyio

STATELESS = CARRIERS[5]


def _decoded(segment: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def _place(token: str) -> tuple[str, int]:
    said = _decoded(token.split(".")[1])["status"]["status_list"]
    return said["uri"], said["idx"]


async def _is_set(server: Server, token: str) -> bool:
    uri, index = _place(token)
    reply = await server.send("GET", uri.removeprefix(ISSUER), headers=[("Host", "127.0.0.1:8000")])
    assert reply.status == 200, reply
    lst = _decoded(reply.content.decode().split(".")[1])["status_list"]["lst"]
    bits = zlib.decompress(base64.urlsafe_b64decode(lst + "=" * (-len(lst) % 4)))
    return bool(bits[index // 8] >> index % 8 & 1)


async def test_what_ends_at_one_node_is_set_at_the_other(start_shared: StartServer) -> None:
    """M-05, M-63: in the first list that is asked for after the ending call has answered, without waiting; also at a
    node that came later."""
    async with start_shared(status_lists=True) as one, start_shared(status_lists=True) as two:
        await one.account("alice")
        ending, staying = await one.log_in(carrier=STATELESS), await one.log_in(carrier=STATELESS)
        assert not await _is_set(two, ending.credential)
        assert (await ending.log_out()).status == 200
        assert await _is_set(two, ending.credential)
        assert not await _is_set(two, staying.credential)
        async with start_shared(status_lists=True) as three:
            assert await _is_set(three, ending.credential)
            assert not await _is_set(three, staying.credential)
        everything = await two.admin()
        assert (await everything.post("/v1/admin/end-everything")).status == 200
        assert await _is_set(one, staying.credential)


async def test_a_node_that_names_no_lists_tells_the_truth_of_others(start_shared: StartServer) -> None:
    """M-63: while the setting is changed node by node, or was turned off, tokens that name a list live on: a list that
    has not heard of their end would vouch for them."""
    async with start_shared(status_lists=True) as one, start_shared(status_lists=False) as off:
        await one.account("alice")
        ending, staying = await one.log_in(carrier=STATELESS), await one.log_in(carrier=STATELESS)
        assert not await _is_set(off, ending.credential)
        assert (await ending.log_out()).status == 200
        assert await _is_set(off, ending.credential)
        assert not await _is_set(off, staying.credential)
        assert "status" not in _decoded((await off.log_in(carrier=STATELESS)).credential.split(".")[1])


async def test_no_two_sessions_hold_a_place(start_shared: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """M-45: parallel logins at two nodes that draw from four places get four different ones, and the others
    one beyond the end."""
    monkeypatch.setattr(limits, "STATUS_LIST_PLACES", 4)
    monkeypatch.setattr(limits, "STATUS_LISTS", 1)
    async with start_shared(status_lists=True) as one, start_shared(status_lists=True) as two:
        for name in ("a", "b", "c", "d", "e", "f"):
            await one.account(name)

        async def log_in(server: Server, name: str) -> Device:
            return await server.log_in(name, STATELESS, password=PASSWORD)

        devices = await asyncio.gather(
            *(log_in(server, name) for name in ("a", "b", "c", "d", "e", "f") for server in (one, two))
        )
        claims = [_decoded(device.credential.split(".")[1]) for device in devices]
        told = [said["status"]["status_list"]["idx"] for said in claims]
        assert max(told) <= 4
        held = [index for index in told if index < 4]
        assert len(set(held)) == len(held) <= 4
        assert held
