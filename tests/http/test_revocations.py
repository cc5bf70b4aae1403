"""Contract sections 5 and 6: the revocation feed for verifiers outside the store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.http.harness import API, ISSUER, Site, open_site, problem
from tests.http.services import Service, service

from ostiary import jose, limits
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio

PATIENCE = 60.0  # seconds that anything may take on a machine that is busy otherwise
FEED = "/v1/revocations"


async def ask(svc: Service, **query: str) -> Any:
    path = FEED + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")
    return await svc.site.get(path, headers=svc.basic)


async def end_one(site: Site) -> str:
    """A session that begins and ends; its id."""
    if await site.auth.system.store.accounts.by_username("ann") is None:
        await site.account()
    login = await site.log_in()
    assert (await site.post("/v1/logout", **login.use)).status_code == 200
    return login.id


async def test_a_follower_reads_everything_and_then_what_is_new(site: Site) -> None:
    """From the start without a cursor, after it with one; each line once, with what is still accepted (M-32)."""
    svc = await service(site, audiences=(), targets=(), grants=())
    first = await end_one(site)
    answer = (await ask(svc)).json()
    assert set(answer) == {
        "generation", "everything", "lease", "age", "matches", "complete", "cursor", "items",
    }  # fmt: skip
    assert (answer["matches"], answer["complete"], answer["everything"], answer["age"]) == (True, True, 0, 0.0)
    assert answer["lease"] == site.auth.settings.lease
    ended = [item for item in answer["items"] if item["id"] == first]
    assert [(item["scope"], item["value"]) for item in ended] == [("s", 2**53 - 1)]
    assert ended[0]["until"] > site.clock.wall + 240
    assert answer["cursor"] == answer["items"][-1]["cursor"]
    nothing = (await ask(svc, cursor=answer["cursor"])).json()
    assert (nothing["items"], nothing["cursor"], nothing["matches"]) == ([], answer["cursor"], True)
    second = await end_one(site)
    news = (await ask(svc, cursor=answer["cursor"])).json()
    assert [item["id"] for item in news["items"]] == [second]


async def test_a_cursor_of_another_log_does_not_match(site: Site) -> None:
    """Then there are no items, and the follower reads again from the start (section 6)."""
    svc = await service(site)
    await end_one(site)
    answer = (await ask(svc, cursor="1-1")).json()
    assert (answer["matches"], answer["items"], answer["cursor"]) == (False, [], "")
    for wrong in ("x", "1", "1-", "-1", "1-2-3", "1.5-2", "١-٢", "9" * 30 + "-1", "1-" + "9" * 19):
        assert problem(await ask(svc, cursor=wrong)) == (422, "invalid_request"), wrong
    for wrong in ("a" * 33, "a.b", "é"):
        assert problem(await ask(svc, node=wrong)) == (422, "invalid_request"), wrong


async def test_long_logs_come_in_portions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """`complete` is false while more follows (section 6)."""
    monkeypatch.setattr(limits, "REVOCATION_PAGE", 2)
    svc = await service(site)
    ids = [await end_one(site) for _ in range(5)]
    seen: list[str] = []
    cursor, complete = "", False
    while not complete:
        answer = (await ask(svc, **({"cursor": cursor} if cursor else {}))).json()
        assert len(answer["items"]) <= 2
        seen += [item["id"] for item in answer["items"]]
        cursor, complete = answer["cursor"], answer["complete"]
    assert [entry_id for entry_id in seen if entry_id.startswith("ses_")] == ids


async def test_only_registered_services_follow(site: Site) -> None:
    """401 for everybody else, administrators too (section 5): `not_authenticated` for those who say nothing, and
    `invalid_client` for the others, both with both ways to say who one is (section 1)."""
    svc = await service(site)
    await site.account("root", roles=("admin",))
    root = await site.log_in("root", transport="bearer")
    nobody = await site.get(FEED)
    assert problem(nobody) == (401, "not_authenticated")
    assert nobody.headers["www-authenticate"] == 'Bearer realm="ostiary", Basic realm="ostiary"'
    for how in ({"bearer": root.access_token}, {"headers": {"Authorization": "Basic eA=="}}):
        response = await site.get(FEED, **how)
        assert problem(response) == (401, "invalid_client")
        challenges = 'Bearer realm="ostiary", error="invalid_token", Basic realm="ostiary"'
        assert response.headers["www-authenticate"] == challenges
    assert (await ask(svc)).status_code == 200
    await site.auth.system.clients.delete(svc.id, actor="test")
    assert problem(await ask(svc)) == (401, "invalid_client")


async def test_a_service_with_a_key_brings_its_assertion(site: Site) -> None:
    """A GET has no form: the assertion is the bearer token, and counts once (RFC 7523)."""
    svc = await service(site, key=jose.Key.generate("ES256"))
    assertion = svc.assertion(typ="client-authentication+jwt")
    assert (await site.get(FEED, headers={"Authorization": f"Bearer {assertion}"})).status_code == 200
    assert problem(await site.get(FEED, headers={"Authorization": f"Bearer {assertion}"})) == (401, "invalid_client")


async def test_whoever_may_still_accept_is_told_in_the_bound(site: Site) -> None:
    """M-33: in one process the bound is 0; while a follower may have a lease it is that lease (section 6)."""
    await site.account()
    svc = await service(site)
    login = await site.log_in()
    assert (await site.post("/v1/logout", **login.use)).json()["bound"] == 0.0
    await ask(svc)
    login = await site.log_in()
    assert (await site.post("/v1/logout", **login.use)).json()["bound"] == site.auth.settings.lease
    site.clock.advance(site.auth.settings.lease * 1.01)
    login = await site.log_in()
    assert (await site.post("/v1/logout", **login.use)).json()["bound"] == 0.0


async def test_a_restarted_server_knows_that_it_may_be_followed(tmp_path: Any, anyio_backend: str) -> None:
    """M-33: a follower's lease outlives the process that lent it; a service that never followed has none, and the bound
    of a single process is 0 from its first answer on (section 5)."""
    where = {"database": f"sqlite:///{tmp_path / 'o.db'}"}
    async with open_site(FakeClock(), **where) as site:
        await site.account()
        assert (await site.post("/v1/logout", **(await site.log_in()).use)).json()["bound"] == 0.0
        await service(site)
    async with open_site(FakeClock(), **where) as site:
        assert (await site.post("/v1/logout", **(await site.log_in()).use)).json()["bound"] == 0.0
        await ask(await service(site))
    for _ in range(2):
        async with open_site(FakeClock(), **where) as site:
            ended = await site.post("/v1/logout", **(await site.log_in()).use)
            assert ended.json()["bound"] == site.auth.settings.lease
            await site.auth.system.housekeeping.purge()
            for client in (await site.auth.system.clients.page(after="", limit=10))[
                0
            ]:  # what was lent is not taken back
                await site.auth.system.clients.delete(client.id, actor="test")


async def test_wait_all_waits_for_a_follower_that_says_its_name(site: Site) -> None:
    """Section 6: `?wait=all` answers when the follower has acknowledged, by the cursor of its next question."""
    await site.account()
    svc = await service(site)
    at = (await ask(svc, node="n1")).json()["cursor"]
    login = await site.log_in()
    ending = asyncio.create_task(site.post("/v1/logout?wait=all", **login.use))
    while not (  # noqa: ASYNC110 - what is waited for sends no event
        news := (await ask(svc, **({"cursor": at} if at else {}))).json()
    )["items"]:
        await asyncio.sleep(0.001)  # the other task has its turn
    assert not ending.done()
    await ask(svc, node="n1", cursor=news["cursor"])
    response = await asyncio.wait_for(ending, PATIENCE)
    assert response.json()["bound"] == 0.0


async def test_a_relay_is_waited_for_until_those_behind_it_have_come_so_far(site: Site) -> None:
    """M-33: `acknowledged` may be less than `cursor`, and counts; a cursor that is none is 422 (section 6)."""
    await site.account()
    svc = await service(site)
    await end_one(site)
    at = (await ask(svc, node="r1")).json()["cursor"]
    await ask(svc, node="r1", cursor=at)
    login = await site.log_in()
    ending = asyncio.create_task(site.post("/v1/logout?wait=all", **login.use))
    while not (news := (await ask(svc, node="r1", cursor=at)).json())["items"]:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.001)
    for behind in (at, "0-0", "1-1"):
        answer = await ask(svc, node="r1", cursor=news["cursor"], acknowledged=behind)
        assert (answer.json()["matches"], answer.json()["complete"], answer.json()["items"]) == (True, True, [])
    assert not ending.done()
    assert problem(await ask(svc, node="r1", acknowledged="x")) == (422, "invalid_request")
    await ask(svc, node="r1", cursor=news["cursor"], acknowledged=news["cursor"])
    response = await asyncio.wait_for(ending, PATIENCE)
    assert response.json()["bound"] == 0.0


async def test_a_follower_that_leaves_is_not_waited_for(site: Site) -> None:
    """204, and nobody waits for it (section 6)."""
    await site.account()
    svc = await service(site)
    await ask(svc, node="n1")
    assert (await ask(svc, node="n1", leave="1")).status_code == 204
    login = await site.log_in()
    response = await asyncio.wait_for(site.post("/v1/logout?wait=all", **login.use), PATIENCE)
    assert response.json()["bound"] == 0.0


class Stream:
    """An event stream, read as it is written."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.events: asyncio.Queue[dict[str, str] | None] = asyncio.Queue()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        for block in message.get("body", b"").decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if lines:
                await self.events.put(lines)
        if not message.get("more_body"):
            await self.events.put(None)

    async def next(self, name: str = "items") -> Any:
        """The data of the next event of this name; None at the end."""
        while True:
            event = await asyncio.wait_for(self.events.get(), PATIENCE)
            if event is None:
                return None
            if event.get("event") == name:
                self.id = event.get("id")
                return json.loads(event["data"])


@asynccontextmanager
async def streaming(svc: Service, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Open until the block ends."""
    stream = Stream()
    gone = asyncio.Event()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    sent = {"host": ISSUER.removeprefix("https://"), "accept": "text/event-stream", **svc.basic, **headers}
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "scheme": "https", "path": FEED, "raw_path": FEED.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("198.51.100.7", 40000), "server": ("id.example", 443), "state": {},
    }  # fmt: skip
    task = asyncio.create_task(svc.site.auth.asgi(scope, receive, stream.send))
    try:
        yield stream
    finally:
        gone.set()
        await asyncio.wait_for(task, PATIENCE)


async def test_a_stream_catches_up_and_goes_on(site: Site) -> None:
    """Server-Sent Events: the state, what followed the cursor, and then each end as it happens (section 5)."""
    svc = await service(site)
    first = await end_one(site)
    async with streaming(svc) as stream:
        state = await stream.next("state")
        assert set(state) == {"generation", "everything", "lease", "age"}
        assert (await stream.next())[-1]["id"] == first
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        second = await end_one(site)
        assert [item["id"] for item in await stream.next()] == [second]
        at = stream.id
    third = await end_one(site)
    async with streaming(svc, f"cursor={at}") as again:
        assert [item["id"] for item in await again.next()] == [third]
    async with streaming(svc, **{"Last-Event-ID": str(at)}) as resumed:
        assert [item["id"] for item in await resumed.next()] == [third]


async def test_a_stream_says_that_it_lives(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment while nothing happens, so that proxies and readers know (section 5)."""
    monkeypatch.setattr(limits, "FEED_KEEP_ALIVE", 0.01)
    followers = site.auth.system.followers
    from ostiary.revocation.entry import Cursor

    stream = followers.stream(Cursor())
    while await asyncio.wait_for(anext(stream), PATIENCE) is not None:
        pass
    await stream.aclose()


async def test_a_stream_of_a_deleted_service_ends(site: Site) -> None:
    """M-07: nothing is told any more, from the next thing that happens."""
    svc = await service(site)
    async with streaming(svc) as stream:
        await stream.next("state")
        await site.auth.system.clients.delete(svc.id, actor="test")
        assert await stream.next() is None


async def test_a_stream_of_another_log_ends(site: Site) -> None:
    """The follower asks anew, from the start."""
    svc = await service(site)
    async with streaming(svc, "cursor=1-1") as stream:
        assert await stream.next() is None


async def test_streams_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound 503 `overloaded` with Retry-After; questions are still answered (section 1)."""
    monkeypatch.setattr(limits, "FEED_STREAMS", 2)
    svc = await service(site)
    async with streaming(svc) as one, streaming(svc) as two:
        await one.next("state")
        await two.next("state")
        async with streaming(svc) as three:
            assert await stream_ended(three)
            assert three.status == 503
            assert three.headers["retry-after"]
        assert (await ask(svc)).status_code == 200
    async with streaming(svc) as after:
        await after.next("state")
        assert after.status == 200


async def test_head_answers_at_once_and_follows_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEAD has the headers of GET, and holds no place, no lease and no node: with no place left it is answered, and the
    bound is what it was (sections 5 and 6)."""
    monkeypatch.setattr(limits, "FEED_STREAMS", 1)
    svc = await service(site)
    bound = site.auth.system.context.bound
    places: list[str] = []
    for accept in ("text/event-stream", "application/json"):
        async with asyncio.timeout(30):
            head = await site.call("HEAD", f"{FEED}?node=abc", headers={**svc.basic, "Accept": accept})
        assert (head.status_code, head.content) == (200, b"")
        places.append(head.headers["content-type"])
        assert (await site.call("HEAD", FEED, headers={"Accept": accept})).status_code == 401
    assert site.auth.system.context.bound == bound
    assert site.auth.system.followers._streams == 0
    assert await site.auth.system.store.revocations.nodes(within=60.0, limit=10) == []
    async with streaming(svc) as stream:
        await stream.next("state")
        assert stream.headers["content-type"] == places[0]
        again = await site.call("HEAD", FEED, headers={**svc.basic, "Accept": "text/event-stream"})
        assert again.status_code == 200
    get = await ask(svc)
    assert get.headers["content-type"] == places[1]
    wrong = await site.call("HEAD", f"{FEED}?cursor=x", headers={**svc.basic, "Accept": "text/event-stream"})
    assert wrong.status_code == 422


async def stream_ended(stream: Stream) -> bool:
    while (await asyncio.wait_for(stream.events.get(), PATIENCE)) is not None:
        pass
    return True


async def test_all_streams_end_when_the_server_stops(site: Site) -> None:
    """A stop waits for nobody who follows."""
    svc = await service(site)
    async with streaming(svc) as stream:
        await stream.next("state")
        site.auth.system.followers.close()
        while await stream.next() is not None:
            pass


async def test_a_hundred_streams_hear_of_one_end_by_one_look(site: Site) -> None:
    """Fan-out is bounded: those who stand at the same place share one look at the log."""
    followers, log = site.auth.system.followers, site.auth.system.store.revocations
    from ostiary.revocation.entry import Cursor

    looks = 0
    probe = log.probe

    async def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return await probe(*arguments, **more)

    log.probe = counted  # type: ignore[method-assign]
    with followers.room():
        streams = [followers.stream(Cursor()) for _ in range(100)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await asyncio.sleep(0)
        ended = await end_one(site)
        told = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
        assert {item.entry.id for items in told for item in items} == {ended}
        assert looks <= 6
        for stream in streams:
            await stream.aclose()


async def test_the_api_audience_is_not_needed(site: Site) -> None:
    """A service that serves nothing may follow as well: what is told names nobody."""
    svc = await service(site, audiences=(), targets=(), grants=())
    await site.account(username="somebody", email="somebody@example.org")
    login = await site.log_in("somebody", audience=[API, ISSUER], transport="bearer")
    await site.post("/v1/logout", bearer=login.access_token)
    answer = await ask(svc)
    assert login.id in answer.text
    assert "somebody" not in answer.text
