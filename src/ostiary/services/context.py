"""What every use case needs, handed in by `compose`."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, overload

import msgspec

from ostiary import limits
from ostiary.clock import Clock
from ostiary.credentials.derived_keys import DerivedKeys
from ostiary.credentials.opaque import encode
from ostiary.domain.audit import AuditEvent, Event
from ostiary.domain.session import Lifetimes
from ostiary.domain.sign_ups import SignUpPolicy
from ostiary.domain.throttle import ThrottlePolicy
from ostiary.errors import Conflict, Unavailable
from ostiary.revocation.entry import Entry
from ostiary.revocation.everywhere import refused_everywhere
from ostiary.revocation.replica import Replica
from ostiary.services.measures import Measures
from ostiary.stores.port import Add, Append, Change, Store

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
_BOUND: ContextVar[float | None] = ContextVar("bound", default=None)
"""Of what the present task wrote last."""
_WAITS: ContextVar[bool] = ContextVar("waits", default=False)
"""Whether the present task waits, after what it ends, until it is refused everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings that services act on. Durations in seconds."""

    issuer: str
    audiences: tuple[str, ...] = ()
    role_scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    throttle: ThrottlePolicy = field(default_factory=ThrottlePolicy)
    sign_ups: SignUpPolicy = field(default_factory=SignUpPolicy)
    max_sessions: int = 20
    refreshes_per_minute: int = 120
    password_min_length: int = 15
    registration_open: bool = True
    status_lists: bool = False
    reauthentication_window: float = 300.0
    clock_leeway: float = 30.0
    signing_algorithm: str = "ES256"
    signing_key_lifetime: float = 7_776_000.0
    encrypt_stateless: bool = False
    binding: str = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is at the other end of this request: for the session's card, the audit trail and the throttle."""

    ip: str = ""
    label: str = ""
    device_mark: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What an ending call reports: how many ended, and after how many seconds no node accepts them any more."""

    ended: int
    bound: float


@dataclass(slots=True)
class Agreed:
    """The longest that any process of a store may trust what it last heard of revocations, in seconds, as far as this
    process has read; and verifiers outside the store."""

    lease: float = 0.0
    lease_of_followers: float = 0.0
    followed_until: float = -math.inf
    unnamed_until: float = -math.inf

    def follow(self, now: float, lease: float, *, named: bool) -> None:
        """A verifier outside the store may go by what it hears at `now` (monotonic) for `lease` seconds. `named`: the
        log knows of it as a node."""
        self.lease_of_followers = max(self.lease_of_followers, lease)
        self.followed_until = max(self.followed_until, now + lease * (1 + limits.CLOCK_DRIFT))
        if not named:
            self.unnamed_until = max(self.unnamed_until, self.followed_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`random` gives that many random bytes. `agreed`: what all processes of this store keep to. `serving`: this
    process verifies credentials."""

    store: Store
    replica: Replica
    clock: Clock
    random: Callable[[int], bytes]
    derived: DerivedKeys
    policy: Policy
    agreed: Agreed = field(default_factory=Agreed)
    serving: bool = False
    measures: Measures = field(default_factory=Measures)

    @property
    def lease(self) -> float:
        """See `Agreed`."""
        return self.agreed.lease

    @property
    def bound(self) -> float:
        """Seconds until no process accepts what this one has just ended: 0 if it alone verifies. To be asked after the
        change was written: a server that starts later reads it before it serves."""
        alone = self.serving and not (self.store.shared and self.store.others_serve())
        followed = self.clock.monotonic() < self.agreed.followed_until
        return max(0.0 if alone else self.lease, self.agreed.lease_of_followers if followed else 0.0)

    def now(self) -> float:
        """Wall time: call it once for each request or command."""
        return self.clock.wall()

    def new_id(self, prefix: str) -> str:
        """128 random bits behind a prefix that says what it names."""
        return f"{prefix}_{encode(self.random(16))}"

    @overload
    async def together(self, one: Awaitable[A], two: Awaitable[B], /) -> tuple[A, B]: ...
    @overload
    async def together(self, one: Awaitable[A], two: Awaitable[B], three: Awaitable[C], /) -> tuple[A, B, C]: ...
    @overload
    async def together(self, *reads: Awaitable[A]) -> tuple[A, ...]: ...
    async def together(self, *reads: Awaitable[Any]) -> tuple[Any, ...]:
        """What several look-ups find. One after the other where each is immediate: a task for each would cost more."""
        if len(reads) > 1 and not self.store.immediate:
            return tuple(await asyncio.gather(*reads))
        return tuple([await read for read in reads])

    async def write(self, *changes: Change, durable: bool = True) -> bool:
        """All or nothing; what was revoked is refused here before this returns. `durable`: see the port."""
        if _WAITS.get():
            changes = tuple(replace(each, awaited=True) if isinstance(each, Append) else each for each in changes)
        if not await self.store.write(*changes, durable=durable):
            return False
        entries = []
        for change in changes:
            if isinstance(change, Append):
                entries.append(change.entry)
            elif isinstance(change, Add) and isinstance(change.record, AuditEvent):
                self.measures.events[change.record.event] += 1
        if entries:
            await self._revoked(entries)
        return True

    async def _revoked(self, entries: list[Entry]) -> None:
        self.replica.apply(entries)
        if self.store.shared:
            # a server that came later may have a longer lease; it said so before it read the log
            self.agreed.lease = max(self.agreed.lease, (await self.store.issuer()).lease)
            _BOUND.set(await self._bound_now())

    async def _bound_now(self) -> float:
        """The bound of what was just written: 0 also on a store that cannot tell at a glance who shares it, if no node
        but this one has asked it within the lease. Whether others happen to have applied it already makes no
        difference: a caller gets the same answer each time."""
        bound = self.bound
        if bound > 0 and self.serving and self.clock.monotonic() >= self.agreed.unnamed_until:
            log, within = self.store.revocations, self.lease * (1 + limits.CLOCK_DRIFT)
            try:
                known, nodes = await asyncio.gather(
                    log.behind(await log.head(), within=within), log.nodes(within=within, limit=2)
                )
            except Unavailable:
                return bound
            is_me = self.clock.monotonic() < self.replica.lease_until
            if known is not None and len(nodes) <= is_me:
                return 0.0
        return bound

    @staticmethod
    def begin() -> None:
        """Another call begins: nothing of an earlier one counts for it. A connection may hand what one call's task has
        set down to those that follow."""
        _WAITS.set(False)
        _BOUND.set(None)

    def will_wait(self) -> None:
        """`everywhere` follows in this task: what it ends meanwhile is written so that the nodes say at once when they
        refuse it."""
        _WAITS.set(True)

    async def everywhere(self, ended: Ended) -> Ended:
        """The same report when no process accepts any more what was ended."""
        if ended.bound > 0:
            lease = max(self.lease, self.agreed.lease_of_followers)
            unnamed = self.agreed.unnamed_until - self.clock.monotonic()
            nudged = _WAITS.get() and _BOUND.get() is not None
            await asyncio.gather(
                refused_everywhere(self.store.revocations, self.clock.monotonic, lease, nudged=nudged),
                asyncio.sleep(max(0.0, unnamed)),  # who says no name cannot say either that it knows
            )
        return replace(ended, bound=0.0)

    def ended(self, count: int) -> Ended:
        """The report of an ending call, by whoever wrote the change."""
        told = _BOUND.get()
        return Ended(ended=count, bound=self.bound if told is None else told)

    def keep_until(self, last_expiry: float, now: float) -> float:
        """How long a revocation must be remembered: until what it refuses has expired everywhere, one-time tokens too,
        and at least for as long as any process may remember having recognised it."""
        latest = max(last_expiry, now + limits.RECOGNISED_SECONDS, now + self.policy.lifetimes.one_time)
        return latest + self.policy.clock_leeway + 2 * self.lease + 5.0

    def audit(
        self,
        event: Event,
        now: float,
        *,
        account_id: str | None = None,
        session_id: str | None = None,
        actor: str | None = None,
        client: Client | None = None,
        **detail: str | float | list[str],
    ) -> Change:
        """An event, to be written with the change that it tells of."""
        return Add(
            AuditEvent(
                id=f"aud_{int(now * 1_000_000):016x}{self.random(6).hex()}",
                at=now,
                event=event.value,
                account_id=account_id,
                session_id=session_id,
                actor=actor if actor is not None else account_id,
                client_ip=client.ip if client else "",
                client_label=client.label if client else "",
                detail=msgspec.json.encode(detail).decode() if detail else "{}",
            )
        )


async def judged_again(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Run `attempt` until it wins its race. It reads, judges and writes anew each time, and returns None if somebody
    else wrote first. Raises Conflict after `limits.SWAP_ATTEMPTS` lost races."""
    for lost in range(limits.SWAP_ATTEMPTS):
        result = await attempt()
        if result is not None:
            return result
        if lost:
            await asyncio.sleep(0)
    raise Conflict
