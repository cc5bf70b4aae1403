"""M-63, section 4: a token of one type is refused wherever another one is expected. All that this server issues,
at every place that takes one: only the diagonal passes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.http.harness import API, ISSUER, REPORTS, SESSION, Site, open_site
from tests.http.services import ACCESS, ASSERTION, EXCHANGE, basic, service

from ostiary import jose
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

Place = Callable[["World", str], Awaitable[bool]]


class World:
    """A site with one of everything that it issues."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.tokens: dict[str, str] = {}

    async def prepare(self) -> None:
        site = self.site
        await site.account()
        for kind in ("session", "stateful", "stateless"):
            login = await site.log_in(kind=kind, transport="bearer", audience=[ISSUER, API])
            self.tokens[kind] = login.access_token
            if kind == "stateless":
                self.tokens["refresh"] = login.refresh_token
        self.subject = (await site.log_in(transport="bearer", audience=API)).access_token
        self.front = await service(site, grants=(EXCHANGE, "client_credentials"), audiences=(API,), targets=(REPORTS,))
        self.behind = await service(site, audiences=(REPORTS,), targets=("https://far.example",))
        self.by_key = await service(site, key=jose.Key.generate("ES256"))
        self.tokens["exchanged"] = (await self.front.exchange(self.subject)).json()["access_token"]
        own = await self.front.post("/oauth/token", {"grant_type": "client_credentials"})
        self.tokens["service's own"] = own.json()["access_token"]
        answer = await self.front.introspect(self.subject, headers={"Accept": "application/token-introspection+jwt"})
        self.tokens["introspection answer"] = answer.text
        login = await site.log_in()
        made = await site.post(
            "/v1/one-time-tokens", json={"audience": REPORTS, "action": "download", "resource": "a.txt"}, **login.use
        )
        assert made.status_code == 201, made.text
        self.tokens["one-time"] = made.json()["token"]
        self.tokens["csrf"] = (await site.get("/v1/csrf", **login.use)).json()["csrf_token"]
        self.tokens["client secret"] = self.front.secret or ""
        self.tokens["assertion"] = self.by_key.assertion(typ="client-authentication+jwt")


async def as_bearer(world: World, token: str) -> bool:
    return (await world.site.get("/v1/me", bearer=token)).status_code == 200


async def in_the_session_cookie(world: World, token: str) -> bool:
    return (await world.site.get("/v1/me", cookies={SESSION: token})).status_code == 200


async def as_refresh_token(world: World, token: str) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return (await world.site.post("/oauth/token", form=form)).status_code == 200


async def to_be_exchanged_in_front(world: World, token: str) -> bool:
    return (await world.front.exchange(token)).status_code == 200


async def to_be_exchanged_behind(world: World, token: str) -> bool:
    return (await world.behind.exchange(token, "https://far.example")).status_code == 200


async def to_be_introspected_in_front(world: World, token: str) -> bool:
    return bool((await world.front.introspect(token)).json()["active"])


async def to_be_introspected_behind(world: World, token: str) -> bool:
    return bool((await world.behind.introspect(token)).json()["active"])


async def as_a_clients_secret(world: World, token: str) -> bool:
    form = {"grant_type": "client_credentials"}
    response = await world.site.post("/oauth/token", form=form, headers=basic(world.front.id, token))
    return response.status_code == 200


async def as_a_clients_assertion(world: World, token: str) -> bool:
    form = {"token": "x", "client_assertion_type": ASSERTION, "client_assertion": token}
    return (await world.site.post("/oauth/introspect", form=form)).status_code == 200


async def to_follow_revocations(world: World, token: str) -> bool:
    return (await world.site.get("/v1/revocations", bearer=token)).status_code == 200


async def as_another_type_to_be_exchanged(world: World, token: str) -> bool:
    form = {"grant_type": EXCHANGE, "subject_token": token, "audience": REPORTS}
    form["subject_token_type"] = ACCESS.replace("access_token", "id_token")
    return (await world.front.post("/oauth/token", form)).status_code == 200


PLACES: dict[Place, set[str]] = {
    as_bearer: {"session", "stateful", "stateless"},
    in_the_session_cookie: {"session", "stateful", "stateless"},
    to_be_exchanged_in_front: {"session", "stateful", "stateless"},
    to_be_introspected_in_front: {"session", "stateful", "stateless"},
    to_be_exchanged_behind: {"exchanged", "service's own"},
    to_be_introspected_behind: {"exchanged", "service's own"},
    as_another_type_to_be_exchanged: set(),
    as_a_clients_secret: {"client secret"},
    as_a_clients_assertion: {"assertion"},
    to_follow_revocations: set(),  # the assertion was used one row above
    as_refresh_token: {"refresh"},
}


async def test_only_the_diagonal_passes(anyio_backend: str) -> None:
    """Each of eleven kinds of token, at each of eleven places."""
    async with open_site(FakeClock(), address_failures=1000) as site:
        world = World(site)
        await world.prepare()
        assert len(world.tokens) == 11
        for place, expected in PLACES.items():
            passed = {name for name, token in world.tokens.items() if await place(world, token)}
            assert passed == expected, place.__name__


async def test_a_verifier_takes_its_own_kind_alone(anyio_backend: str) -> None:
    """The service behind, with public keys: what was exchanged for it and a service's own token; nothing else."""
    from ostiary.verifier import CredentialRefused, Verifier

    async with open_site(FakeClock()) as site:
        world = World(site)
        await world.prepare()
        keys = jose.KeySet.from_jwks((await site.get("/.well-known/jwks.json")).content)
        passed: dict[str, Any] = {}
        for audience in (REPORTS, API):
            verifier = Verifier(issuer=ISSUER, audience=audience, keys=keys, clock=site.clock.clock)
            passed[audience] = set()
            for name, token in world.tokens.items():
                try:
                    await verifier.verify(token)
                except CredentialRefused:
                    continue
                passed[audience].add(name)
        assert passed == {REPORTS: {"exchanged", "service's own"}, API: {"stateless"}}
