"""Outgoing calls: a token is asked for once, kept, renewed in time, and asked for anew where it is not accepted."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO, cast
from urllib.parse import parse_qs

import httpx2
import pytest

from ostiary import jose
from ostiary.errors import Misconfigured, Unavailable
from ostiary.integrations.outgoing import ExchangeRefused, Outgoing
from ostiary.testing import FakeClock

ISSUER, BEHIND = "https://id.example", "https://b.example"
CLIENT = ("cli_a", "ost_cs_x")


class World:
    """An issuer and a service behind one transport."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[dict[str, str]] = []
        self.headers: list[httpx2.Headers] = []
        self.calls: list[str] = []
        self.expires_in = 60
        self.refusal: tuple[int, object] | None = None
        self.accepts: Callable[[str], bool] = lambda _: True
        self.outgoing = Outgoing(issuer=ISSUER, client=CLIENT, clock=self.clock.clock)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/oauth/token":
            self.asked.append({name: values[0] for name, values in parse_qs(request.content.decode()).items()})
            self.headers.append(request.headers)
            if self.refusal is not None:
                return httpx2.Response(self.refusal[0], json=self.refusal[1])
            return httpx2.Response(200, json={"access_token": f"t{len(self.asked)}", "expires_in": self.expires_in})
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.calls.append(token)
        return httpx2.Response(200 if self.accepts(token) else 401, json={})

    async def later(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        return self.answer(request)

    def get(self, auth: httpx2.Auth) -> int:
        with httpx2.Client(transport=httpx2.MockTransport(self.answer)) as http:
            return http.get(f"{BEHIND}/x", auth=auth).status_code

    async def aget(self, *auths: httpx2.Auth) -> list[int]:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self.later)) as http:
            answers = await asyncio.gather(*(http.get(f"{BEHIND}/x", auth=auth) for auth in auths))
            return [answer.status_code for answer in answers]


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_asked(world: World) -> None:
    """M-60: RFC 8693, with the secret by Basic; the service gets the new token, never the user's own."""
    assert world.get(world.outgoing.on_behalf_of("user-token", audience=BEHIND, scope="notes:read")) == 200
    assert world.asked == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "user-token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "audience": BEHIND,
            "scope": "notes:read",
        }
    ]  # fmt: skip
    assert world.headers[0]["Authorization"].startswith("Basic ")
    assert world.calls == ["t1"]
    assert world.get(world.outgoing.as_itself(audience=BEHIND)) == 200
    assert world.asked[1] == {"grant_type": "client_credentials", "audience": BEHIND}


def test_a_client_with_a_key(world: World) -> None:
    """An assertion in the form, and no secret anywhere (RFC 7523)."""
    world.outgoing = Outgoing(issuer=ISSUER, client=("cli_a", jose.Key.generate("ES256")), clock=world.clock.clock)
    assert world.get(world.outgoing.as_itself(audience=BEHIND)) == 200
    assert "Authorization" not in world.headers[0]
    claims = jose.decode_unverified(world.asked[0]["client_assertion"]).claims
    assert (claims["sub"], claims["aud"]) == ("cli_a", ISSUER)


def test_a_token_is_kept_until_shortly_before_it_expires(world: World) -> None:
    """Ten seconds before its end, counted from when it was asked for; short ones for half of their life."""
    auth = world.outgoing.on_behalf_of("u", audience=BEHIND)
    for seconds, asked in ((0, 1), (49, 1), (1, 2), (49.9, 2), (0.1, 3)):
        world.clock.advance(seconds)
        world.get(world.outgoing.on_behalf_of("u", audience=BEHIND))
        assert len(world.asked) == asked
    world.expires_in = 4
    world.clock.advance(60)
    for seconds, asked in ((0, 4), (1.9, 4), (0.1, 5)):
        world.clock.advance(seconds)
        world.get(auth)
        assert len(world.asked) == asked


def test_users_services_and_scopes_are_kept_apart(world: World) -> None:
    """One user's token is never sent for another one, nor to another service, nor with other rights."""
    auths = [
        world.outgoing.on_behalf_of("u1", audience=BEHIND),
        world.outgoing.on_behalf_of("u2", audience=BEHIND),
        world.outgoing.on_behalf_of("u1", audience="https://c.example"),
        world.outgoing.on_behalf_of("u1", audience=BEHIND, scope="a"),
        world.outgoing.as_itself(audience=BEHIND),
    ]
    for _ in range(2):
        for auth in auths:
            world.get(auth)
    assert world.calls == ["t1", "t2", "t3", "t4", "t5"] * 2


@pytest.mark.anyio
async def test_a_hundred_calls_at_once_ask_once(world: World) -> None:
    """Single flight: those who need the same token share one request."""
    auths = [world.outgoing.on_behalf_of(f"u{i % 2}", audience=BEHIND) for i in range(100)]
    assert await world.aget(*auths) == [200] * 100
    assert len(world.asked) == 2
    assert not world.outgoing._locks


def test_threads_share_one_request_too(world: World) -> None:
    """The same for sync clients in many threads."""
    threads = [threading.Thread(target=lambda: world.get(world.outgoing.as_itself(audience=BEHIND))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.asked) == 1
    assert world.calls == ["t1"] * 20
    assert not world.outgoing._threads


def test_what_is_not_accepted_is_asked_for_anew_once(world: World) -> None:
    """A key may have been revoked: one more try with a new token, and no third."""
    world.accepts = lambda token: token != "t1"
    auth = world.outgoing.as_itself(audience=BEHIND)
    assert world.get(auth) == 200
    assert world.calls == ["t1", "t2"]
    world.accepts = lambda _: False
    assert world.get(auth) == 401
    assert world.calls == ["t1", "t2", "t2", "t3"]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": "invalid_grant"}, 401),
        (400, {"error": "invalid_target"}, 502),
        (400, {"error": "invalid_scope"}, 403),
        (401, {"error": "invalid_client"}, 502),
    ],
)
def test_a_refusal_says_whose_it_is(world: World, status: int, body: object, expected: int) -> None:
    """401 for a login that is over, 403 for who may not, 502 for a service registered for something else; nothing is
    sent."""
    world.refusal = (status, body)
    with pytest.raises(ExchangeRefused) as refused:
        world.get(world.outgoing.on_behalf_of("u", audience=BEHIND))
    assert refused.value.status == expected
    assert "u" not in str(refused.value).split()
    assert world.calls == []
    world.refusal = None
    assert world.get(world.outgoing.on_behalf_of("u", audience=BEHIND)) == 200


@pytest.mark.parametrize(
    "answer", [(503, {"error": "temporarily_unavailable"}), (429, {}), (200, {}), (200, []), (200, 5)]
)
def test_an_issuer_that_does_not_answer_logs_nobody_out(world: World, answer: tuple[int, object]) -> None:
    """Unavailable: 503, never 401."""
    world.refusal = answer
    with pytest.raises(Unavailable):
        world.get(world.outgoing.on_behalf_of("u", audience=BEHIND))


def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest token makes room, and no user's own token is kept."""
    monkeypatch.setattr("ostiary.limits.OUTGOING_TOKENS", 10)
    for i in range(50):
        world.get(world.outgoing.on_behalf_of(f"user-secret-{i}", audience=BEHIND))
    assert len(world.outgoing._tokens) == 10
    assert "user-secret" not in repr(vars(world.outgoing))


def test_what_cannot_work_is_said_at_once() -> None:
    """Misconfigured when it is made."""
    for wrong in (
        {"client": None},
        {"client": ("a",)},
        {"issuer": "http://far.example"},
        {"token_endpoint": "ftp://x"},
    ):
        with pytest.raises(Misconfigured):
            Outgoing(**({"issuer": ISSUER, "client": CLIENT} | wrong))  # type: ignore[arg-type]


class Wire(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Reads bodies as a connection does: as they come, once. The service behind accepts the second token."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.bodies: list[bytes] = []

    def _answer(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        if request.url.path == "/oauth/token":
            return self._world.answer(httpx2.Request("POST", request.url, content=body))
        self.bodies.append(body)
        return httpx2.Response(200 if request.headers["Authorization"] == "Bearer t2" else 401)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        return self._answer(request, b"".join(request.stream))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        return self._answer(request, b"".join([part async for part in request.stream]))


@pytest.mark.anyio
@pytest.mark.parametrize("waits", [False, True], ids=["blocking", "async"])
async def test_a_body_that_can_be_read_once_is_sent_once(world: World, waits: bool, tmp_path: Path) -> None:
    """Flaw class: a request whose body comes from a generator or a file is repeated with a new token, and fails, or
    says nothing the second time. It is answered 401, and the next one has a new token; bytes and forms are repeated."""

    def parts() -> Iterator[bytes]:
        yield b"one "
        yield b"two"

    async def later() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    (tmp_path / "file").write_bytes(b"one two")
    wire, auth = Wire(world), world.outgoing.as_itself(audience=BEHIND)
    with (tmp_path / "file").open("rb") as file:
        once = [later()] if waits else [parts(), file]
        for content in (*once, b"one two"):
            world.asked.clear()
            wire.bodies.clear()
            world.outgoing._tokens.clear()
            statuses = []
            for sent in (content, b"one two"):
                if waits:
                    async with httpx2.AsyncClient(transport=wire) as ahttp:
                        answer = await ahttp.post(f"{BEHIND}/x", content=sent, auth=auth)
                else:
                    with httpx2.Client(transport=wire) as http:
                        answer = http.post(f"{BEHIND}/x", content=sent, auth=auth)
                statuses.append(answer.status_code)
            assert statuses == ([200, 200] if content == b"one two" else [401, 200])
            assert set(wire.bodies) == {b"one two"}
    form = {"files": {"file": ("name", b"one two")}}
    world.asked.clear()
    world.outgoing._tokens.clear()
    if not waits:
        with httpx2.Client(transport=wire) as http:
            assert http.post(f"{BEHIND}/x", **form, auth=auth).status_code == 200


def test_a_form_with_a_pipe_is_sent_once(world: World) -> None:
    """Flaw class: a file of a form that cannot be read from its start again is empty the second time, and accepted so:
    what was to be uploaded is lost, and nobody is told. One that can be is repeated whole."""

    class Pipe:
        def __init__(self) -> None:
            self._left = [b"one two"]

        def read(self, _: int = -1) -> bytes:
            return self._left.pop() if self._left else b""

    wire, auth = Wire(world), world.outgoing.as_itself(audience=BEHIND)
    for file, status, sent in ((Pipe(), 401, 1), (io.BytesIO(b"one two"), 200, 2)):
        world.asked.clear()
        wire.bodies.clear()
        world.outgoing._tokens.clear()
        with httpx2.Client(transport=wire) as http:
            answer = http.post(f"{BEHIND}/x", files={"file": ("name", cast("IO[bytes]", file))}, auth=auth)
        assert answer.status_code == status
        assert [b"one two" in body for body in wire.bodies] == [True] * sent


@pytest.mark.parametrize(
    "said",
    [{"access_token": None}, {"access_token": ""}, {"access_token": 7}, {"expires_in": "x"}, {"expires_in": 10**400}],
    ids=["null", "empty", "number", "no-number", "huge"],
)
def test_an_answer_without_a_token_is_none(world: World, said: dict[str, object]) -> None:
    """What is no token is sent to nobody: 503 here, since the issuer answers something else."""
    world.refusal = (200, {"access_token": "t", "expires_in": 60, **said})
    with pytest.raises(Unavailable):
        world.get(world.outgoing.as_itself(audience=BEHIND))
    assert world.calls == []
