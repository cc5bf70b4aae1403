"""Contract section 4: what tokens say, byte for byte, and which are refused."""

import json
from typing import Any

import pytest
from tests.http.harness import API, ISSUER, KINDS, PASSWORD, SESSION, Site, decoded, open_site, problem

from ostiary import jose
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

STATELESS = {
    "iss", "sub", "aud", "client_id", "iat", "exp", "jti", "sid", "sv", "auth_time", "scope", "roles", "ep",
}  # fmt: skip
STATEFUL = {"iss", "aud", "sid", "sv", "iat", "exp", "jti"}


async def test_stateless(site: Site) -> None:
    """`at+jwt` with exactly the claims of the table, instants in whole seconds, 300 s (section 4, RFC 9068)."""
    account = await site.account(roles=("editor", "user"), email="ann@example.com", display_name="Ann Example")
    login = await site.log_in(kind="stateless")
    header, claims = decoded(login.access_token)
    assert set(header) == {"alg", "typ", "kid"}
    assert header["typ"] == "at+jwt"
    assert header["alg"] == "ES256"
    assert set(claims) == STATELESS
    assert claims["iss"] == claims["aud"] == ISSUER
    assert claims["sub"] == account
    assert claims["sid"] == login.id
    assert claims["roles"] == ["editor", "user"]
    assert claims["scope"] == "notes:read notes:write"
    assert claims["iat"] == claims["auth_time"] == int(site.clock.wall)
    assert claims["exp"] - claims["iat"] == 300
    for name in ("iat", "exp", "auth_time", "sv", "ep"):
        assert isinstance(claims[name], int)
    assert not any(private in json.dumps(claims) for private in ("ann@example.com", "Ann Example", '"ann"'))


async def test_stateful(site: Site) -> None:
    """`session+jwt` with exactly the claims of the table: no account, no role, no name; 900 s (section 4, M-03)."""
    account = await site.account(roles=("editor",), email="ann@example.com", display_name="Ann Example")
    login = await site.log_in(kind="stateful")
    header, claims = decoded(login.access_token)
    assert set(header) == {"alg", "typ", "kid"}
    assert header["typ"] == "session+jwt"
    assert set(claims) == STATEFUL
    assert claims["exp"] - claims["iat"] == 900
    text = json.dumps(claims)
    assert not any(private in text for private in ("ann", "editor", account))


async def test_session_tokens_say_nothing(site: Site) -> None:
    """A session token is a prefix and chance (M-03, M-09)."""
    await site.account()
    tokens = {(await site.log_in(transport="bearer")).access_token for _ in range(10)}
    assert len({token[:12] for token in tokens}) == 10


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_every_token_is_new(site: Site, kind: str) -> None:
    """`jti` never repeats; `sid` stays, and an ordinary refresh raises neither `sv` nor `ep` (section 4)."""
    await site.account()
    login = await site.log_in(kind=kind)
    seen = [decoded(login.access_token)[1]]
    for _ in range(3):
        login = login.renewed(await site.refresh(login))
        seen.append(decoded(login.access_token)[1])
    assert len({claims["jti"] for claims in seen}) == 4
    assert len({(claims["sid"], claims["sv"], claims.get("ep")) for claims in seen}) == 1


async def test_what_raises_ep_and_sv(site: Site) -> None:
    """Re-authentication raises `sv` alone; a password change both; a role change `ep` alone (section 4)."""
    account = await site.account()
    await site.account("root", roles=("admin",))
    root = await site.log_in("root")
    login = await site.log_in(kind="stateless")

    def numbers() -> tuple[int, int]:
        claims = decoded(login.access_token)[1]
        return claims["ep"], claims["sv"]

    ep, sv = numbers()
    login = login.renewed(await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **login.use))
    assert numbers() == (ep, sv + 1)
    body = {"current_password": PASSWORD, "new_password": PASSWORD + " two"}
    login = login.renewed(await site.post("/v1/password", json=body, **login.use))
    assert numbers()[0] > ep
    assert numbers()[1] == sv + 2
    ep = numbers()[0]
    await site.patch(f"/v1/admin/accounts/{account}", json={"roles": ["editor"]}, **root.use)
    login = login.renewed(await site.refresh(login))
    assert numbers()[0] > ep
    assert numbers()[1] == sv + 2


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_token_dies_at_its_exp(site: Site, kind: str) -> None:
    """Live while now < exp, without leeway (section 4)."""
    await site.account()
    login = await site.log_in(kind=kind)
    life = {"stateful": 900, "stateless": 300}[kind]
    site.clock.advance(life - 1)
    assert await site.alive(login)
    site.clock.advance(1)
    assert not await site.alive(login)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "PS384", "HS256"])
async def test_algorithms(algorithm: str, anyio_backend: str) -> None:
    """The algorithm is a setting; the key set publishes public keys only (section 4)."""
    async with open_site(signing_algorithm=algorithm) as site:
        await site.account()
        for kind in ("stateful", "stateless"):
            login = await site.log_in(kind=kind)
            header, _ = decoded(login.access_token)
            assert header["alg"] == algorithm
            assert await site.alive(login)
        keys = (await site.get("/.well-known/jwks.json")).json()["keys"]
        assert len(keys) == (0 if algorithm == "HS256" else 2)
        assert all(key["alg"] == algorithm for key in keys)


async def forge(
    site: Site, change: dict[str, Any], *, typ: str = "at+jwt", drop: tuple[str, ...] = (), kind: str = "stateless"
) -> str:
    """A token that our own key signed, with other claims than any login gives."""
    login = await site.log_in(kind=kind)
    claims = {**decoded(login.access_token)[1], **change}
    for name in drop:
        del claims[name]
    return jose.sign(claims, site.auth.system.signing_keys.ring.signer, typ=typ)


FORGED: dict[str, dict[str, Any]] = {
    "another issuer": {"change": {"iss": "https://evil.example"}},
    "another audience": {"change": {"aud": API}},
    "unknown audience": {"change": {"aud": "https://evil.example"}},
    "no audience": {"change": {}, "drop": ("aud",)},
    "no expiry": {"change": {}, "drop": ("exp",)},
    "no session": {"change": {}, "drop": ("sid",)},
    "no version": {"change": {}, "drop": ("sv",)},
    "no epoch": {"change": {}, "drop": ("ep",)},
    "no subject": {"change": {}, "drop": ("sub",)},
    "no instant of issue": {"change": {}, "drop": ("iat",)},
    "no id": {"change": {}, "drop": ("jti",)},
    "no roles": {"change": {}, "drop": ("roles",)},
    "an actor": {"change": {"act": {"sub": "cli_x"}}},
    "an actor that is null": {"change": {"act": None}},
    "an actor of an actor that is null": {"change": {"act": {"sub": "cli_x", "act": None}}},
    "a confirmation that is null": {"change": {"cnf": None}},
    "a password proven in milliseconds": {"change": {"auth_time": 1_800_000_000_000}},
    "the future": {"change": {"iat": 1_800_000_031, "exp": 1_800_000_200}},
    "not yet": {"change": {"nbf": 1_800_000_031}},
    "roles of another type": {"change": {"roles": "admin"}},
    "version of another type": {"change": {"sv": "9"}},
    "negative epoch": {"change": {"ep": -1}},
    "one-time": {"change": {}, "typ": "one-time+jwt"},
    "status list": {"change": {}, "typ": "statuslist+jwt"},
    "plain JWT": {"change": {}, "typ": "JWT"},
    "confusion of types": {"change": {}, "typ": "dpop+jwt"},
}
REFERENCE = {"typ": "session+jwt", "kind": "stateful"}
FORGED |= {
    "a reference without an instant of issue": {"change": {}, "drop": ("iat",), **REFERENCE},
    "a reference without an id": {"change": {}, "drop": ("jti",), **REFERENCE},
    "a reference with an actor": {"change": {"act": {"sub": "cli_x"}}, **REFERENCE},
    "a reference with an actor that is null": {"change": {"act": None}, **REFERENCE},
    "a reference bound to a key, to an unbound session": {"change": {"cnf": {"jkt": "x"}}, **REFERENCE},
    "a reference with a confirmation that is null": {"change": {"cnf": None}, **REFERENCE},
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_token_of_ours_that_is_wrong_is_refused(site: Site, name: str) -> None:
    """Signature, type, issuer, audience, times and members are all checked; all causes look alike (M-25)."""
    await site.account()
    token = await forge(site, **FORGED[name])
    response = await site.get("/v1/me", bearer=token)
    assert problem(response) == (401, "invalid_token")
    other = await site.get("/v1/me", bearer="nonsense")
    assert response.content == other.content


async def test_the_forger_can_forge(site: Site) -> None:
    """The refusals above are not for another reason: unchanged, such a token is accepted."""
    await site.account()
    assert (await site.get("/v1/me", bearer=await forge(site, {}))).status_code == 200
    assert (await site.get("/v1/me", bearer=await forge(site, {}, typ="application/at+jwt"))).status_code == 200
    assert (await site.get("/v1/me", bearer=await forge(site, {}, **REFERENCE))).status_code == 200


async def test_an_older_epoch_or_version_is_refused(site: Site) -> None:
    """Monotone: a token with an older `ep` or `sv` than the verifier knows is refused (section 4)."""
    account = await site.account()
    login = await site.log_in(kind="stateless")
    login = login.renewed(await site.post("/v1/reauthenticate", json={"password": PASSWORD}, **login.use))
    claims = decoded(login.access_token)[1]
    signer = site.auth.system.signing_keys.ring.signer
    old = jose.sign({**claims, "sv": claims["sv"] - 1}, signer, typ="at+jwt")
    assert problem(await site.get("/v1/me", bearer=old)) == (401, "invalid_token")
    await site.account("root", roles=("admin",))
    root = await site.log_in("root")
    await site.delete(f"/v1/admin/accounts/{account}/sessions", **root.use)
    later = await site.log_in(kind="stateless")
    claims = decoded(later.access_token)[1]
    old = jose.sign({**claims, "ep": claims["ep"] - 1}, signer, typ="at+jwt")
    assert problem(await site.get("/v1/me", bearer=old)) == (401, "invalid_token")
    assert await site.alive(later)


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"jku": "https://e"},
        {"x5u": "https://e"},
        {"x5c": ["AA"]},
        {"crit": ["exp"]},
        {"b64": False},
        {"zip": "DEF"},
    ],
)
async def test_dangerous_headers_are_refused(site: Site, extra: dict[str, Any]) -> None:
    """Header `jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64`, `zip`: refused at the door (section 4)."""
    await site.account()
    header, _ = decoded((login := await site.log_in(kind="stateless")).access_token)
    _, payload, signature = login.access_token.split(".")
    import base64

    changed = base64.urlsafe_b64encode(json.dumps({**header, **extra}).encode()).rstrip(b"=").decode()
    assert problem(await site.get("/v1/me", bearer=f"{changed}.{payload}.{signature}")) == (401, "invalid_token")


async def test_tokens_of_another_server_are_refused(anyio_backend: str) -> None:
    """Another server's credentials are nothing here, of any kind (section 4)."""
    clock = FakeClock()
    async with open_site(clock) as ours, open_site(clock) as theirs:
        await ours.account()
        await theirs.account()
        for kind in KINDS:
            login = await theirs.log_in(kind=kind, transport="bearer")
            assert problem(await ours.get("/v1/me", bearer=login.access_token)) == (401, "invalid_token")
            assert problem(await ours.get("/v1/me", cookies={SESSION: login.access_token})) == (401, "invalid_token")
            if kind != "session":
                assert problem(await ours.refresh(login)) == (400, "invalid_grant")
                assert (await ours.post("/oauth/revoke", form={"token": login.refresh_token})).status_code == 200
                assert (await theirs.refresh(login)).status_code == 200
