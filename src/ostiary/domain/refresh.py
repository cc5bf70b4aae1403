"""Rotation of refresh tokens: what a presented one means. RFC 9700 section 4.14.2, OAuth 2.1 section 4.3.

A refresh token says which session it belongs to and which generation it is, and carries a tag that only this issuer can
make: so an old one can be told from an invented one although only two digests are stored. The rules:

* The current generation rotates: its successor becomes current, it becomes the predecessor.
* The predecessor, within the grace window, gets the same successor again: two tabs may race, a lost answer may be asked
  for again, and exactly one refresh token lives afterwards.
* Any older generation, or the predecessor after its window, was stolen or copied: the session ends.
* A generation below `floor` was replaced by a re-authentication or a password change. It is dead, and whoever shows it
  gained nothing: it is refused, without ending the session that the owner just secured.
"""

from dataclasses import dataclass, field, replace
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshState:
    """What a session remembers of its refresh tokens: digests only.

    `nonce` is the random part of the derivation of the current generation from its predecessor; with it, and the
    predecessor in hand, the issuer can answer a racing tab with the same successor without ever storing it.
    """

    generation: int
    digest: bytes = field(repr=False)
    rotated_at: float
    previous_digest: bytes | None = field(default=None, repr=False)
    nonce: bytes = field(default=b"", repr=False)
    floor: int = 0


class Presented(Enum):
    """What a genuine refresh token of this session means right now."""

    CURRENT = "current"
    PREDECESSOR = "predecessor"
    REUSED = "reused"
    REPLACED = "replaced"
    UNKNOWN = "unknown"


def judge(state: RefreshState, *, generation: int, digest: bytes, now: float, grace: float) -> Presented:
    """Which rule applies. `digest` is that of the presented token, whose tag has been checked.

    Digests are compared with `==`: they are keyed hashes of 256 random bits, and what their comparison could leak
    helps nobody to find a preimage.
    """
    if generation < state.floor:
        return Presented.REPLACED
    if generation == state.generation:
        return Presented.CURRENT if digest == state.digest else Presented.UNKNOWN
    if generation > state.generation:
        return Presented.UNKNOWN  # issued by a store that was rolled back: not ours to trust, nor a theft
    if generation == state.generation - 1 and digest == state.previous_digest and now < state.rotated_at + grace:
        return Presented.PREDECESSOR
    return Presented.REUSED


def rotate(state: RefreshState, *, digest: bytes, nonce: bytes, now: float) -> RefreshState:
    """The next generation is current, today's current is the predecessor."""
    return replace(
        state,
        generation=state.generation + 1,
        digest=digest,
        previous_digest=state.digest,
        nonce=nonce,
        rotated_at=now,
    )


def replace_all(state: RefreshState, *, digest: bytes, now: float) -> RefreshState:
    """A fresh generation with no predecessor: everything issued before is dead, without a grace window."""
    generation = state.generation + 1
    return RefreshState(generation=generation, digest=digest, rotated_at=now, floor=generation)
