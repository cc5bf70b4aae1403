"""The revocation log, as verifiers follow it."""

from typing import Literal

from msgspec import Struct


class FeedItemView(Struct, frozen=True):
    """One line of the revocation log: `value` is the lowest that is still accepted of a session's version (`scope` s),
    an account's (u) or client's (c) epoch, everybody's count (g); for a key (k) 1 means revoked. Entries merge by
    maximum, and may be forgotten at `until` (Unix seconds)."""

    cursor: str
    scope: Literal["s", "u", "c", "k", "g"]
    id: str
    value: int
    until: float


class FeedAnswerView(Struct, frozen=True):
    """What follows the cursor. If it does not match, or `generation` is another one, read again from the start. Goes
    for `lease` seconds from when the question was sent, less `age`."""

    generation: int
    everything: int
    lease: float
    age: float
    matches: bool
    complete: bool
    cursor: str
    items: list[FeedItemView]
