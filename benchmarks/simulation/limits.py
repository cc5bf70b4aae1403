"""At how many revocations a second each part gives way: arithmetic on what was measured."""

from collections.abc import Mapping
from typing import NamedTuple

from ostiary import limits

KEPT_SECONDS = 339.0  # an entry: the life of a stateless token, leeway, two leases, 5 s
POSTGRES_LOG = 500.0  # "some hundreds a second": docs/guide/performance.md
VALKEY_CHANGE_SECONDS = 45e-6  # of the server, docs/guide/valkey.md
PACKED = 4  # ended sessions that count for one, where there are many
DELIVERY_SECONDS = 8e-6  # of the server, of one message to one node: between 5 and 10 with up to 1000 nodes
ITEM_TRAVELS = 2  # as a hint, and in an answer


class Limit(NamedTuple):
    """Revocations a second, for ever."""

    name: str
    rate: float


def limits_of(cost: Mapping[str, float]) -> list[Limit]:
    """The lowest first."""
    twice = ITEM_TRAVELS * cost["µs to read"] + cost["µs to learn from a hint and an answer"] + cost["µs to forget"]
    once = cost["µs to read"] + cost["µs to learn from an answer"] + cost["µs to forget"]
    children = 100
    telling = VALKEY_CHANGE_SECONDS + children * DELIVERY_SECONDS
    relay = 25e9 / 8 / (children * ITEM_TRAVELS * cost["bytes of an item as JSON"])
    found = [
        Limit("PostgreSQL: the log's commits in a row", POSTGRES_LOG),
        Limit("four million packed for 339 s in each process", PACKED * limits.REPLICA_ENTRIES / KEPT_SECONDS),
        Limit("Valkey: changes, and telling 100 nodes of each", 1 / telling),
        Limit("Valkey: changes alone", 1 / VALKEY_CHANGE_SECONDS),
        Limit("a node's processor, hints and answers", 1e6 / twice),
        Limit("a relay's 25 Gbit/s to 100 nodes", relay),
        Limit("a node's processor, answers alone", 1e6 / once),
    ]
    return sorted(found, key=lambda limit: limit.rate)
