"""What every answer is made of: instants, lifetimes, the bound, and what an ending call did."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from ostiary.services.context import Ended

Instant = Annotated[str, Meta(description="RFC 3339, UTC.", examples=["2026-11-23T22:35:33.120Z"])]
Lifetime = Annotated[int, Meta(ge=0, description="Seconds.")]
Bound = Annotated[
    float, Meta(ge=0, description="Seconds after this answer until no node accepts any more what was ended.")
]


class EndedAnswer(Struct, frozen=True):
    """What an ending call did."""

    ended: Annotated[int, Meta(ge=0)]
    bound: Bound


@lru_cache(maxsize=4096)
def instant(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(math.floor(seconds * 1000) / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ended_answer(ended: Ended) -> EndedAnswer:
    """See `EndedAnswer`."""
    return EndedAnswer(ended=ended.ended, bound=ended.bound)
