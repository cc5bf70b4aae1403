"""Contract section 5: token exchange (RFC 8693) and `client_credentials`."""

from typing import Any

import pytest
from tests.http.harness import API, ISSUER, KINDS, REPORTS, Login, Site, decoded, open_site, problem
from tests.http.services import ACCESS, EXCHANGE, Service, service

from ostiary import jose
from ostiary.jose import decode_unverified
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

FAR = "https://far.example"
SERVICES = {"client_credentials", EXCHANGE}


async def user(site: Site, kind: str = "stateless", audience: Any = API, **more: Any) -> Login:
    """Somebody logged in at a client of the service API."""
    if await site.auth.system.store.accounts.by_username("ann") is None:
        await site.account()
    return await site.log_in(kind=kind, transport="bearer", audience=audience, **more)


async def checked(site: Site, token: str, audience: str = REPORTS) -> dict[str, Any]:
    """The claims, verified as a resource server would: by public keys alone."""
    keys = jose.KeySet.from_jwks((await site.get("/.well-known/jwks.json")).content)
    policy = jose.Policy(issuer=ISSUER, audience=audience, type="at+jwt")
    return dict(jose.verify(token, keys, policy, now=site.clock.wall))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_users_credential_of_any_kind_becomes_a_token_for_one_service(site: Site, kind: str) -> None:
    """M-60: 60 seconds, for the one audience, same session, version and epoch, the service as actor (section 4)."""
    login = await user(site, kind)
    svc = await service(site)
    response = await svc.exchange(login.access_token)
    body = response.json()
    assert response.status_code == 200, body
    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"], body["expires_in"]) == (ACCESS, "Bearer", 60)
    claims = await checked(site, body["access_token"])
    now = int(site.clock.wall)
    assert decoded(body["access_token"])[0]["typ"] == "at+jwt"
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, REPORTS, login.account_id)
    assert (claims["iat"], claims["exp"], claims["client_id"]) == (now, now + 60, svc.id)
    assert claims["act"] == {"sub": svc.id}
    assert (claims["sid"], claims["sv"]) == (login.id, 1)
    assert claims["scope"] == body["scope"] == "notes:read notes:write"
    assert claims["roles"] == ["user"]
    if kind == "stateless":
        subject = decode_unverified(login.access_token).claims
        assert all(claims[name] == subject[name] for name in ("sid", "sv", "ep", "sub", "auth_time"))
    again = decoded((await svc.exchange(login.access_token)).json()["access_token"])[1]
    assert again["jti"] != claims["jti"]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_exchanged_is_never_longer_than_what_it_was_made_of(site: Site, kind: str) -> None:
    """It ends with the subject token, or with the session (section 5)."""
    login = await user(site, kind)
    svc = await service(site)
    life = {"session": 43_200, "stateful": 900, "stateless": 300}[kind]
    step = 1700
    while life - step > 30:  # a session is used, so that it does not lie idle
        site.clock.advance(step)
        life -= step
        assert (await svc.exchange(login.access_token)).status_code == 200
    site.clock.advance(life - 30)
    body = (await svc.exchange(login.access_token)).json()
    assert body["expires_in"] == 30
    site.clock.advance(29.5)
    last = await svc.exchange(login.access_token)
    assert last.status_code == 400 or last.json()["expires_in"] <= 1
    site.clock.advance(0.5)
    assert problem(await svc.exchange(login.access_token)) == (400, "invalid_grant")


async def test_scopes_are_only_narrowed(site: Site) -> None:
    """What is asked for is part of what the subject token has, or `invalid_scope` (section 5)."""
    login = await user(site)
    svc = await service(site)
    body = (await svc.exchange(login.access_token, scope="notes:read")).json()
    assert body["scope"] == decoded(body["access_token"])[1]["scope"] == "notes:read"
    for scope in ("accounts:write", "notes:read accounts:write", "admin", "notes:read  notes:write", " ", 'a"b', "é"):
        assert problem(await svc.exchange(login.access_token, scope=scope)) == (400, "invalid_scope"), scope
    narrow = await user(site, scope="notes:read")
    assert (await svc.exchange(narrow.access_token)).json()["scope"] == "notes:read"
    assert problem(await svc.exchange(narrow.access_token, scope="notes:write")) == (400, "invalid_scope")


async def test_a_service_takes_over_no_more_scopes_than_it_is_registered_for(site: Site) -> None:
    """`scopes` of the client bound what an exchange takes over; without any, the user's own do."""
    login = await user(site)
    svc = await service(site, scopes=("notes:read", "reports:write"))
    assert (await svc.exchange(login.access_token)).json()["scope"] == "notes:read"
    for scope in ("notes:write", "reports:write"):
        assert problem(await svc.exchange(login.access_token, scope=scope)) == (400, "invalid_scope")


async def test_a_user_without_scopes(anyio_backend: str) -> None:
    """No scope is said where there is none."""
    async with open_site(FakeClock(), role_scopes={}) as site:
        login = await user(site)
        body = (await (await service(site)).exchange(login.access_token)).json()
        assert "scope" not in body
        assert decoded(body["access_token"])[1]["scope"] == ""


async def test_the_subject_token_must_be_meant_for_the_service(site: Site) -> None:
    """`invalid_grant`, and nothing tells why: somebody else's token and an invented one look alike (section 5)."""
    for_api = await user(site)
    for_issuer = await user(site, audience=ISSUER)
    for_both = await user(site, audience=[ISSUER, API])
    svc, elsewhere = await service(site), await service(site, audiences=(REPORTS,))
    nowhere = await service(site, audiences=())
    assert (await svc.exchange(for_api.access_token)).status_code == 200
    assert (await svc.exchange(for_both.access_token)).status_code == 200
    refusals = [await svc.exchange(for_issuer.access_token)]
    refusals += [await other.exchange(for_api.access_token) for other in (elsewhere, nowhere)]
    forged = for_api.access_token[:-10] + "A" * 10
    for text in (forged, "x", "a.b.c", "ost_st_" + "A" * 43, for_api.refresh_token, "x" * 9000, svc.secret or ""):
        refusals.append(await svc.exchange(text))
    assert {problem(refusal) for refusal in refusals} == {(400, "invalid_grant")}
    assert len({refusal.text for refusal in refusals}) == 1


async def test_a_default_login_is_exchanged_by_a_service_that_stands_for_the_issuer(site: Site) -> None:
    """A session's audience is the issuer unless the login says otherwise; a service may be registered for that."""
    await site.account()
    login = await site.log_in(transport="bearer")
    svc = await service(site, audiences=(ISSUER,))
    assert (await svc.exchange(login.access_token)).status_code == 200


async def test_the_target_is_registered_and_never_the_issuer(site: Site) -> None:
    """`invalid_target` (section 5, RFC 8693 section 2.2.2)."""
    login = await user(site)
    svc = await service(site, targets=(REPORTS, ISSUER))
    for audience in (ISSUER, API, FAR, REPORTS + "/", REPORTS.upper(), " " + REPORTS, svc.id):
        assert problem(await svc.exchange(login.access_token, audience)) == (400, "invalid_target"), audience
    assert problem(await svc.exchange(login.access_token, None)) == (400, "invalid_target")
    only_issuer = await service(site, targets=(ISSUER,))
    assert problem(await only_issuer.exchange(login.access_token, None)) == (400, "invalid_target")
    none = await service(site, targets=())
    for audience in (REPORTS, None):
        assert problem(await none.exchange(login.access_token, audience)) == (400, "invalid_target")


async def test_the_target_by_its_address(site: Site) -> None:
    """`resource` (RFC 8707) names a service as `audience` does; both must mean the same one."""
    login = await user(site)
    svc = await service(site)
    for resource, audience in ((REPORTS, ""), (REPORTS, REPORTS), ("", "")):
        response = await svc.exchange(login.access_token, audience, resource=resource)
        assert decoded(response.json()["access_token"])[1]["aud"] == REPORTS
    for resource, audience in ((FAR, ""), (FAR, REPORTS), (REPORTS, FAR)):
        response = await svc.exchange(login.access_token, audience, resource=resource)
        assert problem(response) == (400, "invalid_target")


async def test_requests_that_are_not_valid(site: Site) -> None:
    """`invalid_request` (RFC 8693 sections 2.1 and 2.2.2)."""
    login = await user(site)
    svc = await service(site)
    good = {"grant_type": EXCHANGE, "subject_token": login.access_token, "subject_token_type": ACCESS}
    good["audience"] = REPORTS
    for wrong in (
        {"subject_token": ""}, {"subject_token_type": ""}, {"grant_type": ""},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, {"subject_token_type": "access_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"actor_token": login.access_token, "actor_token_type": ACCESS}, {"actor_token_type": ACCESS},
    ):  # fmt: skip
        assert problem(await svc.post("/oauth/token", {**good, **wrong})) == (400, "invalid_request"), wrong
    assert problem(await svc.post("/oauth/token", {**good, "grant_type": "password"})) == (
        400,
        "unsupported_grant_type",
    )
    assert (await svc.exchange(login.access_token, requested_token_type=ACCESS)).status_code == 200
    for name in ("audience", "resource", "subject_token", "scope"):
        pairs = [*good.items(), (name, REPORTS), (name, REPORTS)]
        response = await site.post("/oauth/token", form=pairs, headers=svc.basic)
        assert problem(response) == (400, "invalid_request"), name


async def test_only_what_the_service_is_registered_for(site: Site) -> None:
    """`unauthorized_client` for a grant that is not among the client's (RFC 6749 section 5.2)."""
    login = await user(site)
    plain = await service(site, grants=())
    assert problem(await plain.exchange(login.access_token)) == (400, "unauthorized_client")
    assert problem(await plain.post("/oauth/token", {"grant_type": "client_credentials"})) == (
        400,
        "unauthorized_client",
    )
    own = await service(site, grants=("client_credentials",))
    assert problem(await own.exchange(login.access_token)) == (400, "unauthorized_client")


async def chain(site: Site, length: int) -> list[Service]:
    """Services that each serve what the one before may call."""
    names = [API, *(f"https://s{i}.example" for i in range(length))]
    return [await service(site, audiences=(names[i],), targets=(names[i + 1],)) for i in range(length)]


async def test_a_chain_of_services(site: Site) -> None:
    """M-60: B exchanges what A got for it; the current actor is outermost, whom it acts for inside; nothing gets
    longer or wider; at the end of the chain it is `invalid_grant` (RFC 8693 section 4.1)."""
    token = (await user(site)).access_token
    services = await chain(site, 9)
    seen: list[str] = []
    exp = site.clock.wall + 61
    for svc in services[:8]:
        site.clock.advance(1)
        response = await svc.exchange(token, None)
        assert response.status_code == 200, response.text
        token = response.json()["access_token"]
        claims = decoded(token)[1]
        seen.insert(0, svc.id)
        act, told = claims["act"], []
        while act is not None:
            told.append(act["sub"])
            act = act.get("act")
        assert told == seen
        assert claims["exp"] <= exp
        exp = claims["exp"]
    assert problem(await services[8].exchange(token, None)) == (400, "invalid_grant")


@pytest.mark.parametrize("kind", KINDS)
async def test_ending_the_session_ends_what_was_derived_from_it(site: Site, kind: str) -> None:
    """M-60, M-06: neither the user's credential nor anything down the chain is accepted for another step."""
    login = await user(site, kind, [API, ISSUER])
    first, second = await chain(site, 2)
    derived = (await first.exchange(login.access_token, None)).json()["access_token"]
    assert (await second.exchange(derived, None)).status_code == 200
    assert (await second.introspect(derived)).json()["active"] is True
    assert (await site.post("/v1/logout", bearer=login.access_token)).status_code == 200
    assert problem(await first.exchange(login.access_token, None)) == (400, "invalid_grant")
    assert problem(await second.exchange(derived, None)) == (400, "invalid_grant")
    assert (await second.introspect(derived)).json() == {"active": False}


async def test_a_demoted_account_loses_what_was_derived(site: Site) -> None:
    """M-30: after a role change what says the old roles is refused, and the next exchange says the new ones."""
    await site.account("root", roles=("admin",))
    account = await site.account(roles=("admin", "user"))
    login = await site.log_in(kind="session", transport="bearer", audience=API)
    svc, behind = await service(site), await service(site, audiences=(REPORTS,))
    old = (await svc.exchange(login.access_token)).json()["access_token"]
    assert decoded(old)[1]["roles"] == ["admin", "user"]
    from ostiary.services.accounts import AccountPatch

    await site.auth.system.accounts.change(account, AccountPatch(roles=("user",)), actor="test")
    assert (await behind.introspect(old)).json() == {"active": False}
    new = (await svc.exchange(login.access_token)).json()["access_token"]
    assert decoded(new)[1]["roles"] == ["user"]
    assert (await behind.introspect(new)).json()["active"] is True


async def test_deleting_the_service_ends_what_was_issued_to_it(site: Site) -> None:
    """M-07: exchanged tokens and its own, at once; those of another service live on."""
    login = await user(site)
    svc = await service(site, grants=tuple(SERVICES))
    other = await service(site)
    behind = await service(site, audiences=(REPORTS,))
    exchanged = (await svc.exchange(login.access_token)).json()["access_token"]
    own = (await svc.post("/oauth/token", {"grant_type": "client_credentials"})).json()["access_token"]
    others = (await other.exchange(login.access_token)).json()["access_token"]
    for token in (exchanged, own, others):
        assert (await behind.introspect(token)).json()["active"] is True
    ended = await site.auth.system.clients.delete(svc.id, actor="test")
    assert (ended.ended, ended.bound) == (1, 0.0)
    for token in (exchanged, own):
        assert (await behind.introspect(token)).json() == {"active": False}
    assert (await behind.introspect(others)).json()["active"] is True
    assert await site.alive(await user(site, audience=ISSUER))


async def test_no_derived_token_works_at_ostiarys_own_api(site: Site) -> None:
    """No token with `act`, none of a service, and none meant for somebody else (section 4)."""
    await site.account("root", roles=("admin",))
    root = await site.log_in("root", kind="stateless", audience=[ISSUER, API])
    svc = await service(site, grants=tuple(SERVICES), targets=(REPORTS,))
    exchanged = (await svc.exchange(root.access_token)).json()["access_token"]
    own = (await svc.post("/oauth/token", {"grant_type": "client_credentials"})).json()["access_token"]
    behind = await service(site, audiences=(REPORTS,))
    assert (await behind.introspect(exchanged)).json()["roles"] == ["admin"]
    for token in (exchanged, own):
        for path in ("/v1/me", "/v1/admin/stats", "/v1/sessions"):
            assert problem(await site.get(path, bearer=token)) == (401, "invalid_token")
    assert problem(await site.post("/v1/logout", bearer=exchanged)) == (401, "invalid_token")


async def test_holding_a_derived_token_is_enough_to_end_its_session(site: Site) -> None:
    """RFC 7009: any credential ends its session; a service's own token ends itself (section 5)."""
    login = await user(site, audience=[API, ISSUER])
    svc = await service(site, grants=tuple(SERVICES), targets=(FAR,))
    behind = await service(site, audiences=(FAR,))
    own = (await svc.post("/oauth/token", {"grant_type": "client_credentials"})).json()["access_token"]
    another = (await svc.post("/oauth/token", {"grant_type": "client_credentials"})).json()["access_token"]
    exchanged = (await svc.exchange(login.access_token, FAR)).json()["access_token"]
    assert (await site.post("/oauth/revoke", form={"token": own})).status_code == 200
    assert (await behind.introspect(own)).json() == {"active": False}
    assert (await behind.introspect(another)).json()["active"] is True
    assert await site.alive(login)
    assert (await site.post("/oauth/revoke", form={"token": exchanged})).status_code == 200
    assert not await site.alive(login)


async def test_a_services_own_token(site: Site) -> None:
    """`client_credentials` (RFC 6749 section 4.4): the subject is the service, for one target, with its scopes."""
    svc = await service(site, grants=("client_credentials",), scopes=("reports:write", "reports:read"))
    response = await svc.post("/oauth/token", {"grant_type": "client_credentials", "audience": REPORTS})
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    claims = await checked(site, body["access_token"])
    assert claims["sub"] == claims["client_id"] == svc.id
    assert (claims["aud"], claims["roles"]) == (REPORTS, [])
    assert claims["scope"] == body["scope"] == "reports:read reports:write"
    assert "act" not in claims
    form = {"grant_type": "client_credentials", "scope": "reports:read"}
    assert (await svc.post("/oauth/token", form)).json()["scope"] == "reports:read"
    for scope in ("notes:read", "reports:read notes:read"):
        assert problem(await svc.post("/oauth/token", {**form, "scope": scope})) == (400, "invalid_scope")
    for audience in (ISSUER, API, FAR):
        assert problem(await svc.post("/oauth/token", {**form, "audience": audience})) == (400, "invalid_target")
    bare = await service(site, grants=("client_credentials",))
    assert "scope" not in (await bare.post("/oauth/token", {"grant_type": "client_credentials"})).json()


async def test_ending_everything_ends_services_tokens_too(site: Site) -> None:
    """M-07: everybody; a service asks anew and goes on."""
    svc = await service(site, grants=("client_credentials",))
    behind = await service(site, audiences=(REPORTS,))
    form = {"grant_type": "client_credentials"}
    own = (await svc.post("/oauth/token", form)).json()["access_token"]
    assert (await behind.introspect(own)).json()["active"] is True
    await site.auth.system.sessions.end_everything(actor="test")
    assert (await behind.introspect(own)).json() == {"active": False}
    anew = (await svc.post("/oauth/token", form)).json()["access_token"]
    assert (await behind.introspect(anew)).json()["active"] is True


async def test_what_is_known_costs_no_look_up(site: Site) -> None:
    """Of a session token and a client that were seen before, the exchange asks the store nothing (section 6)."""
    logins = [await user(site, kind) for kind in KINDS]
    svc = await service(site)
    for login in logins:
        assert (await svc.exchange(login.access_token)).status_code == 200
    store = site.auth.system.store
    asked: list[str] = []
    for part in ("accounts", "sessions", "clients", "throttles", "spent"):
        table = getattr(store, part)
        for name in ("get", "by_token_digest"):
            if hasattr(table, name):
                setattr(table, name, lambda *_, name=f"{part}.{name}": asked.append(name))
    for login in logins:
        assert (await svc.exchange(login.access_token)).status_code == 200
        assert (await svc.introspect(login.access_token)).json()["active"] is True
    assert asked == []


async def test_an_internal_token_is_never_encrypted_to_ourselves(anyio_backend: str) -> None:
    """With `encrypt_stateless` the user's token is hidden and can be exchanged; the service behind can read its own."""
    async with open_site(FakeClock(), encrypt_stateless=True) as site:
        login = await user(site)
        assert login.access_token.count(".") == 4
        body = (await (await service(site)).exchange(login.access_token)).json()
        assert (await checked(site, body["access_token"]))["sub"] == login.account_id


async def test_answers_are_kept_by_nobody(site: Site) -> None:
    """`Cache-Control: no-store`, refused or not (section 1)."""
    login = await user(site)
    svc = await service(site)
    for response in (await svc.exchange(login.access_token), await svc.exchange("x")):
        assert response.headers["cache-control"] == "no-store"
        assert "set-cookie" not in response.headers
