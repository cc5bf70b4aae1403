"""Regions, relays and nodes around one log, in virtual time; nodes and relays run the feed and the replica of servers.

The log is in the first region. Each region has a root, which asks the log; relays ask their root, nodes ask a relay. A
relay hands on the very items that it holds, and says how old its knowledge is; whoever asks it takes that age off its
lease. Every node is simulated. Revocations are thinned: one stands for `Plan.stands_for`, and takes as many bytes on a
relay's way out.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Iterable

from tests.unit.revocation.virtual import now, run

from benchmarks.simulation.plan import RESOLUTION, Plan, Seen
from ostiary.clock import Clock
from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import OstiaryError, Unavailable
from ostiary.revocation.entry import Cursor, Entry, Hint, LogItem, Probe, Scope
from ostiary.revocation.feed import Feed
from ostiary.revocation.replica import Next, Replica, Sent

SAMPLE = 0.1  # seconds between counts of leases
WARM = 1.5  # seconds before anything is ended: all have a lease by then


class Watched(Replica):
    """A replica that notes when it learns of a revocation, and takes the age of an answer off its lease."""

    __slots__ = ("age_told", "region", "world")

    def __init__(self, world: "World", region: int, lease: float) -> None:
        super().__init__(lease=lease)
        self.world = world
        self.region = region
        self.age_told = 0.0

    def on_reply(self, sent: Sent, reply: Probe) -> Next:
        self._note(item.entry for item in reply.items)
        age = self.age_told if self.world.plan.age_counts else 0.0
        return super().on_reply(Sent(sent.at - age, sent.splits), reply)

    def hint(self, entries: Iterable[Entry]) -> None:
        entries = tuple(entries)
        self._note(entries)
        super().hint(entries)

    def _note(self, entries: Iterable[Entry]) -> None:
        if self.region >= 0:
            for entry in entries:
                if not self._sessions.holds(entry.id):
                    self.world.learnt(self, entry)


class Follower:
    """A node or a relay: its feed, and the source that it asks."""

    def __init__(self, world: "World", at: int, region: int, upstream: "list[Upstream]", *, relay: bool) -> None:
        plan = world.plan
        self.replica = Watched(world, -1 if relay else region, plan.relay_lease if relay else plan.lease)
        self.chance = random.Random(plan.seed * 1_000_003 + at)
        self.source = Source(self, upstream, at)
        clock = Clock(wall=now, monotonic=now)
        self.feed = Feed(self.replica, self.source, clock, world, chance=self.chance.random)

    async def live(self) -> None:
        await asyncio.sleep(self.chance.random() * self.replica.lease / 4)
        while True:
            try:
                await self.feed.start(follow=True)
                return
            except OstiaryError:
                await asyncio.sleep(0.1)


class Upstream:
    """Whom followers ask: the log itself, or a relay that holds what its own replica has read of it."""

    def __init__(self, world: "World", way: float, own: Follower | None) -> None:
        self.world = world
        self.way = way
        self.own = own
        self.followers: list[Source] = []
        self.cut = False
        self.probes = 0
        self.sending_until = 0.0
        self.sent = 0.0

    @property
    def held(self) -> int:
        return len(self.world.items) if self.own is None else self.own.replica.cursor.position

    def travel(self, chance: random.Random) -> float:
        return self.way + chance.random() * self.world.plan.near

    def sends(self, items: int) -> float:
        """Seconds until so many items have left, after those that were to be sent before."""
        if self.own is None:
            return 0.0
        plan = self.world.plan
        took = items * plan.stands_for * plan.item_bytes / plan.way_out
        self.sending_until = max(self.sending_until, now()) + took
        self.sent += took
        return self.sending_until - now()

    def tell(self, entries: tuple[Entry, ...]) -> None:
        """Hand a hint on."""
        loop = asyncio.get_running_loop()
        if self.cut:
            return
        for follower in self.followers:
            delay = self.sends(len(entries)) + self.travel(follower.follower.chance)
            loop.call_later(delay, follower.hear, self, entries)

    def answer(self, cursor: Cursor, limit: int) -> tuple[Probe, float]:
        """And its age. Raises Unavailable where a relay knows less than who asks: that is no other log."""
        self.probes += 1
        held = self.held
        if cursor.position > held:
            raise Unavailable(private="this relay has not read so far")
        items = tuple(self.world.items[cursor.position : min(held, cursor.position + limit)])
        matches = cursor.position == 0 or self.world.items[cursor.position - 1].nonce == cursor.nonce
        complete = cursor.position + len(items) == held
        age = 0.0 if self.own is None else self.own.replica.age(now())
        return Probe(generation=1, matches=matches, items=items, complete=complete), age


class Source:
    """`ostiary.revocation.feed.Source` over a line that takes time and may be cut."""

    def __init__(self, follower: Follower, upstream: list[Upstream], at: int) -> None:
        self.follower = follower
        self._choice = upstream
        self._at = at % len(upstream)
        self._heard: asyncio.Queue[tuple[Entry, ...]] = asyncio.Queue()
        self.passes_on: Upstream | None = None
        self._up.followers.append(self)

    @property
    def _up(self) -> Upstream:
        return self._choice[self._at]

    def _turn(self) -> None:
        """To another relay, any of them."""
        if len(self._choice) > 1:
            self._up.followers.remove(self)
            self._at = self.follower.chance.randrange(len(self._choice))
            self._up.followers.append(self)

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:  # noqa: ARG002
        up, chance = self._up, self.follower.chance
        try:
            await self._travel(up, up.travel(chance))
            reply, age = up.answer(cursor, limit)
            await self._travel(up, up.sends(len(reply.items)) + up.travel(chance))
        except asyncio.CancelledError:
            if up.cut:
                self._turn()
            raise
        # from the moment of the answer; the way back is in the lease already, which runs from the sending
        self.follower.replica.age_told = age
        return reply

    async def _travel(self, up: Upstream, seconds: float) -> None:
        if not up.cut:
            await asyncio.sleep(seconds)
        if up.cut:
            await asyncio.Event().wait()

    async def catch_up(self, cursor: Cursor) -> Probe | None:  # noqa: ARG002
        return None

    def hear(self, up: Upstream, entries: tuple[Entry, ...]) -> None:
        if not up.cut and up is self._up:
            self._heard.put_nowait(entries)

    async def hints(self) -> AsyncIterator[Hint]:
        while True:
            entries = await self._heard.get()
            yield Hint(entries=entries)
            if self.passes_on is not None:
                self.passes_on.tell(entries)

    async def leave(self, node: str) -> None:
        pass


class World:
    """All of it. Also the feeds' keeper: the log is never lost here."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.items: list[LogItem] = []
        self._ended: dict[str, float] = {}
        regions = len(plan.ways)
        self.seen = Seen(plan, learnt=[{} for _ in range(regions)], leased=[[] for _ in range(regions)])
        self.logs = [Upstream(self, way, None) for way in plan.ways]
        self.relays: list[list[Upstream]] = []
        self.followers: list[Follower] = []
        self.nodes: list[list[Follower]] = []
        for region, log in enumerate(self.logs):
            root = self._relay(region, [log])
            relays = [self._relay(region, [root]) for _ in range(plan.relays)]
            self.relays.append([root, *relays])
            count = (plan.nodes + region) // regions
            self.nodes.append([self._follower(region, relays, relay=False) for _ in range(count)])

    def _follower(self, region: int, upstream: list[Upstream], *, relay: bool) -> Follower:
        follower = Follower(self, len(self.followers), region, upstream, relay=relay)
        self.followers.append(follower)
        return follower

    def _relay(self, region: int, upstream: list[Upstream]) -> Upstream:
        follower = self._follower(region, upstream, relay=True)
        relay = follower.source.passes_on = Upstream(self, self.plan.near, follower)
        return relay

    async def keys_changed(self) -> None: ...

    async def adopt(self, generation: int, known: int | None) -> int:  # noqa: ARG002
        return known or 0

    async def restore(self, entries: Iterable[Entry]) -> None: ...

    async def make_room(self) -> None: ...

    def learnt(self, replica: Watched, entry: Entry) -> None:
        """A node refuses from now on."""
        since = self._ended[entry.id]
        learnt = self.seen.learnt[replica.region]
        at = int((now() - since) / RESOLUTION)
        learnt[at] = learnt.get(at, 0) + 1
        self._accepted(min(now(), replica.lease_until) - since)

    def _accepted(self, until: float) -> None:
        self.seen.pairs += 1
        self.seen.latest = max(self.seen.latest, until)
        self.seen.late += until > self.plan.lease + 1e-9

    async def run(self) -> Seen:
        """To the end."""
        plan, living = self.plan, [asyncio.create_task(follower.live()) for follower in self.followers]
        watching = [asyncio.create_task(work) for work in (self._count(), self._trouble())]
        await asyncio.sleep(WARM)
        await self._end_sessions()
        await asyncio.sleep(plan.after)
        for task in (*living, *watching):
            task.cancel()
        for nodes in self.nodes:
            for node in nodes:
                for session, since in self._ended.items():
                    if not node.replica._sessions.holds(session):
                        self.seen.unknown += 1
                        self._accepted(min(now(), node.replica.lease_until) - since)
        self.seen.probes_of_log = sum(log.probes for log in self.logs)
        relays = [relay for of_region in self.relays for relay in of_region]
        self.seen.probes_of_relays = sum(relay.probes for relay in relays)
        self.seen.busiest = max(relay.sent for relay in relays) / plan.seconds
        return self.seen

    async def _end_sessions(self) -> None:
        plan = self.plan
        chance = random.Random(plan.seed)
        began, rate, due = now(), plan.per_second / plan.stands_for, 0.0
        untold: list[Entry] = []
        for batch in range(1, math.ceil(plan.seconds / plan.batch) + 1):
            while due < min(batch * plan.batch, plan.seconds):
                await asyncio.sleep(max(0.0, began + due - now()))
                session = f"ses_{chance.getrandbits(88):022x}"
                entry = Entry(scope=Scope.SESSION, id=session, value=ENDED_VERSION, until=1e12)
                item = LogItem(position=len(self.items) + 1, nonce=chance.getrandbits(31) + 1, entry=entry)
                self.items.append(item)
                self._ended[session] = now()
                untold.append(entry)
                due += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, began + batch * plan.batch - now()))
            if plan.hints and untold:
                for log in self.logs:
                    log.tell(tuple(untold))
            untold = []

    async def _count(self) -> None:
        await asyncio.sleep(WARM)
        while True:
            for leased, nodes in zip(self.seen.leased, self.nodes, strict=True):
                leased.append(sum(now() < node.replica.lease_until for node in nodes) / len(nodes))
            await asyncio.sleep(SAMPLE)

    async def _trouble(self) -> None:
        plan = self.plan
        if plan.cut is not None:
            await asyncio.sleep(WARM + plan.cut[0])
            self.logs[-1].cut = True
            await asyncio.sleep(plan.cut[1] - plan.cut[0])
            self.logs[-1].cut = False
        if plan.dead is not None:
            await asyncio.sleep(WARM + plan.dead)
            for relays in self.relays:
                for relay in relays[1::10]:
                    relay.cut = True


def simulate(plan: Plan) -> Seen:
    """The same plan gives the same result."""

    async def main() -> Seen:
        world = World(plan)
        try:
            return await world.run()
        finally:
            for follower in world.followers:
                for task in follower.feed._tasks:
                    task.cancel()
            await asyncio.sleep(0)

    return run(main)
