"""What a download server remembers. The promises of the port; `sqlite_state` and `valkey_state` keep them.

* `spend` succeeds for exactly one of all who ever spend a key, from whatever process or replica, and has survived a
  crash of the process when it returns (on SQLite, also of the machine). The transfer exists if and only if it did.
* A mark is kept until `until` at least. Once it may have been forgotten, its key is refused as `FORGOTTEN`, whatever
  the clock says by then: setting a clock back revives nothing.
* `finish` succeeds for exactly one caller, until somebody calls `reopen`.
* Keys and handles come as digests. Trouble of the backend's own is `errors.Unavailable`.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from ostiary.domain.transfer import Piece, Transfer


class Spending(Enum):
    """What became of an attempt to spend."""

    SPENT = "spent now"
    USED = "spent before"
    FORGOTTEN = "so old that nobody can know"


class State(Protocol):
    """See the module."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def check(self) -> None:
        """Raise Unavailable unless a token could be spent now."""
        ...

    async def spend(self, key: bytes, *, until: float, now: float, handle: bytes, transfer: Transfer) -> Spending: ...
    async def was_spent(self, key: bytes, *, until: float) -> bool:
        """Whether `spend` would be refused; changes nothing."""
        ...

    async def transfer(self, handle: bytes) -> Transfer | None: ...
    async def note(self, handle: bytes, *, version: str, pieces: Sequence[Piece], sent: int) -> Transfer | None:
        """Add pieces and bytes sent; what is known afterwards. Pieces of another version are forgotten."""
        ...

    async def finish(self, handle: bytes) -> bool: ...
    async def reopen(self, handle: bytes) -> None: ...
    async def purge(self, *, now: float) -> int:
        """Forget marks whose `until` is past and transfers that are long over; how many marks."""
        ...
