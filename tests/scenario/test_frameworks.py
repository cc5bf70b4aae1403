"""Real frameworks behind the login: FastAPI, Django and Flask as installed, and the applications that the
documentation prints."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pytest
from a2wsgi import WSGIMiddleware
from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse, StreamingResponse
from flask import Flask
from flask import request as flask_request
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.docs.reading import Block, blocks
from tests.scenario.world import CHEAP, PASSWORD, REFRESH_COOKIE, SESSION_COOKIE
from tests.unit.verifier.issuer import FakeIssuer

from ostiary import Account, Caller, Ostiary, Settings
from ostiary.testing import FakeClock

BASE = "https://127.0.0.1:8000"  # the examples' host; https, since a test client sends Secure cookies over nothing else
ORIGIN = "http://127.0.0.1:8000"  # of their issuer
EVIL = "https://evil.example"
CARRIERS = [
    ("session", "cookie"), ("session", "bearer"), ("stateful", "cookie"), ("stateful", "bearer"),
    ("stateless", "cookie"), ("stateless", "bearer"), ("stateless", "split"),
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An application that runs. `mine` answers with the account's id under `key`; `unsafe` is a method and a path that
    needs a login, and `passed` what it answers to somebody who may not, or cannot, do more."""

    client: TestClient
    auth: Ostiary
    mine: str
    key: str
    unsafe: tuple[str, str]
    passed: int

    def account(self, name: str, *roles: str) -> dict[str, str]:
        """One that did not sign up by itself."""
        portal = self.client.portal
        assert portal is not None
        make = partial(self.auth.system.accounts.create, username=name, password=PASSWORD, actor="test")
        portal.call(partial(make, roles=("user", *roles)))
        return {"username": name, "password": PASSWORD}

    def log_in(self, person: dict[str, str], kind: str = "session", transport: str = "cookie") -> Any:
        """The answer, and how a request carries the login: the client keeps cookies."""
        self.client.cookies.clear()
        login = self.client.post("/auth/v1/login", json={**person, "kind": kind, "transport": transport})
        assert login.status_code == 200, login.text
        return login.json()


@pytest.fixture(scope="module", params=["fastapi", "django", "flask"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The example as it stands in `examples/`; Django takes its settings once in a process."""
    module = importlib.import_module(f"examples.{request.param}_app")
    rows = {
        "fastapi": ("/me", "account", ("DELETE", "/everything"), 403),
        "django": ("/notes", "notes_of", ("POST", "/notes"), 200),
        "flask": ("/notes", "notes_of", ("POST", "/notes"), 405),
    }
    mine, key, unsafe, passed = rows[request.param]
    module.auth._password_parameters = CHEAP
    with TestClient(module.app, base_url=BASE) as client:
        yield Site(client=client, auth=module.auth, mine=mine, key=key, unsafe=unsafe, passed=passed)


@pytest.fixture
def names(request: pytest.FixtureRequest) -> str:
    """A name of the test's own: an example's memory is kept from one test to the next."""
    return "u" + "".join(char for char in request.node.name if char.isalnum()).lower()[-40:]


@pytest.mark.parametrize(("kind", "transport"), CARRIERS)
def test_a_login_is_recognised_and_refused_after_logout(site: Site, names: str, kind: str, transport: str) -> None:
    """Every kind and transport, in front of each framework: the handler is told who calls, and is not called any more
    once the login has ended, though the client kept everything (M-01, M-06)."""
    client = site.client
    person = {"username": names, "password": PASSWORD}
    made = client.post("/auth/v1/accounts", json=person)
    assert made.status_code == 201, made.text
    client.cookies.clear()
    assert client.get(site.mine).status_code == 401
    login = site.log_in(person, kind, transport)
    use = {"Authorization": f"Bearer {login['access_token']}"} if "access_token" in login else {}
    if use:
        client.cookies.clear()
    for _ in range(2):
        answer = client.get(site.mine, headers=use)
        assert answer.status_code == 200, answer.text
        assert answer.json()[site.key] == made.json()["account"]["id"]
    kept = dict(client.cookies)
    assert client.post("/auth/v1/logout", headers=use).json()["ended"] == 1
    client.cookies.clear()
    cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}
    refused = client.get(site.mine, headers={**use, **cookies})
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
def test_another_site_changes_nothing(site: Site, names: str, transport: str) -> None:
    """With cookies a request of another site's page is 403 before the framework sees it; by `Authorization` where it
    comes from does not matter (M-50)."""
    person = site.account(names)
    login = site.log_in(person, "stateful", transport)
    use = {"Authorization": f"Bearer {login['access_token']}"} if transport == "bearer" else {}
    method, path = site.unsafe
    for headers in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = site.client.request(method, path, headers={**use, **headers})
        if use:
            assert answer.status_code == site.passed
        else:
            assert answer.status_code == 403
            assert "csrf_rejected" in answer.text
    for headers in ({"Origin": ORIGIN}, {"Sec-Fetch-Site": "same-origin"}, {}):
        answer = site.client.request(method, path, headers={**use, **headers})
        assert answer.status_code == site.passed
        assert "csrf_rejected" not in answer.text
    assert site.client.get(site.mine, headers=use).status_code == 200


def test_two_credentials_at_once_are_400(site: Site, names: str) -> None:
    """A cookie and `Authorization` together are refused in front of a framework as in our own API (section 2)."""
    person = site.account(names)
    login = site.log_in(person, "stateful", "bearer")
    site.log_in(person)
    answer = site.client.get(site.mine, headers={"Authorization": f"Bearer {login['access_token']}"})
    assert (answer.status_code, "invalid_request" in answer.text) == (400, True)


@pytest.mark.parametrize("where", ["dependency", "protect"])
def test_pages_of_another_origin_may_ask_where_cors_is_outermost(where: str) -> None:
    """A preflight has no credential: CORS middleware around the login answers it, and lets scripts read that they were
    refused, as embedding.md has it (M-51)."""
    app, auth, _ = _fast(_handlers)
    if where == "protect":
        app.mount("/guarded", auth.protect(_fast(_handlers)[0]))
    app.add_middleware(CORSMiddleware, allow_origins=["https://app.example"], allow_headers=["Authorization"])
    path = "/plain" if where == "dependency" else "/guarded/plain"
    with TestClient(app, base_url="https://testserver") as client:
        asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
        preflight = client.options(path, headers={**asks, "Access-Control-Request-Headers": "authorization"})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, asks["Origin"])
        refused = client.get(path, headers={"Origin": asks["Origin"]})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, asks["Origin"])


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_service_elsewhere_learns_who_calls(framework: str) -> None:
    """Behind a verifier, where nothing of the issuer's is but its keys: FastAPI by ASGI, Flask by WSGI (M-02)."""
    issuer = FakeIssuer(FakeClock())
    verifier = issuer.verifier()
    app: Any
    if framework == "fastapi":
        app = FastAPI()

        def asked(request: Request) -> str:
            return str(request.scope["user"].account_id)

        app.get("/who")(asked)
        guarded: Any = verifier.asgi(app)
    else:
        app = Flask(__name__)
        app.get("/who")(lambda: [flask_request.environ["ostiary.caller"].account_id, flask_request.remote_user])
        guarded = WSGIMiddleware(verifier.wsgi(app))
    with TestClient(guarded, base_url="https://api.example") as client:
        assert client.get("/who").status_code == 401
        assert client.get("/who", headers={"Authorization": "Bearer forged"}).status_code == 401
        answer = client.get("/who", headers={"Authorization": f"Bearer {issuer.token()}"})
        assert answer.json() == ("acc_ada" if framework == "fastapi" else ["acc_ada", "acc_ada"])


# --- As printed -------------------------------------------------------------------------------------------------------


def _printed(page: str, what: str) -> Block:
    (found,) = [block for block in blocks(Path(page), "python") if what in block.text]
    return found


def _shown(block: Block) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "shown"}
    exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - our own documentation
    return names


def test_the_readme_s_application_for_fastapi_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is printed: 401 without a credential, the caller with one, 403 without the role, and 403
    `reauthentication_required` for a password proven too long ago (M-01, M-30)."""
    monkeypatch.chdir(tmp_path)
    shown = _shown(_printed("README.md", "FastAPI"))
    auth, time = shown["auth"], FakeClock()
    auth._password_parameters, auth._clock = CHEAP, time.clock
    with TestClient(shown["app"], base_url=BASE) as client:
        site = Site(client=client, auth=auth, mine="/me", key="account", unsafe=("DELETE", "/everything"), passed=403)
        assert client.get("/me").status_code == 401
        assert client.get("/me").headers["www-authenticate"] == 'Bearer realm="ostiary"'
        site.log_in(site.account("ada"))
        assert client.get("/me").json()["roles"] == ["user"]
        assert client.delete("/everything").json() == {"detail": "forbidden"}
        site.log_in(site.account("root", "admin"))
        assert client.delete("/everything").json() == {"cleared_by": client.get("/me").json()["account"]}
        time.advance(300)
        stale = client.delete("/everything")
        assert (stale.status_code, stale.json()) == (403, {"detail": "reauthentication_required"})
        assert client.get("/me").status_code == 200


def test_the_readme_s_application_for_starlette_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is printed (M-01)."""
    monkeypatch.chdir(tmp_path)
    shown = _shown(_printed("README.md", "request.user.account_id"))
    shown["auth"]._password_parameters = CHEAP
    with TestClient(shown["app"], base_url=BASE) as client:
        site = Site(client=client, auth=shown["auth"], mine="/notes/", key="notes_of", unsafe=("POST", "/"), passed=405)
        assert client.get("/notes/").status_code == 401
        login = site.log_in(site.account("ada"))
        assert client.get("/notes/").json() == {"notes_of": login["account"]["id"]}


def test_the_guide_s_dependencies_work_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What embedding.md prints for FastAPI, used as annotations of handlers, synchronous ones too (M-01)."""
    monkeypatch.chdir(tmp_path)
    shown = _shown(_printed("docs/guide/embedding.md", "CurrentAccount = "))
    auth = shown["auth"]
    auth._password_parameters = CHEAP
    app = FastAPI(lifespan=auth.lifespan)
    app.mount("/auth", auth.asgi)

    current_caller, current_account, fresh_admin = (
        shown[name] for name in ("CurrentCaller", "CurrentAccount", "FreshAdmin")
    )

    def hello(caller: current_caller, account: current_account) -> list[str]:
        return [caller.account_id, account.username]

    def rule(caller: fresh_admin) -> str:
        return str(caller.account_id)

    app.get("/hello")(hello)
    app.get("/rule")(rule)
    issuer = auth.settings.issuer
    with TestClient(app, base_url=issuer.replace("http:", "https:")) as client:
        site = Site(client=client, auth=auth, mine="/hello", key="", unsafe=("GET", "/"), passed=404)
        login = site.log_in(site.account("ada"))
        assert client.get("/hello").json() == [login["account"]["id"], "ada"]
        assert client.get("/rule").status_code == 403
        login = site.log_in(site.account("root", "admin"))
        assert client.get("/rule").json() == login["account"]["id"]


# --- What FastAPI alone has -------------------------------------------------------------------------------------------


def _fast(handle: Callable[[FastAPI, Any, Any], None]) -> tuple[FastAPI, Ostiary, FakeClock]:
    time = FakeClock()
    settings = Settings(database="memory:", issuer="https://testserver/auth")
    auth = Ostiary(settings, clock=time.clock, password_parameters=CHEAP)
    app = FastAPI(lifespan=auth.lifespan)
    app.mount("/auth", auth.asgi)
    handle(app, Annotated[Caller, Depends(auth.caller)], Annotated[Account, Depends(auth.account)])
    return app, auth, time


def _handlers(app: FastAPI, current_caller: Any, current_account: Any) -> None:
    async def plain(caller: current_caller) -> str:
        return str(caller.account_id)

    def threaded(caller: current_caller, account: current_account) -> str:
        return str(account.id) if account.id == caller.account_id else ""

    async def own(caller: current_caller) -> PlainTextResponse:
        return PlainTextResponse(f'"{caller.account_id}"')

    async def streamed(caller: current_caller) -> StreamingResponse:
        return StreamingResponse(iter(['"', caller.account_id, '"']))

    async def raises(caller: current_caller) -> str:
        raise HTTPException(404, caller.account_id)

    async def socket(socket: WebSocket, account: current_account) -> None:
        await socket.accept()
        await socket.send_text(account.username)
        await socket.close()

    for path, handler in [
        ("/plain", plain), ("/threaded", threaded), ("/own", own), ("/streamed", streamed), ("/raises", raises),
    ]:  # fmt: skip
        app.get(path)(handler)
    app.websocket("/socket")(socket)


@pytest.mark.parametrize("kind", ["stateful", "stateless"])
def test_a_renewal_in_passing_reaches_the_client_of_fastapi(kind: str) -> None:
    """JWTs in cookies that have expired: whatever a handler answers, the request succeeds, and the new cookies come
    along, once, and work the next time (M-44)."""
    app, auth, time = _fast(_handlers)
    with TestClient(app, base_url="https://testserver") as client:
        site = Site(client=client, auth=auth, mine="/plain", key="", unsafe=("GET", "/"), passed=404)
        account = site.log_in(site.account("ada"), kind)["account"]["id"]
        for path in ("/plain", "/threaded", "/own", "/streamed", "/raises"):
            time.advance(901.0)
            answer = client.get(path)
            assert answer.json() == ({"detail": account} if path == "/raises" else account)
            set_cookies = [line.split("=", 1)[0] for line in answer.headers.get_list("set-cookie")]
            assert set_cookies == [SESSION_COOKIE, REFRESH_COOKIE], path
            assert answer.headers["cache-control"] == "no-store"
            assert client.get(path).headers.get_list("set-cookie") == []


def test_a_socket_of_fastapi_opens_for_a_login_only() -> None:
    """1008 and the code without a login, or from another site with our cookie (M-50, M-06)."""
    app, auth, _ = _fast(_handlers)
    with TestClient(app, base_url="https://testserver") as client:
        site = Site(client=client, auth=auth, mine="/plain", key="", unsafe=("GET", "/"), passed=404)
        site.log_in(site.account("ada"))
        cookie = {"Cookie": f"{SESSION_COOKIE}={client.cookies[SESSION_COOKIE]}"}
        client.cookies.clear()
        with client.websocket_connect("/socket", headers=cookie) as socket:
            assert socket.receive_text() == "ada"
        for headers, reason in [({}, "not_authenticated"), ({**cookie, "Origin": EVIL}, "csrf_rejected")]:
            with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/socket", headers=headers):
                pass
            assert (refused.value.code, refused.value.reason) == (1008, reason)


def test_fastapi_asks_nobody_for_parameters_that_are_ours() -> None:
    """Its document lists no parameter and no body of a dependency: what they need they take from the request (M-01)."""
    app, _, _ = _fast(_handlers)
    for path in app.openapi()["paths"].values():
        assert "parameters" not in path["get"]
        assert "requestBody" not in path["get"]
        assert set(path["get"]["responses"]) == {"200"}
