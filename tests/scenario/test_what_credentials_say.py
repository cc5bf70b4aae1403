"""What can be read in a credential by whoever holds it (M-03, M-26)."""

import pytest
from tests.scenario.world import (
    CARRIERS,
    ISSUER,
    ONE_OF_EACH_KIND,
    PASSWORD,
    WITH_REFRESH_TOKENS,
    Carrier,
    Server,
    StartServer,
)

from ostiary import jose, limits
from ostiary.domain.account import ADMIN

pytestmark = pytest.mark.anyio

ON_THE_SERVER = tuple(carrier for carrier in CARRIERS if carrier.kind != "stateless")
STATEFUL = {"iss", "aud", "sid", "sv", "iat", "exp", "jti"}
STATELESS = STATEFUL | {"sub", "client_id", "auth_time", "scope", "roles", "ep"}


@pytest.mark.parametrize("carrier", ON_THE_SERVER, ids=str)
async def test_references_say_nothing_of_the_person(server: Server, carrier: Carrier) -> None:
    """No role, no e-mail, no name and not even the account stand in a session token or a stateful one (M-03)."""
    root = await server.account("root", ADMIN, email="root@example.org", name="Root Admin")
    phone = await server.log_in("root", carrier)
    held = [phone.credential, *([phone.refresh_token] if carrier.renews else [])]
    if carrier.kind == "stateful":
        token = jose.decode_unverified(phone.credential)
        assert set(token.claims) == STATEFUL
        assert token.header["typ"] == "session+jwt"
        held.append(repr(token.claims) + repr(token.header))

    for text in held:
        for private in ("root", "admin", "example.org", "Root", root.id):
            assert private not in text


async def test_a_stateless_token_says_what_is_needed_and_no_more(server: Server) -> None:
    """RFC 9068 claims and ours; no e-mail, no name (M-26). `typ` tells the types apart."""
    for carrier in CARRIERS[5:]:
        phone = await server.log_in("alice", carrier)
        token = jose.decode_unverified(phone.credential)

        assert set(token.claims) == STATELESS
        assert token.header["typ"] == "at+jwt"
        assert token.claims["sub"] == phone.account_id
        assert token.claims["iss"] == token.claims["aud"] == ISSUER
        assert token.claims["exp"] - token.claims["iat"] == 300
        assert all(type(token.claims[name]) is int for name in ("iat", "exp", "auth_time", "ep", "sv"))
        assert "alice" not in repr(token.claims)


async def test_a_token_that_would_be_too_large_is_refused_at_issue(start: StartServer) -> None:
    """It would not fit beside other cookies: 422, and no session that nobody holds is left behind (M-26)."""
    scopes = tuple(f"service:{number:04}:everything-there-is-to-do" for number in range(64))
    async with start(role_scopes={"user": scopes}) as server:
        await server.account("alice")

        refused = await server.device(Carrier("stateless", "bearer")).log_in("alice")

        assert refused.status == 422
        assert refused.code == "invalid_request"
        account = await server.system.accounts.find("alice")
        assert await server.system.sessions.of_account(account.id) == []
        assert "service:" not in refused.content.decode()
        for carrier in ONE_OF_EACH_KIND[:2]:
            assert (await (await server.log_in("alice", carrier)).me()).status == 200


async def test_all_cookies_together_are_small(start: StartServer) -> None:
    """Under 4096 bytes with everything that a login sets, however large a token is issued (M-08)."""
    scopes = tuple(f"scope-number-{number:03}" for number in range(60))
    async with start(role_scopes={"user": scopes}) as server:
        await server.account("alice")
        for carrier in (CARRIERS[0], *WITH_REFRESH_TOKENS):
            phone = server.device(carrier)
            reply = await phone.log_in("alice", PASSWORD, remember=True)
            assert reply.status == 200
            assert sum(len(line) for line in reply.headers.get_list("set-cookie")) < 4096
            assert len(phone.credential) <= limits.ISSUED_TOKEN_CHARS


async def test_answers_never_repeat_a_credential(server: Server, carrier: Carrier) -> None:
    """What a client lists or asks about itself holds no secret, its own neither."""
    phone = await server.log_in("alice", carrier)
    for path in ("/v1/me", "/v1/sessions"):
        text = (await phone.get(path)).content.decode()
        assert phone.credential not in text
        assert "$argon2" not in text
        if carrier.renews:
            assert phone.refresh_token not in text


async def test_a_token_of_one_type_is_refused_as_another(server: Server) -> None:
    """A stateful payload under the stateless type, or the other way round, opens nothing (RFC 8725 section 3.11)."""
    signer = server.system.signing_keys.ring.signer
    for carrier, other in ((CARRIERS[2], "at+jwt"), (CARRIERS[5], "one-time+jwt"), (CARRIERS[5], "JWT")):
        phone = await server.log_in("alice", carrier)
        claims = jose.decode_unverified(phone.credential).claims
        phone.access = jose.sign(claims, signer, typ=other)

        assert (await phone.look()).code == "invalid_token"


async def test_a_token_for_somebody_else_is_refused_here(start: StartServer) -> None:
    """Ostiary's own API takes only what is meant for the issuer, whatever the kind."""
    elsewhere = "https://notes.example"
    async with start(audiences=(elsewhere,)) as server:
        await server.account("alice")
        for carrier in CARRIERS:
            phone = await server.log_in("alice", carrier, audience=elsewhere)
            assert (await phone.look()).code == "invalid_token"
            both = await server.log_in("alice", carrier, audience=[ISSUER, elsewhere])
            assert (await both.look()).status == 200
