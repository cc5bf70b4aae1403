"""Protected-resource metadata (RFC 9728) for services and for applications that embed the server."""

import json

import httpx2
import pytest
from tests.http.harness import open_site
from tests.unit.verifier.issuer import FakeIssuer

from ostiary.testing import FakeClock
from ostiary.verifier import Misconfigured

NOTES = "https://notes.example"


def test_a_service_says_whose_tokens_it_takes(issuer: FakeIssuer) -> None:
    """RFC 9728 section 2: itself exactly, the issuer, and that tokens come in the header; public and cacheable."""
    answer = issuer.verifier().resource(NOTES, scopes=("notes:read",), name="Notes")
    assert json.loads(answer.body) == {
        "resource": NOTES, "authorization_servers": [issuer.issuer], "bearer_methods_supported": ["header"],
        "scopes_supported": ["notes:read"], "resource_name": "Notes",
    }  # fmt: skip
    assert answer.status == 200
    assert dict(answer.headers)["Content-Type"] == "application/json"
    for wrong in ("notes", "http://notes.example", "https://notes.example#x", ""):
        with pytest.raises(Misconfigured):
            issuer.verifier().resource(wrong)


@pytest.mark.anyio
async def test_an_application_that_embeds_the_server(anyio_backend: str) -> None:
    """`auth.protected_resource` is an ASGI application with the same document."""
    async with open_site(FakeClock()) as site:
        transport = httpx2.ASGITransport(app=site.auth.protected_resource(NOTES, scopes=("notes:read",)))
        async with httpx2.AsyncClient(transport=transport, base_url=NOTES) as client:
            for _ in range(2):
                response = await client.get("/.well-known/oauth-protected-resource")
                assert response.json()["resource"] == NOTES
                assert response.json()["authorization_servers"] == [site.auth.settings.issuer]
