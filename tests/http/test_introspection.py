"""Contract section 5: introspection (RFC 7662), as JSON and signed (RFC 9701)."""

from typing import Any

import pytest
from tests.http.harness import API, ISSUER, KINDS, REPORTS, Site, decoded, open_site, problem
from tests.http.services import service

from ostiary import jose
from ostiary.domain.signing_key import KeyState
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

INACTIVE = {"active": False}
SIGNED = "application/token-introspection+jwt"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_live_credential_of_any_kind(site: Site, kind: str) -> None:
    """RFC 7662 section 2.2: what a resource server needs, and no name, e-mail or user name (M-26)."""
    await site.account(email="ann@example.org", display_name="Ann Example")
    login = await site.log_in(kind=kind, transport="bearer", audience=API)
    svc = await service(site)
    response = await svc.introspect(login.access_token)
    body = response.json()
    now = int(site.clock.wall)
    life = {"session": 43_200, "stateful": 900, "stateless": 300}[kind]
    expected = {
        "active": True, "iss": ISSUER, "sub": login.account_id, "aud": API, "client_id": "ostiary",
        "token_type": "Bearer", "exp": now + life, "auth_time": now, "sid": login.id, "roles": ["user"],
        "scope": "notes:read notes:write",
    }  # fmt: skip
    if kind != "session":
        claims = decoded(login.access_token)[1]
        expected |= {"iat": claims["iat"], "jti": claims["jti"]}
    assert body == expected
    assert response.headers["cache-control"] == "no-store"
    assert not any(text in response.text for text in ("Ann", "ann@", '"ann"'))


async def test_what_is_not_live_or_not_for_the_service_is_only_inactive(site: Site) -> None:
    """`{"active": false}` and nothing else, whatever the reason (section 5, RFC 7662 section 2.2)."""
    await site.account()
    svc, nobody = await service(site), await service(site, audiences=())
    live = await site.log_in(kind="stateless", audience=API)
    elsewhere = await site.log_in(kind="stateless", audience=REPORTS)
    ended = await site.log_in(kind="stateless", audience=[API, ISSUER])
    assert (await svc.introspect(ended.access_token)).json()["active"] is True
    await site.post("/v1/logout", bearer=ended.access_token)
    texts = [elsewhere.access_token, ended.access_token, live.refresh_token, live.access_token + "=", "x", "a.b.c"]
    texts += ["x" * 9000, "ost_st_" + "A" * 43, svc.secret or "", live.access_token[:-6] + "AAAAAA", "\u00e9", live.id]
    answers = [await svc.introspect(text) for text in texts]
    answers.append(await nobody.introspect(live.access_token))
    assert (await svc.introspect(live.access_token, headers={"X": "y"})).json()["active"] is True
    site.clock.advance(300)
    answers.append(await svc.introspect(live.access_token))
    assert {answer.text for answer in answers} == {'{"active":false}'}
    assert {answer.status_code for answer in answers} == {200}


async def test_hints_do_not_matter(site: Site) -> None:
    """RFC 7662 section 2.1: a hint helps or is ignored."""
    await site.account()
    login = await site.log_in(kind="stateless", audience=API)
    svc = await service(site)
    for hint in ("access_token", "refresh_token", "nonsense"):
        form = {"token": login.access_token, "token_type_hint": hint}
        assert (await svc.post("/oauth/introspect", form)).json()["active"] is True
    for form in ({}, {"token": ""}):
        assert problem(await svc.post("/oauth/introspect", form)) == (400, "invalid_request")


async def test_several_audiences_and_actors_are_told(site: Site) -> None:
    """`aud` as it is; `act` for what was exchanged, which is live for its service alone (RFC 8693 section 4.1)."""
    await site.account()
    login = await site.log_in(kind="session", transport="bearer", audience=[API, ISSUER])
    svc, behind = await service(site), await service(site, audiences=(REPORTS,))
    assert (await svc.introspect(login.access_token)).json()["aud"] == [API, ISSUER]
    token = (await svc.exchange(login.access_token)).json()["access_token"]
    body = (await behind.introspect(token)).json()
    assert (body["aud"], body["act"], body["client_id"]) == (REPORTS, {"sub": svc.id}, svc.id)
    assert body["exp"] == int(site.clock.wall) + 60
    assert (await svc.introspect(token)).json() == INACTIVE


async def test_changed_roles_are_told_at_once(site: Site) -> None:
    """M-30: `session` and `stateful` with today's roles, an old `stateless` token as inactive."""
    from ostiary.services.accounts import AccountPatch

    await site.account("root", roles=("admin",))
    account = await site.account(roles=("admin", "user"))
    svc = await service(site)
    logins = [await site.log_in(kind=kind, transport="bearer", audience=API) for kind in KINDS]
    for login in logins:
        assert (await svc.introspect(login.access_token)).json()["roles"] == ["admin", "user"]
    await site.auth.system.accounts.change(account, AccountPatch(roles=("user",)), actor="test")
    session, stateful, stateless = [(await svc.introspect(login.access_token)).json() for login in logins]
    assert session["roles"] == stateful["roles"] == ["user"]
    assert stateless == INACTIVE


async def signed(site: Site, svc: Any, token: str, accept: str = SIGNED) -> Any:
    return await svc.introspect(token, headers={"Accept": accept})


async def test_a_signed_answer(site: Site) -> None:
    """RFC 9701 section 5: a JWT of its own type, for this service, with the answer inside and nothing of it outside."""
    await site.account()
    login = await site.log_in(kind="stateless", audience=API)
    svc = await service(site)
    plain = (await svc.introspect(login.access_token)).json()
    keys = jose.KeySet.from_jwks((await site.get("/.well-known/jwks.json")).content)
    for token, expected in ((login.access_token, plain), ("x", INACTIVE)):
        response = await signed(site, svc, token)
        assert response.headers["content-type"] == SIGNED
        assert response.headers["cache-control"] == "no-store"
        verified = jose.verify_signature(response.text, keys)
        assert verified.header["typ"] == "token-introspection+jwt"
        claims = decoded(response.text)[1]
        assert claims == {
            "iss": ISSUER, "aud": svc.id, "iat": int(site.clock.wall), "token_introspection": expected,
        }  # fmt: skip


async def test_a_signed_answer_is_no_credential(site: Site) -> None:
    """Flaw class: one kind of token is taken for another (RFC 9701 section 8.1)."""
    await site.account()
    login = await site.log_in(kind="stateless", audience=[API, ISSUER])
    svc = await service(site)
    answer = (await signed(site, svc, login.access_token)).text
    assert problem(await site.get("/v1/me", bearer=answer)) == (401, "invalid_token")
    assert problem(await svc.exchange(answer)) == (400, "invalid_grant")
    assert (await svc.introspect(answer)).json() == INACTIVE


@pytest.mark.parametrize(
    ("accept", "is_signed"),
    [
        ("application/token-introspection+jwt", True),
        ("APPLICATION/Token-Introspection+JWT; q=0.5, application/json", True),
        ("application/json", False),
        ("*/*", False),
        ("application/*", False),
        ("application/token-introspection+jwt;q=0", False),
        ("application/token-introspection+jwt ; q=0.000", False),
        ("", False),
    ],
)
async def test_whoever_asks_for_it_gets_it_signed(site: Site, accept: str, is_signed: bool) -> None:
    """Only `Accept` with that very type asks for it (RFC 9701 section 4)."""
    svc = await service(site)
    response = await signed(site, svc, "x", accept)
    assert (response.headers["content-type"] == SIGNED) is is_signed


async def test_nobody_unknown_gets_a_signed_answer(site: Site) -> None:
    """RFC 9701 section 5: not without the service's credentials."""
    response = await site.post("/oauth/introspect", form={"token": "x"}, headers={"Accept": SIGNED})
    assert problem(response) == (401, "invalid_client")


async def test_a_server_that_signs_with_a_secret_signs_no_answers(anyio_backend: str) -> None:
    """Nobody else could check them: JSON instead, and the metadata does not offer it."""
    async with open_site(FakeClock(), signing_algorithm="HS256") as site:
        svc = await service(site)
        assert (await signed(site, svc, "x")).json() == INACTIVE
        metadata = (await site.get("/.well-known/oauth-authorization-server")).json()
        assert "introspection_signing_alg_values_supported" not in metadata


async def test_what_can_no_longer_be_read_is_inactive(anyio_backend: str) -> None:
    """The key that hid a token was revoked: it is refused wherever it is not remembered, and what is remembered cannot
    be told of. Neither is an error of the server's (M-63)."""
    async with open_site(FakeClock(), encrypt_stateless=True) as site:
        await site.account()
        login = await site.log_in(kind="stateless", audience=[API, ISSUER])
        svc = await service(site)
        assert (await svc.introspect(login.access_token)).json()["active"] is True
        keys = site.auth.system.signing_keys
        [hider] = [key for key in await keys.all() if key.encrypts and key.state is KeyState.ACTIVE]
        await keys.revoke(hider.id)
        response = await svc.introspect(login.access_token)
        assert (response.status_code, response.json()) == (200, INACTIVE)
