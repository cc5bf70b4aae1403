"""What an administrator looks at first: how many log in, how many fail, what lives, and how far behind this process is.

Logins and failures are counted from the audit trail, for all processes and across restarts; an hour that is over never
changes again, so it is counted once. Renewals and the age of what is known of revocations are this process's own, of
the last half hour, from samples that housekeeping asks for.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from ostiary.domain.audit import Event
from ostiary.domain.session import Kind
from ostiary.domain.signing_key import KeyState
from ostiary.services.context import Context

HOURS = 24
SAMPLE_INTERVAL = 10.0  # seconds
_SAMPLES = 180  # half an hour
_HOUR = 3600.0
REFRESH_OUTCOMES = ("rotated", "grace", "reused", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour of the audit trail, from `begins` on (Unix seconds)."""

    begins: float
    logins: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at this process. `age`: seconds since it last knew everything that was revoked; 0 where nobody else can
    revoke, infinite while it knows nothing. `refreshes` are the renewals since the sample before, by outcome."""

    at: float
    age: float
    refreshes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """This process and its store. `lease` in seconds is infinite where nobody else can revoke; `age`: see `Sample`."""

    store: bool
    lease: float
    age: float


class Stats(TypedDict):
    """Counts of the last hour and of now, and what this process holds."""

    live_sessions: int
    enabled_admins: int
    logins_last_hour: int
    failed_logins_last_hour: int
    reused_refresh_tokens_last_hour: int
    signing_keys: int
    revocations_in_memory: int
    bound: float


class Overview:
    """Use cases of looking at everything at once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._samples: deque[Sample] = deque(maxlen=_SAMPLES)
        self._counted = tuple(0 for _ in REFRESH_OUTCOMES)
        self._over: dict[float, Hour] = {}

    async def sample(self) -> None:
        """Take note of this moment. For housekeeping."""
        replica = self._context.replica
        counts = tuple(self._context.measures.refreshes[outcome] for outcome in REFRESH_OUTCOMES)
        since = tuple(now - before for now, before in zip(counts, self._counted, strict=True))
        self._counted = counts
        age = replica.age(self._context.clock.monotonic())
        self._samples.append(Sample(at=self._context.now(), age=age, refreshes=since))

    @property
    def samples(self) -> Sequence[Sample]:
        """The last half hour, the oldest first."""
        return tuple(self._samples)

    async def hours(self) -> list[Hour]:
        """The last day, hour by hour, the oldest first; the last one is still going on."""
        now = self._context.now()
        last = now - now % _HOUR
        starts = [last - back * _HOUR for back in range(HOURS - 1, -1, -1)]
        missing = [start for start in starts if start not in self._over]
        # one count for each edge: what lies between two edges is their difference
        edges = sorted({*missing, *(start + _HOUR for start in missing)})
        logins, failures = await asyncio.gather(
            self._counts(Event.LOGIN_SUCCEEDED, edges), self._counts(Event.LOGIN_FAILED, edges)
        )
        for start in missing:
            after = start + _HOUR
            hour = Hour(begins=start, logins=logins[start] - logins[after], failures=failures[start] - failures[after])
            self._over[start] = hour
        found = [self._over[start] for start in starts]
        # an hour ends for good once no write that began in it can be under way any more
        self._over = {hour.begins: hour for hour in found if hour.begins + _HOUR + 60.0 <= now}
        return found

    async def _counts(self, event: Event, edges: Sequence[float]) -> dict[float, int]:
        count = self._context.store.audit.count_since
        return {edge: await count(event.value, edge) for edge in edges}

    async def live_by_kind(self) -> dict[Kind, int]:
        """How many sessions are live."""
        issuer = await self._context.store.issuer()
        now = self._context.now()
        counts = await asyncio.gather(
            *(
                self._context.store.sessions.count_not_ended(everything=issuer.everything, now=now, kind=kind.value)
                for kind in Kind
            )
        )
        return dict(zip(Kind, counts, strict=True))

    async def administrators(self) -> int:
        """How many could administer right now."""
        return await self._context.store.accounts.count_enabled_admins()

    async def health(self, *, store: bool) -> Health:
        """`store`: whether it could write when it was asked."""
        replica = self._context.replica
        return Health(store=store, lease=replica.lease, age=replica.age(self._context.clock.monotonic()))

    async def stats(self) -> Stats:
        """In numbers: see `Stats`."""
        store = self._context.store
        now = self._context.now()
        issuer = await store.issuer()
        keys = await store.signing_keys.all()
        return {
            "live_sessions": await store.sessions.count_not_ended(everything=issuer.everything, now=now),
            "enabled_admins": await store.accounts.count_enabled_admins(),
            "logins_last_hour": await store.audit.count_since(Event.LOGIN_SUCCEEDED.value, now - 3600),
            "failed_logins_last_hour": await store.audit.count_since(Event.LOGIN_FAILED.value, now - 3600),
            "reused_refresh_tokens_last_hour": await store.audit.count_since(Event.REFRESH_REUSED.value, now - 3600),
            "signing_keys": sum(key.state in (KeyState.ACTIVE, KeyState.UPCOMING) for key in keys if not key.encrypts),
            "revocations_in_memory": len(self._context.replica),
            "bound": self._context.bound,
        }
