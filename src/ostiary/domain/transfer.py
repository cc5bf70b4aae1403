"""When a file counts as delivered once. Pure rules.

A spent one-time token gives a transfer, and a transfer may take several answers: a broken one is resumed, a download
manager asks for parts at the same time. In words:

* A transfer is over when every byte has been sent in an answer that was not broken off, or when its time is.
* Of an answer that was broken off nobody knows how much arrived. Whoever resumes it says: a request that begins inside
  what was sent has everything before. Until then it counts as nothing.
* All answers together send no more than `allowance` bytes, so that a transfer that never ends is not two downloads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ostiary import limits


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `stop` (half-open) that one answer sent. `whole` False: it was broken off, and its end may not
    have arrived."""

    start: int
    stop: int
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One use of a one-time token: `resource` until `expires_at` (Unix seconds). `version` names the file's content
    that `pieces` are of; a file that has changed since begins anew. `sent` counts the bytes of all answers."""

    resource: str
    expires_at: float
    version: str = ""
    pieces: tuple[Piece, ...] = field(default=())
    sent: int = 0
    finished: bool = False

    def is_open(self, now: float) -> bool:
        """Half-open: over at the very instant."""
        return not self.finished and now < self.expires_at


def allowance(size: int) -> int:
    """Bytes that all answers of one transfer may send: the file, as much again for what is lost on the way or asked
    for twice, and a little for small files."""
    return 2 * size + limits.TRANSFER_SPARE_BYTES


def confirmed_by(pieces: Iterable[Piece], start: int) -> list[Piece]:
    """What a request that begins at `start` confirms of answers that were broken off."""
    return [Piece(piece.start, start) for piece in pieces if not piece.whole and piece.start < start <= piece.stop]


def covers(pieces: Sequence[Piece], size: int) -> bool:
    """Whether what arrived for certain is the whole file."""
    reached = 0
    for piece in sorted((piece for piece in pieces if piece.whole), key=lambda piece: piece.start):
        if piece.start > reached:
            break
        reached = max(reached, piece.stop)
    return reached >= size
