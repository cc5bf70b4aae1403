"""Contract section 5, operation: `GET /metrics`, on a port of its own or for the bearer of a token."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from tests.http.harness import ISSUER, Site, open_site

from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

TOKEN = "a token for whoever watches this server"


@pytest.fixture
async def watched(anyio_backend: str) -> AsyncIterator[Site]:
    """With `metrics_token`."""
    async with open_site(FakeClock(), metrics_token=TOKEN.encode()) as site:
        await site.account()
        yield site


def numbers(text: str) -> dict[str, float]:
    """Samples by name and labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_without_a_token_there_is_nothing(site: Site) -> None:
    """Numbers are for operators: where no token is set, nobody reads them here."""
    response = await site.get("/metrics")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_the_token_is_demanded(watched: Site) -> None:
    """Without it, with another, or with a user's credential: 401."""
    login = await watched.log_in(transport="bearer")
    assert (await watched.get("/metrics")).json()["code"] == "not_authenticated"
    for bearer in ("x", TOKEN + "x", login.access_token):
        assert (await watched.get("/metrics", bearer=bearer)).json()["code"] == "invalid_token"


async def test_what_happened_is_counted(watched: Site) -> None:
    """Logins, failures, hashes, refreshes by outcome, first sights, answers by endpoint; and nothing that names
    anybody."""
    before = numbers((await watched.get("/metrics", bearer=TOKEN)).text)
    login = await watched.log_in(kind="stateless")
    await watched.post("/v1/login", json={"username": "ann", "password": "wrong"})
    renewed = login.renewed(await watched.refresh(login))
    await watched.refresh(login)
    await watched.get("/v1/me", bearer=renewed.access_token)
    await watched.get("/v1/me", bearer=renewed.access_token)
    await watched.delete(f"/v1/sessions/{login.id}", bearer=renewed.access_token)
    await watched.get("/v1/me", bearer=renewed.access_token)
    response = await watched.get("/metrics", bearer=TOKEN)
    assert response.headers["content-type"].startswith("text/plain")
    found = numbers(response.text)
    assert found['ostiary_events_total{event="login.succeeded"}'] == 1
    assert found['ostiary_events_total{event="login.failed"}'] == 1
    assert found['ostiary_refreshes_total{outcome="rotated"}'] == 1
    assert found['ostiary_refreshes_total{outcome="grace"}'] == 1
    assert found['ostiary_first_sights_total{kind="stateless"}'] == 1
    assert found['ostiary_first_sights_total{kind="unknown"}'] == 1
    assert found['ostiary_http_requests_total{method="GET",path="/v1/me",status="200"}'] == 2
    assert found['ostiary_http_requests_total{method="DELETE",path="/v1/sessions/{id}",status="200"}'] == 1
    assert found["ostiary_password_hashes_total"] - before["ostiary_password_hashes_total"] == 2
    assert found["ostiary_revocation_entries"] == 1
    assert login.id not in response.text
    assert "ann" not in response.text


async def test_a_reused_refresh_token_is_counted_as_such(watched: Site) -> None:
    """M-43: theft is what an operator wants to be woken for."""
    first = await watched.log_in(kind="stateful")
    second = first.renewed(await watched.refresh(first))
    await watched.refresh(second)
    watched.clock.advance(11.0)
    assert (await watched.refresh(first)).status_code == 400
    assert numbers((await watched.get("/metrics", bearer=TOKEN)).text)['ostiary_refreshes_total{outcome="reused"}'] == 1


async def test_unknown_paths_are_counted_together(watched: Site) -> None:
    """Whoever sends a million paths, or words for methods, makes no million series."""
    for number in range(3):
        await watched.get(f"/v1/sessions/{number}/x")
        await watched.call("PUT", f"/v1/sessions/{number}", bearer="x")
        await watched.call(f"BREW{number}", "/v1/me")
    text = (await watched.get("/metrics", bearer=TOKEN)).text
    assert "/v1/sessions/1" not in text
    assert "BREW" not in text
    assert numbers(text)['ostiary_http_requests_total{method="other",path="other",status="405"}'] == 6


async def test_the_port_of_its_own_answers_metrics_alone(watched: Site) -> None:
    """It needs no token, and offers nothing else."""
    transport = httpx2.ASGITransport(app=watched.auth.metrics)
    async with httpx2.AsyncClient(transport=transport, base_url=ISSUER) as client:
        response = await client.get("/metrics")
        assert response.status_code == 200
        assert "ostiary_events_total" in response.text
        assert (await client.get("/v1/me")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
