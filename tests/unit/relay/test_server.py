"""A relay in front of an issuer's feed on a real port: what it asks, what it says, and what it does about those who ask
for too much."""

import asyncio
import hashlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.verifier.test_following import Feed

from ostiary import limits
from ostiary.relay import Relay, RelayServer
from ostiary.relay.allowance import Allowance
from ostiary.relay.allowed import Allowed
from ostiary.relay.ledger import Ledger

pytestmark = pytest.mark.anyio

AUTHORIZATION = b"Basic " + b64encode(b"cli_far:ost_cs_far")
PATH = "/v1/revocations"


@pytest.fixture
def feed() -> Iterator[Feed]:
    feed = Feed()
    feed.lease = 50.0  # a machine that is busy loses none; tests that need a short one say so
    yield feed
    feed.stopped.set()
    feed.server.shutdown()
    feed.server.server_close()


class Site:
    """A relay server, called as uvicorn would."""

    def __init__(self, server: RelayServer, aborted: list[Any]) -> None:
        self.server = server
        self.relay = server.relay
        self.aborted = aborted

    async def get(
        self, query: str = "", *, path: str = PATH, method: str = "GET", headers: Any = (), known: bool = True
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers, and the body as JSON."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request"}

        who = [(b"authorization", AUTHORIZATION)] if known else []
        scope = {
            "type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": [*who, *headers],
        }  # fmt: skip
        await asyncio.wait_for(self.server(scope, receive, send), 30)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, json.loads(body) if body else None

    async def answers(self) -> Any:
        """What it answers as soon as it does."""
        async with asyncio.timeout(30):
            while (found := await self.get())[0] != 200:  # noqa: ASYNC110 - as below
                await asyncio.sleep(0.002)
        return found[2]

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not happened():  # noqa: ASYNC110 - what is waited for sends no event
                await asyncio.sleep(0.002)


@asynccontextmanager
async def relaying(feed: Feed, folder: Path) -> AsyncIterator[Site]:
    """With a lease."""
    file = folder / "followers"
    file.write_text(f"cli_far {hashlib.sha256(b'ost_cs_far').hexdigest()}\n")
    aborted: list[Any] = []
    relay = Relay(f"{feed.url}{PATH}", authorization=lambda: "Basic eDp5")
    server = RelayServer(relay, Allowed(file), abort=aborted.append)
    await server.start()
    site = Site(server, aborted)
    try:
        await site.until(lambda: relay.lease_left > 0)
        yield site
    finally:
        await server.stop()
        # a busy machine may not have let its threads end yet; their sockets are closed by them
        assert relay._asking._thread is not None
        assert relay._hearing._thread is not None
        await asyncio.to_thread(relay._asking._thread.shutdown)
        await asyncio.to_thread(relay._hearing._thread.join, 30)


class Stream:
    """Server-Sent Events, read when they are asked for; `stuck` reads nothing."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.status = 0
        self.stuck = stuck
        self.gone = asyncio.Event()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif self.stuck:
            await asyncio.Event().wait()
        for block in message.get("body", b"").decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if lines:
                await self.events.put(lines)

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def items(self) -> tuple[str, list[Any]]:
        """Of the next event that has any, with its `id`."""
        while (event := await asyncio.wait_for(self.events.get(), 30)).get("event") != "items":
            pass
        return event["id"], json.loads(event["data"])


@asynccontextmanager
async def listening(
    site: Site, query: str = "", *, authorization: bytes = AUTHORIZATION, **how: Any
) -> AsyncIterator[Stream]:
    stream = Stream(**how)
    headers = [(b"authorization", authorization), (b"accept", b"text/event-stream")]
    scope = {"type": "http", "method": "GET", "path": PATH, "query_string": query.encode(), "headers": headers}
    task = asyncio.create_task(site.server(scope, stream.receive, stream.send))
    try:
        yield stream
    finally:
        stream.gone.set()
        await asyncio.wait_for(task, 30)


async def test_it_answers_as_the_issuer_does(feed: Feed, tmp_path: Path) -> None:
    """The same fields, the same items, the same positions; what is new since a cursor, and that nothing is (M-30)."""
    feed.everything = 4
    feed.end("s", "ses_a", 9)
    async with relaying(feed, tmp_path) as site:
        status, headers, answer = await site.get()
        assert (status, headers["cache-control"]) == (200, "no-store")
        assert set(answer) == {
            "generation", "everything", "lease", "age", "matches", "complete", "cursor", "items",
        }  # fmt: skip
        assert answer["items"] == feed.items
        assert (answer["generation"], answer["everything"], answer["lease"]) == (7, 4, 50.0)
        assert (answer["matches"], answer["complete"], answer["cursor"]) == (True, True, "1-6")
        assert (await site.get("cursor=1-6"))[2]["items"] == []
        assert (await site.get("cursor=1-6&node=abc&leave=1"))[0] == 204


async def test_whoever_is_ahead_or_wants_to_know_what_is_true_now_is_answered_by_the_issuer(
    feed: Feed, tmp_path: Path
) -> None:
    """The issuer is asked before, once for all who wait, and the answer has no age (section 6)."""
    async with relaying(feed, tmp_path) as site:
        feed.end("s", "ses_a", 9, tell=False)
        answer = (await site.get("cursor=1-6"))[2]  # of an item that the relay has not read yet
        assert (answer["matches"], answer["items"], answer["age"]) == (True, [], 0.0)
        feed.end("s", "ses_b", 9, tell=False)
        feed.delay, before = 0.05, len(feed.asked)
        answers = await asyncio.gather(*(site.get("fresh=1") for _ in range(50)))
        assert all([item["id"] for item in answer["items"]] == ["ses_a", "ses_b"] for _, _, answer in answers)
        assert all(answer["age"] == 0.0 for _, _, answer in answers)
        assert len(feed.asked) <= before + 3
        assert any(query.get("fresh") == "1" for query in feed.asked[before:])
        assert not (await site.get("cursor=9-9"))[2]["matches"]


async def test_without_the_issuer_it_says_its_age_and_then_nothing(feed: Feed, tmp_path: Path) -> None:
    """Until its lease is over, and no longer; then 503 with Retry-After, and never 401 (section 6)."""
    feed.lease = 1.0
    async with relaying(feed, tmp_path) as site:
        feed.status = 503
        ages = []
        while (found := await site.get("node=a"))[0] == 200:  # by name: who has none takes a place with each question
            ages.append(found[2]["age"])
            await asyncio.sleep(0.002)
        assert all(age < 1.0 for age in ages)
        status, headers, problem = found
        assert (status, problem["code"]) == (503, "unavailable")
        assert int(headers["retry-after"]) >= 1
        assert (await site.get(path="/readyz"))[0] == 503
        assert (await site.get(path="/healthz"))[0] == 200
        feed.status = 200
        await site.answers()


async def test_it_acknowledges_what_all_behind_it_have(feed: Feed, tmp_path: Path) -> None:
    """M-33: what was applied by those who may have a lease, and soon after the last of them has."""
    async with relaying(feed, tmp_path) as site:
        await site.get("node=a")
        await site.get("node=b")
        feed.end("s", "ses_a", 9, tell=False)
        assert (await site.get("node=a&fresh=1"))[2]["cursor"] == "1-6"
        await site.get("node=a&cursor=1-6")
        before = len(feed.asked)
        await site.get("fresh=1&node=a&cursor=1-6")
        asked = [query for query in feed.asked[before:] if query.get("cursor") == "1-6"]
        assert asked
        assert all(query["acknowledged"] == "0-0" for query in asked)
        before = len(feed.asked)
        await site.get("node=b&cursor=1-6")
        await site.until(lambda: any("acknowledged" not in query for query in feed.asked[before:]))
        # a relay behind this one says how far those behind it have come
        before = len(feed.asked)
        await site.get("node=c&cursor=1-6&acknowledged=0-0")
        await site.get("node=a&cursor=1-6&fresh=1")
        assert feed.asked[-1].get("acknowledged") == "0-0"


async def test_a_relay_that_nobody_follows_acknowledges_at_once(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M-33: by a second question, long before the next one is due."""
    monkeypatch.setattr("ostiary.relay.asking._PART", 1)
    async with relaying(feed, tmp_path) as site:
        feed.end("s", "ses_a", 9, tell=False)
        await site.relay._asking.through()
        await site.until(lambda: feed.asked[-1].get("cursor") == "1-6")
        assert "acknowledged" not in feed.asked[-1]


async def test_what_is_said_is_said_on_at_once_and_once(feed: Feed, tmp_path: Path) -> None:
    """A stream tells what followed its cursor, then each end as it is heard or read, with the cursor to resume from
    (section 5)."""
    feed.end("s", "ses_a", 9)
    async with relaying(feed, tmp_path) as site, listening(site) as stream:
        assert await stream.items() == ("1-6", feed.items)
        await site.until(lambda: bool(feed.streams))
        feed.end("z", "new in a later version", 9)
        assert await stream.items() == ("2-7", feed.items[1:])
        feed.end("s", "ses_c", 9, tell=False)
        await site.get("fresh=1")
        assert await stream.items() == ("3-8", feed.items[2:])
        async with listening(site, "cursor=2-7") as resumed:
            assert await resumed.items() == ("3-8", feed.items[2:])


async def test_a_log_that_was_made_anew_ends_streams_and_is_read_again(feed: Feed, tmp_path: Path) -> None:
    """What is handed on then is the new log, with its generation and count (decision 35)."""
    feed.end("s", "ses_a", 9)
    async with relaying(feed, tmp_path) as site:
        await site.get("node=a&cursor=1-6")
        async with listening(site) as stream:
            await stream.items()
            feed.everything, feed.items = 1, []
            feed.end("g", "", 1, tell=False)
            feed.generation = 8  # last: the relay may ask in between
            await site.get("fresh=1")
            await site.until(lambda: site.relay.copy.generation == 8 and site.relay.lease_left > 0)
            await site.until(lambda: len(site.relay.streams) == 0)
        answer = (await site.get("node=b"))[2]
        assert (answer["generation"], answer["everything"]) == (8, 1)
        assert answer["items"] == feed.items


async def test_a_reader_that_does_not_read_is_dropped(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds up nobody, and no more memory than its share."""
    monkeypatch.setattr(limits, "RELAY_STREAM_BYTES", 1000)
    monkeypatch.setattr(limits, "FEED_KEEP_ALIVE", 0.1)
    async with relaying(feed, tmp_path) as site, listening(site, stuck=True), listening(site) as stream:
        await site.until(lambda: len(site.relay.streams) == 2)
        await site.until(lambda: sum(reader.live for reader in site.relay.streams._readers) == 1)
        for reader in site.relay.streams._readers:
            reader.live = True
        for number in range(20):
            feed.end("s", f"ses_{number}", 9, tell=False)
            await site.get("fresh=1")
            assert [item["id"] for item in (await stream.items())[1]] == [f"ses_{number}"]
        await site.until(lambda: len(site.aborted) == 1)
        assert site.relay.streams.dropped == 1
        assert len(site.relay.streams) == 1


async def test_followers_are_bounded(feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bounds 503 `overloaded` with Retry-After; those who follow go on (section 1)."""
    monkeypatch.setattr(limits, "RELAY_STREAMS", 1)
    monkeypatch.setattr("ostiary.relay.relay.Ledger", lambda: Ledger(most=1))
    async with relaying(feed, tmp_path) as site, listening(site) as one:
        await site.until(lambda: one.status == 200)
        status, headers, problem = await site.get(headers=[(b"accept", b"text/event-stream")])
        assert (status, problem["code"]) == (503, "overloaded")
        assert headers["retry-after"]
        assert (await site.get("node=a"))[0] == 200
        assert (await site.get("node=b"))[2]["code"] == "overloaded"
        assert (await site.get("node=a"))[0] == 200


async def test_what_is_wrong_is_told(feed: Feed, tmp_path: Path) -> None:
    """4xx with a stable code and never a 500; nothing that was sent is said again (section 1)."""
    async with relaying(feed, tmp_path) as site:
        status, headers, problem = await site.get(known=False)
        assert (status, problem["code"]) == (401, "not_authenticated")
        assert headers["www-authenticate"] == 'Basic realm="ostiary"'
        wrong = [(b"authorization", b"Basic " + b64encode(b"cli_far:guess"))]
        status, headers, problem = await site.get(known=False, headers=wrong)
        assert (status, problem["code"]) == (401, "invalid_client")
        assert headers["www-authenticate"] == 'Basic realm="ostiary"'
        for query in (
            "cursor=x", "cursor=1", "cursor=1-", "cursor=-1", "cursor=1-2-3", "cursor=" + "9" * 30 + "-1",
            "cursor=1-" + "9" * 19, "acknowledged=x", "node=" + "a" * 33, "node=a.b", "node=%C3%A9",
            "&".join("abcdefghijklmnopqr"),
        ):  # fmt: skip
            status, _, problem = await site.get(query)
            assert (status, problem["code"]) == (422, "invalid_request"), query
        assert (await site.get(path="/v1/login"))[0] == 404
        status, headers, _ = await site.get(method="POST")
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        status, _, problem = await site.get(headers=[(b"x", b"y" * limits.HEADERS_BYTES)])
        assert (status, problem["code"]) == (431, "headers_too_large")


async def test_head_follows_nothing(feed: Feed, tmp_path: Path) -> None:
    """A 200 without a body, for whoever may follow; nobody is waited for because of it (section 5)."""
    async with relaying(feed, tmp_path) as site:
        assert (await site.get("node=a", method="HEAD"))[::2] == (200, None)
        assert len(site.relay.ledger) == 0
        assert (await site.get(method="HEAD", known=False))[0] == 401
        assert "content-length" not in (await site.get(method="HEAD"))[1]
        for path in ("/healthz", "/readyz"):
            assert (await site.get(path=path, method="HEAD"))[0] == 200


async def test_head_says_what_get_would(feed: Feed, tmp_path: Path) -> None:
    """Status and type of a stream, of a goodbye, and of what is refused, as GET has them and the issuer too; nobody is
    taken for gone (section 5, RFC 9110 section 9.3.2)."""
    stream = [(b"accept", b"text/event-stream")]
    async with relaying(feed, tmp_path) as site:
        await site.get("node=a")
        for query, headers in [("", ()), ("node=a&leave=1", ()), ("cursor=x", ()), ("cursor=x", stream)]:
            before = len(site.relay.ledger)
            head = await site.get(query, method="HEAD", headers=headers)
            assert len(site.relay.ledger) == before
            whole = await site.get(query, headers=headers)
            assert head[0] == whole[0], query
            assert head[1].get("content-type") == whole[1].get("content-type")
            assert head[2] is None
        status, headers_, _ = await site.get(method="HEAD", headers=stream)
        assert (status, headers_["content-type"]) == (200, "text/event-stream; charset=utf-8")
        feed.status, failed = 503, site.relay.failed
        await site.get("fresh=1")  # asks at once
        await site.until(lambda: site.relay.failed > failed)  # from here on nothing is lent to it
        site.relay.copy.lease = 0.0
        status, headers_, _ = await site.get(method="HEAD")
        assert (status, headers_["content-type"]) == (503, "application/problem+json")
        assert int(headers_["retry-after"]) >= 1


async def test_a_parameter_that_comes_twice_is_refused(feed: Feed, tmp_path: Path) -> None:
    """Which of two cursors was meant is not guessed: 400, as the issuer says (section 1)."""
    async with relaying(feed, tmp_path) as site:
        for query in ("cursor=1-6&cursor=", "node=a&node=a", "fresh=1&fresh=1", "leave=1&node=a&leave=1",
                      "acknowledged=0-0&acknowledged=0-0"):  # fmt: skip
            for method in ("GET", "HEAD"):
                assert (await site.get(query, method=method))[0] == 400, query
            assert (await site.get(query))[2]["code"] == "invalid_request"
        assert (await site.get("later=1"))[0] == 200


async def test_one_follower_leaves_room_for_the_others(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flaw class: whoever asks under a thousand names, or none, or opens a thousand streams, keeps everybody else from
    a lease. He is refused beyond his share, and another client is lent to (section 1)."""
    monkeypatch.setattr(limits, "RELAY_STREAMS", 10)
    monkeypatch.setattr("ostiary.relay.relay.Ledger", lambda: Ledger(most=10))
    async with relaying(feed, tmp_path) as site, AsyncExitStack() as open_streams:
        with (tmp_path / "followers").open("a") as file:
            file.write(f"cli_near {hashlib.sha256(b'ost_cs_near').hexdigest()}\n")
        assert not site.server._allowed.look()
        for number in range(8):
            assert (await site.get(f"node=n{number}"))[0] == 200
            stream = await open_streams.enter_async_context(listening(site))
            await site.until(lambda stream=stream: stream.status == 200)
        near = (b"authorization", b"Basic " + b64encode(b"cli_near:ost_cs_near"))
        listen = (b"accept", b"text/event-stream")
        for query, headers in [("node=more", ()), ("", ()), ("", [listen])]:
            status, told, problem = await site.get(query, headers=headers)
            assert (status, problem["code"]) == (503, "overloaded")
            assert told["retry-after"]
        assert (await site.get("node=n0", known=False, headers=[near]))[0] == 200
        assert (await site.get(known=False, headers=[near]))[0] == 200
        near_stream = await open_streams.enter_async_context(listening(site, authorization=near[1]))
        await site.until(lambda: near_stream.status == 200)


async def test_what_is_true_now_is_asked_for_with_each_page(feed: Feed, tmp_path: Path) -> None:
    """Flaw class: only the first page of an answer from a relay upstream is new, and whoever waits for what is true now
    is told 503. The last page says how old all of it is (section 6)."""
    feed.page, feed.stale = 3, 0.2
    async with relaying(feed, tmp_path) as site:
        for number in range(8):
            feed.end("s", f"ses_{number}", 9, tell=False)
        status, _, answer = await site.get("fresh=1")
        assert (status, len(answer["items"]), answer["age"]) == (200, 8, 0.0)


async def test_who_asks_in_a_loop_has_the_issuer_asked_no_more_often_than_is_allowed(
    feed: Feed, tmp_path: Path
) -> None:
    """What followers want is asked for when it is allowed, and counted. Whoever waits until then is told by whatever
    question is sent first after theirs came, and all that was committed before (section 6)."""

    class Watched(Allowance):
        looks = taken = 0
        seconds = 0.0

        def wait(self, now: float) -> float:
            self.looks += 1
            return self.seconds

        def take(self, now: float) -> None:
            self.taken += 1

    async with relaying(feed, tmp_path) as site:
        site.relay._asking._allowance = allowance = Watched(1)
        for _ in range(20):
            assert (await site.get("fresh=1"))[0] == 200
        assert (allowance.looks, allowance.taken) == (20, 20)
        allowance.seconds = 0.01
        assert (await site.get("fresh=1"))[0] == 200
        await site.until(lambda: bool(feed.streams))
        allowance.seconds = 3600.0
        before = allowance.looks
        feed.end("s", "ses_a", 9, tell=False)
        waiting = [asyncio.create_task(site.get("fresh=1")) for _ in range(20)]
        waiting.append(asyncio.create_task(site.get("cursor=1-6")))
        await site.until(lambda: allowance.looks >= before + 20)
        feed.end("s", "ses_b", 9)  # it hears of this, and asks at once
        answers = await asyncio.gather(*waiting)
        assert all(status == 200 and answer["matches"] for status, _, answer in answers)
        assert all(answer["items"][0]["id"] == "ses_a" for _, _, answer in answers[:20])


async def test_an_upstream_that_says_nonsense_lends_nothing(feed: Feed, tmp_path: Path) -> None:
    """Whatever it says, the relay goes on asking and says 503 once its lease is over (section 6)."""
    feed.lease = 0.5
    async with relaying(feed, tmp_path) as site:
        feed.items = [{"cursor": "nonsense"}]
        await site.until(lambda: site.relay.lease_left == 0)
        assert (await site.get())[0] == 503
        feed.items = []
        feed.end("s", "ses_a", 9)
        assert [item["id"] for item in (await site.answers())["items"]] == ["ses_a"]


async def test_who_may_follow_no_longer_hears_no_more(feed: Feed, tmp_path: Path) -> None:
    """The file is read again when it changes, and streams of those whom it names no more end."""
    async with relaying(feed, tmp_path) as site, listening(site) as stream:
        await site.until(lambda: stream.status == 200)
        (tmp_path / "followers").write_text(f"cli_other {hashlib.sha256(b'ost_cs_other').hexdigest()}\n")
        await site.until(lambda: len(site.relay.streams) == 0)
        assert (await site.get())[0] == 401


async def test_a_stream_that_waits_to_begin_is_ended_like_the_others(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is let go while the issuer is asked for him is told nothing that is said later."""
    async with relaying(feed, tmp_path) as site:
        events = site.relay.events

        async def later(*given: Any) -> AsyncIterator[bytes]:
            (tmp_path / "followers").write_text("")
            site.server._allowed.look()
            async with aclosing(events(*given)) as said:
                async for event in said:
                    yield event

        monkeypatch.setattr(site.relay, "events", later)
        async with listening(site) as stream:
            await site.until(lambda: stream.status == 200)
            await site.until(lambda: len(site.relay.streams) == 0)
