"""Whether the process lives and is ready."""

from typing import Literal

from msgspec import Struct


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
