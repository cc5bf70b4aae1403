"""Contract section 5: `GET /status-lists/{n}`, and the claim `status` of section 4, for third parties."""

import base64
import random
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from tests.http.harness import API, ISSUER, OTHER_PASSWORD, PASSWORD, REPORTS, Login, Site, decoded, open_site, problem
from tests.http.services import service

from ostiary import jose, limits
from ostiary.domain.status_list import Place, read_places
from ostiary.services import status_places
from ostiary.services.status_lists import packed
from ostiary.testing import FakeClock
from ostiary.verifier import CredentialRefused, Document, Verifier

pytestmark = pytest.mark.anyio

VALID, INVALID = 0, 1


@pytest.fixture
async def listing(anyio_backend: str) -> AsyncIterator[Site]:
    """A server whose tokens name a bit of a list."""
    async with open_site(FakeClock(), status_lists=True) as site:
        await site.account()
        yield site


def reference(token: str) -> dict[str, Any]:
    """What a token says of its place, which must be just this."""
    status = decoded(token)[1]["status"]
    assert set(status) == {"status_list"}
    assert set(status["status_list"]) == {"idx", "uri"}
    return dict(status["status_list"])


async def fetched(site: Site, uri: str) -> httpx2.Response:
    """The list, as somebody else fetches it."""
    response = await site.get(uri.removeprefix(ISSUER))
    assert response.status_code == 200, response.text
    return response


def bits_of(text: str) -> bytes:
    """The bits of a list, with padding put back and unpacked as the draft's section 4.1 has it."""
    status = decoded(text)[1]["status_list"]
    assert status["bits"] == 1
    return zlib.decompress(base64.urlsafe_b64decode(status["lst"] + "=" * (-len(status["lst"]) % 4)))


async def status_of(site: Site, token: str) -> int:
    """0 or 1."""
    told = reference(token)
    bits = bits_of((await fetched(site, told["uri"])).text)
    assert told["idx"] < len(bits) * 8
    return bits[told["idx"] // 8] >> (told["idx"] % 8) & 1


async def admin(site: Site) -> dict[str, Any]:
    """An administrator's way to authenticate."""
    await site.account("root", roles=("admin", "user"))
    return (await site.log_in("root", transport="bearer")).use


def test_bits_are_packed_as_the_draft_has_them() -> None:
    """M-63: the draft's own example of one bit a token (section 4.1) comes out byte for byte."""
    told = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    bits = packed(index for index, bit in enumerate(told) if bit)[:2]
    assert bits.hex() == "b9a3"
    assert base64.urlsafe_b64encode(zlib.compress(bits, 9)).rstrip(b"=") == b"eNrbuRgAAhcBXQ"


async def test_what_a_list_is(listing: Site) -> None:
    """M-63: the right media type and `typ`, signed with a published key, named by its own address, cacheable for its
    `ttl`, readable from every origin."""
    login = await listing.log_in(kind="stateless")
    uri = reference(login.access_token)["uri"]
    assert uri.startswith(f"{ISSUER}/status-lists/")
    response = await fetched(listing, uri)
    assert response.headers["content-type"] == "application/statuslist+jwt"
    document = (await listing.get("/openapi.json")).json()
    told = document["paths"]["/status-lists/{n}"]["get"]["responses"]["200"]["content"]
    assert told == {"application/statuslist+jwt": {"schema": {"type": "string"}}}
    assert response.headers["cache-control"] == "public, max-age=10"
    assert response.headers["access-control-allow-origin"] == "*"
    header, claims = decoded(response.text)
    assert header["typ"] == "statuslist+jwt"
    assert set(header) == {"alg", "typ", "kid"}
    assert set(claims) == {"iss", "sub", "iat", "exp", "ttl", "status_list"}
    assert (claims["iss"], claims["sub"], claims["ttl"]) == (ISSUER, uri, 10)
    assert claims["iat"] == int(listing.clock.wall) < claims["exp"]
    keys = jose.KeySet.from_jwks((await listing.get("/.well-known/jwks.json")).text)
    assert jose.verify_signature(response.text, keys).payload
    assert len(bits_of(response.text)) * 8 == limits.STATUS_LIST_PLACES


@pytest.mark.parametrize("kind", ["session", "stateful"])
async def test_only_stateless_tokens_name_a_list(listing: Site, kind: str) -> None:
    """M-03: a reference is looked up anyway, and says no more than before."""
    login = await listing.log_in(kind=kind, transport="bearer")
    if kind == "stateful":
        assert "status" not in decoded(login.access_token)[1]
    session = await listing.auth.system.store.sessions.get(login.id)
    assert session is not None
    assert session.statuses is None


async def test_the_setting_is_off_unless_chosen(site: Site) -> None:
    """Then no token names a list, nothing more is written, and the lists say that nothing was revoked."""
    await site.account()
    login = await site.log_in(kind="stateless")
    assert "status" not in decoded(login.access_token)[1]
    await site.post("/v1/logout", bearer=login.access_token)
    response = await site.get("/status-lists/0")
    assert response.status_code == 200
    assert not any(bits_of(response.text))


@pytest.mark.parametrize("number", ["16", "999999", "01", "-1", "x", "1.0", "9" * 40, "%31x", "\u0661"])
async def test_a_list_that_there_is_not(listing: Site, number: str) -> None:
    """404, and nothing worse."""
    assert problem(await listing.get(f"/status-lists/{number}")) == (404, "not_found")


async def test_lists_of_the_past(listing: Site) -> None:
    """501 for `?time=`, as the draft has it (section 8.4)."""
    assert problem(await listing.get("/status-lists/0?time=1700000000")) == (501, "not_implemented")


async def test_it_is_read_only(listing: Site) -> None:
    """M-04: GET and HEAD."""
    assert (await listing.post("/status-lists/0", json={})).status_code == 405


async def test_an_ended_session(listing: Site) -> None:
    """M-06: the bit is set in the very next list, and nobody else's is."""
    one, other = await listing.log_in(kind="stateless"), await listing.log_in(kind="stateless")
    assert await status_of(listing, one.access_token) == VALID
    await listing.post("/v1/logout", bearer=one.access_token)
    assert await status_of(listing, one.access_token) == INVALID
    assert await status_of(listing, other.access_token) == VALID


async def test_what_is_renewed_by_the_password(listing: Site) -> None:
    """M-31: re-authentication and a password change set the bit of what was before; what comes after has another."""
    login = await listing.log_in(kind="stateless")
    answer = await listing.post("/v1/reauthenticate", json={"password": PASSWORD}, bearer=login.access_token)
    proven = answer.json()["access_token"]
    assert await status_of(listing, login.access_token) == INVALID
    assert await status_of(listing, proven) == VALID
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    changed = (await listing.post("/v1/password", json=body, bearer=proven)).json()["access_token"]
    assert await status_of(listing, proven) == INVALID
    assert await status_of(listing, changed) == VALID


async def test_a_changed_role(listing: Site) -> None:
    """M-30: what said the old roles is set, and the refresh brings a token whose bit is not."""
    login = await listing.log_in(kind="stateless")
    caller = await admin(listing)
    patched = await listing.patch(f"/v1/admin/accounts/{login.account_id}", json={"roles": ["reader"]}, **caller)
    assert patched.status_code == 200
    assert await status_of(listing, login.access_token) == INVALID
    renewed = (await listing.refresh(login)).json()["access_token"]
    assert await status_of(listing, renewed) == VALID
    assert await status_of(listing, login.access_token) == INVALID


async def test_a_disabled_account(listing: Site) -> None:
    """M-07: all of its tokens."""
    logins = [await listing.log_in(kind="stateless") for _ in range(3)]
    caller = await admin(listing)
    patched = await listing.patch(f"/v1/admin/accounts/{logins[0].account_id}", json={"disabled": True}, **caller)
    assert patched.status_code == 200
    assert [await status_of(listing, login.access_token) for login in logins] == [INVALID] * 3


async def test_end_everything(listing: Site) -> None:
    """M-07: every bit of every list that there was, without a look at any session; later tokens have other lists."""
    login = await listing.log_in(kind="stateless")
    before = reference(login.access_token)
    ended = await listing.post("/v1/admin/end-everything", **await admin(listing))
    assert ended.status_code == 200
    assert set(bits_of((await fetched(listing, before["uri"])).text)) == {255}
    after = (await listing.log_in(kind="stateless")).access_token
    assert reference(after)["uri"] != before["uri"]
    assert await status_of(listing, after) == VALID


async def test_a_refresh_keeps_the_place_for_an_hour(listing: Site) -> None:
    """M-40: an ordinary refresh changes nothing; after an hour the session has another place, and the former one is
    free as soon as no token names it any more."""
    login = await listing.log_in(kind="stateless")
    first = reference(login.access_token)
    answer = await listing.refresh(login)
    login = login.renewed(answer)
    assert reference(login.access_token) == first
    listing.clock.advance(limits.STATUS_PLACE_SECONDS + 1)
    login = login.renewed(await listing.refresh(login))
    assert reference(login.access_token) != first
    assert await status_of(listing, login.access_token) == VALID


async def test_a_racing_tab_names_the_same_place(listing: Site) -> None:
    """M-42: what the grace window gives writes nothing, and is still told of when the session ends."""
    login = await listing.log_in(kind="stateless")
    one, two = (await listing.refresh(login)).json(), (await listing.refresh(login)).json()
    assert reference(one["access_token"]) == reference(two["access_token"])
    await listing.post("/oauth/revoke", form={"token": one["refresh_token"]})
    assert await status_of(listing, two["access_token"]) == INVALID


async def test_nothing_of_an_order_can_be_read_from_it(listing: Site) -> None:
    """Places are drawn from the whole list and never twice; a login after another one is not behind it."""
    places = [reference((await listing.log_in(kind="stateless")).access_token) for _ in range(15)]
    indices = [place["idx"] for place in places]
    assert len({(place["uri"], place["idx"]) for place in places}) == 15
    assert indices != sorted(indices)
    assert max(indices) - min(indices) > limits.STATUS_LIST_PLACES // 4


def verifier_of(site: Site, jwks: str, said: dict[str, bytes], **how: Any) -> Verifier:
    """One that has public keys and these lists."""
    return Verifier(
        issuer=ISSUER,
        keys=jose.KeySet.from_jwks(jwks),
        fetch=lambda url, deadline: Document(body=said[url]),
        clock=site.clock.clock,
        **{"audience": ISSUER, **how},
    )


async def is_taken(site: Site, token: str, **how: Any) -> bool:
    """By a verifier that has just fetched the list which the token names."""
    uris = [reference(token)["uri"]] if "status" in decoded(token)[1] else []
    jwks = (await site.get("/.well-known/jwks.json")).text
    verifier = verifier_of(site, jwks, {uri: (await fetched(site, uri)).content for uri in uris}, **how)
    try:
        await verifier.verify(token)
    except CredentialRefused:
        return False
    return True


async def test_no_two_hold_a_place(listing: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where chance repeats itself the next list is used, and where all are full a token names one beyond the end."""
    monkeypatch.setattr(limits, "STATUS_LIST_PLACES", 8)
    monkeypatch.setattr(limits, "STATUS_LISTS", 2)
    monkeypatch.setattr(status_places, "_TRIES", 200)  # of 8 places each is met
    await listing.account("bob")
    logins = [await listing.log_in(name, kind="stateless") for name in ("ann", "bob") for _ in range(9)]
    told = [reference(login.access_token) for login in logins]
    held = [(place["uri"].rpartition("/")[2], place["idx"]) for place in told]
    assert sorted(held[:16]) == [(number, index) for number in ("0", "1") for index in range(8)]
    assert held[16:] == [("0", 8)] * 2
    assert [await is_taken(listing, login.access_token, require_status=True) for login in logins[14:]] == [
        True, True, False, False,
    ]  # fmt: skip


async def reauthenticated(site: Site, token: str, times: int) -> list[str]:
    """What a session is given that proves its password so often, the first one too."""
    tokens = [token]
    for _ in range(times):
        answer = await site.post("/v1/reauthenticate", json={"password": PASSWORD}, bearer=tokens[-1])
        tokens.append(answer.json()["access_token"])
    return tokens


async def test_who_changes_too_often_is_refused_where_status_is_looked_at(listing: Site) -> None:
    """What is kept of one session is bounded: the 33rd change within the life of a token leads to one that its own
    server takes and nobody who looks at lists does; none is ever without a place."""
    login = await listing.log_in(kind="stateless")
    tokens = await reauthenticated(listing, login.access_token, limits.STATUS_PLACES_PER_SESSION)
    assert reference(tokens[-1])["idx"] == limits.STATUS_LIST_PLACES
    assert (await listing.get("/v1/me", bearer=tokens[-1])).status_code == 200
    assert not await is_taken(listing, tokens[-1], check_status=True)
    session = await listing.auth.system.store.sessions.get(login.id)
    assert session is not None
    assert len(read_places(session.statuses)) == limits.STATUS_PLACES_PER_SESSION


async def test_who_changes_often_within_an_hour_has_a_place_each_time(listing: Site) -> None:
    """A place under a former version counts for as long as a token of it may live: a hundred changes within an hour
    have one each, and the former ones are set for all that time."""
    token = (await listing.log_in(kind="stateless")).access_token
    for _ in range(5):
        tokens = await reauthenticated(listing, token, 20)
        token = tokens[-1]
        for former in tokens[:-1]:
            assert await status_of(listing, former) == INVALID
        assert await is_taken(listing, token, require_status=True)
        listing.clock.advance(listing.auth.settings.access_token_lifetime - 1)
        assert [await status_of(listing, former) for former in tokens[:-1]] == [INVALID] * 20
        answer = await listing.post("/v1/reauthenticate", json={"password": PASSWORD}, bearer=token)
        token = answer.json()["access_token"]
        listing.clock.advance(60)


async def test_what_is_set_is_forgotten(listing: Site) -> None:
    """M-32: once every token of a place has expired its bit is cleared, so that memory goes back to nothing."""
    login = await listing.log_in(kind="stateless")
    await listing.post("/v1/logout", bearer=login.access_token)
    assert await status_of(listing, login.access_token) == INVALID
    listing.clock.advance(2 * limits.STATUS_PLACE_SECONDS)
    assert await status_of(listing, login.access_token) == VALID
    assert not any(listing.auth.system.status_lists._set.values())


async def test_a_server_that_signs_with_a_secret_has_no_lists(anyio_backend: str) -> None:
    """Nobody else could check them."""
    async with open_site(FakeClock(), status_lists=True, signing_algorithm="HS256") as site:
        assert problem(await site.get("/status-lists/0")) == (404, "not_found")


async def test_a_list_is_no_token(listing: Site) -> None:
    """M-25: it authenticates nobody."""
    text = (await listing.get("/status-lists/0")).text
    assert problem(await listing.get("/v1/me", bearer=text)) == (401, "invalid_token")


async def test_a_full_list_can_be_signed(listing: Site) -> None:
    """Half of a million bits, at random, still make a token."""
    chance = random.Random(7)
    lists = listing.auth.system.status_lists
    until = int(listing.clock.wall) + 3600
    lists._set[0] = {chance.randrange(limits.STATUS_LIST_PLACES): until for _ in range(limits.STATUS_LIST_PLACES)}
    response = await listing.get("/status-lists/0")
    assert response.status_code == 200
    assert sum(byte.bit_count() for byte in bits_of(response.text)) == len(lists._set[0])


def test_a_place_reads_what_it_wrote() -> None:
    """As a session's record keeps it."""
    place = Place(number=3, index=77, version=2, epoch=2**32 + 5, until=1_800_000_000)
    assert read_places((place.written(),)) == (place,)
    assert read_places(None) == ()


async def test_the_same_login_renewed_by_cookie(listing: Site) -> None:
    """M-44: transport `cookie`, renewed in passing, is told of as well."""
    login = await listing.log_in(kind="stateless", transport="cookie")
    assert isinstance(login, Login)
    await listing.post("/v1/logout", headers={"Sec-Fetch-Site": "same-origin"}, **login.use)
    assert await status_of(listing, login.access_token) == INVALID


async def test_our_verifier_reads_it(listing: Site) -> None:
    """M-02, M-63: with public keys and the list alone; what has ended is refused when the list has had its time."""
    login = await listing.log_in(kind="stateless")
    uri = reference(login.access_token)["uri"]
    said = {uri: (await fetched(listing, uri)).content}
    jwks = (await listing.get("/.well-known/jwks.json")).text
    verifier = verifier_of(listing, jwks, said, check_status=True)
    assert (await verifier.verify(login.access_token)).session_id == login.id
    await listing.post("/v1/logout", bearer=login.access_token)
    said[uri] = (await fetched(listing, uri)).content
    listing.clock.advance(limits.STATUS_LIST_TTL)
    with pytest.raises(CredentialRefused):
        await verifier.verify(login.access_token)


async def test_an_exchanged_token_names_the_place_of_the_one_it_was_made_for() -> None:
    """M-60, M-63: a verifier that looks at lists refuses an exchanged token, and one that was exchanged again, once the
    session has ended; for a login of another kind there is no list to look at, and `require_status` refuses it."""
    async with open_site(FakeClock(), status_lists=True, audiences=(API,)) as site:
        await site.account()
        front = await service(site)
        behind = await service(site, audiences=(REPORTS,), targets=("https://archive.example",))
        login = await site.log_in(kind="stateless", audience=[ISSUER, API])
        first = (await front.exchange(login.access_token)).json()["access_token"]
        second = (await behind.exchange(first, "https://archive.example")).json()["access_token"]
        assert reference(first) == reference(second) == reference(login.access_token)
        taken = {"require_status": True, "audience": REPORTS}
        assert await is_taken(site, first, **taken)
        assert (await site.post("/v1/logout", bearer=login.access_token)).status_code == 200
        assert [await status_of(site, token) for token in (first, second)] == [INVALID] * 2
        assert not await is_taken(site, first, **taken)

        for kind in ("session", "stateful"):
            other = await site.log_in(kind=kind, transport="bearer", audience=[ISSUER, API])
            exchanged = (await front.exchange(other.access_token)).json()["access_token"]
            assert "status" not in decoded(exchanged)[1]
            assert await is_taken(site, exchanged, check_status=True, audience=REPORTS)
            assert not await is_taken(site, exchanged, **taken)


async def test_a_token_behind_a_proxy_names_the_place_of_the_one_that_came() -> None:
    """M-61, M-63: what forward-auth hands on is made for the caller's token, and names its list."""
    async with open_site(FakeClock(), status_lists=True, audiences=(API,)) as site:
        await site.account()
        login = await site.log_in(kind="stateless")
        passed = await site.get(
            f"/v1/forward-auth?audience={API}",
            bearer=login.access_token, headers={"X-Original-Method": "GET"}, peer="127.0.0.1",
        )  # fmt: skip
        internal = passed.headers["authorization"].removeprefix("Bearer ")
        assert reference(internal) == reference(login.access_token)
