"""Registered services on two nodes of one store, on every store that several nodes can share."""

import asyncio
from typing import Any

import pytest
from tests.http.harness import API, REPORTS, Site
from tests.http.services import Service, service
from tests.scenario.world import until

from ostiary import jose
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


def at(node: Site, svc: Service) -> Service:
    """The same service, at another node."""
    return Service(site=node, id=svc.id, secret=svc.secret, key=svc.key)


async def active(svc: Service, token: str) -> bool:
    answer = await svc.introspect(token)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200 and bool(answer.json()["active"])


async def test_a_service_on_two_nodes(start_shared: Any, clock: FakeClock) -> None:
    """M-05, M-07, M-60: registered at one node it is known at the other; an assertion counts once on both; what is
    exchanged at one is live at the other; ending the session, changing the client and deleting it reach both."""
    wanted = {"audiences": (API, REPORTS)}
    async with start_shared(**wanted) as here, start_shared(**wanted) as there:
        one, two = Site(here.auth, clock), Site(there.auth, clock)
        first, second = here.auth, there.auth
        issuer = first.settings.issuer
        await one.account()
        svc = await service(one)
        behind = await service(two, audiences=(REPORTS,))
        by_key = await service(one, key=jose.Key.generate("ES256"))

        assertion = by_key.assertion(aud=issuer)
        form = {"token": "x", "client_assertion": assertion}
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        answers = await asyncio.gather(*(node.post("/oauth/introspect", form=form) for node in (one, two) * 5))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9

        login = await one.log_in(kind="stateless", audience=[issuer, API])
        derived = (await at(two, svc).exchange(login.access_token)).json()["access_token"]
        for node in (one, two):
            assert await active(at(node, behind), derived)
        ended = await two.post("/v1/logout", bearer=login.access_token)
        assert ended.status_code == 200
        for node in (one, two):
            await until(lambda node=node: _not(active(at(node, behind), derived)))  # type: ignore[misc]

        again = await two.log_in(kind="session", transport="bearer", audience=API)
        derived = (await svc.exchange(again.access_token)).json()["access_token"]
        assert await active(at(two, behind), derived)
        replaced = await first.system.clients.replace_secret(svc.id, actor="test")
        assert replaced.ended.bound > 0
        await until(lambda: _not(active(at(two, behind), derived)))
        await until(lambda: _refused(at(two, svc)))
        svc.secret = replaced.secret
        assert (await at(two, svc).exchange(again.access_token)).status_code == 200
        await second.system.clients.delete(svc.id, actor="test")
        for node in (one, two):
            await until(lambda node=node: _refused(at(node, svc)))  # type: ignore[misc]


async def _not(looked: Any) -> bool:
    return not await looked


async def _refused(svc: Service) -> bool:
    return bool((await svc.introspect("x")).status_code == 401)
