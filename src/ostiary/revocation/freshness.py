"""What a route does about a replica without a lease, and which routes want to know better than the lease."""

from dataclasses import dataclass
from typing import Literal

from ostiary.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Stale:
    """Accept by what was known up to `most` seconds ago, then ask."""

    most: float


Freshness = Literal["ask", "deny", "fresh"] | Stale
"""`ask`: without a lease the log is asked, for `limits.ASK_SECONDS` at most; without an answer 503. `deny`: without a
lease 503 at once. `fresh`: the log is asked at every request, by all that wait together, whatever the lease."""


def stale(most: float) -> Stale:
    """For a route that would rather answer by old knowledge than not at all. It widens the bound to `most` seconds."""
    return Stale(float(most))


def check_freshness(freshness: Freshness) -> Freshness:
    """As it is; raises Misconfigured for anything else."""
    if isinstance(freshness, Stale):
        if not 0 < freshness.most <= 86_400:
            raise Misconfigured("stale() takes seconds: above 0, at most a day.")
    elif freshness not in ("ask", "deny", "fresh"):
        raise Misconfigured('freshness is "ask", "deny", "fresh" or stale(seconds).')
    return freshness
