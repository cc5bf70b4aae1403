"""Examples that the RFCs print, taken as they stand: RFC 6749 (2.3.1), 7662 (2.2), 8693 (2.3, 4.1, 4.4), 9701 (5)."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.http.harness import API, Site, decoded, open_site
from tests.http.services import service

from ostiary.credentials.access_token import actor_claim, read_stateless
from ostiary.credentials.opaque import client_secret_digest
from ostiary.stores.port import Add, Remove
from ostiary.testing import FakeClock
from ostiary.verifier.issuer_client import ClientSecret

pytestmark = pytest.mark.anyio

TOKEN = "accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC"
EXCHANGE_REQUEST = (
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
    "&resource=https%3A%2F%2Fbackend.example.com%2Fapi"
    f"&subject_token={TOKEN}"
    "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
)
EXCHANGE_AUTHORIZATION = "Basic cnMwODpsb25nLXNlY3VyZS1yYW5kb20tc2VjcmV0"

CLAIMS = {
    "iss": "https://issuer.example.com", "aud": "https://consumer.example.com", "exp": 1443904177, "nbf": 1443904077,
    "sub": "user@example.com", "sid": "s", "sv": 1, "ep": 0, "client_id": "c", "auth_time": 0, "scope": "",
    "roles": [], "iat": 1443904077, "jti": "j",
}  # fmt: skip
ACT = {"sub": "admin@example.com"}
NESTED_ACT = {"sub": "https://service16.example.com", "act": {"sub": "https://service77.example.com"}}


def test_basic_credentials() -> None:
    """RFC 6749 section 2.3.1."""
    header = ClientSecret("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw").header("", 0)
    assert header == "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"


@pytest.mark.parametrize(
    ("act", "actors"),
    [(ACT, ("admin@example.com",)), (NESTED_ACT, ("https://service16.example.com", "https://service77.example.com"))],
)
def test_actors(act: dict[str, Any], actors: tuple[str, ...]) -> None:
    """RFC 8693 section 4.1, figures 5 and 6: read, and written again the same."""
    assert read_stateless({**CLAIMS, "act": act}).actors == actors
    assert actor_claim(actors) == act


def test_may_act() -> None:
    """RFC 8693 section 4.4, figure 8."""
    assert read_stateless({**CLAIMS, "may_act": {"sub": "admin@example.com"}}).may_act == "admin@example.com"


async def test_token_exchange(anyio_backend: str) -> None:
    """RFC 8693 section 2.3: the request of figure 2, but for the subject token, which is one of ours; and the answer
    has the members of figure 4."""
    async with open_site(FakeClock()) as site:
        await site.account()
        svc = await service(site, targets=("https://backend.example.com/api",))
        context = site.auth.system.context
        made = await site.auth.system.clients.get(svc.id)
        digest = client_secret_digest(context.derived, "long-secure-random-secret")
        assert await context.store.write(Remove(made), Add(replace(made, id="rs08", secret_digest=digest)))
        login = await site.log_in(transport="bearer", audience=API)
        response = await site.post(
            "/oauth/token",
            content=EXCHANGE_REQUEST.replace(TOKEN, login.access_token).encode(),
            headers={
                "Authorization": EXCHANGE_AUTHORIZATION, "Content-Type": "application/x-www-form-urlencoded",
            },
        )  # fmt: skip
        body = response.json()
        assert response.status_code == 200, body
        assert set(body) >= {"access_token", "issued_token_type", "token_type", "expires_in"}
        assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert (body["token_type"], body["expires_in"]) == ("Bearer", 60)
        assert response.headers["cache-control"] == "no-store"
        claims = decoded(body["access_token"])[1]
        assert (claims["aud"], claims["act"]) == ("https://backend.example.com/api", {"sub": "rs08"})


async def shape(site: Site) -> tuple[Any, Any, dict[str, Any]]:
    """An introspection answer, plain; header and payload of the signed one."""
    await site.account()
    svc = await service(site)
    login = await site.log_in(kind="stateless", audience=API)
    plain = (await svc.introspect(login.access_token)).json()
    signed = await svc.introspect(login.access_token, headers={"Accept": "application/token-introspection+jwt"})
    return plain, *decoded(signed.text)


async def test_introspection_answers(anyio_backend: str) -> None:
    """RFC 7662 section 2.2 and RFC 9701 section 5: our members have the types of the examples, and where the examples
    have nothing at the top (`sub`, `exp`), neither have we."""
    example = json.loads(
        '{"active":true,"client_id":"l238j323ds-23ij4","username":"jdoe","scope":"read write dolphin",'
        '"sub":"Z5O3upPC88QrAjx00dis","aud":"https://protected.example.net/resource",'
        '"iss":"https://server.example.com/","exp":1419356238,"iat":1419350238,'
        '"extension_field":"twenty-seven"}'
    )
    header = json.loads(
        base64.urlsafe_b64decode("eyJ0eXAiOiJ0b2tlbi1pbnRyb3NwZWN0aW9uK2p3dCIsImFsZyI6IlJTMjU2Iiwia2lkIjoid0c2RCJ9")
    )
    async with open_site(FakeClock()) as site:
        plain, signed_header, signed = await shape(site)
        for name in set(example) - {"username", "extension_field"}:
            assert type(plain[name]) is type(example[name]), name
        assert set(signed_header) == set(header)
        assert signed_header["typ"] == header["typ"]
        assert set(signed) == {"iss", "aud", "iat", "token_introspection"}
        assert signed["token_introspection"] == plain
