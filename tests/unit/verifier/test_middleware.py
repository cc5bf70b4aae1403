"""Applications behind a verifier: ASGI (HTTP, WebSocket, lifespan) and WSGI."""

import json
from collections.abc import Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from tests.unit.verifier.issuer import FakeIssuer

from ostiary.verifier import Caller
from ostiary.verifier.asgi import AsgiApp

Sent = list[dict[str, Any]]


async def whoami(scope: Any, receive: Any, send: Any) -> None:
    """An application that knows its caller."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["user"].account_id.encode()})


async def call(app: AsgiApp, token: str | None = None, **scope: Any) -> Sent:
    """What the application sends for one request."""
    sent: Sent = []
    headers = [(b"host", b"api.example")]
    if token is not None:
        headers.append((b"authorization", b"Bearer " + token.encode()))

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    base = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    await app(base | scope, receive, send)
    return sent


def problem(sent: Sent) -> tuple[int, str, dict[str, str]]:
    """Status, code and headers of a refusal, whose body must be a problem."""
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = json.loads(sent[1]["body"])
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert int(headers["content-length"]) == len(sent[1]["body"])
    assert body["status"] == sent[0]["status"]
    assert set(body) - {"retry_after"} == {"type", "title", "status", "code", "detail"}
    return body["status"], body["code"], headers


@pytest.mark.anyio
async def test_asgi_sets_the_user(issuer: FakeIssuer) -> None:
    """`scope["user"]` is the caller; the server's own scope is not changed."""
    app = issuer.verifier().asgi(whoami)
    sent = await call(app, issuer.token())
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"acc_ada")


@pytest.mark.anyio
async def test_asgi_refuses(issuer: FakeIssuer) -> None:
    """401 without and with a bad credential, 403 for a missing role or scope, 503 if it cannot know."""
    verifier = issuer.verifier()
    assert problem(await call(verifier.asgi(whoami)))[:2] == (401, "not_authenticated")
    status, code, headers = problem(await call(verifier.asgi(whoami), "forged"))
    assert (status, code) == (401, "invalid_token")
    assert headers["www-authenticate"] == 'Bearer realm="ostiary", error="invalid_token"'
    assert problem(await call(verifier.asgi(whoami, role="admin"), issuer.token()))[:2] == (403, "forbidden")
    status, code, headers = problem(await call(verifier.asgi(whoami, scope="notes:delete"), issuer.token()))
    assert (status, code) == (403, "insufficient_scope")
    assert headers["www-authenticate"].endswith('scope="notes:delete"')
    issuer.down = True
    status, code, headers = problem(await call(issuer.verifier().asgi(whoami), issuer.token()))
    assert (status, code, headers["retry-after"]) == (503, "unavailable", "1")
    assert "www-authenticate" not in headers


@pytest.mark.anyio
async def test_a_refusal_of_head_has_no_body(issuer: FakeIssuer) -> None:
    """RFC 9110 section 9.3.2: the headers are those of GET; not every server takes away what must not be sent."""
    verifier = issuer.verifier()
    whole, head = [await call(verifier.asgi(whoami), method=method) for method in ("GET", "HEAD")]
    assert head[0] == whole[0]
    assert [message["body"] for message in head[1:]] == [b""]
    told: list[tuple[str, Any]] = []
    for method in ("GET", "HEAD"):
        environ: dict[str, Any] = {"REQUEST_METHOD": method}
        setup_testing_defaults(environ)
        body = b"".join(verifier.wsgi(_nobody)(environ, lambda status, headers: told.append((status, headers))))
        assert (body == b"") == (method == "HEAD")
    assert told[0] == told[1]


def _nobody(_environ: Any, _start_response: Any) -> Iterable[bytes]:
    raise AssertionError("it is called by nobody")


@pytest.mark.anyio
async def test_asgi_never_reads_the_query(issuer: FakeIssuer) -> None:
    """M-04: a token in the query string is no credential."""
    query = f"access_token={issuer.token()}".encode()
    assert problem(await call(issuer.verifier().asgi(whoami), query_string=query))[:2] == (401, "not_authenticated")


@pytest.mark.anyio
async def test_websockets_are_checked_before_they_are_accepted(issuer: FakeIssuer) -> None:
    """Accepted with a token; without one refused, with a whole response where the server can send it."""
    app = issuer.verifier().asgi(whoami)
    assert await call(app, issuer.token(), type="websocket") == [{"type": "websocket.accept"}]
    closed = await call(app, type="websocket")
    assert closed == [{"type": "websocket.close", "code": 1008, "reason": "not_authenticated"}]
    told = await call(app, type="websocket", extensions={"websocket.http.response": {}})
    assert [message["type"] for message in told] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert problem(told)[0] == 401


@pytest.mark.anyio
@pytest.mark.parametrize("down", [False, True])
async def test_the_server_starts_and_stops_the_verifier(issuer: FakeIssuer, down: bool) -> None:
    """Keys are there before the first request; an issuer that is down keeps nobody from starting."""
    issuer.down = down
    verifier = issuer.verifier()
    seen = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], len(issuer.fetched), verifier._refreshing is not None))

    await call(verifier.asgi(application), type="lifespan")
    assert seen == [("lifespan", 1 if down else 2, True)]
    assert verifier._refreshing is None


def serve(app: Any, authorization: str | None = None) -> tuple[str, dict[str, str], bytes]:
    """One request, judged by the standard library's checker of WSGI."""
    environ: dict[str, Any] = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    started: list[Any] = []
    answer: Iterable[bytes] = validator(app)(environ, lambda *said: started.append(said))
    try:
        body = b"".join(answer)
    finally:
        answer.close()  # type: ignore[attr-defined]
    return started[0][0], dict(started[0][1]), body


def test_wsgi(issuer: FakeIssuer) -> None:
    """The caller is in the environ; refusals are the same problems; two joined headers are a bad request."""
    callers: list[Caller] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        callers.append(environ["ostiary.caller"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["REMOTE_USER"].encode()]

    app = issuer.verifier().wsgi(application, scope="notes:read")
    status, _, body = serve(app, f"Bearer {issuer.token()}")
    assert (status, body) == ("200 OK", b"acc_ada")
    assert callers[0].roles == {"user"}
    status, headers, body = serve(app)
    assert (status, json.loads(body)["code"]) == ("401 Unauthorized", "not_authenticated")
    assert headers["WWW-Authenticate"] == 'Bearer realm="ostiary"'
    assert serve(app, "Bearer a,Bearer b")[0] == "400 Bad Request"
    assert serve(app, f"Bearer {issuer.token(scope='')}")[0] == "403 Forbidden"
    assert len(callers) == 1
