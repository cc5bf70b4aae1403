"""The first administrator: made once, by whoever holds the link, while there is no account."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.http.harness import OTHER_PASSWORD, PASSWORD, SESSION, Site, open_site, set_cookies

from ostiary.stores.port import Swap
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

FORM = {"username": "root", "password": PASSWORD}


async def offered(site: Site) -> str:
    """The code that the server prints."""
    code = await site.auth.system.first_run.offer()
    assert code is not None
    site.secrets.add(code)
    return code


async def claim(site: Site, code: str, **form: str) -> int:
    """Try it; the status."""
    return (await site.post("/setup", form={**FORM, "code": code, **form})).status_code


async def test_the_link_makes_the_administrator(site: Site) -> None:
    """The form of the link makes an administrator and logs them in; there is no second one."""
    code = await offered(site)
    page = await site.get("/setup")
    assert page.status_code == 200
    assert code not in page.text
    response = await site.post("/setup", form={**FORM, "code": f" {code}\n"})
    assert response.status_code == 303
    assert response.headers["location"] == "/admin?notice=set_up"
    cookie = set_cookies(response)[SESSION].value
    me = (await site.get("/v1/me", cookies={SESSION: cookie})).json()["account"]
    assert (me["username"], me["roles"]) == ("root", ["admin", "user"])
    assert (await site.get("/v1/admin/stats", cookies={SESSION: cookie})).status_code == 200
    assert await claim(site, code, username="second") == 404
    assert (await site.get("/setup")).status_code == 404
    assert await site.auth.system.first_run.offer() is None


@pytest.mark.parametrize("code", ["", "ost_su_", "ost_su_" + "A" * 43, "x" * 5000, "\x00", "张三"])
async def test_a_wrong_code_makes_nothing(site: Site, code: str) -> None:
    """Whatever else is sent makes no account, and a wrong code does not spend the right one."""
    right = await offered(site)
    assert await claim(site, code) == 403
    assert await site.auth.system.first_run.is_over() is False
    assert await claim(site, right) == 303


async def test_no_link_no_setup(site: Site) -> None:
    """Where none was printed, nothing is accepted."""
    assert await claim(site, "ost_su_" + "A" * 43) == 403


async def test_a_link_of_yesterday(site: Site) -> None:
    """A link is good for a day. Whoever starts in its first half prints the same one, later another one, and then both
    are good for as long as they are."""
    old = await offered(site)
    site.clock.advance(43_199)
    assert await offered(site) == old
    site.clock.advance(1)
    young = await offered(site)
    assert young != old
    site.clock.advance(43_200)
    assert await claim(site, old) == 403
    assert await claim(site, young) == 303
    assert await claim(site, young) == 404


async def test_a_link_of_a_clock_that_was_wrong(site: Site) -> None:
    """A link that was made when the clock was years ahead is not good for years."""
    site.clock.advance(365 * 86_400)
    ahead = await offered(site)
    site.clock.set_wall(site.clock.wall - 365 * 86_400)
    assert await claim(site, ahead) == 403
    assert await claim(site, await offered(site)) == 303


async def test_the_first_account_ends_it(site: Site) -> None:
    """However the first account came to be, the link is dead."""
    code = await offered(site)
    await site.post("/v1/accounts", json={"username": "ann", "password": PASSWORD})
    assert await claim(site, code) == 404


async def test_a_server_that_starts_meanwhile_is_nobody_who_was_first(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the password is hashed another server may write the issuer's record, as one does that starts: the link
    still makes the administrator."""
    code = await offered(site)
    store, hash_ = site.auth.system.context.store, site.auth.system.passwords.hash

    async def slowly(password: str) -> str:
        monkeypatch.setattr(site.auth.system.passwords, "hash", hash_)
        assert await store.write(Swap(await store.issuer()))
        return await hash_(password)

    monkeypatch.setattr(site.auth.system.passwords, "hash", slowly)
    assert await claim(site, code) == 303


async def test_refusals_keep_the_link(site: Site) -> None:
    """A poor password or name is told at its field, and the link goes on."""
    code = await offered(site)
    for form, status in (({"password": "short"}, 422), ({"username": "a b"}, 422), ({"username": ""}, 422)):
        response = await site.post("/setup", form={**FORM, "code": code, **form})
        assert response.status_code == status
        assert "aria-invalid" in response.text
        assert code not in response.text
        assert PASSWORD not in response.text
    assert await claim(site, code) == 303


async def test_not_from_elsewhere(site: Site) -> None:
    """Another site cannot send the form (M-50)."""
    code = await offered(site)
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    response = await site.post("/setup", form={**FORM, "code": code}, headers=headers)
    assert response.status_code == 403
    assert await site.auth.system.first_run.is_over() is False


async def test_only_the_seed_is_kept(site: Site) -> None:
    """What the store holds makes nobody an administrator (M-09)."""
    code = await offered(site)
    events = await site.auth.system.store.audit.page(limit=10)
    assert not any(code in repr(event) or code.removeprefix("ost_su_") in repr(event) for event in events)
    for event in events:
        for text in event.detail.replace('"', " ").split():
            assert await claim(site, text) == 403


@pytest.fixture(params=["memory:", "sqlite"])
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A server on each store that every installation has."""
    folder = tmp_path_factory.mktemp("first")
    database = request.param if request.param == "memory:" else f"sqlite:///{folder / 'ostiary.db'}"
    async with open_site(FakeClock(), database=database, secret_key=b"k" * 32) as opened:
        yield opened


async def test_two_at_once(shared: Site) -> None:
    """Of many who use links at the same moment exactly one makes the administrator."""
    codes = [await offered(shared) for _ in range(2)]
    answers = await asyncio.gather(
        *(claim(shared, codes[n % 2], username=f"root{n}", password=OTHER_PASSWORD) for n in range(8))
    )
    assert sorted(answers) == [303, *[404] * 7]
    assert len(await shared.auth.system.store.accounts.page(limit=9)) == 1
