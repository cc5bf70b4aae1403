"""What one revocation costs a node, with the code that nodes run: bytes on the way, bytes held, processor time.

The best of several rounds: other work on the machine makes it only slower.
"""

import random
import time
from collections.abc import Callable

import msgspec

from ostiary import limits
from ostiary.domain.session import ENDED_VERSION
from ostiary.http.answers.revocations import FeedAnswerView, FeedItemView
from ostiary.revocation.entry import Entry, LogItem, Probe, Scope
from ostiary.revocation.replica import Next, Replica
from ostiary.revocation.wire import Answer, Item
from ostiary.verifier.feed_over_http import probe_of

ROUNDS = 5
PAGE = limits.REVOCATION_PAGE
_FIRST = 10**11  # positions of a log that has lived for long
_DECODER = msgspec.json.Decoder(Answer[Item])


def measure() -> dict[str, float]:
    """All of it."""
    chance = random.Random(1)
    items = [_item(chance, i) for i in range(100 * PAGE)]
    pages = [items[at : at + PAGE] for at in range(0, len(items), PAGE)]
    bodies = [_body(page) for page in pages]
    probes = [probe_of(_DECODER.decode(body)) for body in bodies]
    entries = [[item.entry for item in page] for page in pages]
    count = len(items)

    def fresh() -> Replica:
        replica = Replica(lease=2.0)
        replica.adopt(1, 0)
        return replica

    def read() -> None:
        for body in bodies:
            probe_of(_DECODER.decode(body))

    def learn(told_first: bool) -> Callable[[Replica], None]:
        def learning(replica: Replica) -> None:
            for at, probe in enumerate(probes):
                if told_first:
                    replica.hint(entries[at])
                replica.on_reply(replica.on_send(float(at)), probe)

        return learning

    full = fresh()
    learn(False)(full)
    forgetting = []
    for _ in range(ROUNDS):
        held = fresh()
        learn(False)(held)
        began = time.perf_counter()
        held.forget_expired(3e9)
        forgetting.append(time.perf_counter() - began)
    return {
        "bytes of an item as JSON": sum(map(len, bodies)) / count,
        "bytes held": _held(),
        "µs to read": 1e6 * _least(lambda _: read(), fresh) / count,
        "µs to learn from an answer": 1e6 * _least(learn(False), fresh) / count,
        "µs to learn from a hint and an answer": 1e6 * _least(learn(True), fresh) / count,
        "µs to forget": 1e6 * min(forgetting) / count,
        "entries when it is crowded": _crowded(),
    }


def _least(step: Callable[[Replica], None], fresh: Callable[[], Replica]) -> float:
    found = []
    for _ in range(ROUNDS):
        replica = fresh()
        began = time.perf_counter()
        step(replica)
        found.append(time.perf_counter() - began)
    return min(found)


def _item(chance: random.Random, i: int) -> LogItem:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    entry = Entry(
        scope=Scope.SESSION,
        id="ses_" + "".join(chance.choices(letters, k=22)),
        value=ENDED_VERSION,
        until=2e9 + i % 300,
    )
    return LogItem(position=_FIRST + i, nonce=chance.getrandbits(31), entry=entry)


def _body(page: list[LogItem]) -> bytes:
    views = [
        FeedItemView(
            cursor=f"{item.position}-{item.nonce}",
            scope=item.entry.scope.value,
            id=item.entry.id,
            value=item.entry.value,
            until=item.entry.until,
        )
        for item in page
    ]
    return msgspec.json.encode(
        FeedAnswerView(
            generation=1,
            everything=0,
            lease=2.0,
            age=0.0,
            matches=True,
            complete=True,
            cursor=views[-1].cursor,
            items=views,
        )
    )


def _replica_of(count: int) -> Replica:
    chance = random.Random(2)
    replica = Replica(lease=2.0)
    replica.adopt(1, 0)
    for at in range(0, count, PAGE):
        items = tuple(_item(chance, at + i) for i in range(min(PAGE, count - at)))
        reply = Probe(generation=1, matches=True, items=items, complete=True)
        if replica.on_reply(replica.on_send(1.0), reply) is not Next.DONE or replica.crowded:
            break
    return replica


def _held() -> float:
    replica = _replica_of(limits.REPLICA_ENTRIES)
    return replica.size() / len(replica)


def _crowded() -> float:
    return len(_replica_of(2 * limits.REPLICA_ENTRIES))
