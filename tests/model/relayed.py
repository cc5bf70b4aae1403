"""The world of `world.py` with relays between the log and the nodes: each node asks the last of a chain of relays, each
relay the one before it, and the first one the log.

Nothing that is decided here is modelled: a relay is `LogCopy` and `Ledger`, which relays run, and a node is `Replica`,
which verifiers run. The log, and "who is behind" that `?wait=all` rests on, are as in `world.py`. A question of a node
and its answer take time on each leg, and inside the relay.
"""

import copy as copying
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from tests.model.world import _key as key_of_replica

from ostiary.errors import Unavailable
from ostiary.relay.copy import Heard, LogCopy
from ostiary.relay.ledger import Ledger
from ostiary.revocation.entry import Cursor, Probe
from ostiary.revocation.knowledge import Verdict
from ostiary.revocation.replica import Next, Replica, Sent
from ostiary.revocation.wire import Answer, Item
from ostiary.verifier.feed_over_http import probe_of

LEASE = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Ours, unless a field says otherwise."""

    name: str = "ours"
    age_ignored: bool = False  # a relay says that what it knows is true now
    age_from_receipt: bool = False  # counted from when the relay got its answer
    speaks_for_itself: bool = False  # what the relay has read, it says that all have applied
    counts_late: bool = False  # a follower counts from its second question on
    always_leaves: bool = False  # a relay that stops says goodbye, whoever has a lease by it
    keeps_positions: bool = False  # what was applied of a log that lost its end counts as applied of it now
    fresh_from_copy: bool = False  # whoever wants to know what is true now is told what the relay knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How much of it. `faults` may happen `most` times in all."""

    relays: int = 1
    nodes: int = 1
    ticks: int = 4
    sessions: int = 1
    faults: frozenset[str] = frozenset()
    most: int = 1
    waits: bool = False
    fresh: bool = False  # nodes ask for what is true now
    lossy: bool = True  # questions and answers get lost, and are asked again
    new_node: bool = False  # the last node has never asked


class Log(NamedTuple):
    """Items are (position, nonce, session). `members`: name, when it asked, what it has acknowledged."""

    items: tuple[tuple[int, int, int], ...]
    members: tuple[tuple[str, int, int], ...]


class Asked(NamedTuple):
    """A question of a relay. `serves`: nodes whose question it was sent for."""

    sent: int
    cursor: Cursor
    applied: Cursor
    serves: int
    reply: tuple[int, Probe] | None  # age, and what was said


class Relay(NamedTuple):
    """`copy` and `ledger` are numbers. `name` is new at each start."""

    copy: int
    ledger: int
    name: int
    asked: Asked | None


class Question(NamedTuple):
    """Of a node. `before`: sessions whose end had been answered when it was sent, as bits, if it is to be told what is
    true now. `arrived`: when the relay got it, -1 before. `served`: the relay has asked since."""

    sent: Sent
    cursor: Cursor
    before: int
    arrived: int
    served: bool
    reply: tuple[int, Probe] | None


class Node(NamedTuple):
    """`replica` is a number."""

    replica: int
    asks: Question | None


class Session(NamedTuple):
    """As in `world.py`."""

    position: int
    ended: int
    void: bool
    waiting: tuple[int, int, int] | None
    settled: bool


class World(NamedTuple):
    """All of it. `wrong`: a promise that was broken on the way here."""

    now: int
    log: Log
    nonce: int
    relays: tuple[Relay, ...]
    nodes: tuple[Node, ...]
    sessions: tuple[Session, ...]
    faults: int
    wrong: str


class Numbered(Generic[T]):
    """Objects by number: equal ones have one, and what is done to one is computed once."""

    def __init__(self, key: Callable[[T], Hashable]) -> None:
        self._key = key
        self._numbers: dict[Hashable, int] = {}
        self._all: list[T] = []
        self._done: dict[Hashable, tuple[int, Any]] = {}

    def __getitem__(self, number: int) -> T:
        return self._all[number]

    def number(self, one: T) -> int:
        key = self._key(one)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._all)
            self._all.append(one)
        return found

    def do(self, number: int, work: Callable[..., Any], *arguments: Hashable) -> tuple[int, Any]:
        """Call `work` with a copy: the copy's number, and what was returned."""
        key = (number, work, arguments)
        done = self._done.get(key)
        if done is None:
            one = copying.deepcopy(self._all[number])
            returned = work(one, *arguments)
            done = self._done[key] = (self.number(one), returned)
        return done


def _key_of_copy(copy: LogCopy) -> Hashable:
    texts = tuple(text for chunk in copy._chunks for text in chunk.texts())
    return copy.generation, copy.complete_at, copy.lease, copy.cursor, texts


def _key_of_ledger(ledger: Ledger) -> Hashable:
    return frozenset(ledger._followers.values())


def _take(copy: LogCopy, sent: int, age: int, probe: Probe) -> bool:
    """Whether it begins again."""
    before = copy.incarnation
    heard = Heard(
        generation=probe.generation, everything=0, lease=float(LEASE), age=float(age), matches=probe.matches,
        complete=probe.complete, items=[msgspec.Raw(_text(item)) for item in _as_items(probe)],
    )  # fmt: skip
    copy.take(float(sent), heard)
    return copy.incarnation != before


def _as_items(probe: Probe) -> list[Item]:
    return [
        Item(cursor=f"{i.position}-{i.nonce}", scope="s", id=i.entry.id, value=i.entry.value, until=i.entry.until)
        for i in probe.items
    ]


def _text(item: Item) -> bytes:
    return msgspec.json.encode(item)


def _page(copy: LogCopy, cursor: Cursor) -> Probe:
    page = copy.page(cursor)
    items = [msgspec.json.decode(text, type=Item) for text in page.texts]
    return probe_of(
        Answer(
            generation=1, everything=0, lease=1.0, age=0.0, matches=page.matches, complete=page.complete, items=items
        )
    )


def _probe(log: Log, cursor: Cursor) -> Probe:
    matches = cursor == Cursor() or any(item[:2] == (cursor.position, cursor.nonce) for item in log.items)
    items = [
        Item(cursor=f"{position}-{nonce}", scope="s", id=f"s{i}", value=9, until=1e9)
        for position, nonce, i in log.items
        if matches and position > cursor.position
    ]
    return probe_of(
        Answer(generation=1, everything=0, lease=1.0, age=0.0, matches=matches, complete=matches, items=items)
    )


class Rules:
    """What can happen next, under one variant in one setting."""

    def __init__(self, variant: Variant, setting: Setting) -> None:
        self.variant = variant
        self.setting = setting
        self.copies = Numbered[LogCopy](_key_of_copy)
        self.ledgers = Numbered[Ledger](_key_of_ledger)
        self.replicas = Numbered[Replica](key_of_replica)
        self._accepts: dict[tuple[int, int, int], bool] = {}

    def start(self) -> World:
        """All have followed an empty log for long, but for the node that is new."""
        setting = self.setting
        nothing = Probe(generation=1, matches=True, items=(), complete=True)
        copy = LogCopy()
        _take(copy, 0, 0, nothing)
        replica = Replica(lease=LEASE)
        replica.adopt(1, 0)
        new = self.replicas.number(copying.deepcopy(replica))
        replica.on_reply(Sent(0, 0), nothing)
        relays = []
        for k in range(setting.relays):
            ledger = Ledger()
            is_last = k == setting.relays - 1
            known = range(setting.nodes - setting.new_node)
            for name in [f"n{i}" for i in known] if is_last else [f"r{k + 1}.0"]:
                ledger.answered(name, Cursor(), 0.0, LEASE)
            relays.append(Relay(self.copies.number(copy), self.ledgers.number(ledger), 0, None))
        nodes = [Node(self.replicas.number(replica), None)] * setting.nodes
        if setting.new_node:
            nodes[-1] = Node(new, None)
        return World(
            now=0,
            log=Log((), (("r0.0", 0, 0),)),
            nonce=1,
            relays=tuple(relays),
            nodes=tuple(nodes),
            sessions=(Session(0, -1, False, None, False),) * setting.sessions,
            faults=setting.most,
            wrong="",
        )

    def broken(self, world: World) -> str:
        """Which promise is broken, "" if none is."""
        for i, session in enumerate(world.sessions):
            if session.ended < 0 or session.void:
                continue
            when = "after wait=all" if session.settled else "after the lease"
            if session.settled or world.now >= session.ended + LEASE:
                for j, node in enumerate(world.nodes):
                    if self.accepts(node, i, world.now):
                        return f"node {j} accepts session {i} {when}"
        return world.wrong

    def accepts(self, node: Node, i: int, now: int) -> bool:
        """Whether the node would accept a token of this session now."""
        key = (node.replica, i, now)
        found = self._accepts.get(key)
        if found is None:
            replica = self.replicas[node.replica]
            found = self._accepts[key] = replica.judge(f"s{i}", 1, "a", 0, "k", now) is Verdict.ACCEPTED
        return found

    def accepting(self, world: World) -> bool:
        """Whether anybody accepts anything."""
        return any(self.accepts(node, 0, world.now) for node in world.nodes)

    def successors(self, world: World) -> Iterator[tuple[str, World]]:
        """Each next world, and what happened."""
        if world.now < self.setting.ticks:
            yield "tick", world._replace(now=world.now + 1)
        for i, session in enumerate(world.sessions):
            if session.ended < 0:
                yield f"session {i} is ended", self._ended(world, i, session)
            if session.waiting is not None and self._may_answer(world, *session.waiting):
                done = session._replace(waiting=None, settled=True)
                yield f"wait=all of {i} answers", _with_session(world, i, done)
        for k, relay in enumerate(world.relays):
            yield from self._of_relay(world, k, relay)
        for i, node in enumerate(world.nodes):
            yield from self._of_node(world, i, node)
        if world.faults:
            yield from self._of_faults(world)

    def _ended(self, world: World, i: int, session: Session) -> World:
        position = (world.log.items[-1][0] if world.log.items else 0) + 1
        log = world.log._replace(items=(*world.log.items, (position, world.nonce, i)))
        waiting = (world.now, position, world.nonce) if self.setting.waits else None
        ended = session._replace(position=position, ended=world.now, waiting=waiting)
        return _with_session(world._replace(log=log, nonce=world.nonce + 1), i, ended)

    def _may_answer(self, world: World, since: int, position: int, nonce: int) -> bool:
        if world.now >= since + LEASE:
            return True
        if not any(item[:2] == (position, nonce) for item in world.log.items):
            return False
        return not any(seen >= world.now - LEASE and applied < position for _, seen, applied in world.log.members)

    # --- Relays ----------------------------------------------------------------------------------------------------

    def _of_relay(self, world: World, k: int, relay: Relay) -> Iterator[tuple[str, World]]:
        copy, asked = self.copies[relay.copy], relay.asked
        if asked is None:
            ledger, applied = self.ledgers.do(relay.ledger, Ledger.applied, copy.cursor, float(world.now))
            if self.variant.speaks_for_itself:
                applied = copy.cursor
            serves = sum(
                1 << i for i, node in enumerate(world.nodes)
                if k == len(world.relays) - 1 and node.asks is not None and node.asks.arrived >= 0
            )  # fmt: skip
            sent = relay._replace(ledger=ledger, asked=Asked(world.now, copy.cursor, applied, serves, None))
            yield f"relay {k} asks", _with_relay(world, k, sent)
            return
        if self.setting.lossy:
            yield f"the question of relay {k} is lost", _with_relay(world, k, relay._replace(asked=None))
        if asked.reply is not None:
            yield f"relay {k} gets the answer", self._taken(world, k, relay, asked, *asked.reply)
        elif k == 0:
            probe = _probe(world.log, asked.cursor)
            matches = _probe(world.log, asked.applied).matches
            served = _with_member(world, f"r0.{relay.name}", asked.applied.position if matches else 0)
            answered = relay._replace(asked=asked._replace(reply=(0, probe)))
            yield "the log answers relay 0", _with_relay(served, 0, answered)
        else:
            name = f"r{k}.{relay.name}"
            said = self._said(world, k - 1, asked.cursor, asked.applied, name, world.now)
            if said is not None:
                upstream, age, probe = said
                answered = relay._replace(asked=asked._replace(reply=(age, probe)))
                yield (
                    f"relay {k - 1} answers relay {k}",
                    _with_relay(_with_relay(world, k - 1, upstream), k, answered),
                )

    def _taken(self, world: World, k: int, relay: Relay, asked: Asked, age: int, probe: Probe) -> World:
        sent = world.now if self.variant.age_from_receipt else asked.sent
        try:
            copy, again = self.copies.do(relay.copy, _take, sent, age, probe)
        except Unavailable:
            return _with_relay(world, k, relay._replace(asked=None))
        ledger = relay.ledger
        if again and not self.variant.keeps_positions:
            ledger, _ = self.ledgers.do(ledger, Ledger.begin_again)
        nodes = tuple(
            node._replace(asks=node.asks._replace(served=True))
            if node.asks is not None and node.asks.arrived >= 0 and asked.serves & 1 << i
            else node
            for i, node in enumerate(world.nodes)
        )
        return _with_relay(world._replace(nodes=nodes), k, Relay(copy, ledger, relay.name, None))

    def _said(
        self, world: World, k: int, cursor: Cursor, applied: Cursor, name: str, arrived: int
    ) -> tuple[Relay, int, Probe] | None:
        """What `Relay.answer` does: the relay, the age and the answer; None if it says nothing."""
        relay = world.relays[k]
        copy = self.copies[relay.copy]
        if copy.lease_left(world.now) <= 0 or cursor.position > copy.cursor.position:
            return None
        probe = _page(copy, cursor)
        if not probe.matches or not copy.holds(applied):
            applied = Cursor()
        ledger = relay.ledger
        known = any(lent.name == name for lent in self.ledgers[ledger]._followers.values())
        if known or cursor != Cursor() or not self.variant.counts_late:
            ledger, _ = self.ledgers.do(ledger, Ledger.answered, name, applied, float(world.now), float(LEASE))
        age = 0 if self.variant.age_ignored else int(copy.age(arrived))
        return relay._replace(ledger=ledger), age, probe

    # --- Nodes -----------------------------------------------------------------------------------------------------

    def _of_node(self, world: World, i: int, node: Node) -> Iterator[tuple[str, World]]:
        asks, replica = node.asks, self.replicas[node.replica]
        if asks is None:
            over = sum(1 << j for j, session in enumerate(world.sessions) if session.ended >= 0 and not session.void)
            question = Question(replica.on_send(world.now), replica.cursor, -1, -1, False, None)
            yield f"node {i} asks", _with_node(world, i, node._replace(asks=question))
            if self.setting.fresh:
                afresh = question._replace(before=over)
                yield f"node {i} asks what is true now", _with_node(world, i, node._replace(asks=afresh))
            return
        if self.setting.lossy:
            yield f"the question of node {i} is lost", _with_node(world, i, node._replace(asks=None))
        if asks.arrived < 0:
            came = _with_node(world, i, node._replace(asks=asks._replace(arrived=world.now)))
            for k, relay in enumerate(world.relays):
                if relay.asked is not None:  # what is under way was sent before
                    serves = relay.asked.serves & ~(1 << i)
                    came = _with_relay(came, k, relay._replace(asked=relay.asked._replace(serves=serves)))
            yield f"the question of node {i} comes", came
        elif asks.reply is not None:
            yield f"node {i} gets the answer", self._learnt(world, i, node, asks, *asks.reply)
        elif asks.before < 0 or asks.served or self.variant.fresh_from_copy:
            k = len(world.relays) - 1
            said = self._said(world, k, asks.cursor, asks.cursor, f"n{i}", asks.arrived)
            if said is not None:
                relay, age, probe = said
                answered = _with_node(world, i, node._replace(asks=asks._replace(reply=(age, probe))))
                yield f"relay {k} answers node {i}", _with_relay(answered, k, relay)

    def _learnt(self, world: World, i: int, node: Node, asks: Question, age: int, probe: Probe) -> World:
        sent = Sent(asks.sent.at - age, asks.sent.splits)
        number, following = self.replicas.do(node.replica, Replica.on_reply, sent, probe)
        wrong = world.wrong
        if asks.before >= 0 and following is Next.DONE:
            for j, session in enumerate(world.sessions):
                refuses = self.replicas[number].refuses(f"s{j}", 1, "a", 0, "k")
                if asks.before & 1 << j and not session.void and not refuses:
                    wrong = f"node {i} takes session {j} for live after it asked what is true now"
        return _with_node(world._replace(wrong=wrong), i, Node(number, None))

    def _of_faults(self, world: World) -> Iterator[tuple[str, World]]:
        faults = self.setting.faults
        spent = world._replace(faults=world.faults - 1)
        for k, relay in enumerate(world.relays):
            anew = Relay(self.copies.number(LogCopy()), self.ledgers.number(Ledger()), relay.name + 1, None)
            if "kill" in faults:
                yield f"relay {k} is killed and starts anew", _with_relay(spent, k, anew)
            if "stop" in faults and k == 0:
                _, anybody = self.ledgers.do(relay.ledger, Ledger.anybody, float(world.now))
                leaves = self.variant.always_leaves or not anybody
                left = _without_member(spent, f"r0.{relay.name}") if leaves else spent
                yield "relay 0 stops and another one starts", _with_relay(left, k, anew)
        if "lose" in faults and world.log.items:
            lost = world.log.items[-1]
            sessions = tuple(one._replace(void=one.void or one.position == lost[0]) for one in world.sessions)
            # of one database: what was written after it is lost with it
            members = tuple((name, seen, min(applied, lost[0] - 1)) for name, seen, applied in world.log.members)
            log = Log(world.log.items[:-1], members)
            yield "the log loses its end", spent._replace(log=log, sessions=sessions)


def _with_session(world: World, i: int, session: Session) -> World:
    return world._replace(sessions=(*world.sessions[:i], session, *world.sessions[i + 1 :]))


def _with_relay(world: World, k: int, relay: Relay) -> World:
    return world._replace(relays=(*world.relays[:k], relay, *world.relays[k + 1 :]))


def _with_node(world: World, i: int, node: Node) -> World:
    return world._replace(nodes=(*world.nodes[:i], node, *world.nodes[i + 1 :]))


def _without_member(world: World, name: str) -> World:
    members = tuple(member for member in world.log.members if member[0] != name)
    return world._replace(log=world.log._replace(members=members))


def _with_member(world: World, name: str, applied: int) -> World:
    rest = _without_member(world, name)
    members = tuple(sorted((*rest.log.members, (name, world.now, applied))))
    return rest._replace(log=rest.log._replace(members=members))
