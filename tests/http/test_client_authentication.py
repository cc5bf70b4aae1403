"""Contract section 5: confidential clients prove themselves by HTTP Basic or `private_key_jwt`."""

import asyncio
import base64
from typing import Any

import pytest
from tests.http.harness import ISSUER, Site, open_site, problem
from tests.http.services import ASSERTION, Service, basic, service

from ostiary import jose
from ostiary.stores.memory import MemoryStore
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

PATHS = ("/oauth/introspect", "/oauth/revoke", "/oauth/token")
FORM = {"token": "x", "grant_type": "client_credentials"}
OTHER = jose.Key.generate("ES256")
REFUSED = (401, "invalid_client")


def header(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def with_keys(site: Site, alg: str = "ES256", **more: Any) -> Service:
    return await service(site, key=jose.Key.generate(alg), grants=("client_credentials",), **more)


async def asserted(svc: Service, assertion: str, path: str = "/oauth/introspect", **form: str) -> Any:
    fields = {**FORM, "client_assertion_type": ASSERTION, "client_assertion": assertion, **form}
    return await svc.site.post(path, form=fields)


@pytest.mark.parametrize("path", PATHS)
async def test_a_secret_by_basic(site: Site, path: str) -> None:
    """Id and secret in `Authorization: Basic`, the scheme in any letter case (RFC 6749 section 2.3.1)."""
    svc = await service(site, grants=("client_credentials",))
    for headers in (svc.basic, {"Authorization": svc.basic["Authorization"].replace("Basic", "bAsIc")}):
        assert (await site.post(path, form=FORM, headers=headers)).status_code == 200
    assert (await site.post(path, form={**FORM, "client_id": svc.id}, headers=svc.basic)).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_not_the_secret(site: Site, path: str) -> None:
    """401 `invalid_client` with `WWW-Authenticate: Basic`; unknown client and wrong secret look alike (section 5)."""
    svc = await service(site)
    other = await service(site)
    answers = []
    for headers in (
        basic(svc.id, "ost_cs_" + "A" * 43), basic("cli_nobody", svc.secret or ""), basic(svc.id, other.secret or ""),
        basic(svc.id, ""), basic(svc.id, (svc.secret or "")[:-1]), basic(svc.id, (svc.secret or "") + "A"),
        header(svc.id), header(":"), header(""), {"Authorization": "Basic !!!"}, {"Authorization": "Basic"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()}, header(f"{svc.id}:%ff"),
        header("%00:x"), basic("\u00e9", "x"), basic("x" * 5000, "x"),
    ):  # fmt: skip
        response = await site.post(path, form=FORM, headers=headers)
        assert problem(response) == REFUSED, headers
        assert response.headers["www-authenticate"] == 'Basic realm="ostiary"'
        answers.append(response.text)
    assert len(set(answers)) == 1


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/token"])
async def test_nobody_is_no_client(site: Site, path: str) -> None:
    """Without credentials, or with a user's own, it is 401 `invalid_client`."""
    await site.account()
    login = await site.log_in(transport="bearer")
    for how in ({}, {"bearer": login.access_token}):
        assert problem(await site.post(path, form={**FORM, "client_id": "cli_x"}, **how)) == REFUSED


async def test_one_way_at_a_time(site: Site) -> None:
    """Two ways at once are 400 `invalid_request`; a secret in the body is not accepted (RFC 6749 section 2.3)."""
    svc = await service(site)
    both = {**FORM, "client_id": svc.id, "client_secret": svc.secret or ""}
    assert problem(await site.post("/oauth/introspect", form=both, headers=svc.basic)) == (400, "invalid_request")
    assert problem(await site.post("/oauth/introspect", form=both)) == REFUSED
    form = {**FORM, "client_assertion_type": ASSERTION, "client_assertion": "a.b.c"}
    assert problem(await site.post("/oauth/introspect", form=form, headers=svc.basic)) == (400, "invalid_request")
    twice = [("Authorization", svc.basic["Authorization"])] * 2
    assert problem(await site.post("/oauth/introspect", form=FORM, headers=twice)) == (400, "invalid_request")
    mixed = {**FORM, "client_id": "cli_other"}
    assert problem(await site.post("/oauth/introspect", form=mixed, headers=svc.basic)) == REFUSED


@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA", "Ed25519", "RS256", "PS256"])
@pytest.mark.parametrize("path", PATHS)
async def test_an_assertion(site: Site, alg: str, path: str) -> None:
    """`private_key_jwt` (RFC 7523): meant for the issuer or for an endpoint of it, with or without `client_id`."""
    svc = await with_keys(site, alg)
    for audience in (ISSUER, [ISSUER], f"{ISSUER}/oauth/token", [ISSUER, f"{ISSUER}/oauth/token"]):
        assert (await asserted(svc, svc.assertion(aud=audience), path)).status_code == 200
    assert (await asserted(svc, svc.assertion(), path, client_id=svc.id)).status_code == 200
    assert (await asserted(svc, svc.assertion(typ="client-authentication+jwt"), path)).status_code == 200


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "cli_other"},
    "no issuer": {"iss": None},
    "another subject": {"sub": "cli_other"},
    "no subject": {"sub": None},
    "another audience": {"aud": "https://other.example"},
    "another audience beside": {"aud": [ISSUER, "https://other.example"]},
    "no audience": {"aud": None},
    "an empty audience": {"aud": []},
    "an audience of numbers": {"aud": [5]},
    "no end": {"exp": None},
    "a far end": {"exp": 1_800_000_000 + 601},
    "over": {"exp": 1_800_000_000},
    "issued later": {"iat": 1_800_000_000 + 31},
    "valid later": {"nbf": 1_800_000_000 + 31},
    "no id": {"jti": None},
    "an empty id": {"jti": ""},
    "a long id": {"jti": "x" * 257},
    "an id of a number": {"jti": 5},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG.keys())
async def test_assertions_that_say_something_else(site: Site, claims: dict[str, Any]) -> None:
    """401 `invalid_client`, whatever is wrong (RFC 7523 section 3)."""
    svc = await with_keys(site)
    assert problem(await asserted(svc, svc.assertion(**claims))) == REFUSED


async def test_assertions_that_are_not_the_clients(site: Site) -> None:
    """Only a key that is registered for this client counts, never one that the assertion brings (section 4)."""
    svc, other = await with_keys(site), await with_keys(site)
    assert svc.key is not None
    assert other.key is not None
    genuine = svc.assertion()
    forged = Service(site=site, id=svc.id, key=OTHER)
    borrowed = Service(site=site, id=svc.id, key=other.key)
    by_secret = await service(site)
    wrong = [
        forged.assertion(),
        borrowed.assertion(),
        Service(site=site, id=by_secret.id, key=OTHER).assertion(),
        genuine[:-4] + "AAAA",
        genuine + "=",
        svc.assertion(typ="at+jwt"),
        svc.assertion(typ="dpop+jwt"),
        jose.sign_proof(
            {"iss": svc.id, "sub": svc.id, "aud": ISSUER, "exp": 1_800_000_060, "jti": "p"}, svc.key, typ="JWT"
        ),
        jose.sign(
            {"iss": svc.id, "sub": svc.id, "aud": ISSUER, "exp": 1_800_000_060, "jti": "h"},
            jose.Key.from_secret(svc.key.to_jwk()["x"].encode(), "HS256", kid=svc.key.kid),
        ),
        "a.b.c",
        "x",
    ]
    for assertion in wrong:
        assert problem(await asserted(svc, assertion)) == REFUSED
    assert problem(await asserted(svc, svc.assertion(), client_id=other.id)) == REFUSED
    for kind in ("", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"):
        assert problem(await asserted(svc, svc.assertion(), client_assertion_type=kind)) == REFUSED
    assert (await asserted(svc, genuine)).status_code == 200


async def test_an_assertion_counts_once(site: Site) -> None:
    """M-52: of fifty who send the same assertion at once, one is believed, and nobody afterwards."""
    svc = await with_keys(site)
    assertion = svc.assertion()
    answers = await asyncio.gather(*(asserted(svc, assertion) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    site.clock.advance(59)
    assert problem(await asserted(svc, assertion)) == REFUSED


async def test_an_assertion_counts_once_on_all_nodes(anyio_backend: str) -> None:
    """M-52: what was used at one node is not believed at another one, nor after a restart."""
    store, clock, secret_key = MemoryStore(), FakeClock(), b"k" * 32
    async with open_site(clock, store=store, secret_key=secret_key) as one:
        svc = await with_keys(one)
        assertion = svc.assertion()
        assert (await asserted(svc, assertion)).status_code == 200
    async with open_site(clock, store=store, secret_key=secret_key) as other:
        there = Service(site=other, id=svc.id, key=svc.key)
        assert problem(await asserted(there, assertion)) == REFUSED
        assert (await asserted(there, there.assertion())).status_code == 200


async def test_used_assertions_are_forgotten_when_they_are_over(site: Site) -> None:
    """M-32: the store remembers an assertion for as long as it could be used, and not for ever."""
    svc = await with_keys(site)
    assert (await asserted(svc, svc.assertion())).status_code == 200
    assert (await site.auth.system.housekeeping.purge()).spent == 0
    site.clock.advance(121)
    assert (await site.auth.system.housekeeping.purge()).spent == 1


async def test_wrong_credentials_are_slowed_down_and_right_ones_are_not(anyio_backend: str) -> None:
    """A network that is wrong too often gets 429 with `Retry-After`; a client that is known goes on (section 1)."""
    async with open_site(FakeClock(), address_failures=3) as site:
        svc, stranger = await service(site), await service(site)
        assert (await svc.introspect("x")).status_code == 200
        for _ in range(3):
            assert problem(await site.post("/oauth/introspect", form=FORM, headers=basic(svc.id, "w"))) == REFUSED
        blocked = await site.post("/oauth/introspect", form=FORM, headers=basic(svc.id, "w"))
        assert blocked.status_code == 429
        assert int(blocked.headers["retry-after"]) == 600
        assert (await svc.introspect("x")).status_code == 200
        assert (await stranger.introspect("x")).status_code == 429
        elsewhere = await site.post("/oauth/introspect", form=FORM, headers=stranger.basic, peer="203.0.113.5")
        assert elsewhere.status_code == 200
        site.clock.advance(600)
        assert problem(await site.post("/oauth/introspect", form=FORM, headers=basic(svc.id, "w"))) == REFUSED


@pytest.mark.parametrize("correction", [-86_400.0, 86_400.0])
async def test_a_network_is_slowed_down_for_as_long_when_the_clock_is_set(
    anyio_backend: str, correction: float
) -> None:
    """A machine's time that is corrected neither lifts the limit nor keeps a network's clients out for a day."""
    async with open_site(FakeClock(), address_failures=3) as site:
        svc = await service(site)
        for _ in range(3):
            await site.post("/oauth/introspect", form=FORM, headers=basic(svc.id, "w"))
        site.clock.set_wall(site.clock.wall + correction)
        blocked = await site.post("/oauth/introspect", form=FORM, headers=basic(svc.id, "w"))
        assert (blocked.status_code, blocked.headers["retry-after"]) == (429, "600")
        site.clock.advance(600)
        assert problem(await site.post("/oauth/introspect", form=FORM, headers=basic(svc.id, "w"))) == REFUSED


async def test_wrong_credentials_at_revoke_end_nothing(site: Site) -> None:
    """Whoever says to be a client must be one; holding the token alone is enough (section 5)."""
    svc = await service(site)
    await site.account()
    login = await site.log_in(kind="stateless")
    form = {"token": login.access_token}
    assert problem(await site.post("/oauth/revoke", form=form, headers=basic(svc.id, "w"))) == REFUSED
    assert await site.alive(login)
    assert (await site.post("/oauth/revoke", form=form, headers=svc.basic)).status_code == 200
    assert not await site.alive(login)


async def test_a_clients_credentials_refresh_no_users_token(site: Site) -> None:
    """A refresh token belongs to the login, not to a client: `unauthorized_client`, and it is not spent."""
    svc = await service(site)
    await site.account()
    login = await site.log_in(kind="stateless")
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
    assert problem(await site.post("/oauth/token", form=form, headers=svc.basic)) == (400, "unauthorized_client")
    assert (await site.refresh(login)).status_code == 200
