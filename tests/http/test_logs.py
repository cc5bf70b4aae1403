"""No credential ever stands in a log, an answer's error, or an exception (contract section 1, ASVS 16.2.5)."""

import asyncio
import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.http.harness import KINDS, OTHER_PASSWORD, PASSWORD, REFRESH, SESSION, TRANSPORTS, Site, open_site

from ostiary.http import bodies
from ostiary.http.answers import accounts, clients, credentials, sessions
from ostiary.http.call import Call
from ostiary.http.starred import SECRETS, Starred
from ostiary.services.accounts import NewAccount
from ostiary.services.context import Client
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Whatever any logger says, at any level, with all that a formatter could show; but for the test's own client."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(lambda record: not record.name.startswith("httpx2"))
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s %(exc_text)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def everything(site: Site) -> None:
    """One of everything that handles a secret, done well and done wrong."""
    await site.post("/v1/accounts", json={"username": "ann", "password": PASSWORD})
    await site.post("/v1/accounts", json={"username": "bob", "password": "short password"})
    await site.post("/v1/accounts", json={"username": "a " + OTHER_PASSWORD, "password": PASSWORD})
    await site.account("root", roles=("admin",))
    await site.post("/v1/login", json={"username": "ann", "password": OTHER_PASSWORD})
    await site.post("/v1/login", json={"username": OTHER_PASSWORD, "password": PASSWORD})
    await site.post("/v1/login", json={"username": "ann", "password": PASSWORD, "token": "ost_st_" + "Z" * 43})
    for kind, transport in TRANSPORTS:
        login = await site.log_in(kind=kind, transport=transport)
        await site.get("/v1/me", **login.use)
        await site.get("/v1/me?access_token=" + login.access_token)
        await site.get("/v1/" + login.access_token, **login.use)
        await site.get("/v1/me", bearer=login.access_token[:-2] + "xx")
        await site.get("/v1/me", bearer=login.access_token, cookies={SESSION: login.access_token})
        await site.get("/v1/csrf", **login.use)
        await site.delete("/v1/sessions/" + login.access_token, **login.use)
        await site.post("/v1/reauthenticate", json={"password": OTHER_PASSWORD}, **login.use)
        if kind != "session":
            first = login
            for _ in range(2):
                login = login.renewed(await site.refresh(login))
            await site.post("/v1/logout", json={"refresh_token": first.refresh_token + "x"})
            await site.refresh(first)
            await site.refresh(login)
        site.clock.advance(1000)
        await site.get("/v1/me", **login.use)
        await site.post("/v1/logout", **login.use)
    for kind in KINDS:
        login = await site.log_in(kind=kind, transport="bearer")
        await site.post("/oauth/revoke", form={"token": login.access_token})
        await site.get("/v1/me", bearer=login.access_token)
    for headers in (
        {"Authorization": "Basic Y2xpX3g6b3N0X2NzX3NlY3JldA=="},
        {"Authorization": "DPoP ost_st_secretsecret"},
    ):
        await site.post(
            "/oauth/token",
            form={"grant_type": "refresh_token", "client_secret": "ost_cs_secretsecret"},
            headers=headers,
        )
        await site.get("/v1/me", headers=headers)
    for form in ({"username": "ann", "password": PASSWORD}, {"username": "ann", "password": OTHER_PASSWORD}):
        await site.post("/login", form=form)
    login = await site.log_in()
    await site.post("/account/password", form={"current_password": PASSWORD, "new_password": "short one"}, **login.use)
    response = await site.post(
        "/v1/password", json={"current_password": PASSWORD, "new_password": OTHER_PASSWORD}, **login.use
    )
    login = login.renewed(response)
    await site.get("/account", **login.use)
    await site.get("/readyz")
    root = await site.log_in("root")
    await site.get("/v1/admin/audit?limit=100", **root.use)
    await site.post("/v1/admin/keys/rotate", **root.use)
    await site.post("/v1/admin/end-everything", **root.use)
    await site.auth.system.housekeeping.purge()


@pytest.mark.parametrize("database", ["memory:", "sqlite"])
async def test_no_secret_is_logged(written: io.StringIO, database: str, tmp_path: Path, anyio_backend: str) -> None:
    """Every secret that was used, in any kind and transport, is searched for in all that was logged."""
    where = "memory:" if database == "memory:" else f"sqlite:///{tmp_path}/logs.db"
    async with open_site(FakeClock(), database=where, address_failures=1000, login_free_failures=50) as site:
        asyncio.get_running_loop().set_debug(True)
        try:
            await everything(site)
        finally:
            asyncio.get_running_loop().set_debug(False)
    text = written.getvalue()
    assert "ostiary.http" in text  # refusals do say why, in the log
    secrets = {*site.secrets, "ost_cs_secretsecret", "ost_st_secretsecret", "Y2xpX3g6b3N0X2NzX3NlY3JldA"}
    assert len(secrets) > 60
    for secret in secrets:
        assert secret not in text
        for part in secret.split("."):
            assert len(part) < 20 or part.startswith("eyJ") or part not in text
    assert "ost_st_" not in text
    assert "ost_rt_" not in text


async def test_no_secret_is_in_an_error(anyio_backend: str) -> None:
    """No refusal repeats a credential that it refuses (section 1)."""
    async with open_site(FakeClock(), address_failures=1000, login_free_failures=50) as site:
        await everything(site)
        # a user name may be a password in the wrong field: the page that comes back shows the name it was given
        for answer in site.answers:
            if answer.status_code >= 400:
                for secret in site.secrets:
                    assert secret not in answer.text
                    assert secret not in str(answer.headers)


async def test_no_secret_is_in_a_traceback(written: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of ours is logged with its traceback, which shows no argument (section 1)."""
    from tests.http import harness

    monkeypatch.setattr(harness, "check_every_answer", lambda response: None)
    async with open_site(FakeClock()) as site:
        await site.account()
        login = await site.log_in(kind="stateless", transport="cookie")

        async def broken(*arguments: object, **more: object) -> None:
            raise RuntimeError("defect")

        for name in ("sessions", "refresh", "sign_in"):
            for method in ("end_others", "refresh", "login"):
                with contextlib.suppress(AttributeError):
                    monkeypatch.setattr(type(getattr(site.auth.system, name)), method, broken)
        assert (await site.post("/v1/sessions/end-others", **login.use)).status_code == 500
        assert (await site.post("/v1/login", json={"username": "ann", "password": PASSWORD})).status_code == 500
        site.clock.advance(301)
        assert (await site.get("/v1/me", **login.use)).status_code == 500
        assert (await site.refresh(login)).json() == {
            "error": "server_error", "error_description": "Something went wrong on our side",
        }  # fmt: skip
    assert "defect" in written.getvalue()
    for secret in (PASSWORD, login.cookies[SESSION], login.cookies[REFRESH]):
        assert secret not in written.getvalue()


def test_no_representation_of_a_request_or_an_answer_holds_a_secret() -> None:
    """M-09: collectors of errors keep what a failing function held. Whatever has a member with a secret prints stars;
    the rest can be read."""
    shapes = [
        shape
        for module in (bodies, credentials, clients, sessions, accounts)
        for shape in vars(module).values()
        if isinstance(shape, type) and issubclass(shape, msgspec.Struct) and SECRETS & {*shape.__struct_fields__}
    ]
    assert len(shapes) > 10
    assert all(issubclass(shape, Starred) for shape in shapes)
    for shape in shapes:
        names = [name for name in shape.__struct_fields__ if name in SECRETS]
        others = {field.name: "seen" for field in msgspec.structs.fields(shape) if field.required}
        shown = repr(shape(**{**others, **dict.fromkeys(names, PASSWORD)}))
        assert PASSWORD not in shown
        assert all(f"{name}='***'" in shown for name in names)
    login = bodies.LoginBody(username="ann", password=PASSWORD)
    assert repr(login).startswith("LoginBody(username='ann', password='***', kind='session', transport=None")
    assert repr(bodies.LogoutBody()) == "LogoutBody(refresh_token=None)"

    services: Any = None
    call = Call(services=services, request=services, now=0.0, client=Client(), body=login, form={"password": PASSWORD})
    assert PASSWORD not in repr(call)
    assert PASSWORD not in repr(NewAccount(username="ann", password_hash=PASSWORD))
