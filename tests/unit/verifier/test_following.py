"""Following the issuer's revocation feed: lease, hints, refusals; and what happens while the issuer does not answer."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.unit.verifier.issuer import AUDIENCE, FakeIssuer

from ostiary import jose, limits
from ostiary.clock import Clock
from ostiary.revocation.entry import Cursor
from ostiary.verifier import CredentialRefused, Misconfigured, Unavailable, Verifier
from ostiary.verifier.feed_over_http import FeedOverHttp
from ostiary.verifier.following import Following
from ostiary.verifier.issuer_client import ClientKey, ClientSecret, client_of

SECRET = ("cli_behind", "ost_cs_secret")


class Feed:
    """An issuer's feed on a real port. `lease` is short where a test waits for its end; otherwise it is long enough for
    a machine that has much to do."""

    def __init__(self) -> None:
        self.lease, self.age, self.generation, self.everything = 2.0, 0.0, 7, 0
        self.items: list[dict[str, Any]] = []
        self.status = 200
        self.delay = 0.0
        self.held: threading.Event | None = None  # until it is set, nothing is answered
        self.page = 0  # items of one answer; 0: all
        self.stale = 0.0  # the age of an answer of which nobody said that it is to be fresh: that of a relay
        self.said: dict[str, Any] = {}  # instead of what is so
        self.asked: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.streams: list[Callable[[list[dict[str, Any]]], None]] = []
        self.stopped = threading.Event()
        feed = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                feed.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def end(self, scope: str, entry_id: str, value: int, *, tell: bool = True) -> None:
        """One more line, told to those who listen."""
        position = len(self.items) + 1
        item = {"cursor": f"{position}-{position + 5}", "scope": scope, "id": entry_id, "value": value, "until": 2e9}
        self.items.append(item)
        for stream in self.streams if tell else ():
            stream([item])

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        self.authorizations.append(request.headers["Authorization"])
        if "event-stream" in request.headers["Accept"]:
            self._stream(request)
            return
        self.asked.append(query)
        after = int(query.get("cursor", "0-0").split("-")[0])
        matches = query.get("cursor", "0-0") == "0-0" or any(i["cursor"] == query["cursor"] for i in self.items)
        items = self.items[after : after + self.page if self.page else None] if matches else []
        body = json.dumps(
            {
                "generation": self.generation, "everything": self.everything, "lease": self.lease,
                "age": self.age if "fresh" in query else self.age + self.stale, "matches": matches,
                "complete": after + len(items) == len(self.items), "cursor": "", "items": items,
                **self.said,
            }
        ).encode()  # fmt: skip
        time.sleep(self.delay)
        if self.held is not None:
            assert self.held.wait(30)
        request.send_response(self.status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _stream(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(self.status)
        request.send_header("Connection", "close")
        request.end_headers()
        request.close_connection = True

        def tell(items: list[dict[str, Any]]) -> None:
            request.wfile.write(b"event: items\ndata: " + json.dumps(items).encode() + b"\n\n")

        self.streams.append(tell)
        self.stopped.wait(30)


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    yield feed
    feed.stopped.set()
    feed.server.shutdown()
    feed.server.server_close()


@pytest.fixture
def verifier(feed: Feed, issuer: FakeIssuer) -> Iterator[Verifier]:
    """Follows `feed`; keys are handed in, the wall is the issuer's, monotonic time is real."""
    clock = Clock(wall=issuer.clock.clock.wall, monotonic=time.monotonic)
    verifier = Verifier(
        issuer=issuer.issuer, audience=AUDIENCE, keys=issuer.keys[-1].public(), client=SECRET, clock=clock,
        feed_uri=f"{feed.url}/v1/revocations",
    )  # fmt: skip
    yield verifier
    verifier._revocations.stop_blocking()  # type: ignore[union-attr]


def until(happened: Callable[[], bool]) -> None:
    """Wait for it, half a minute at most."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify_sync(token)
    except CredentialRefused:
        return True
    return False


def test_a_token_is_accepted_once_it_is_known_that_nothing_ended_it(
    verifier: Verifier, feed: Feed, issuer: FakeIssuer
) -> None:
    """M-02: the first request waits for the feed, the next ones for nothing."""
    feed.lease = 300.0  # nothing is due meanwhile
    token = issuer.token()
    assert verifier.verify_sync(token).account_id == "acc_ada"
    asked = len(feed.asked)
    for _ in range(100):
        verifier.verify_sync(token)
    assert len(feed.asked) <= asked + 2
    assert set(feed.asked[0]) - {"fresh"} == {"node"}  # whether somebody waits by then is up to the threads
    assert all(text.startswith("Basic ") for text in feed.authorizations)


@pytest.mark.parametrize(
    "line",
    [("s", "ses_1", 2), ("u", "acc_ada", 1), ("k", "kid", 1), ("g", "", 1)],
    ids=["session", "account", "key", "all"],
)
def test_what_is_ended_is_refused(verifier: Verifier, feed: Feed, issuer: FakeIssuer, line: Any) -> None:
    """M-30, M-07: by session, account, key or altogether; told, and also where the hint was lost."""
    token = issuer.token()
    scope, entry_id, value = line
    entry_id = jose.decode_unverified(token).header["kid"] if scope == "k" else entry_id
    verifier.verify_sync(token)
    feed.end(scope, entry_id, value, tell=False)
    until(lambda: refused(verifier, token))


def test_a_hint_refuses_before_the_next_question(verifier: Verifier, feed: Feed, issuer: FakeIssuer) -> None:
    """M-30: milliseconds, not a quarter of the lease; and it is the hint that does it."""
    feed.lease = 300.0
    token = issuer.token()
    verifier.verify_sync(token)
    until(lambda: bool(feed.streams))
    verifier.verify_sync(token)
    feed.status = 500
    feed.end("s", "ses_1", 2)
    until(lambda: refused(verifier, token))


def test_without_an_answer_it_does_not_know(verifier: Verifier, feed: Feed, issuer: FakeIssuer) -> None:
    """503, never 401 and never 200, once the lease is over; what is known to be ended stays refused (section 6)."""
    token, ended = issuer.token(), issuer.token(sid="ses_2")
    verifier.verify_sync(token)
    feed.end("s", "ses_2", 2)
    until(lambda: refused(verifier, ended))
    feed.status = 503

    def unknown() -> bool:
        try:
            verifier.verify_sync(token)
        except Unavailable:
            return True
        return False

    until(unknown)
    assert refused(verifier, ended)
    feed.status = 200
    until(lambda: not unknown())


def test_what_is_true_now_is_asked_for_with_each_page(verifier: Verifier, feed: Feed) -> None:
    """Flaw class: only the first page of a relay's answer is new, and a request that waits for what is true now is told
    503. The last page says how old all of it is (M-30)."""
    feed.lease, feed.page, feed.stale = 50.0, 3, 0.2
    for number in range(8):
        feed.end("s", f"ses_{number}", 9, tell=False)
    following = verifier._revocations
    assert following is not None
    following.ask_blocking()
    assert len(following.replica) == 8


def test_pages_of_what_this_version_does_not_know_are_read_over(
    verifier: Verifier, feed: Feed, issuer: FakeIssuer
) -> None:
    """Flaw class: a page that holds nothing but scopes of a later version moves nothing, and is asked for again,
    without a pause and without end. What follows it is learnt, with one question for each page (M-30)."""
    feed.lease, feed.page = 300.0, 3
    token = issuer.token()
    for number in range(12):
        feed.end("of a later version", f"x{number}", 9)
    feed.end("s", "ses_1", 2)
    feed.end("of a later version", "x", 9)
    assert refused(verifier, token)
    until(lambda: verifier._revocations.replica.cursor == Cursor(position=14, nonce=19))  # type: ignore[union-attr]
    asked = [query.get("cursor") for query in feed.asked]
    assert list(dict.fromkeys(asked))[:5] == [None, "3-8", "6-11", "9-14", "12-17"]
    assert asked.count("3-8") == asked.count("12-17") == 1


@pytest.mark.parametrize("answer", ["nothing", "the same", "not even its beginning"])
def test_a_feed_that_does_not_go_on_is_not_asked_again_at_once(feed: Feed, answer: str) -> None:
    """Flaw class: an answer that says that there is more, and leads nowhere, is asked for in a loop. It lends nothing,
    and whoever asks gets to know after one question."""
    following = Following(feed.url, client_of(SECRET), clock=Clock(wall=time.time, monotonic=time.monotonic))
    feed.end("s", "ses_1", 2)
    stopped = threading.Event()
    following.replica.adopt(feed.generation, 0)
    if answer == "the same":
        following._ask(stopped)
        said = {"items": feed.items, "complete": False, "matches": True}
    else:
        said = {"items": [], "complete": False, "matches": answer == "nothing"}
    feed.asked.clear()
    feed.said = said
    before = following.replica.lease_until
    with pytest.raises(Unavailable) as told:
        following._ask(stopped)
    following._feed.close()
    assert told.value.private == "the revocation feed does not go on"
    assert (len(feed.asked), following.replica.lease_until) == (1, before)


def test_a_feed_of_two_logs_is_not_asked_again_at_once(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flaw class: servers of two stores behind one address answer by turns, each of another log, and are asked in a
    loop. One new log is taken for what it is; a second one in the same question lends nothing."""
    following = Following(feed.url, client_of(SECRET), clock=Clock(wall=time.time, monotonic=time.monotonic))
    stopped, answer = threading.Event(), feed.answer

    def by_turns(request: BaseHTTPRequestHandler) -> None:
        feed.generation = 15 - feed.generation
        answer(request)
        if len(feed.asked) == 8:
            stopped.set()

    monkeypatch.setattr(feed, "answer", by_turns)
    before = following.replica.lease_until
    with pytest.raises(Unavailable) as told:
        following._ask(stopped)
    following._feed.close()
    assert told.value.private == "the revocation feed does not go on"
    assert (len(feed.asked), following.replica.lease_until) == (2, before)


def test_a_stream_that_is_interrupted_while_it_is_opened_does_not_begin(feed: Feed) -> None:
    """Flaw class: whoever stops interrupts the stream, which is not there yet, and then waits for a thread that has
    begun to listen."""
    following = FeedOverHttp(f"{feed.url}/v1/revocations", authorization=lambda: "x", node="n", ssl_context=None)
    since = following.interruptions
    following.interrupt()
    assert list(following.hints(Cursor(), since=since)) == []
    assert feed.streams == []


def test_the_lease_is_shorter_by_the_age_of_the_answer(verifier: Verifier, feed: Feed, issuer: FakeIssuer) -> None:
    """A relay says how old its answer is; one that is as old as the lease lends nothing (section 6)."""
    feed.lease = feed.age = 0.4
    with pytest.raises(Unavailable):
        verifier.verify_sync(issuer.token())
    feed.age = 0.1
    until(lambda: not raises_unavailable(verifier, issuer.token()))


def raises_unavailable(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify_sync(token)
    except Unavailable:
        return True
    return False


def test_the_lease_runs_from_when_the_question_was_sent(verifier: Verifier, feed: Feed, issuer: FakeIssuer) -> None:
    """Flaw class: an answer that took longer than the lease is taken for fresh when it comes."""
    feed.lease, feed.delay = 0.4, 0.45
    with pytest.raises(Unavailable):
        verifier.verify_sync(issuer.token())


def test_a_log_that_was_made_anew_is_read_from_the_start(verifier: Verifier, feed: Feed, issuer: FakeIssuer) -> None:
    """What the lost log said is covered by the issuer's new count, and nothing that is known is forgotten."""
    ended, token = issuer.token(sid="ses_2"), issuer.token(ep=2**32)
    verifier.verify_sync(ended)
    feed.end("s", "ses_9", 2)
    until(lambda: len(feed.asked) > 2 and feed.asked[-1].get("cursor") == "1-6")
    feed.generation, feed.everything, feed.items = 8, 1, []
    until(lambda: refused(verifier, ended))
    assert verifier.verify_sync(token).epoch == 2**32
    feed.end("u", "acc_ada", 2**32 + 1)
    until(lambda: refused(verifier, token))


@pytest.mark.anyio
async def test_fifty_who_wait_share_questions(
    verifier: Verifier, feed: Feed, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks before a question is sent shares it; the event loop is never blocked."""
    feed.lease, feed.held = 300.0, threading.Event()
    following = verifier._revocations
    assert isinstance(following, Following)
    waiting: list[object] = []
    asked = following._asked
    monkeypatch.setattr(following, "_asked", lambda: (future := asked(), waiting.append(future))[0])
    verifying = [asyncio.create_task(verifier.verify(issuer.token(jti=str(i)))) for i in range(50)]
    async with asyncio.timeout(30):
        while len(waiting) < 50:  # noqa: ASYNC110 - what is waited for sends no event
            await asyncio.sleep(0.001)
    feed.held.set()
    await asyncio.gather(*verifying)
    assert len(feed.asked) <= 3  # of the first question two, since the log was not known yet; and one of all others


def test_a_lease_that_makes_no_sense_lends_nothing(verifier: Verifier, feed: Feed, issuer: FakeIssuer) -> None:
    """Zero, negative or an age below zero: it does not know."""
    for feed.lease, feed.age in ((0.0, 0.0), (-1.0, 0.0), (1.0, -5.0)):
        with pytest.raises(Unavailable):
            verifier.verify_sync(issuer.token())


def test_after_it_was_stopped_it_starts_anew(verifier: Verifier, feed: Feed, issuer: FakeIssuer) -> None:
    """Stopping says goodbye and accepts nothing; the next request starts it again."""
    token = issuer.token()
    verifier.verify_sync(token)
    verifier._revocations.stop_blocking()  # type: ignore[union-attr]
    assert feed.asked[-1].get("leave") == "1"
    assert verifier.verify_sync(token).account_id == "acc_ada"


def test_an_answer_that_comes_after_it_was_stopped_lends_nothing(
    verifier: Verifier, feed: Feed, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flaw class: a follower that has said goodbye, whom nobody waits for, accepts what is ended after that. Nor is
    who starts again taken for the one who said it."""
    verifier.verify_sync(issuer.token())
    following = verifier._revocations
    assert isinstance(following, Following)
    feed.lease = 60.0
    until(lambda: following.replica.lease == 60.0)
    answered, asked = threading.Event(), threading.Event()
    ask, name = following._feed.ask, feed.asked[-1]["node"]

    def late(*_: Any, **__: Any) -> Any:
        asked.set()
        assert answered.wait(30)
        return ask(Cursor(), timeout=10.0)

    asking = next(thread for thread in following._threads if "asking" in thread.name)
    with monkeypatch.context() as patch:
        patch.setattr(following._feed, "ask", late)
        following._look.set()
        assert asked.wait(30)
        patch.setattr(limits, "FETCH_SECONDS", 0.05)  # that a thread which is asking gets to end
        following.stop_blocking()
    until(lambda: feed.asked[-1] == {"node": name, "leave": "1"})
    answered.set()
    asking.join(30)
    assert not asking.is_alive()
    assert following.replica.lease_until < 0
    verifier.verify_sync(issuer.token())
    assert feed.asked[-1]["node"] != name


def test_who_we_are_to_the_issuer() -> None:
    """(id, secret), "id:secret", what `client create` prints, or a key; nothing else, and no secret is printed."""
    for given in (SECRET, list(SECRET), ":".join(SECRET), {"client_id": SECRET[0], "client_secret": SECRET[1]}):
        client = client_of(given)
        assert client == ClientSecret(*SECRET)
        assert SECRET[1] not in repr(client)
    key = jose.Key.generate("ES256")
    by_key = client_of(("cli_x", key))
    assert isinstance(by_key, ClientKey)
    first, second = (by_key.header("https://id.example", 1000.0) for _ in range(2))
    assert first != second
    claims = jose.decode_unverified(first.removeprefix("Bearer ")).claims
    assert (claims["iss"], claims["sub"], claims["aud"], claims["exp"]) == (
        "cli_x",
        "cli_x",
        "https://id.example",
        1060,
    )
    for wrong in (None, "", "x", ("x",), ("x", ""), ("x", key.public()), ("x", 5), 7, {}, ("a", "b", "c")):
        with pytest.raises(Misconfigured):
            client_of(wrong)


_FORKING = """
import os, time
from ostiary.clock import SYSTEM_CLOCK
from ostiary.verifier.following import Following
from ostiary.verifier.issuer_client import ClientSecret

following = Following("http://127.0.0.1:9", ClientSecret("cli_behind", "ost_cs_secret"), clock=SYSTEM_CLOCK)
following.replica.lease_until = time.monotonic() + 60
name = following._feed._node
child = os.fork()
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or (following._feed._node != name))
os._exit(following._feed._node == name or following.replica.lease_until > 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system that cannot fork")
def test_a_fork_follows_by_itself() -> None:
    """Workers that are forked from a process with a verifier are followers of their own: what one has applied is not
    taken for what all have, and none goes by a lease that another one got (section 6)."""
    assert subprocess.run([sys.executable, "-c", _FORKING], timeout=60, check=False).returncode == 0
