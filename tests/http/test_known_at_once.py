"""The short way to a caller: `Authenticator.known` accepts what `authenticate` would accept, and nothing else."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.harness import API, KINDS, SESSION, TRANSPORTS, Login, Site, open_site
from tests.http.test_dpop import Device

from ostiary.domain.caller import Caller
from ostiary.errors import OstiaryError
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio
Headers = list[tuple[bytes, bytes]]


def scope_of(headers: Headers, method: str = "GET") -> dict[str, Any]:
    """A request as a server describes it."""
    return {"type": "http", "method": method, "path": "/notes", "scheme": "https", "headers": headers}


def header_of(login: Login) -> Headers:
    """As a client of this transport sends the credential."""
    if login.transport == "cookie":
        return [(b"cookie", f"{SESSION}={login.access_token}".encode())]
    return [(b"authorization", f"Bearer {login.access_token}".encode())]


def known(site: Site, headers: Headers, method: str = "GET") -> Caller | None:
    """By the short way."""
    return site.auth.services.authenticator.known(scope_of(headers, method), site.clock.wall)


async def judged(site: Site, headers: Headers, method: str = "GET") -> Caller | str:
    """By the whole way: the caller, or the refusal's code."""
    try:
        found = await site.auth.services.authenticator.authenticate(scope_of(headers, method), site.clock.wall)
    except OstiaryError as refused:
        return refused.code
    return found.caller


async def seen(site: Site, headers: Headers) -> None:
    """Recognised once, and once more out of memory: from then on the short way is open."""
    for _ in range(2):
        assert isinstance(await judged(site, headers), Caller)


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_a_credential_that_was_seen_is_known_at_once(site: Site, kind: str, transport: str) -> None:
    """From the third request on, nothing is looked at but memory, whatever the kind and the transport (M-01, M-70)."""
    await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    headers = header_of(login)
    assert known(site, headers) is None
    await seen(site, headers)
    caller = known(site, headers)
    assert caller is not None
    assert (caller.session_id, caller.kind.value) == (login.id, kind)
    assert caller == await judged(site, headers)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["logout", "role", "key", "everything"])
async def test_what_is_revoked_is_not_known_any_more(site: Site, kind: str, what: str) -> None:
    """The very next request after a logout, a change of roles, a revoked key or the end of everything does not pass the
    short way (M-06, M-07, M-30)."""
    await site.account("boss", roles=("admin",))
    account = await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    headers = header_of(login)
    await seen(site, headers)
    assert known(site, headers) is not None
    admin = (await site.log_in("boss", transport="bearer")).access_token
    if what == "logout":
        await site.post("/v1/logout", bearer=login.access_token)
    elif what == "role":
        await site.patch(f"/v1/admin/accounts/{account}", json={"roles": ["auditor"]}, bearer=admin)
    elif what == "key":
        keys = (await site.get("/v1/admin/keys", bearer=admin)).json()["keys"]
        (signing,) = (key["kid"] for key in keys if key["state"] == "active")
        assert (await site.delete(f"/v1/admin/keys/{signing}", bearer=admin)).status_code == 200
    else:
        await site.post("/v1/admin/end-everything", bearer=admin)
    assert known(site, headers) is None


async def test_somebody_elses_end_closes_it_for_one_look_only(site: Site) -> None:
    """Another session's logout makes every credential be looked at once more, and then it is known again (M-06)."""
    await site.account()
    stays, goes = await site.log_in(transport="bearer"), await site.log_in(transport="bearer")
    headers = header_of(stays)
    await seen(site, headers)
    await site.post("/v1/logout", bearer=goes.access_token)
    assert known(site, headers) is None
    assert isinstance(await judged(site, headers), Caller)
    assert known(site, headers) is not None


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_a_session_in_use_does_not_lie_idle(site: Site, kind: str, transport: str) -> None:
    """Uses by the short way count: a session that is used every few seconds outlives its idle time, and one that is not
    is refused when it is over, not later (closed laptop)."""
    await site.account()
    login = await site.log_in(kind=kind, transport=transport)
    headers = header_of(login)
    await seen(site, headers)
    by_the_short_way = 0
    for _ in range(10):
        site.clock.advance(20)
        by_the_short_way += known(site, headers) is not None
        assert isinstance(await judged(site, headers), Caller)
    assert by_the_short_way >= 5
    if kind != "session":
        return
    idle = site.auth.settings.session_idle_lifetime
    site.clock.advance(idle - 1)
    assert isinstance(await judged(site, headers), Caller)
    site.clock.advance(idle)
    assert known(site, headers) is None
    assert await judged(site, headers) == "invalid_token"


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
async def test_an_expired_token_is_not_known(site: Site, kind: str) -> None:
    """Live while now < exp, by the short way too (M-25)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer")
    headers = header_of(login)
    ends = site.clock.wall + login.answer["expires_in"]
    while site.clock.wall < ends - 2:
        site.clock.advance(min(20.0, ends - 1 - site.clock.wall))
        await seen(site, headers)
    assert known(site, headers) is not None
    site.clock.advance(ends - site.clock.wall)
    assert known(site, headers) is None
    assert await judged(site, headers) == "invalid_token"


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_meant_for_others_is_never_known(site: Site, kind: str) -> None:
    """A credential for another audience is refused however often it was seen (section 4)."""
    await site.account()
    login = await site.log_in(kind=kind, transport="bearer", audience=API)
    headers = header_of(login)
    for _ in range(3):
        assert known(site, headers) is None
        assert await judged(site, headers) == "invalid_token"


@pytest.mark.parametrize("kind", KINDS)
async def test_what_needs_a_proof_is_never_known(site: Site, kind: str) -> None:
    """A credential bound to a key never passes without its proof being judged (M-52)."""
    await site.account()
    device = Device(site)
    login = await device.log_in(kind)
    for _ in range(3):
        proof = device.proof("GET", "/v1/me", login.access_token)
        lines = [("Authorization", f"DPoP {login.access_token}"), ("DPoP", proof)]
        assert (await site.get("/v1/me", headers=lines)).status_code == 200
        for scheme in ("Bearer", "DPoP"):
            assert known(site, [(b"authorization", f"{scheme} {login.access_token}".encode())]) is None
        assert known(site, [(b"cookie", f"{SESSION}={login.access_token}".encode())]) is None


@pytest.mark.parametrize("binding", ["observe", "step-up", "end"])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_bound_to_a_place_is_never_known(anyio_backend: str, kind: str, binding: str) -> None:
    """A session that has to stay where it is is looked at as a whole, every time (M-52)."""
    async with open_site(FakeClock(), binding=binding) as bound:
        await bound.account()
        login = await bound.log_in(kind=kind, transport="bearer")
        for _ in range(3):
            assert await bound.alive(login)
            assert known(bound, header_of(login)) is None


@pytest.mark.parametrize(("kind", "transport"), TRANSPORTS)
async def test_only_a_safe_method_is_known_by_its_cookie(site: Site, kind: str, transport: str) -> None:
    """The CSRF rule is never passed over: what a cookie carries is known at once for safe methods only (M-50)."""
    await site.account()
    headers = header_of(await site.log_in(kind=kind, transport=transport))
    await seen(site, headers)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert known(site, headers, method) is not None
    for method in ("POST", "DELETE", "PATCH", "PUT", "get", "GeT", ""):
        assert (known(site, headers, method) is None) is (transport == "cookie")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_header_counts_for_its_own_name_only(site: Site, kind: str) -> None:
    """What was read out of a Cookie header is not read out of an Authorization header of the same bytes, nor the other
    way round (section 2)."""
    await site.account()
    for transport in ("cookie", "bearer"):
        ((name, value),) = headers = header_of(await site.log_in(kind=kind, transport=transport))
        await seen(site, headers)
        assert known(site, headers) is not None
        swapped = [(b"authorization" if name == b"cookie" else b"cookie", value)]
        assert known(site, swapped) is None
        assert await judged(site, swapped) == "not_authenticated"
        assert known(site, headers * 2) is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cookie_is_known_among_others(site: Site, kind: str) -> None:
    """Whatever other cookies come along, the credential is known, and when it is forgotten its cookie takes no room."""
    await site.account()
    login = await site.log_in(kind=kind, transport="cookie")
    recognised = site.auth.system.recognition.known
    await seen(site, header_of(login))
    headers = [
        f"{before}{SESSION}={login.access_token}{after}" for before in ("", "a=b; c=d; ") for after in ("", "; e=f")
    ]
    for header in headers:
        caller = known(site, [(b"cookie", header.encode())])
        assert caller is not None
        assert caller.session_id == login.id
    assert len(recognised.by_cookie) == 1
    recognised.discard(login.access_token)
    assert [known(site, [(b"cookie", header.encode())]) for header in headers] == [None] * 4
    assert len(recognised.by_cookie) == 0


async def test_other_cookies_may_come_along_with_the_authorization_header(site: Site) -> None:
    """A bearer's credential is known whatever cookies a browser adds; a session cookie beside it never passes
    (section 2)."""
    await site.account()
    headers = header_of(await site.log_in(transport="bearer"))
    cookies = header_of(await site.log_in(transport="cookie"))
    await seen(site, headers)
    await seen(site, cookies)
    assert known(site, [(b"cookie", b"a=b"), *headers]) is not None
    assert known(site, [*headers, *cookies]) is None
    assert await judged(site, [*headers, *cookies]) == "invalid_request"


LINES = st.sampled_from(
    [
        "authorization: Bearer {good}",
        "authorization: bearer {good}",
        "authorization: Bearer  {good} ",
        "authorization: Bearer {good},{good}",
        "authorization: DPoP {good}",
        "authorization: Basic {good}",
        "authorization: Bearer {other}",
        "authorization: Bearer {bad}",
        "authorization:",
        "authorization: {name}={good}",
        "cookie: {name}={good}",
        "cookie: a=b; {name}={good}; c=d",
        "cookie: a=b;{name}={good} ;c=d",
        "cookie: {name}={good}; {name}={good}",
        "cookie: {name}={good}; x{name}={good}",
        "cookie: x{name}={good}",
        "cookie: {name}={other}",
        "cookie: {name}=",
        "cookie: Bearer {good}",
        "cookie: a=b",
        "cookie: x={name}={good}",
        "sec-fetch-site: cross-site",
        "accept: */*",
    ]
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=4), method=st.sampled_from(["GET", "POST", "HEAD"]))
async def test_the_short_way_accepts_nothing_that_the_whole_one_refuses(
    warm: tuple[Site, dict[str, str]], lines: list[str], method: str
) -> None:
    """However a request is put together, whoever is known at once is the caller that the whole way finds."""
    site, values = warm
    headers: Headers = []
    for line in lines:
        name, _, value = line.format(**values).partition(":")
        headers.append((name.encode(), value.strip(" ").encode() if "  " not in value else value[1:].encode()))
    caller = known(site, headers, method)
    if caller is not None:
        assert await judged(site, headers, method) == caller


@pytest.fixture
async def warm(site: Site) -> tuple[Site, dict[str, str]]:
    """Two sessions that the server knows."""
    await site.account()
    good, other = await site.log_in(transport="bearer"), await site.log_in(transport="bearer")
    for login in (good, other):
        await seen(site, header_of(login))
    return site, {"name": SESSION, "good": good.access_token, "other": other.access_token, "bad": "ost_st_bad"}
