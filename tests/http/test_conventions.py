"""Contract section 1: what holds for every call."""

import asyncio
import json
import re
from typing import Any

import pytest
from tests.http.harness import ISSUER, PASSWORD, VARY, Site, open_site, problem

from ostiary import limits

pytestmark = pytest.mark.anyio


async def test_ids_and_secrets_are_prefixed(site: Site) -> None:
    """Accounts, sessions and secrets are told apart, and found by scanners, by their prefix (section 1)."""
    await site.account()
    login = await site.log_in(kind="stateful")
    session = await site.log_in()
    assert re.fullmatch(r"acc_[A-Za-z0-9_-]{22}", login.account_id)
    assert re.fullmatch(r"ses_[A-Za-z0-9_-]{22}", login.id)
    assert login.refresh_token.startswith("ost_rt_")
    assert re.fullmatch(r"ost_st_[A-Za-z0-9_-]{43}", session.access_token)


async def test_instants_are_rfc3339_utc(site: Site) -> None:
    """Every instant of a body is an RFC 3339 string in UTC (section 1)."""
    await site.account()
    login = await site.log_in()
    me = (await site.get("/v1/me", **login.use)).json()
    instants = [value for name, value in me["session"].items() if name.endswith(("_at", "_time"))]
    instants += [me["account"]["created_at"], me["expires_at"]]
    assert len(instants) == 7
    for instant in instants:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", instant)


@pytest.mark.parametrize(
    ("path", "code"),
    [("/v1/me", "not_authenticated"), ("/v1/nothing", "not_found"), ("/v1/login", "method_not_allowed")],
)
async def test_errors_are_problems(site: Site, path: str, code: str) -> None:
    """Errors of /v1 are problem+json with type, title, status, code and detail (section 1, RFC 9457)."""
    response = await site.get(path)
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["code"] == code
    assert body["status"] == response.status_code
    assert set(body) == {"type", "title", "status", "code", "detail"}
    assert all(isinstance(body[name], str) and body[name] for name in ("type", "title", "code", "detail"))


async def test_401_without_a_credential_has_no_error_attribute(site: Site) -> None:
    """Who sends no credential is told the scheme and no error (section 1, RFC 6750 section 3)."""
    response = await site.get("/v1/me")
    assert response.headers["www-authenticate"] == 'Bearer realm="ostiary"'
    assert problem(response) == (401, "not_authenticated")


async def test_401_with_a_credential_says_invalid_token(site: Site) -> None:
    """Who sends a wrong credential is told `invalid_token`, in header and body (section 1, RFC 6750 section 3.1)."""
    response = await site.get("/v1/me", bearer="ost_st_" + "A" * 43)
    assert response.headers["www-authenticate"] == 'Bearer realm="ostiary", error="invalid_token"'
    assert problem(response) == (401, "invalid_token")


async def test_failed_login_has_a_challenge_without_error(site: Site) -> None:
    """401 always carries WWW-Authenticate, also at login, where no token was sent (section 1)."""
    response = await site.post("/v1/login", json={"username": "ann", "password": PASSWORD})
    assert problem(response) == (401, "invalid_credentials")
    assert response.headers["www-authenticate"] == 'Bearer realm="ostiary"'


async def test_what_depends_on_the_caller_varies(site: Site) -> None:
    """Answers that depend on the caller vary on Cookie, Authorization, Origin, and are not kept (section 1)."""
    await site.account()
    login = await site.log_in()
    for response in (await site.get("/v1/me", **login.use), await site.get("/v1/me"), await site.get("/login")):
        assert response.headers["vary"] == VARY
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/accounts", {"username": "bob", "password": PASSWORD, "role": "admin"}),
        ("POST", "/v1/accounts", {"username": "bob", "password": PASSWORD, "roles": ["admin"]}),
        ("POST", "/v1/accounts", {"username": "bob", "password": PASSWORD, "id": "acc_x"}),
        ("POST", "/v1/login", {"username": "ann", "password": PASSWORD, "admin": True}),
        ("PATCH", "/v1/me", {"roles": ["admin"]}),
        ("PATCH", "/v1/me", {"disabled": False}),
        ("PATCH", "/v1/me", {"username": "root"}),
        ("POST", "/v1/password", {"current_password": PASSWORD, "new_password": PASSWORD + "!", "x": 1}),
        ("POST", "/v1/reauthenticate", {"password": PASSWORD, "x": 1}),
        ("DELETE", "/v1/me", {"password": PASSWORD, "x": 1}),
        ("POST", "/v1/logout", {"everywhere": True}),
        ("POST", "/v1/sessions/end-others", {"x": 1}),
        ("POST", "/v1/sessions/end-all", {"x": 1}),
        ("POST", "/v1/admin/keys/rotate", {"x": 1}),
        ("POST", "/v1/admin/end-everything", {"x": 1}),
    ],
)
async def test_unknown_members_are_refused(site: Site, method: str, path: str, body: dict[str, object]) -> None:
    """An unknown member is 422 and changes nothing, so that "role": "admin" fails loudly (section 1)."""
    await site.account(roles=("admin", "user"))
    login = await site.log_in()
    response = await site.call(method, path, json=body, **login.use)
    assert problem(response) == (422, "invalid_request")
    assert await site.alive(login)
    assert (await site.get("/v1/me", **login.use)).json()["account"]["roles"] == ["admin", "user"]
    assert (await site.get("/v1/admin/accounts?query=bob", **login.use)).json()["accounts"] == []


async def test_an_unknown_member_is_not_echoed(site: Site) -> None:
    """No error repeats what was sent: a password in the wrong place stays unsaid (section 1)."""
    response = await site.post("/v1/login", json={"username": "ann", "password": PASSWORD, "hunter2-secret": 1})
    assert "hunter2" not in response.text
    assert "member" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"username": "ann"}, "password"),
        ({"username": 17, "password": PASSWORD}, "username"),
        ({"username": "ann", "password": ["hunter2-secret"]}, "password"),
        ({"username": "ann", "password": PASSWORD, "kind": "hunter2-secret"}, "kind"),
        ({"username": "ann", "password": PASSWORD, "transport": "pigeon"}, "transport"),
        ({"username": "ann", "password": PASSWORD, "remember": "yes"}, "remember"),
        ({"username": "ann", "password": PASSWORD, "audience": 7}, "audience"),
        ({"username": "ann", "password": PASSWORD, "audience": [7]}, "audience"),
        ({"username": "ann", "password": PASSWORD, "scope": ["a"]}, "scope"),
        ({"username": None, "password": PASSWORD}, "username"),
    ],
)
async def test_a_wrong_type_is_named_and_not_echoed(site: Site, body: dict[str, object], said: str) -> None:
    """A member of the wrong type or value is 422; the message names the member and repeats no value (section 1)."""
    response = await site.post("/v1/login", json=body)
    assert problem(response) == (422, "invalid_request")
    assert said in response.json()["detail"]
    assert "hunter2" not in response.text
    assert "pigeon" not in response.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{'username': 'ann'}",
        b'{"username": "ann", "username": "bob", "password": "x"}',
        b'{"username": "\xff", "password": "x"}',
        b'{"username": "\\ud800", "password": "x"}',
        b'\xef\xbb\xbf{"username": "ann", "password": "x"}',
        b'{"username": NaN, "password": "x"}',
        b'{"username": "ann", "password": "x"} trailing',
    ],
)
async def test_what_cannot_be_parsed_is_400(site: Site, content: bytes) -> None:
    """A body that is not one JSON text in UTF-8, with no member twice, is 400 `invalid_request` (section 1)."""
    response = await site.post("/v1/login", content=content, headers={"Content-Type": "application/json"})
    assert problem(response) == (400, "invalid_request")


@pytest.mark.parametrize("content", [b"[]", b'"text"', b"null", b"17", b'[{"username": "ann", "password": "x"}]'])
async def test_json_that_is_no_object_is_422(site: Site, content: bytes) -> None:
    """What can be parsed and is wrong is 422 `invalid_request` (section 1)."""
    response = await site.post("/v1/login", content=content, headers={"Content-Type": "application/json"})
    assert problem(response) == (422, "invalid_request")


async def test_content_codings_are_415(site: Site) -> None:
    """A body that is not sent as it is would be read as something else: 415, except "identity", which says nothing
    (section 1, RFC 9110 section 8.4)."""
    await site.account()
    body = {"username": "ann", "password": PASSWORD}
    for coding in ("gzip", "br", "deflate", "identity, gzip", "bogus"):
        response = await site.post("/v1/login", json=body, headers={"Content-Encoding": coding})
        assert problem(response) == (415, "unsupported_media_type")
    assert (await site.post("/v1/login", json=body, headers={"Content-Encoding": "identity"})).status_code == 200


@pytest.mark.parametrize(
    "media_type",
    [
        None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/json; charset=utf-16", "application/jsonp", "application/problem+json", "json",
    ],
)  # fmt: skip
async def test_other_media_types_are_415(site: Site, media_type: str | None) -> None:
    """A body that is not declared as JSON, or not declared at all, is 415, so that no form of another site can send
    one (section 1, ASVS 3.5.2)."""
    await site.account()
    headers = {} if media_type is None else {"Content-Type": media_type}
    response = await site.post(
        "/v1/login", content=b'{"username": "ann", "password": "%s"}' % PASSWORD.encode(), headers=headers
    )
    assert problem(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf-8"'],
)
async def test_json_is_recognised_however_it_is_spelt(site: Site, media_type: str) -> None:
    """Media types are compared without case, and UTF-8 may be named (RFC 9110 section 8.3.1)."""
    await site.account()
    content = b'{"username": "ann", "password": "%s"}' % PASSWORD.encode()
    response = await site.post("/v1/login", content=content, headers={"Content-Type": media_type})
    assert response.status_code == 200


async def test_a_body_of_64_kib_is_read_and_one_more_byte_is_413(site: Site) -> None:
    """The body limit is 64 KiB exactly (section 1)."""
    start = b'{"username": "ann", "password": "'
    for size, expected in ((64 * 1024, (422, "invalid_request")), (64 * 1024 + 1, (413, "content_too_large"))):
        content = start + b"x" * (size - len(start) - 2) + b'"}'
        response = await site.post("/v1/login", content=content, headers={"Content-Type": "application/json"})
        assert problem(response) == expected


async def test_a_form_too_large_is_413(site: Site) -> None:
    """The body limit holds for forms too, in the words of OAuth (section 1)."""
    response = await site.post("/oauth/token", form={"grant_type": "refresh_token", "refresh_token": "x" * 65536})
    assert problem(response) == (413, "invalid_request")


async def test_headers_of_16_kib_are_431(site: Site) -> None:
    """Header fields of more than 16 KiB together are 431 (section 1)."""
    fits = await site.get("/v1/me", headers=[("X-A", "a" * 8000), ("X-B", "b" * 8000)])
    assert fits.status_code == 401
    over = await site.get("/v1/me", headers=[("X-A", "a" * 8000), ("X-B", "b" * 8400)])
    assert problem(over) == (431, "headers_too_large")


@pytest.mark.parametrize("size", [4097, 8000, 12000])
async def test_an_oversized_credential_is_401(site: Site, size: int) -> None:
    """A credential of more than 4 KiB is an invalid token, in header and cookie (section 1)."""
    for how in ({"bearer": "x" * size}, {"cookies": {"__Host-ostiary_session": "x" * size}}):
        response = await site.get("/v1/me", **how)
        assert problem(response) == (401, "invalid_token")


async def test_json_of_17_levels_is_400(site: Site) -> None:
    """JSON nested more than 16 levels deep is not read (section 1)."""
    for levels, status in ((15, 422), (16, 400), (5000, 400)):
        content = b'{"username": ' + b"[" * levels + b"]" * levels + b', "password": "x"}'
        response = await site.post("/v1/login", content=content, headers={"Content-Type": "application/json"})
        assert problem(response) == (status, "invalid_request")


async def test_a_password_of_1025_characters_is_422(site: Site) -> None:
    """Passwords have at most 1024 characters, counted as characters (section 1)."""
    await site.account()
    longest = await site.post("/v1/login", json={"username": "ann", "password": "é" * 1024})
    assert problem(longest) == (401, "invalid_credentials")
    over = await site.post("/v1/login", json={"username": "ann", "password": "é" * 1025})
    assert problem(over) == (422, "invalid_request")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "id.example.evil.example", "user@id.example", "127.0.0.1", "id.example:x", "id.example:443:80",
        "id.example:123456", "id.example.", ":443", "",
    ],
)  # fmt: skip
async def test_another_host_is_421(site: Site, host: str) -> None:
    """A request for another host is refused before anything looks at it (section 1, RFC 9110 section 15.5.20)."""
    response = await site.get("/v1/me", headers={"Host": host})
    assert problem(response) == (421, "wrong_host")


@pytest.mark.parametrize("host", ["id.example", "ID.Example", "id.example:443", "id.example:"])
async def test_the_issuers_host_is_answered(site: Site, host: str) -> None:
    """The issuer's own host is answered, in any case and with its default port (section 7, `allowed_hosts`)."""
    assert (await site.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["10.0.0.7", "10.0.0.7:8000", "[fd00::7]", "[FD00::7]:8000"])
async def test_health_is_asked_by_address(site: Site, path: str, host: str) -> None:
    """Load balancers ask a machine by its address: health depends on no host, everything else does (section 5)."""
    assert (await site.get(path, headers={"Host": host})).status_code == 200
    for other in ("/v1/me", "/.well-known/jwks.json", path + "/"):
        assert problem(await site.get(other, headers={"Host": host})) == (421, "wrong_host")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "10.0.0.7.evil.example", "10.0.0", "0x7f.1", "fd00::7", "[10.0.0.7]", "[fd00::7", "1.2.3.4:x", ""],
)
async def test_health_is_not_told_to_another_name(site: Site, host: str) -> None:
    """A page elsewhere that has its name point here learns nothing of this machine, its health neither (section 1)."""
    for path in ("/healthz", "/readyz"):
        assert problem(await site.get(path, headers={"Host": host})) == (421, "wrong_host")


async def test_forwarded_host_is_not_believed(site: Site) -> None:
    """No header but Host says which host is meant (section 7, `trusted_proxies`)."""
    for name in ("X-Forwarded-Host", "Forwarded", "X-Host"):
        response = await site.get("/.well-known/oauth-authorization-server", headers={name: "host=evil.example"})
        assert response.json()["issuer"] == ISSUER
    assert (
        await site.get("/v1/me", headers={"Host": "evil.example", "X-Forwarded-Host": "id.example"})
    ).status_code == 421


async def test_allowed_hosts_replace_the_issuers(site: Site) -> None:
    """`allowed_hosts` takes `host` for any port and `host:port` for that port (section 7)."""
    async with open_site(allowed_hosts=("a.example", "b.example:8443")) as other:
        for host, status in (
            ("a.example", 200),
            ("a.example:99", 200),
            ("b.example:8443", 200),
            ("b.example", 421),
            ("b.example:1", 421),
            ("b.example:8443:99", 421),
        ):
            assert (await other.get("/healthz", headers={"Host": host})).status_code == status


async def test_errors_of_oauth_are_oauths(site: Site) -> None:
    """Errors of /oauth are RFC 6749 section 5.2 JSON, whatever refuses (section 1)."""
    await site.account()
    cases = [
        (await site.post("/oauth/token", form={}), 400, "invalid_request"),
        (await site.post("/oauth/token", json={"grant_type": "refresh_token"}), 415, "invalid_request"),
        (await site.get("/oauth/token"), 405, "invalid_request"),
        (await site.get("/oauth/token", headers={"Host": "evil.example"}), 421, "invalid_request"),
        (await site.post("/oauth/token", headers={"X-A": "a" * 17000}), 431, "invalid_request"),
    ]
    for response, status, error in cases:
        assert problem(response) == (status, error)
        assert set(response.json()) == {"error", "error_description"}


@pytest.mark.parametrize(
    "path",
    ["/v1/me/", "/v1/", "/v1", "/v1/sessions/", "/V1/me", "//v1/me", "/v1//me", "/v1/me/x", "/oauth/", "/oauth/token/"],
)
async def test_other_paths_are_404(site: Site, path: str) -> None:
    """A path is exactly what the table says: no trailing slash, no other case, no redirect (section 5)."""
    await site.account()
    login = await site.log_in()
    response = await site.call("GET", ISSUER + path, **login.use)
    assert response.status_code == 404
    assert problem(response)[1] in ("not_found", "invalid_request")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/login", "POST"),
        ("/v1/accounts", "POST"),
        ("/v1/logout", "POST"),
        ("/v1/me", "DELETE, GET, HEAD, PATCH"),
        ("/v1/sessions/ses_x", "DELETE"),
        ("/oauth/token", "POST"),
        ("/oauth/revoke", "POST"),
        ("/healthz", "GET, HEAD"),
        ("/logout", "POST"),
        ("/account/password", "POST"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "BREW"])
async def test_other_methods_are_405_with_allow(site: Site, path: str, allowed: str, method: str) -> None:
    """A method that a path does not have is 405 with Allow (RFC 9110 section 15.5.6)."""
    response = await site.call(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/v1/login", "/v1/logout", "/v1/password", "/oauth/token", "/oauth/revoke"])
async def test_credentials_are_sent_by_post_only(site: Site, path: str) -> None:
    """Login by GET is 405, whatever the query says (M-04)."""
    await site.account()
    response = await site.get(f"{path}?username=ann&password={PASSWORD}")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/v1/me", "/v1/sessions", "/openapi.json", "/docs", "/login", "/.well-known/jwks.json"],
)
async def test_head_is_get_without_a_body(site: Site, path: str) -> None:
    """HEAD answers as GET does, without the body (RFC 9110 section 9.3.2)."""
    await site.account()
    login = await site.log_in()
    got, headed = await site.get(path, **login.use), await site.call("HEAD", path, **login.use)
    assert headed.status_code == got.status_code == 200
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]


async def test_security_headers_everywhere(site: Site) -> None:
    """HSTS where the issuer is https; nothing may be framed or sniffed (ASVS 3.4)."""
    for path in ("/", "/v1/me", "/nothing", "/docs", "/oauth/token"):
        headers = (await site.get(path)).headers
        assert headers["strict-transport-security"].startswith("max-age=31536000")
        assert headers["x-frame-options"] == "DENY"
    async with open_site(issuer="http://127.0.0.1:8000") as plain:
        assert "strict-transport-security" not in (await plain.get("/")).headers


@pytest.mark.parametrize("path", ["/v1/login", "/oauth/token"])
async def test_a_body_that_does_not_come_is_408(site: Site, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Nobody holds a request open by sending its body for ever (RFC 9110 section 15.5.9)."""
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    parts = iter([b'{"username": "an', b'n", '])
    never = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        part = next(parts, None)
        if part is None:
            await never.wait()
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"id.example"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "https", "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    await site.auth.asgi(scope, receive, send)
    assert sent[0]["status"] == 408
    told = json.loads(sent[1]["body"])
    assert told.get("code", told.get("error")) in ("request_timeout", "invalid_request")


async def test_a_path_that_comes_with_its_query(site: Site) -> None:
    """ASGI has it without; some clients of tests do not keep to that, and a slash is data in a query."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/login", "raw_path": b"/login?next=%2Faccount",
        "query_string": b"next=%2Faccount", "headers": [(b"host", b"id.example")], "http_version": "1.1",
        "scheme": "https", "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    await site.auth.asgi(scope, receive, send)
    assert sent[0]["status"] == 200


async def test_a_length_that_no_number_holds(site: Site) -> None:
    """More digits than Python makes a number of are too large (section 1), not an error of the server's."""
    lines = [("Content-Type", "application/json"), ("Content-Length", "9" * 5000)]
    response = await site.post("/v1/login", content=b"{}", headers=lines)
    assert problem(response) == (413, "content_too_large")
