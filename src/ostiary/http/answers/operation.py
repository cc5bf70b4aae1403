"""Whether the process lives and is ready."""

from typing import Literal

from msgspec import Struct

from ostiary.http.answers.common import Bound, Instant, instant
from ostiary.services.nodes import Member


class CheckView(Struct, frozen=True, omit_defaults=True):
    """One check of readiness. `ok` is null where another check that failed keeps this one from being made."""

    name: str
    ok: bool | None


class RevocationsView(Struct, frozen=True):
    """What this process knows of revocations, in seconds and entries. `lease_left` is null where no other
    process can revoke; `bound`: how long this process may not know of what others end."""

    lease_left: float | None
    age: float | None
    entries: int
    bound: float


class ReadyAnswer(Struct, frozen=True):
    """Whether this process should get requests. `worker`: which of `serve --workers` answered."""

    ready: bool
    checks: list[CheckView]
    worker: int
    revocations: RevocationsView


class HealthAnswer(Struct, frozen=True):
    """The process lives."""

    status: Literal["ok"] = "ok"


class ReplicaView(Struct, frozen=True):
    """What a node holds of what was revoked, in memory."""

    entries: int
    bytes: int


class NodeView(Struct, frozen=True):
    """One process that verifies credentials. `lease_age`: seconds since it last asked what was revoked; once that is
    above `lease` it accepts nothing by what it knows. It has applied the revocation log up to `position`, `behind`
    items before its end. `current`: it made this answer. What a node says of itself is null for verifiers outside the
    store, and `lease` where nobody else can revoke. `client`: the name of the service whose verifier it is, null for a
    process of the store."""

    id: str
    client: str | None
    current: bool
    last_seen_at: Instant
    lease_age: float
    position: int
    behind: int
    host: str | None
    pid: int | None
    worker: int | None
    version: str | None
    started_at: Instant | None
    lease: float | None
    bound: float | None
    replica: ReplicaView | None


class StatsAnswer(Struct, frozen=True):
    """Counts of the last hour and of now, and every node that has been heard of within the last minute (`more_nodes`:
    there are more, and these were silent for longest)."""

    live_sessions: int
    enabled_admins: int
    logins_last_hour: int
    failed_logins_last_hour: int
    reused_refresh_tokens_last_hour: int
    signing_keys: int
    revocations_in_memory: int
    bound: Bound
    nodes: list[NodeView]
    more_nodes: bool


def node_view(member: Member, now: float) -> NodeView:
    """See `NodeView`."""
    facts = member.facts
    return NodeView(
        id=member.name,
        client=member.client or None,
        current=member.here,
        last_seen_at=instant(now - member.silent),
        lease_age=round(member.silent, 3),
        position=member.position,
        behind=member.behind,
        host=facts.host if facts else None,
        pid=facts.pid if facts else None,
        worker=facts.worker if facts else None,
        version=facts.version if facts else None,
        started_at=instant(facts.started_at) if facts else None,
        lease=facts.lease if facts else None,
        bound=facts.bound if facts else None,
        replica=ReplicaView(entries=facts.entries, bytes=facts.bytes) if facts else None,
    )
