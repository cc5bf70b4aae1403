"""A world in which the revocation protocol runs: one log, a few nodes, two sessions to be ended, and what can go wrong.

Every step that can happen next is a successor, so a search over successors sees every interleaving. Time is whole
ticks, a lease is `LEASE` of them. The nodes' decisions are not modelled: they are `Replica`'s own, called with the
world's clock; so are the answers "who is behind" that `?wait=all` rests on and the count of "everything" that a lost
log raises, both stated here in the words of the port's and the keeper's documentation.

A `Variant` replaces one rule by what people do instead. The world is the same for all of them.
"""

import copy as copying
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ostiary.domain.account import EPOCHS_PER_EVERYTHING
from ostiary.revocation.entry import Cursor, Entry, Hint, LogItem, Probe, Scope
from ostiary.revocation.knowledge import Knowledge, Verdict
from ostiary.revocation.packed import Packed
from ostiary.revocation.replica import Next, Replica, Sent
from ostiary.revocation.reread import Reread
from ostiary.revocation.table import Table

LEASE = 2
_LATER = 1_000_000.0
_MARK = "m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Ours, unless a field says otherwise."""

    name: str = "ours"
    probes: bool = True  # False: nothing but messages, and what was not heard is accepted
    pings: bool = False  # a live connection renews the lease; messages tell what was revoked
    lease_from_receipt: bool = False
    probe_is_a_read: bool = False
    serial_positions: bool = False  # given when a write begins, seen when it commits
    cursor_is_a_length: bool = False
    registers_late: bool = False  # known to `behind` from the first answer that was applied on
    answers_before_durable: bool = False
    trusts_a_new_log: bool = False  # and gives leases by it at once
    trusts_new_members: bool = False  # `behind` does not mind that the log was just made
    forgets_at_once: bool = False  # what a mark covers is dropped as soon as the covering entry is read
    messages_move_the_cursor: bool = False  # whatever they continue
    messages_continue_a_position: bool = False  # whichever item stands there
    messages_lend: bool = False  # those that move the cursor renew the lease
    acknowledges_what_it_hears: bool = False  # without having read what stands before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How much of it. `faults` may happen `most` times in all; a probe or its answer can be lost at any time."""

    nodes: int = 1
    ticks: int = 5
    sessions: int = 2
    faults: frozenset[str] = frozenset()
    most: int = 1
    waits: bool = False  # every call that ends a session asks for `?wait=all`
    marks: bool = False  # somebody makes room
    own_node: bool = False  # sessions are ended by node 0, which applies its own entries, and promises a bound of 0
    messages: bool = True


class Log(NamedTuple):
    """Items are (position, nonce, entry). `members`: for each node None, or when it probed and what it acknowledged."""

    generation: int
    born: int
    items: tuple[tuple[int, int, Entry], ...]
    durable: int
    members: tuple[tuple[int, int] | None, ...]


class Flight(NamedTuple):
    """A probe under way, and its answer once the log has given it."""

    sent: Sent
    cursor: Cursor
    reply: Probe | None


class Node(NamedTuple):
    """`replica` is a number in the `Replicas`. `at_old`: connected to the primary that is no longer one. `heard`: the
    messages that were sent to it, as bits: each may arrive at any time, in any order, again and again, or never."""

    replica: int
    at_old: bool
    flight: Flight | None
    heard: int


class Session(NamedTuple):
    """`count`: of "everything" when it logged in, -1 before. `position`: in the log, once given. `ended`: when the
    call that ended it answered, -1 before. `void`: the log lost its end although it had promised not to. `waiting`:
    since when, and for which item, its `?wait=all` waits; `settled`: that has answered. `told`: after which item it
    was appended and as which, which is what the message of it says."""

    count: int
    position: int
    ended: int
    void: bool
    waiting: tuple[int, int, int] | None
    settled: bool
    told: tuple[Cursor, Cursor] | None = None


class World(NamedTuple):
    """All of it."""

    now: int
    log: Log
    old: Log | None
    everything: int
    issuer_log: int
    nonce: int
    nodes: tuple[Node, ...]
    sessions: tuple[Session, ...]
    faults: int
    marked: int  # 0: not yet, 1: the mark is in the log, 2: and what covers it


_NODES = World._fields.index("nodes")  # `_replace` asks for names, and takes three times as long
_SESSIONS = World._fields.index("sessions")


class Replicas:
    """Replicas by number: equal ones have one, and what is done to one is computed once."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._replicas: list[Replica] = []
        self._done: dict[Hashable, tuple[int, object]] = {}

    def __getitem__(self, number: int) -> Replica:
        return self._replicas[number]

    def number(self, replica: Replica) -> int:
        """Of a replica that nobody changes any more."""
        key = _key(replica)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self._replicas)
            self._replicas.append(replica)
        return found

    def do(self, number: int, name: str, *arguments: object) -> tuple[int, object]:
        """Call a method of a copy: the copy's number, and what was returned."""
        key = (number, name, arguments)
        done = self._done.get(key)
        if done is None:
            copy = _copied(self._replicas[number])
            returned = getattr(copy, name)(*arguments)
            done = self._done[key] = (self.number(copy), returned)
        return done


def _tables(replica: Replica) -> list[Table]:
    return [replica._sessions, replica._accounts, replica._clients, replica._keys]


def _copied(replica: Replica) -> Replica:
    copy = object.__new__(Replica)
    for name in (*Knowledge.__slots__, *Replica.__slots__):
        value = getattr(replica, name)
        if isinstance(value, Table):
            table = Table(value._prefix, packs=value._packs, young=value._young)
            for entry_id, lowest, until in value.entries():
                table.raise_to(entry_id, lowest, until)
            value = table
        elif isinstance(value, set | dict):
            value = value.copy()
        elif isinstance(value, Reread):
            value = _copied_reread(value)
        setattr(copy, name, value)
    return copy


def _copied_reread(reread: Reread) -> Reread:
    copy = Reread()
    copy._values = reread._values.copy()
    for name in Packed.__slots__:
        setattr(copy._ended, name, copying.copy(getattr(reread._ended, name)))
    return copy


def _key(replica: Replica) -> Hashable:
    held = tuple(frozenset(table.known.items()) for table in _tables(replica))
    before = replica._before_mark
    return (
        replica.cursor,
        replica.generation,
        replica.floor,
        replica._firm_floor,
        replica.lease_until,
        held,
        None if before is None else frozenset(before.known.items()),
        frozenset(replica._marks),
        frozenset(replica._covering),
        replica._covered,
        replica._splits,
        replica._read_whole,
    )


class Rules:
    """What can happen next, under one variant in one setting."""

    def __init__(self, variant: Variant, setting: Setting) -> None:
        self.variant = variant
        self.setting = setting
        self._can_count = "wipe" in setting.faults or setting.marks
        self.replicas = Replicas()
        self._accepts: dict[tuple[int, int, int, int], bool] = {}

    def start(self) -> World:
        """Nodes that have followed an empty log for long; session 0 has logged in, the others will."""
        setting = self.setting
        replica = Replica(lease=LEASE)
        replica.adopt(1, 0)
        number = self.replicas.number(replica)
        number, _ = self.replicas.do(
            number, "on_reply", Sent(0, 0), Probe(generation=1, matches=True, items=(), complete=True)
        )
        members = tuple((0, 0) for _ in range(setting.nodes))
        return World(
            now=0,
            log=Log(generation=1, born=-LEASE, items=(), durable=0, members=members),
            old=None,
            everything=0,
            issuer_log=1,
            nonce=1,
            nodes=tuple(Node(number, False, None, 0) for _ in range(setting.nodes)),
            sessions=tuple(
                Session(0 if i == 0 or not self._can_count else -1, 0, -1, False, None, False)
                for i in range(setting.sessions)
            ),
            faults=setting.most,
            marked=0,
        )

    # --- What must never be ----------------------------------------------------------------------------------------

    def broken(self, world: World) -> str:
        """Which promise is broken, "" if none is."""
        for i, session in enumerate(world.sessions):
            if session.ended < 0 or session.void:
                continue
            for j, node in enumerate(world.nodes):
                if self.setting.own_node and j == 0:
                    when = "after it ended it itself"
                elif session.settled:
                    when = "after wait=all"
                elif world.now >= session.ended + LEASE:
                    when = "after the lease"
                else:
                    continue
                if self.accepts(node, i, session.count, world.now):
                    return f"node {j} accepts session {i} {when}"
        return ""

    def accepts(self, node: Node, i: int, count: int, now: int) -> bool:
        """Whether the node would accept a token of this session now."""
        key = (node.replica, i, count, now)
        found = self._accepts.get(key)
        if found is None:
            replica = self.replicas[node.replica]
            epoch = count * EPOCHS_PER_EVERYTHING
            if self.variant.probes or self.variant.pings:
                found = replica.judge(f"s{i}", 1, "a", epoch, "k", now) is Verdict.ACCEPTED
            else:
                found = not replica.refuses(f"s{i}", 1, "a", epoch, "k")
            self._accepts[key] = found
        return found

    def accepting(self, world: World) -> bool:
        """Whether any node would accept a token of session 0 that was made before anything was ended."""
        return any(self.accepts(node, 0, 0, world.now) for node in world.nodes)

    # --- What can happen -------------------------------------------------------------------------------------------

    def successors(self, world: World) -> Iterator[tuple[str, World]]:
        """Each next world, and what happened."""
        if world.now < self.setting.ticks:
            yield "tick", World(world.now + 1, *world[1:])
        for i, session in enumerate(world.sessions):
            yield from self._of_session(world, i, session)
        for i, node in enumerate(world.nodes):
            yield from self._of_node(world, i, node)
        if self.setting.marks:
            yield from self._of_room(world)
        if world.faults:
            yield from self._of_faults(world)

    def _of_session(self, world: World, i: int, session: Session) -> Iterator[tuple[str, World]]:
        if session.count < 0:
            yield f"session {i} logs in", _with_session(world, i, session._replace(count=world.everything))
        elif session.ended < 0 and self.variant.serial_positions:
            if not session.position:
                taken = [item[0] for item in world.log.items] + [other.position for other in world.sessions]
                began = session._replace(position=max(taken, default=0) + 1)
                yield f"ending {i} takes position {began.position}", _with_session(world, i, began)
            else:
                yield f"ending {i} commits", self._ended(world, i, session, session.position)
        elif session.ended < 0 and (self._can_count or i == 0 or world.sessions[i - 1].ended >= 0):
            # where all are logged in from the start, one is like the other: they are ended in their order
            yield f"session {i} is ended", self._ended(world, i, session, _head(world.log)[0] + 1)
        if session.waiting is not None and self._may_answer(world, *session.waiting):
            yield f"wait=all of {i} answers", _with_session(world, i, session._replace(waiting=None, settled=True))

    def _ended(self, world: World, i: int, session: Session, position: int) -> World:
        entry = Entry(scope=Scope.SESSION, id=f"s{i}", value=9, until=_LATER)
        log = _with_item(world.log, (position, world.nonce, entry))
        if not self.variant.answers_before_durable:
            log = log._replace(durable=len(log.items))
        hears = 1 << i if self.setting.messages else 0
        nodes = tuple(node if node.at_old else node._replace(heard=node.heard | hears) for node in world.nodes)
        if self.setting.own_node:
            own = nodes[0]
            number, _ = self.replicas.do(own.replica, "apply", (entry,))
            nodes = (own._replace(replica=number, heard=0), *nodes[1:])
        waiting = (world.now, *_head(log)) if self.setting.waits else None
        newest = _head(world.log)
        told = (Cursor(position=newest[0], nonce=newest[1]), Cursor(position=position, nonce=world.nonce))
        ended = session._replace(position=position, ended=world.now, waiting=waiting, told=told if hears else None)
        return _with_session(world._replace(log=log, nonce=world.nonce + 1, nodes=nodes), i, ended)

    def _may_answer(self, world: World, since: int, position: int, nonce: int) -> bool:
        return world.now >= since + LEASE or self._behind(world, position, nonce) == 0

    def _behind(self, world: World, position: int, nonce: int) -> int | None:
        log = world.log
        if not any(item[:2] == (position, nonce) for item in log.items):
            return None
        if world.now < log.born + LEASE and not self.variant.trusts_new_members:
            return None
        known = [member for member in log.members if member is not None]
        return sum(seen >= world.now - LEASE and acknowledged < position for seen, acknowledged in known)

    def _of_node(self, world: World, i: int, node: Node) -> Iterator[tuple[str, World]]:
        if self.variant.probes:
            yield from self._of_probe(world, i, node)
        if self.variant.pings and not node.at_old:
            pinged = Probe(generation=1, matches=True, items=(), complete=True)
            number, _ = self.replicas.do(node.replica, "on_reply", Sent(world.now, 0), pinged)
            yield f"node {i} is connected", _with_node(world, i, node._replace(replica=number))
        if self.setting.waits:
            yield from self._of_acknowledging(world, i, node)
        for j, session in enumerate(world.sessions):
            if node.heard & 1 << j and session.told is not None:
                number, _ = self.replicas.do(node.replica, "told", self._message(node, j, *session.told))
                if self.variant.messages_lend and self.replicas[number].cursor == session.told[1]:
                    complete = Probe(generation=world.log.generation, matches=True, items=(), complete=True)
                    number, _ = self.replicas.do(number, "on_reply", Sent(world.now, 0), complete)
                heard = _with_node(world, i, Node(number, node.at_old, node.flight, node.heard))
                member = world.log.members[i]
                if self.variant.acknowledges_what_it_hears and member is not None:
                    heard = _with_member(heard, i, (member[0], session.position))
                yield f"node {i} hears of {j}", heard

    def _of_acknowledging(self, world: World, i: int, node: Node) -> Iterator[tuple[str, World]]:
        member = world.log.members[i]
        if member is None or node.at_old:
            return
        cursor = self.replicas[node.replica].cursor
        if (cursor.position, cursor.nonce) == _head(world.log) and cursor.position != member[1]:
            yield f"node {i} acknowledges", _with_member(world, i, (member[0], cursor.position))

    def _message(self, node: Node, j: int, after: Cursor, reached: Cursor) -> Hint:
        stands = self.replicas[node.replica].cursor
        if self.variant.messages_move_the_cursor or (
            self.variant.messages_continue_a_position and after.position == stands.position
        ):
            after = stands
        entry = Entry(scope=Scope.SESSION, id=f"s{j}", value=9, until=_LATER)
        return Hint(entries=(entry,), after=after, reached=reached)

    def _of_probe(self, world: World, i: int, node: Node) -> Iterator[tuple[str, World]]:
        flight = node.flight
        if flight is None:
            replica = self.replicas[node.replica]
            sent = Flight(replica.on_send(world.now), replica.cursor, None)
            yield f"node {i} sends a probe", _with_node(world, i, _flying(node, sent))
            return
        yield f"the probe of node {i} is lost", _with_node(world, i, _flying(node, None))
        if flight.reply is None:
            if node.at_old:
                if self.variant.probe_is_a_read and world.old is not None:
                    reply = self._probed(world.old, flight.cursor)
                    yield (
                        f"the old primary answers node {i}",
                        _with_node(world, i, _flying(node, Flight(flight.sent, flight.cursor, reply))),
                    )
                return
            reply = self._probed(world.log, flight.cursor)
            served = _with_node(world, i, _flying(node, Flight(flight.sent, flight.cursor, reply)))
            acknowledged = flight.cursor.position if reply.matches else 0
            first = world.log.members[i] is None
            if not (self.variant.registers_late and first):
                served = _with_member(served, i, (world.now, acknowledged))
            yield f"the log answers node {i}", served
        else:
            yield f"node {i} gets the answer", self._delivered(world, i, node, flight, flight.reply)

    def _probed(self, log: Log, cursor: Cursor) -> Probe:
        items = tuple(LogItem(position=position, nonce=nonce, entry=entry) for position, nonce, entry in log.items)
        at = [item for item in items if item.position == cursor.position]
        if cursor != Cursor() and not any(self.variant.cursor_is_a_length or item.nonce == cursor.nonce for item in at):
            return Probe(generation=log.generation, matches=False, items=(), complete=False)
        later = tuple(item for item in items if item.position > cursor.position)
        return Probe(generation=log.generation, matches=True, items=later, complete=True)

    def _delivered(self, world: World, i: int, node: Node, flight: Flight, reply: Probe) -> World:
        sent = replace(flight.sent, at=world.now) if self.variant.lease_from_receipt else flight.sent
        if self.variant.forgets_at_once:
            sent = replace(sent, splits=1)
        number, following = self.replicas.do(node.replica, "on_reply", sent, reply)
        if following is Next.ADOPT:
            if self.variant.trusts_a_new_log:
                number, _ = self.replicas.do(number, "adopt", reply.generation, 0)
            else:
                known = self.replicas[number].everything
                world = _adopted(world, reply.generation, known)
                number, _ = self.replicas.do(number, "adopt", reply.generation, world.everything)
        changed = _with_node(world, i, Node(number, node.at_old, None, node.heard))
        if self.variant.registers_late and following is Next.DONE and world.log.members[i] is None:
            changed = _with_member(changed, i, (world.now, 0))
        return changed

    def _of_room(self, world: World) -> Iterator[tuple[str, World]]:
        if world.marked < 2:
            value = 0 if world.marked == 0 else world.everything + 1
            entry = Entry(scope=Scope.EVERYTHING, id=_MARK, value=value, until=_LATER)
            log = _with_item(world.log, (_head(world.log)[0] + 1, world.nonce, entry))
            log = log._replace(durable=len(log.items))
            yield (
                "a mark" if world.marked == 0 else "everything is ended, naming the mark",
                world._replace(
                    log=log,
                    nonce=world.nonce + 1,
                    marked=world.marked + 1,
                    everything=max(world.everything, value),
                ),
            )

    def _of_faults(self, world: World) -> Iterator[tuple[str, World]]:
        faults = self.setting.faults
        spent = world._replace(faults=world.faults - 1)
        log = world.log
        if "restart" in faults:
            for i in range(len(world.nodes)):
                anew = _with_node(spent, i, Node(self.replicas.number(Replica(lease=LEASE)), False, None, 0))
                yield f"node {i} starts anew", _with_member(anew, i, None)
        if "crash" in faults and log.durable < len(log.items):
            yield "the log crashes", spent._replace(log=log._replace(items=log.items[: log.durable]))
        if "lose" in faults and log.items:
            lost = log.items[-1]
            sessions = tuple(
                session._replace(void=session.void or session.position == lost[0]) for session in world.sessions
            )
            rest = log._replace(items=log.items[:-1], durable=len(log.items) - 1)
            yield "the log loses its end", spent._replace(log=rest, sessions=sessions)
        if "wipe" in faults:
            members: tuple[None, ...] = tuple(None for _ in world.nodes)
            anew_log = Log(generation=log.generation + 1, born=world.now, items=(), durable=0, members=members)
            yield "the log is wiped", spent._replace(log=anew_log)
        if "failover" in faults and world.old is None:
            nodes = tuple(node._replace(at_old=True) for node in world.nodes)
            yield "another primary takes over", spent._replace(old=log, nodes=nodes)
        for i, node in enumerate(world.nodes):
            if node.at_old:
                yield f"node {i} finds the new primary", _with_node(world, i, node._replace(at_old=False))


def _adopted(world: World, generation: int, known: int | None) -> World:
    """What `LogKeeping.adopt` does, in one write."""
    if world.issuer_log == generation and (known is None or world.everything > known):
        return world
    everything = max(world.everything, known or 0) + 1
    entry = Entry(scope=Scope.EVERYTHING, id="", value=everything, until=_LATER)
    log = _with_item(world.log, (_head(world.log)[0] + 1, world.nonce, entry))
    log = log._replace(durable=len(log.items))
    return world._replace(log=log, nonce=world.nonce + 1, everything=everything, issuer_log=generation)


def _head(log: Log) -> tuple[int, int]:
    return log.items[-1][:2] if log.items else (0, 0)


def _with_item(log: Log, item: tuple[int, int, Entry]) -> Log:
    return log._replace(items=tuple(sorted((*log.items, item), key=lambda one: one[0])))


def _with_session(world: World, i: int, session: Session) -> World:
    sessions = (*world.sessions[:i], session, *world.sessions[i + 1 :])
    return World(*world[:_SESSIONS], sessions, *world[_SESSIONS + 1 :])


def _with_node(world: World, i: int, node: Node) -> World:
    nodes = (*world.nodes[:i], node, *world.nodes[i + 1 :])
    return World(*world[:_NODES], nodes, *world[_NODES + 1 :])


def _flying(node: Node, flight: Flight | None) -> Node:
    return Node(node.replica, node.at_old, flight, node.heard)


def _with_member(world: World, i: int, member: tuple[int, int] | None) -> World:
    members = (*world.log.members[:i], member, *world.log.members[i + 1 :])
    return World(world.now, Log(*world.log[:-1], members), *world[2:])
