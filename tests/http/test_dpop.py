"""Credentials that are bound to a key (RFC 9449), over HTTP. M-52."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from tests.http.harness import KINDS, PASSWORD, REFRESH, SESSION, Login, Site, decoded, open_site, set_cookies

from ostiary import jose
from ostiary.credentials.opaque import encode
from ostiary.jose import Key
from ostiary.stores.memory import MemoryStore
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


def signed(claims: dict[str, Any], key: Key) -> str:
    """A proof that says whatever it is told to say."""
    head = jose.sign_proof({"jti": "x"}, key, typ="dpop+jwt").split(".")[0]
    text = f"{head}.{encode(json.dumps(claims).encode())}"
    return f"{text}.{encode(key.sign(text.encode()))}"


@dataclass
class Device:
    """A client that holds a key and makes proofs with it."""

    site: Site
    key: Key = field(default_factory=lambda: Key.generate("ES256"))
    nonce: str = ""
    made: int = 0

    @property
    def thumbprint(self) -> str:
        """Of its key."""
        return self.key.thumbprint()

    def proof(
        self, method: str, path: str, credential: str | None = None, *, key: Key | None = None, **over: Any
    ) -> str:
        """A right one, but for what `over` says; None leaves a claim out."""
        self.made += 1
        claims: dict[str, Any] = {
            "jti": f"proof-{self.made}",
            "htm": method,
            "htu": self.site.origin + path,
            "iat": int(self.site.clock.wall),
        }
        if self.nonce:
            claims["nonce"] = self.nonce
        if credential is not None:
            claims["ath"] = encode(sha256(credential.encode()).digest())
        claims = {name: value for name, value in (claims | over).items() if value is not None}
        return signed(claims, key or self.key)

    async def log_in(self, kind: str, transport: str = "bearer") -> Login:
        """With a nonce, as the server wants it."""
        body = {"username": "ann", "password": PASSWORD, "kind": kind, "transport": transport}
        if not self.nonce:
            asked = await self.site.post("/v1/login", json=body, headers={"DPoP": self.proof("POST", "/v1/login")})
            assert (asked.status_code, asked.json()["code"]) == (400, "use_dpop_nonce")
            self.nonce = asked.headers["dpop-nonce"]
        response = await self.site.post("/v1/login", json=body, headers={"DPoP": self.proof("POST", "/v1/login")})
        assert response.status_code == 200, response.text
        cookies = {name: one.value for name, one in set_cookies(response).items()}
        return Login(answer=response.json(), kind=kind, transport=transport, cookies=cookies)

    async def get(self, path: str, login: Login, *, scheme: str = "DPoP", proof: str | None = None) -> httpx2.Response:
        """With a right proof, or the one given ("" for none)."""
        text = self.proof("GET", path, login.access_token) if proof is None else proof
        headers = {"Authorization": f"{scheme} {login.access_token}"} | ({"DPoP": text} if text else {})
        return await self.site.get(path, headers=headers)

    async def refresh(self, login: Login, **over: Any) -> httpx2.Response:
        """By the token in the body."""
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        return await self.site.post(
            "/oauth/token", form=form, headers={"DPoP": self.proof("POST", "/oauth/token", **over)}
        )


@pytest.fixture
async def device(site: Site) -> Device:
    """Of an account that exists."""
    await site.account()
    return Device(site)


def code(response: httpx2.Response) -> tuple[int, str]:
    """Status and code."""
    return response.status_code, response.json().get("code") or response.json()["error"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bound_credential_works_with_its_proof(device: Device, kind: str) -> None:
    """A DPoP header on login binds the credential, which then works with a proof of the same key."""
    login = await device.log_in(kind)
    assert login.answer["token_type"] == "DPoP"
    for _ in range(2):
        assert (await device.get("/v1/me", login)).status_code == 200


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_the_token_names_its_key(device: Device, kind: str) -> None:
    """The claim `cnf` has the RFC 7638 thumbprint of the key (RFC 9449 section 6.1)."""
    login = await device.log_in(kind)
    assert jose.decode_unverified(login.access_token).claims["cnf"] == {"jkt": device.thumbprint}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stolen_bound_credential_is_worth_nothing(device: Device, kind: str) -> None:
    """Without a proof, as a bearer token, or with a proof of another key it is refused with a DPoP challenge, and
    goes on working for its owner."""
    login = await device.log_in(kind)
    thief = Device(device.site)
    as_bearer = await device.get("/v1/me", login, scheme="Bearer")
    without_proof = await device.get("/v1/me", login, proof="")
    other_key = await thief.get("/v1/me", login)
    assert code(as_bearer) == (401, "invalid_token")
    assert code(without_proof) == code(other_key) == (401, "invalid_dpop_proof")
    for response in (as_bearer, without_proof, other_key):
        assert re.fullmatch(
            r'DPoP realm="ostiary", algs="[^"]*ES256[^"]*", error="\w+"', response.headers["www-authenticate"]
        )
    assert (await device.get("/v1/me", login)).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proof_is_good_for_one_request(device: Device, kind: str) -> None:
    """The same proof a second time is refused (RFC 9449 section 11.1)."""
    login = await device.log_in(kind)
    proof = device.proof("GET", "/v1/me", login.access_token)
    assert (await device.get("/v1/me", login, proof=proof)).status_code == 200
    assert code(await device.get("/v1/me", login, proof=proof)) == (401, "invalid_dpop_proof")


async def test_a_clock_that_is_set_makes_no_proof_good_again(device: Device) -> None:
    """Forwards, with what is kept looked through meanwhile, and then right again (RFC 9449 section 11.1)."""
    login = await device.log_in("stateless")
    proof = device.proof("GET", "/v1/me", login.access_token)
    assert (await device.get("/v1/me", login, proof=proof)).status_code == 200
    clock, proofs = device.site.clock, device.site.auth.system.proofs
    right = clock.wall
    clock.set_wall(right + 86_400.0)
    proofs.forget_expired(clock.wall)
    clock.set_wall(right)
    assert code(await device.get("/v1/me", login, proof=proof)) == (401, "invalid_dpop_proof")


WRONG: dict[str, dict[str, Any]] = {
    "another method": {"htm": "POST"},
    "method in small letters": {"htm": "get"},
    "another path": {"htu": "https://id.example/v1/sessions"},
    "another host": {"htu": "https://evil.example/v1/me"},
    "another scheme": {"htu": "http://id.example/v1/me"},
    "no address": {"htu": "/v1/me"},
    "not an address": {"htu": "https://id.example:x/v1/me"},
    "user in the address": {"htu": "https://a@id.example/v1/me"},
    "too old": {"iat": 1_000_000_000},
    "from the future": {"iat": 4_000_000_000},
    "milliseconds": {"iat": 1_763_937_333_120},
    "iat as text": {"iat": "now"},
    "iat as truth": {"iat": True},
    "another credential": {"ath": encode(b"x" * 32)},
    "no ath": {"ath": None},
    "no jti": {"jti": None},
    "empty jti": {"jti": ""},
    "long jti": {"jti": "x" * 300},
    "jti as number": {"jti": 7},
    "no htm": {"htm": None},
    "no htu": {"htu": None},
    "no iat": {"iat": None},
}


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_a_proof_for_something_else_is_refused(device: Device, wrong: str) -> None:
    """Each claim of section 4.3 counts."""
    login = await device.log_in("stateless")
    proof = device.proof("GET", "/v1/me", login.access_token, **WRONG[wrong])
    assert code(await device.get("/v1/me", login, proof=proof)) == (401, "invalid_dpop_proof")


async def test_addresses_are_compared_in_one_form(device: Device) -> None:
    """Query, fragment, default port, case of the host and percent-encoding do not count (RFC 9449 section 4.3)."""
    login = await device.log_in("stateless")
    for htu in ("HTTPS://ID.example:443/v1/me", "https://id.example/v1/%6De", "https://id.example/v1/me?x=1#y"):
        proof = device.proof("GET", "/v1/me", login.access_token, htu=htu)
        assert (await device.get("/v1/me", login, proof=proof)).status_code == 200, htu


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "x" * 5000], ids=["empty", "word", "dots", "long"])
async def test_what_is_no_proof_is_refused(device: Device, text: str) -> None:
    """Any text in the header is refused, and nothing worse."""
    login = await device.log_in("stateless")
    headers = [("Authorization", f"DPoP {login.access_token}"), ("DPoP", text)]
    response = await device.site.get("/v1/me", headers=headers)
    assert code(response) == (401, "invalid_dpop_proof")


async def test_two_proofs_are_refused(device: Device) -> None:
    """Not more than one DPoP header (RFC 9449 section 4.3, number 1)."""
    login = await device.log_in("session")
    proofs = [("DPoP", device.proof("GET", "/v1/me", login.access_token)) for _ in range(2)]
    response = await device.site.get("/v1/me", headers=[("Authorization", f"DPoP {login.access_token}"), *proofs])
    assert code(response) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize("alg", ["ES384", "Ed25519", "PS256", "RS256"])
async def test_other_algorithms_will_do(site: Site, alg: str) -> None:
    """Whatever the metadata lists."""
    await site.account()
    device = Device(site, key=Key.generate(alg))
    login = await device.log_in("stateless")
    assert (await device.get("/v1/me", login)).status_code == 200
    listed = (await site.get("/.well-known/oauth-authorization-server")).json()["dpop_signing_alg_values_supported"]
    assert alg in listed


async def test_a_symmetric_or_private_key_is_no_proof(device: Device) -> None:
    """Flaw class: a proof whose header brings a secret, or is signed with one (RFC 9449 section 4.3, 5 and 7)."""
    login = await device.log_in("stateless")
    _header, body, _ = device.proof("GET", "/v1/me", login.access_token).split(".")
    private = {**device.key.to_jwk(private=True)}
    forged = encode(json.dumps({"alg": "ES256", "typ": "dpop+jwt", "jwk": private}).encode())
    signature = encode(device.key.sign(f"{forged}.{body}".encode()))
    assert code(await device.get("/v1/me", login, proof=f"{forged}.{body}.{signature}")) == (401, "invalid_dpop_proof")
    for alg in ("none", "HS256"):
        head = encode(json.dumps({"alg": alg, "typ": "dpop+jwt", "jwk": {"kty": "oct", "k": "AAAA"}}).encode())
        assert code(await device.get("/v1/me", login, proof=f"{head}.{body}.AAAA")) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_bound_refresh_token_needs_its_key(device: Device, kind: str) -> None:
    """M-40: neither without a proof nor with another key's is it spent, and nothing ends; with the right one it is."""
    login = await device.log_in(kind)
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
    assert code(await device.site.post("/oauth/token", form=form)) == (400, "invalid_dpop_proof")
    thief = Device(device.site, nonce=device.nonce)
    assert code(await thief.refresh(login)) == (400, "invalid_dpop_proof")
    response = await device.refresh(login)
    assert response.status_code == 200, response.text
    assert response.json()["token_type"] == "DPoP"
    renewed = login.renewed(response)
    assert (await device.get("/v1/me", renewed)).status_code == 200
    assert (await device.get("/v1/me", renewed, scheme="Bearer")).status_code == 401


async def test_an_unbound_refresh_token_is_not_bound_later(device: Device) -> None:
    """What began without a key goes on without one: a proof that comes along later is an error, and spends nothing."""
    login = await device.site.log_in(kind="stateless", transport="bearer")
    assert code(await device.refresh(login)) == (400, "use_dpop_nonce")
    device.nonce = device.site.answers[-1].headers["dpop-nonce"]
    assert code(await device.refresh(login)) == (400, "invalid_dpop_proof")
    assert (await device.site.refresh(login)).status_code == 200


async def test_nonces_grow_old(device: Device) -> None:
    """A nonce is accepted in its period and the next, then a new one is asked for and given (RFC 9449 section 8)."""
    login = await device.log_in("stateful")
    device.site.clock.advance(290.0)
    login = login.renewed(await device.refresh(login))
    device.site.clock.advance(600.0)
    refused = await device.refresh(login)
    assert code(refused) == (400, "use_dpop_nonce")
    device.nonce = refused.headers["dpop-nonce"]
    assert (await device.refresh(login)).status_code == 200


async def test_an_invented_nonce_is_refused(device: Device) -> None:
    """Only what this server handed out will do."""
    for nonce in ("x", "é", 7, [], encode(b"\x00" * 18)):
        body = {"username": "ann", "password": PASSWORD}
        proof = device.proof("POST", "/v1/login", nonce=nonce)
        response = await device.site.post("/v1/login", json=body, headers={"DPoP": proof})
        assert code(response) == (400, "use_dpop_nonce")


async def test_a_broken_proof_at_login_logs_nobody_in(device: Device) -> None:
    """A proof that does not hold is 400, not a login without binding."""
    body = {"username": "ann", "password": PASSWORD, "kind": "stateless"}
    for proof in ("x", device.proof("GET", "/v1/login"), device.proof("POST", "/v1/me")):
        response = await device.site.post("/v1/login", json=body, headers={"DPoP": proof})
        assert code(response) == (400, "invalid_dpop_proof")
        assert not set_cookies(response)


@pytest.fixture
async def without_nonce(anyio_backend: str) -> AsyncIterator[Site]:
    """`dpop_nonce = off`."""
    async with open_site(FakeClock(), dpop_nonce="off") as site:
        await site.account()
        yield site


async def test_the_nonce_can_be_switched_off(without_nonce: Site) -> None:
    """`dpop_nonce = off` asks for none."""
    body = {"username": "ann", "password": PASSWORD, "kind": "stateless"}
    device = Device(without_nonce)
    response = await without_nonce.post("/v1/login", json=body, headers={"DPoP": device.proof("POST", "/v1/login")})
    assert response.status_code == 200
    assert response.json()["token_type"] == "DPoP"


@pytest.mark.parametrize(("path", "root"), [("/api/notes", ""), ("/api/notes", "/api"), ("/notes", "/api")])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_protected_below_a_path_is_called_by_the_whole(
    device: Device, kind: str, path: str, root: str
) -> None:
    """However an application of one's own comes to stand below a path, whether a server, a framework or a mount says
    so: a proof is for the address that the client called, and not for what is left of it."""
    login = await device.log_in(kind)

    async def notes(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("notes")(scope, receive, send)

    transport = httpx2.ASGITransport(device.site.auth.protect(notes), root_path=root)
    async with httpx2.AsyncClient(transport=transport, base_url=device.site.origin) as client:

        async def sent(told: str) -> int:
            proof = device.proof("GET", told, login.access_token)
            headers = {"Authorization": f"DPoP {login.access_token}", "DPoP": proof}
            return (await client.get(path, headers=headers)).status_code

        assert await sent("/api/notes") == 200
        assert [await sent("/notes"), await sent("/api/api/notes")] == [401, 401]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bound_cookie_needs_a_proof_too(device: Device, kind: str) -> None:
    """Whoever carries it: a cookie alone is refused, a cookie with the proof is accepted."""
    login = await device.log_in(kind, transport="cookie")
    cookies = {SESSION: login.cookies[SESSION]}
    assert code(await device.site.get("/v1/me", cookies=cookies)) == (401, "invalid_dpop_proof")
    proof = device.proof("GET", "/v1/me", login.cookies[SESSION])
    assert (await device.site.get("/v1/me", cookies=cookies, headers={"DPoP": proof})).status_code == 200


async def test_a_bound_cookie_is_renewed_in_passing_with_a_proof_only(device: Device) -> None:
    """An expired access JWT in a cookie is renewed by the refresh cookie if the key is proven; else nothing is."""
    login = await device.log_in("stateless", transport="cookie")
    device.site.clock.advance(301.0)
    cookies = {SESSION: login.cookies[SESSION], REFRESH: login.cookies[REFRESH]}
    assert (await device.site.get("/v1/me", cookies=cookies)).status_code == 401
    proof = device.proof("GET", "/v1/me", login.cookies[SESSION])
    response = await device.site.get("/v1/me", cookies=cookies, headers={"DPoP": proof})
    assert response.status_code == 200
    assert set(set_cookies(response)) == {SESSION, REFRESH}


@pytest.mark.parametrize("kind", KINDS)
async def test_reauthentication_stays_bound(device: Device, kind: str) -> None:
    """The session goes on under a new credential that is bound to the same key."""
    login = await device.log_in(kind)
    path = "/v1/reauthenticate"
    headers = {
        "Authorization": f"DPoP {login.access_token}",
        "DPoP": device.proof("POST", path, login.access_token),
    }
    response = await device.site.post(path, json={"password": PASSWORD}, headers=headers)
    assert response.status_code == 200, response.text
    assert response.json()["token_type"] == "DPoP"
    renewed = login.renewed(response)
    assert (await device.get("/v1/me", renewed)).status_code == 200
    assert (await device.get("/v1/me", renewed, scheme="Bearer")).status_code == 401
    assert (await device.get("/v1/me", login)).status_code == 401


@pytest.mark.parametrize("kind", KINDS)
async def test_logging_out_needs_no_proof(device: Device, kind: str) -> None:
    """M-06: to end a session it is enough to hold its credential: a client that lost its key can still log out."""
    login = await device.log_in(kind)
    response = await device.site.post("/v1/logout", headers={"Authorization": f"DPoP {login.access_token}"})
    assert response.status_code == 200
    assert (await device.get("/v1/me", login)).status_code == 401


PLACE = "https://id.example/notes/1?page=2"
TOLD = {
    "nginx": {"X-Original-Method": "POST", "X-Original-URL": PLACE},
    "nginx behind what ends TLS": {"X-Original-Method": "POST", "X-Original-URL": PLACE.replace("https", "http")},
    "caddy": {
        "X-Forwarded-Method": "POST",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "id.example",
        "X-Forwarded-Uri": "/notes/1?page=2",
    },
}


async def at_the_edge(
    device: Device, login: Login, told: dict[str, str] | list[tuple[str, str]], proof: str, scheme: str = "DPoP"
) -> httpx2.Response:
    """A proxy on this machine asks about a request that carries these."""
    lines = list(told.items()) if isinstance(told, dict) else told
    headers = [("Authorization", f"{scheme} {login.access_token}"), ("DPoP", proof), *lines]
    return await device.site.get("/v1/forward-auth?audience=https://api.example", headers=headers, peer="127.0.0.1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("proxy", TOLD)
async def test_a_proof_passes_the_edge(device: Device, kind: str, proxy: str) -> None:
    """M-52, M-61: it was made for the address that the proxy was asked for, and the proxy says which; the token inside
    is bound to nothing, since only the client has the key. The second time the proof is refused."""
    login = await device.log_in(kind)
    proof = device.proof("POST", "/notes/1", login.access_token)
    answer = await at_the_edge(device, login, TOLD[proxy], proof)
    assert answer.status_code == 200, answer.text
    inside = answer.headers["authorization"].removeprefix("Bearer ")
    assert "cnf" not in decoded(inside)[1]
    assert (await at_the_edge(device, login, TOLD[proxy], proof)).status_code == 401


@pytest.mark.parametrize(
    "told",
    [
        {"X-Original-Method": "POST"},
        {"X-Original-Method": "POST", "X-Original-URL": "https://id.example/notes/2"},
        {"X-Original-Method": "GET", "X-Original-URL": PLACE},
        {"X-Original-URL": PLACE},
        {"X-Original-Method": "POST", "X-Original-URL": "/notes/1"},
        {"X-Original-Method": "POST", "X-Original-URL": "https://evil.example/notes/1"},
        {"X-Original-Method": "POST", "X-Forwarded-Uri": "/notes/1"},
        {"X-Original-Method": "POST", "X-Forwarded-Host": "id.example"},
        {"X-Original-Method": "POST", "X-Forwarded-Host": "id.example", "X-Forwarded-Uri": "@evil.example/notes/1"},
        {**TOLD["caddy"], "X-Original-URL": "https://id.example/notes/3"},
        [*TOLD["nginx"].items(), ("X-Original-URL", "https://id.example/notes/3")],
        [*TOLD["caddy"].items(), ("X-Forwarded-Host", "evil.example")],
    ],
)
async def test_the_edge_has_to_know_what_was_asked_for(
    device: Device, told: dict[str, str] | list[tuple[str, str]]
) -> None:
    """M-52: no address told, another one, or two that differ: 401, and the login goes on."""
    login = await device.log_in("stateless")
    refused = await at_the_edge(device, login, told, device.proof("POST", "/notes/1", login.access_token))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_dpop_proof")
    elsewhere = device.proof("POST", "/notes/1", login.access_token, htu="https://evil.example/notes/1")
    assert (await at_the_edge(device, login, told, elsewhere)).status_code == 401
    for_the_question = device.proof("GET", "/v1/forward-auth", login.access_token)
    assert (await at_the_edge(device, login, told, for_the_question)).status_code == 401
    bearer = await at_the_edge(device, login, told, "", scheme="Bearer")
    assert (bearer.status_code, bearer.json()["code"]) == (401, "invalid_token")
    assert (await device.get("/v1/me", login)).status_code == 200


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_recorded_renewal_does_nothing_at_another_node(kind: str) -> None:
    """Flaw class: each node remembers proofs for itself, so a recorded request with its proof is answered once more by
    every other one, and once the grace is over it ends the session there, as an old token that was used again does. It
    is refused wherever it comes, and the login goes on."""
    clock, store = FakeClock(), MemoryStore()
    async with (
        open_site(clock, store=store, secret_key=b"k" * 32) as site,
        open_site(clock, store=store, secret_key=b"k" * 32) as other,
    ):
        await site.account()
        device = Device(site)
        login = await device.log_in(kind)
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        proof = {"DPoP": device.proof("POST", "/oauth/token")}
        renewed = await site.post("/oauth/token", form=form, headers=proof)
        assert renewed.status_code == 200
        after = login.renewed(renewed)

        # a second tab, within the grace window: its own proof is good, once, at whatever node
        tab = {"DPoP": device.proof("POST", "/oauth/token")}
        same = await other.post("/oauth/token", form=form, headers=tab)
        assert same.json()["refresh_token"] == after.refresh_token
        for recorded in (proof, tab):
            for node in (other, site):
                assert code(await node.post("/oauth/token", form=form, headers=recorded)) == (400, "invalid_dpop_proof")
        clock.advance(site.auth.settings.refresh_grace + 1)
        assert code(await other.post("/oauth/token", form=form, headers=proof)) == (400, "invalid_dpop_proof")
        assert (await device.get("/v1/me", after)).status_code == 200

        # the record goes when the proof is too old for anybody
        clock.advance(1000)
        assert (await site.auth.system.housekeeping.purge()).spent == 2


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_a_recorded_renewal_in_passing_does_nothing_at_another_node_either(kind: str) -> None:
    """Flaw class: the same of a request whose cookies were renewed in passing. Parallel ones, each with a proof of its
    own, are all renewed."""
    clock, store = FakeClock(), MemoryStore()
    async with (
        open_site(clock, store=store, secret_key=b"k" * 32) as site,
        open_site(clock, store=store, secret_key=b"k" * 32) as other,
    ):
        await site.account()
        device = Device(site)
        login = await device.log_in(kind, transport="cookie")
        old = {SESSION: login.cookies[SESSION], REFRESH: login.cookies[REFRESH]}
        clock.advance(901.0)
        recorded = [{"DPoP": device.proof("GET", "/v1/me", old[SESSION])} for _ in range(2)]
        answers = [await site.get("/v1/me", cookies=old, headers=proof) for proof in recorded]
        assert [answer.status_code for answer in answers] == [200, 200]
        new = {name: one.value for name, one in set_cookies(answers[0]).items()}

        for wait in (0.0, site.auth.settings.refresh_grace + 1):
            clock.advance(wait)
            for proof in recorded:
                refused = await other.get("/v1/me", cookies=old, headers=proof)
                assert code(refused) == (401, "invalid_dpop_proof")
                assert not set_cookies(refused)
        again = {"DPoP": device.proof("GET", "/v1/me", new[SESSION])}
        assert (await other.get("/v1/me", cookies=new, headers=again)).status_code == 200


async def test_an_old_token_with_a_new_proof_still_ends_the_session() -> None:
    """M-43: whoever has the key and an old refresh token is not a recording."""
    clock, store = FakeClock(), MemoryStore()
    async with (
        open_site(clock, store=store, secret_key=b"k" * 32) as site,
        open_site(clock, store=store, secret_key=b"k" * 32) as other,
    ):
        await site.account()
        device = Device(site)
        login = await device.log_in("stateless")
        after = login.renewed(await device.refresh(login))
        clock.advance(site.auth.settings.refresh_grace + 1)
        form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        proof = {"DPoP": device.proof("POST", "/oauth/token")}
        assert code(await other.post("/oauth/token", form=form, headers=proof)) == (400, "invalid_grant")
        assert code(await device.get("/v1/me", after)) == (401, "invalid_token")
