"""GET /v1/revocations: what is revoked, for verifiers outside the store (contract sections 5 and 6).

Asked for JSON it answers at once with what follows `cursor`: that is what lends a lease. Asked for
`text/event-stream` it goes on telling: `items` with what follows the cursor, each with its own cursor as `id`, and
`state` at the beginning and whenever nothing was said for a while. A browser's `EventSource` resumes by itself.

HEAD asks what GET would answer with, and follows nothing: no stream, no lease, no node that anybody waits for.
"""

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response, StreamingResponse

from ostiary.http.answers.revocations import FeedAnswerView, FeedItemView
from ostiary.http.call import Call
from ostiary.http.client_credentials import client_of_get
from ostiary.http.endpoints import Endpoint, Query
from ostiary.http.problems import json_response
from ostiary.revocation.entry import Cursor, LogItem
from ostiary.revocation.wire import STREAM, event, node_name, read_from_follower, written
from ostiary.services.known_clients import KnownClient


async def revocations(call: Call) -> Response:
    """GET /v1/revocations"""
    known = await client_of_get(call)
    followers = call.services.followers
    node = node_name(call.query("node"), known.client.id)
    follows = call.request.method == "GET"
    if call.query("leave") and node:
        if follows:
            await followers.leave(node)
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    if STREAM in call.request.headers.get("accept", ""):
        cursor = read_from_follower(call.request.headers.get("last-event-id", "") or call.query("cursor"))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if not follows:
            return StreamingResponse(_nothing(), media_type=STREAM, headers=headers)
        stream = _events(call, known, cursor)
        first = await anext(stream)  # what refuses, refuses before the answer begins
        return StreamingResponse(_after(first, stream), media_type=STREAM, headers=headers)
    cursor, acknowledged = read_from_follower(call.query("cursor")), call.query("acknowledged")
    applied = read_from_follower(acknowledged) if acknowledged else None
    if follows:
        answer = await followers.probe(cursor, node=node, client=known.client.id, applied=applied)
    else:
        answer = await followers.probe(cursor, node="", lends=False)
    probe = answer.probe
    last = probe.items[-1] if probe.items else None
    return json_response(
        FeedAnswerView(
            generation=probe.generation,
            everything=answer.everything,
            lease=answer.lease,
            age=answer.age,
            matches=probe.matches,
            complete=probe.complete,
            cursor=written(last.cursor) if last else call.query("cursor") if probe.matches else "",
            items=[_item(item) for item in probe.items],
        )
    )


async def _events(call: Call, known: KnownClient, cursor: Cursor) -> AsyncIterator[bytes]:
    followers, clients = call.services.followers, call.services.known_clients
    with followers.room():
        state = await followers.probe(Cursor(), node="", limit=1, lends=False)
        said = {"generation": state.probe.generation, "everything": state.everything, "lease": state.lease, "age": 0.0}
        yield event("state", msgspec.json.encode(said))
        async for items in followers.stream(cursor):
            now_known = await clients.find(known.client.id)
            if now_known is None or now_known.epoch != known.epoch:
                return  # deleted, or it may less than before: let it prove itself again
            if items is None:
                yield b": \n\n"
            else:
                yield event("items", msgspec.json.encode([_item(item) for item in items]), items[-1].cursor)


async def _nothing() -> AsyncIterator[bytes]:
    """A body of no bytes, whose length is not told, as that of a stream is not."""
    return
    yield b""


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for following in rest:
        yield following


def _item(item: LogItem) -> FeedItemView:
    entry = item.entry
    return FeedItemView(
        cursor=written(item.cursor), scope=entry.scope.value, id=entry.id, value=entry.value, until=entry.until
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/v1/revocations",
        handler=revocations,
        summary="What is revoked, for verifiers: JSON for a lease, text/event-stream for news (client-authenticated)",
        query=(
            Query(name="cursor", description="`cursor` of the answer before; from the start without it."),
            Query(name="node", description="A random name of the follower's own, so that `wait=all` waits for it."),
            Query(
                name="acknowledged",
                description="Of a relay: how far all who may have a lease by it have come, if not to `cursor`.",
            ),
            Query(name="fresh", description="`1`: a relay is to ask the issuer first. Other answers always are fresh."),
            Query(name="leave", description="`1`: the follower stops; nobody waits for it any more."),
        ),
        answers={200: FeedAnswerView, 204: None},
        refusals=(401, 422, 429, 503),
        by_client=True,
        tag="oauth",
    ),
)
