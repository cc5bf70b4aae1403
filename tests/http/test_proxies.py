"""Contract section 7, `trusted_proxies`: only these are believed about X-Forwarded-*."""

from typing import Any

import pytest
from tests.http.harness import OTHER_PASSWORD, Site, open_site

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

PROXY = "10.0.0.1"
CLIENT = "203.0.113.9"


async def address(site: Site, headers: Any, peer: str) -> str:
    """What the server takes for the client's address."""
    login = await site.log_in(headers=headers, peer=peer)
    return str(login.answer["session"]["client"]["ip"])


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": CLIENT}, {"Forwarded": f"for={CLIENT}"}, {"X-Real-IP": CLIENT}, {"True-Client-IP": CLIENT},
        {"X-Forwarded-For": f"{CLIENT}, {PROXY}"}, {"X-Client-IP": CLIENT},
    ],
)  # fmt: skip
async def test_nobody_is_believed_by_default(site: Site, headers: dict[str, str]) -> None:
    """Default none: the peer's own address counts (section 7)."""
    await site.account()
    assert await address(site, headers, "198.51.100.7") == "198.51.100.7"
    assert await address(site, headers, "127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "peer", "expected"),
    [
        (CLIENT, PROXY, CLIENT),
        (CLIENT, "198.51.100.7", "198.51.100.7"),
        (f"{CLIENT}, 10.0.0.2", PROXY, CLIENT),
        (f"6.6.6.6, {CLIENT}", PROXY, CLIENT),
        (f"6.6.6.6, {CLIENT}, 10.0.0.2, 10.0.0.3", PROXY, CLIENT),
        ("", PROXY, PROXY),
        ("nonsense", PROXY, PROXY),
        ("unknown, 10.0.0.2", PROXY, "10.0.0.2"),
        ("10.0.0.3, 10.0.0.2", PROXY, "10.0.0.3"),
        ("2001:db8::1", PROXY, "2001:db8::1"),
        ("[2001:db8::1]", PROXY, "2001:db8::1"),
        ("::ffff:203.0.113.9", PROXY, CLIENT),
        ("fe80::1%eth0", PROXY, None),
        ("203.0.113.9:4711", PROXY, CLIENT),
        ("[2001:db8::1]:4711", PROXY, "2001:db8::1"),
        (f"6.6.6.6:1, {CLIENT}:65535, 10.0.0.2:80", PROXY, CLIENT),
        ("203.0.113.9:", PROXY, PROXY),
        ("203.0.113.9:x", PROXY, PROXY),
        ("[203.0.113.9", PROXY, None),
        ("1.2.3.4\x00", PROXY, None),
        ("<script>", PROXY, PROXY),
    ],
)
async def test_trusted_proxies(forwarded: str, peer: str, expected: str | None, anyio_backend: str) -> None:
    """From the right, the first address that no trusted proxy wrote for another trusted proxy (section 7)."""
    async with open_site(trusted_proxies=("10.0.0.0/8",)) as site:
        await site.account()
        found = await address(site, {"X-Forwarded-For": forwarded}, peer)
        assert found == expected or (expected is None and "\x00" not in found)


async def test_several_forwarded_headers(anyio_backend: str) -> None:
    """Several lines are one list (RFC 9110 section 5.3)."""
    async with open_site(trusted_proxies=("10.0.0.0/8",)) as site:
        await site.account()
        lines = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", CLIENT)]
        response = await site.post(
            "/v1/login", json={"username": "ann", "password": "eleven quiet lanterns"}, headers=lines, peer=PROXY
        )
        assert response.json()["session"]["client"]["ip"] == CLIENT


async def test_a_forged_address_does_not_evade_the_throttle(anyio_backend: str) -> None:
    """Who writes another address into each request is still one network (section 7, `address_failures`)."""
    async with open_site(FakeClock(), address_failures=5) as site:
        statuses = []
        for number in range(8):
            body = {"username": f"nobody{number}", "password": OTHER_PASSWORD}
            headers = {"X-Forwarded-For": f"203.0.{number}.1"}
            statuses.append((await site.post("/v1/login", json=body, headers=headers)).status_code)
        assert statuses == [401] * 5 + [429] * 3


@pytest.mark.parametrize("peer", ["", "unix:", "testclient", "fe80::1%lo", "::1", "999.1.1.1"])
async def test_strange_peers(site: Site, peer: str) -> None:
    """A peer without an address, as on a Unix socket, can log in too."""
    await site.account()
    await site.log_in(peer=peer)


@pytest.mark.parametrize(
    "agent", ["", "x" * 9000, "\x7f", "é" * 600, "curl/8.0", "<b>x</b>/1", "Mozilla/5.0 (" + "(" * 400, "a/b/c d;;;"]
)
async def test_strange_clients(site: Site, agent: str) -> None:
    """A User-Agent is text of a stranger: it makes a label of at most 80 printable characters."""
    await site.account()
    lines: Any = [(b"User-Agent", agent.encode("latin-1"))]
    login = await site.log_in(headers=lines)
    label = login.answer["session"]["client"]["label"]
    assert len(label) <= 80
    assert label.isprintable()


async def test_identity_headers_mean_nothing(site: Site) -> None:
    """`X-User` and its like are never trusted (M-60)."""
    for name in ("X-User", "X-Auth-Subject", "Remote-User", "X-Forwarded-User", "X-Auth-Roles"):
        assert (await site.get("/v1/me", headers={name: "ann"})).status_code == 401
