"""Other applications behind the login: what `protect` and the dependencies let through."""

import asyncio
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.scenario.world import (
    CHEAP,
    IN_COOKIES,
    ISSUER,
    PASSWORD,
    REFRESH_COOKIE,
    SESSION_COOKIE,
    Carrier,
    Device,
    Server,
)

from ostiary import Ostiary, Settings
from ostiary.domain.session import Kind
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

SECURE = "https://testserver/auth"


def _scope(device: Device, kind: str = "http", **headers: str) -> Scope:
    """A request of this device to an application that is not ours."""
    pairs = [(b"host", b"127.0.0.1:8000")]
    if device.access:
        pairs.append((b"authorization", f"Bearer {device.access}".encode()))
    elif device.cookies:
        pairs.append((b"cookie", "; ".join(f"{name}={value}" for name, value in device.cookies.items()).encode()))
    pairs += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": kind, "path": "/", "raw_path": b"/", "query_string": b"", "headers": pairs}
    if kind == "http":
        scope["method"] = "GET"
    return scope


async def _hello(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await JSONResponse({"account": scope["user"].account_id})(scope, receive, send)


async def _sent(app: Any, scope: Scope) -> list[Message]:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"} if scope["type"] == "websocket" else {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    return messages


async def test_a_socket_opens_for_a_live_login_only(server: Server, carrier: Carrier) -> None:
    """The handshake is judged like a request: without a login, or after its end, the socket never opens (M-06)."""
    app = server.auth.protect(_hello)
    phone = await server.log_in("alice", carrier)
    nobody = server.device(carrier)

    assert [message["type"] for message in await _sent(app, _scope(phone, "websocket"))] == ["websocket.accept"]
    (refused,) = await _sent(app, _scope(nobody, "websocket"))
    assert (refused["type"], refused["code"]) == ("websocket.close", 1008)

    kept = phone.copy()
    await phone.log_out()
    (refused,) = await _sent(app, _scope(kept, "websocket"))
    assert (refused["type"], refused["reason"]) == ("websocket.close", "invalid_token")


async def test_a_refusal_of_head_has_no_body(server: Server) -> None:
    """RFC 9110 section 9.3.2: the headers are those of GET, also where the server would send what it is handed."""
    app = server.auth.protect(_hello)
    scope = _scope(server.device(IN_COOKIES[0]))
    whole, head = await _sent(app, dict(scope)), await _sent(app, {**scope, "method": "HEAD"})
    assert head[0] == whole[0]
    assert whole[1]["body"]
    assert [message["body"] for message in head[1:]] == [b""]


@pytest.mark.parametrize("carrier", IN_COOKIES, ids=str)
async def test_another_site_opens_no_socket_with_our_cookies(server: Server, carrier: Carrier) -> None:
    """A handshake is a GET for the browser, but what follows is not harmless: the CSRF rule applies (M-50)."""
    app = server.auth.protect(_hello)
    phone = await server.log_in("alice", carrier)

    (refused,) = await _sent(app, _scope(phone, "websocket", origin="https://evil.example"))
    (opened,) = await _sent(app, _scope(phone, "websocket", origin=ISSUER))

    assert (refused["type"], refused["reason"]) == ("websocket.close", "csrf_rejected")
    assert opened["type"] == "websocket.accept"


@pytest.mark.parametrize("carrier", IN_COOKIES[1:], ids=str)
async def test_a_dependency_renews_in_passing_where_it_can_hand_out_the_cookies(
    server: Server, clock: FakeClock, carrier: Carrier
) -> None:
    """With a response to put them on, the new cookies go there; without one, nothing is spent (M-44)."""
    phone = await server.log_in("alice", carrier)
    clock.advance(901.0)

    with pytest.raises(HTTPException) as refused:
        await server.auth.caller(Request(_scope(phone)))
    assert refused.value.status_code == 401

    response = Response()
    caller = await server.auth.caller(Request(_scope(phone)), response)

    assert caller.account_id == phone.account_id
    cookies = response.headers.getlist("set-cookie")
    assert [line.split("=", 1)[0] for line in cookies] == [SESSION_COOKIE, REFRESH_COOKIE]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", [Kind.STATEFUL, Kind.STATELESS])
@pytest.mark.parametrize("path", ["/answers", "/raises", "/breaks", "/demands", "/twice", "/guarded/"])
def test_what_a_dependency_renews_reaches_the_client_whatever_is_answered(path: str, kind: Kind) -> None:
    """A handler that answers with a response of its own, or fails, or asks twice, costs nobody the login: the cookies
    of the renewal go out once, kept by nobody, and the next renewal succeeds (M-44)."""
    time = FakeClock()
    auth = Ostiary(Settings(database="memory:", issuer=SECURE), clock=time.clock, password_parameters=CHEAP)
    demands = auth.require("admin")

    async def handler(request: Request) -> Response:
        caller = await (demands(request) if path == "/demands" else auth.caller(request))
        if path == "/twice":
            await auth.account(request, Response())
        if path == "/raises":
            raise HTTPException(404)
        if path == "/breaks":
            raise LookupError
        return PlainTextResponse(caller.account_id, headers={"Cache-Control": "public, max-age=60"})

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    routes = [Mount("/auth", auth.asgi), Mount("/guarded", auth.protect(broken)), Route(path, handler)]
    app = Starlette(routes=routes, lifespan=auth.lifespan)
    expected = {"/raises": 404, "/breaks": 500, "/guarded/": 500, "/demands": 403}.get(path, 200)
    with TestClient(app, base_url="https://testserver", raise_server_exceptions=False) as client:
        person = {"username": "alice", "password": PASSWORD}
        assert client.post("/auth/v1/accounts", json=person).status_code == 201
        login = client.post("/auth/v1/login", json={**person, "kind": kind.value, "transport": "cookie"})
        assert login.status_code == 200
        for _ in range(2):
            time.advance(901.0)
            answer = client.get(path)
            assert answer.status_code == expected
            names = [line.split("=", 1)[0] for line in answer.headers.get_list("set-cookie")]
            assert names == [SESSION_COOKIE, REFRESH_COOKIE]
            assert answer.headers.get_list("cache-control") == ["no-store"]
        assert client.get(path).headers.get_list("set-cookie") == []
    assert not auth.running


def test_a_socket_learns_who_calls_by_a_dependency() -> None:
    """Dependencies take a WebSocket as they take a request: who may not open one gets 1008, and another site with our
    cookies may not (M-50, M-06)."""
    auth = Ostiary(Settings(database="memory:", issuer=SECURE), password_parameters=CHEAP)
    demands = auth.require("admin")

    async def greet(socket: WebSocket) -> None:
        account = await auth.account(socket, Response())
        await socket.accept()
        await socket.send_text(account.username)
        await socket.close()

    async def rule(socket: WebSocket) -> None:
        await demands(socket, Response())

    routes = [Mount("/auth", auth.asgi), WebSocketRoute("/greet", greet), WebSocketRoute("/rule", rule)]
    with TestClient(Starlette(routes=routes, lifespan=auth.lifespan), base_url="https://testserver") as client:
        person = {"username": "alice", "password": PASSWORD}
        assert client.post("/auth/v1/accounts", json=person).status_code == 201
        client.post("/auth/v1/login", json=person)
        cookie = {"Cookie": f"{SESSION_COOKIE}={client.cookies[SESSION_COOKIE]}"}
        client.cookies.clear()

        with client.websocket_connect("/greet", headers=cookie) as socket:
            assert socket.receive_text() == "alice"
        for path, headers, reason in [
            ("/greet", {}, "not_authenticated"),
            ("/greet", {**cookie, "Origin": "https://evil.example"}, "csrf_rejected"),
            ("/rule", cookie, "forbidden"),
        ]:
            with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect(path, headers=headers):
                pass
            assert (refused.value.code, refused.value.reason) == (1008, reason)


def test_dependencies_say_by_their_types_what_they_need() -> None:
    """FastAPI hands in what a parameter is annotated with: a connection of either sort, and the response (M-44)."""
    auth = Ostiary(Settings(database="memory:", issuer=SECURE), password_parameters=CHEAP)
    for dependency in (auth.caller, auth.account, auth.require("admin")):
        hints = get_type_hints(dependency)
        assert (hints["request"], hints["response"]) == (HTTPConnection, Response)


@pytest.mark.parametrize("issuer", ["https://testserver", SECURE])
def test_pages_lead_to_where_they_are_mounted(issuer: str) -> None:
    """What is mounted at /auth works there with forms alone, and says where its endpoints are, whether its issuer
    ends in /auth or not (M-01, M-63)."""
    auth = Ostiary(Settings(database="memory:", issuer=issuer), password_parameters=CHEAP)
    app = Starlette(routes=[Mount("/auth", auth.asgi)], lifespan=auth.lifespan)
    person = {"username": "alice", "password": PASSWORD}
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        assert client.post("/auth/signup", data=person).headers["location"].startswith("/auth/login?")
        page = client.get("/auth/login")
        found = re.findall(r'(?:href|src)="(/[^"]+)"', page.text)
        assert 'action="/auth/login"' in page.text
        assert found
        assert {client.get(path).status_code for path in found} == {200}
        answer = client.post("/auth/login", data=person)
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/account")
        assert client.get("/auth/account").status_code == 200
        assert 'href="/auth/' in client.get("/auth/nowhere", headers={"Accept": "text/html"}).text

        document = client.get("/auth/.well-known/oauth-authorization-server").json()
        assert document["issuer"] == issuer
        assert client.get(document["jwks_uri"]).status_code == 200
        assert client.post(document["revocation_endpoint"], data={"token": "nothing"}).status_code == 200
        client.cookies.clear()
        assert client.get("/auth/account").headers["location"].startswith("/auth/login?next=%2Fauth%2Faccount&")


def test_a_login_leads_back_to_where_browsers_find_the_page() -> None:
    """A proxy or a framework that takes the issuer's path away changes nothing of where a login leads (M-01)."""
    auth = Ostiary(Settings(database="memory:", issuer=SECURE), password_parameters=CHEAP)

    async def taken_away(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix("/auth")
        await auth.asgi({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    person = {"username": "alice", "password": PASSWORD}
    with TestClient(taken_away, base_url="https://testserver", follow_redirects=False) as client:
        client.post("/auth/signup", data=person)
        asked = client.get("/auth/account").headers["location"]
        assert asked.startswith("/auth/login?")
        found = re.search(r'name="next" value="([^"]+)"', client.get(asked).text)
        assert found is not None
        back = client.post("/auth/login", data={**person, "next": found[1]}).headers["location"]
        assert back == "/auth/account"
        assert client.get(back).status_code == 200


def test_what_settings_warn_about_is_logged_at_every_start(caplog: pytest.LogCaptureFixture) -> None:
    """Who embeds Ostiary with insecure cookies reads of it at each start, once, as who serves it does (M-08)."""
    settings = Settings(database="memory:", issuer="http://dev.lan", cookie_secure=False)
    auth = Ostiary(settings, password_parameters=CHEAP)
    for starts in (1, 2):
        with TestClient(auth.asgi, base_url="http://dev.lan") as client:
            assert client.get("/healthz").status_code == 200
        said = [record for record in caplog.records if record.getMessage().startswith("cookie_secure is false")]
        assert (len(said), {record.levelname for record in said}) == (starts, {"WARNING"})


@pytest.mark.parametrize("root_path", ["//evil.example", "/auth/", "auth"])
async def test_a_mount_that_is_no_path_of_ours_leads_nowhere(server: Server, root_path: str) -> None:
    """What links begin with is one slash and a name, never another host (M-08)."""
    scope = _scope(server.device(IN_COOKIES[0]))
    messages = await _sent(server.auth.asgi, {**scope, "path": f"{root_path}/login", "root_path": root_path})
    assert messages[0]["status"] == 200
    assert b'action="/login"' in messages[1]["body"]


async def test_the_account_that_a_dependency_gives_holds_no_hash(server: Server, carrier: Carrier) -> None:
    """A handler that answers the whole account gives nothing away that could be guessed at (M-26)."""
    phone = await server.log_in("alice", carrier)

    account = await server.auth.account(Request(_scope(phone)))

    assert (account.username, account.password_hash) == ("alice", "")


@pytest.mark.parametrize(
    ("path", "raw_path", "status"),
    [
        ("/v1/me/", b"/auth/v1/me", 401),  # as Litestar mounts
        ("/v1/me", b"/auth/v1/me", 401),
        ("/v1/me/", b"/auth/v1/me/", 404),
        ("/v1/me/", b"/auth/v1/me%2F", 404),
        ("/", b"/auth", 200),
    ],
)
async def test_a_slash_that_a_framework_adds_is_none(server: Server, path: str, raw_path: bytes, status: int) -> None:
    """Some frameworks hand a mounted application its path with a slash that nobody sent; one that was sent counts."""
    scope = _scope(server.device(IN_COOKIES[0]))
    messages = await _sent(server.auth.asgi, {**scope, "path": path, "raw_path": raw_path, "root_path": ""})
    assert messages[0]["status"] == status


@pytest.mark.parametrize("database", ["memory:", "sqlite:///{folder}/ostiary.db"])
def test_an_event_loop_for_each_request_is_enough(database: str, tmp_path: Path) -> None:
    """A test client without a lifespan, as FastAPI's guide has it, makes an event loop for each request: logins go on,
    their ends count, and what a store in memory holds stays there until it is stopped (M-01, M-06)."""
    settings = Settings(database=database.format(folder=tmp_path), issuer=ISSUER)
    auth = Ostiary(settings, password_parameters=CHEAP)
    hello = auth.protect(_hello)
    client = TestClient(Starlette(routes=[Mount("/auth", auth.asgi), Mount("/hello", hello)]), base_url=ISSUER)
    person = {"username": "alice", "password": PASSWORD}
    made = client.post("/auth/v1/accounts", json=person)
    assert made.status_code == 201, made.text

    for kind in Kind:
        login = client.post("/auth/v1/login", json={**person, "kind": kind.value, "transport": "bearer"}).json()
        use = {"Authorization": f"Bearer {login['access_token']}"}
        for _ in range(2):
            assert client.get("/hello/", headers=use).json() == {"account": made.json()["account"]["id"]}
        assert client.post("/auth/v1/logout", headers=use).json()["ended"] == 1
        assert client.get("/hello/", headers=use).status_code == 401

    asyncio.run(auth.stop())
    taken = client.post("/auth/v1/accounts", json=person).status_code
    assert taken == (201 if database == "memory:" else 409)
    asyncio.run(auth.stop())
