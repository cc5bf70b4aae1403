"""Hostile input never gives an error of ours, and changes nothing unless it is answered as a success."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.harness import OTHER_PASSWORD, PASSWORD, REFRESH, SESSION, Login, Site, open_site

from ostiary.http.endpoints import Endpoint
from ostiary.http.routes import ENDPOINTS
from ostiary.http.routes.openapi import openapi_endpoints
from ostiary.testing import FakeClock

ALL = (*ENDPOINTS, *openapi_endpoints(ENDPOINTS))
SOUND: dict[str, Any] = {
    "/v1/accounts": {"username": "bob", "password": PASSWORD, "email": "b@example.com", "display_name": "Bob"},
    "/v1/login": {
        "username": "ann", "password": PASSWORD, "kind": "stateless", "transport": "split", "remember": True,
        "audience": ["https://api.example"], "scope": "notes:read",
    },
    "/v1/logout": {"refresh_token": "ost_rt_x"},
    "/v1/me": {"display_name": "Ann", "email": "a@example.com", "password": PASSWORD},
    "/v1/password": {"current_password": PASSWORD, "new_password": OTHER_PASSWORD},
    "/v1/reauthenticate": {"password": PASSWORD},
    "/v1/admin/accounts/{id}": {"roles": ["user"], "disabled": False, "display_name": "x", "email": "x@example.com"},
    "/oauth/token": {"grant_type": "refresh_token", "refresh_token": "ost_rt_x", "scope": "a", "client_id": "x"},
    "/oauth/revoke": {"token": "ost_rt_x", "token_type_hint": "refresh_token"},
    "/login": {"username": "ann", "password": PASSWORD, "remember": "on", "next": "/account"},
    "/signup": {"username": "bob", "password": PASSWORD, "next": "/"},
    "/account/password": {"current_password": PASSWORD, "new_password": OTHER_PASSWORD, "csrf_token": "x"},
}  # fmt: skip

TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "\x00", "a\x00b", "\r\nSet-Cookie: x=y", "../..", "%00", "' OR 1=1 --", "${jndi:ldap://e}", "{{7*7}}",
        "é" * 2000,
         "x" * 70_000, "\u202e", "\ufeff", "NaN", "-1", "9" * 400, "[" * 50, "ost_st_" + "A" * 43, "a.b.c", "...",
         "null"]
    ),
)  # fmt: skip
JSON_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
RAW = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"{", b"[]", b"null", b"{}" * 2, b"[" * 3000, b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"\xff\xfe{\x00}\x00", b'"' * 9,
         b'{"username":"a","username":"b"}', b'{"username":"\\ud800"}', b'{"username":"\xed\xa0\x80"}', b"\x00" * 100,
         b'{"a":1e400}', b'{"a":' + b"9" * 5000 + b"}", b"a=%zz", b"a=b&a=c", b"%", b"=", b"&&&", b"x" * 65_537]
    ),
)  # fmt: skip
MEDIA = st.sampled_from(
    [None, "application/json", "application/x-www-form-urlencoded", "text/plain", "", ";;;",
    'application/json; charset="', "é/é",
     "multipart/form-data; boundary=x", "application/json, application/json", "a" * 5000]
)  # fmt: skip
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Accept", "Accept-Language", "Origin", "Sec-Fetch-Site", "X-CSRF-Token", "X-Forwarded-For", "DPoP",
            "User-Agent",
             "If-None-Match", "Range", "Content-Encoding", "Content-Length", "X-HTTP-Method-Override", "Referer",
             "Expect",
             "Cookie", "Authorization", "Access-Control-Request-Method", "Transfer-Encoding", "Forwarded"]
        ),
        st.one_of(
            st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60),
            st.sampled_from(["Bearer ", "Bearer a.b.c", "bearer \xff", "DPoP x", f"{SESSION}=", f'{SESSION}="x"',
            f"{REFRESH}=ost_rt_x; ;;=;",
                             "null", "none", "²", "zh;q=²", "a" * 5000, "1.2.3.4, ::1%25, x", "text/html",
                             "application/json"]),
        ),
    ),
    max_size=3,
)  # fmt: skip


class World:
    """A server with somebody in it, driven from ordinary functions."""

    def __init__(self, portal: BlockingPortal, site: Site, admin: Login) -> None:
        self.portal = portal
        self.site = site
        self.admin = admin

    def state(self) -> object:
        """What a change would show in."""
        return self.portal.call(self._state)

    async def _state(self) -> object:
        store = self.site.auth.system.store
        accounts = await store.accounts.page(limit=10_000)
        sessions = [await store.sessions.of_account(account.id) for account in accounts]
        return accounts, sessions, await store.issuer(), await store.signing_keys.all()

    def request(self, method: str, path: str, headers: Any, content: bytes | None) -> int:
        """Its status; everything that holds for every answer has been checked."""

        async def call() -> int:
            lines = [(name.encode(), value.encode("latin-1")) for name, value in headers]
            return (await self.site.call(method, path, headers=lines, content=content)).status_code

        return self.portal.call(call)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One world for all examples of this file."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_site(FakeClock())) as site:

        async def begin() -> Login:
            await site.account("root", roles=("admin", "user"))
            await site.account("ann")
            return await site.log_in("root", transport="bearer")

        yield World(portal, site, portal.call(begin))


def _path(endpoint: Endpoint, identifiers: list[str], query: list[tuple[str, str]]) -> str:
    path = endpoint.path
    for name, text in zip(("{id}", "{kid}", "{name}"), identifiers, strict=True):
        path = path.replace(name, quote(text, safe="") or "x")
    return path + ("?" + "&".join(f"{quote(n, safe='')}={quote(v[:600], safe='')}" for n, v in query) if query else "")


def _body(endpoint: Endpoint, data: st.DataObject) -> tuple[bytes | None, str | None]:
    if endpoint.method in ("GET", "HEAD"):
        return None, None
    how = data.draw(st.sampled_from(["raw", "mutated", "mutated", "mutated"]))
    if how == "raw":
        return data.draw(RAW), data.draw(MEDIA)
    members = dict(SOUND.get(endpoint.path, {}))
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from([*members, "role", "x"])) if members else "x"
        if data.draw(st.booleans()):
            members[name] = data.draw(JSON_VALUE if not endpoint.form else TEXT)
        else:
            members.pop(name, None)
    if endpoint.form:
        text = "&".join(
            f"{quote(name)}={quote(str(value), safe='', errors='replace')}" for name, value in members.items()
        )
        return text.encode("ascii"), "application/x-www-form-urlencoded"
    return json.dumps(members, allow_nan=True).encode("ascii"), "application/json"


def _hostile(world: World, data: st.DataObject, credential: Callable[[], list[tuple[str, str]]]) -> None:
    endpoint = data.draw(st.sampled_from(ALL))
    method = data.draw(st.sampled_from([endpoint.method] * 6 + ["HEAD", "OPTIONS", "PUT", "BREW"]))
    identifiers = [data.draw(TEXT)[:600] for _ in range(3)]
    query = data.draw(
        st.lists(
            st.tuples(st.sampled_from(["query", "cursor", "limit", "kind", "next", "lang", "notice"]), TEXT), max_size=2
        )
    )
    content, media_type = _body(endpoint, data)
    headers = [*credential(), *data.draw(HEADERS)]
    if media_type is not None:
        headers.append(("Content-Type", media_type))
    before = world.state()
    status = world.request(method, _path(endpoint, identifiers, query), headers, content)
    assert status < 500
    if status >= 400 or method in ("HEAD", "OPTIONS"):
        assert world.state() == before


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_stranger(world: World, data: st.DataObject) -> None:
    """Without a credential, or with a nonsensical one: never 5xx, and a refusal changes nothing."""
    _hostile(world, data, list)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_an_administrator(world: World, data: st.DataObject) -> None:
    """Logged in as an administrator, past every check of rights: never 5xx, and a refusal changes nothing."""

    def credential() -> list[tuple[str, str]]:
        async def alive() -> None:
            if not await world.site.alive(world.admin):
                # what was asked for was done: somebody ended this session, or changed its password
                store = world.site.auth.system.store
                account = await store.accounts.get(world.admin.account_id)
                assert account is not None
                await world.site.auth.system.password_changes.reset(account.id, PASSWORD, actor="test")
                world.admin = await world.site.log_in("root", transport="bearer")

        world.portal.call(alive)
        return [("Authorization", f"Bearer {world.admin.access_token}")]

    _hostile(world, data, credential)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(path=st.text(max_size=60), method=st.sampled_from(["GET", "POST", "DELETE", "PATCH", "HEAD"]))
def test_any_path(world: World, path: str, method: str) -> None:
    """Any path at all has an answer that is not an error of ours."""
    assert world.request(method, "/" + quote(path, safe="/", errors="replace"), [], None) < 500
