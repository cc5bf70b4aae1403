"""All processes that verify credentials of this store: where each runs, and how well it knows what was revoked.

Each tells the others, through the revocation log, what only it can know; how long it has been silent and how far it has
come, the log knows of everybody.
"""

import math
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from ostiary.revocation.entry import Node
from ostiary.revocation.feed import Feed
from ostiary.revocation.wire import client_of_node, is_unnamed
from ostiary.services.context import Context

TELL_INTERVAL = 5.0  # seconds
SHOWN = 100  # nodes at most
SILENT_SECONDS = 60.0  # after so much silence, and longer than any lease, a node is no longer shown
ALONE = "here"
"""The name of a process that nobody else shares a store with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a node says of itself. `worker`: which of several processes of one server. Instants are Unix seconds,
    `lease` and `bound` seconds; no `lease` where nobody else can revoke."""

    host: str
    pid: int
    worker: int
    version: str
    started_at: float
    lease: float | None
    bound: float
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One node. `silent`: seconds since it last asked what was revoked; it has applied the log up to `position`, and
    `behind` is how far the newest item is from there. No `facts`: it has not said anything, as verifiers outside the
    store never do. `client`: the name of the service that such a verifier is one of, "" if there is none or no more.
    `unnamed`: it stands for all that say no name, and never says how far it has come. `here`: this very process."""

    name: str
    silent: float
    position: int
    behind: int
    facts: Facts | None
    client: str = ""
    unnamed: bool = False
    here: bool = False

    @property
    def lease_over(self) -> bool:
        """It may accept nothing by what it knows."""
        return self.facts is not None and self.facts.lease is not None and self.silent > self.facts.lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All of them, or, if `more`, those that were silent for longest."""

    members: tuple[Member, ...]
    more: bool


class Nodes:
    """Use cases of looking at all nodes. `worker` and `version`: see `Facts`."""

    def __init__(self, context: Context, feed: Feed, *, worker: int, version: str) -> None:
        self._context = context
        self._feed = feed
        self._log = context.store.revocations
        self._first = Facts(
            host=socket.gethostname()[:64],
            pid=os.getpid(),
            worker=worker,
            version=version,
            started_at=context.now(),
            lease=None if context.replica.lease == math.inf else context.replica.lease,
            bound=0.0,
            entries=0,
            bytes=0,
        )

    async def tell(self) -> None:
        """Say what only this process knows. For housekeeping."""
        if self._feed.node:
            await self._log.describe(self._feed.node, msgspec.json.encode(self._facts()).decode())

    async def all(self) -> Fleet:
        """In the order in which they started, those last that do not say. Raises Unavailable."""
        if not self._feed.node:  # nobody else can open this store
            here = Member(name=ALONE, silent=0.0, position=0, behind=0, facts=self._facts(), here=True)
            return Fleet(members=(here,), more=False)
        head = await self._log.head()
        within = max(SILENT_SECONDS, 2 * self._context.lease)
        found = await self._log.nodes(within=within, limit=SHOWN + 1)
        clients = await self._clients(found[:SHOWN])
        members = [self._member(node, head.position, clients) for node in found[:SHOWN]]
        members.sort(key=lambda one: (one.facts is None, one.facts.started_at if one.facts else 0.0, one.name))
        return Fleet(members=tuple(members), more=len(found) > SHOWN)

    async def _clients(self, nodes: Sequence[Node]) -> dict[str, str]:
        """The names of the services that those outside the store are of, by id."""
        ids = sorted({client_of_node(node.name) for node in nodes} - {""})
        found = await self._context.together(*(self._context.store.clients.get(one) for one in ids))
        return {client.id: client.name for client in found if client is not None}

    def _member(self, node: Node, head: int, clients: Mapping[str, str]) -> Member:
        here = node.name == self._feed.node
        return Member(
            name=node.name,
            silent=node.silent,
            position=node.acknowledged,
            behind=max(0, head - node.acknowledged),
            facts=self._facts() if here else _read(node.description),
            client=clients.get(client_of_node(node.name), ""),
            unnamed=is_unnamed(node.name),
            here=here,
        )

    def _facts(self) -> Facts:
        replica = self._context.replica
        return replace(self._first, bound=self._context.bound, entries=len(replica), bytes=replica.size())


def _read(description: str) -> Facts | None:
    """None for what another version says, or nobody."""
    try:
        return msgspec.json.decode(description, type=Facts)
    except (msgspec.MsgspecError, UnicodeError):
        return None
