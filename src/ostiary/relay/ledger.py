"""Who follows a relay, and how far each has come: no I/O, no clock of its own.

A relay counts at its issuer as one node, for itself and for all behind it. The rules, in words:

1. A relay tells the issuer that it has applied the log up to an item only if everybody who may have a lease by it has.
   What the relay itself has read does not matter: it accepts nothing.
2. Who was answered may have a lease, from the moment at which the answer was made; he counts from then on, and until a
   lease, and a thousandth for clocks that run apart, has passed. He has applied what he asked for the continuation of.
3. Who says no name cannot say later how far he has come. He counts until his lease is over. Those of one client who
   have come as far as each other count as one, until the last of their leases is over.
4. If the log is another one, or has lost its end, nobody has applied anything of it, whatever he had applied before.
5. A client takes no more places than its share: see `shares.py`.
6. A relay that stops says goodbye to its issuer only if nobody counts any more. Else silence tells it, in time: no
   lease that was lent here outlives one that the relay itself got.
"""

from collections import deque
from dataclasses import dataclass, replace

from ostiary import limits
from ostiary.relay.shares import Shares
from ostiary.revocation.entry import Cursor


@dataclass(frozen=True, slots=True)
class _Lent:
    """`name`: "" if he said none."""

    client: str
    name: str
    applied: Cursor
    until: float

    @property
    def key(self) -> tuple[str, Cursor | None]:
        """Who replaces whom."""
        return (self.name, None) if self.name else (self.client, self.applied)


class Ledger:
    """Of one relay. `most` followers."""

    def __init__(self, *, most: int = limits.RELAY_FOLLOWERS) -> None:
        self._places = Shares(most, "followers")
        self._followers: dict[tuple[str, Cursor | None], _Lent] = {}
        self._at: dict[Cursor, int] = {}  # how many have come so far and no further
        self._due: deque[_Lent] = deque()
        self._lowest: Cursor | None = None

    def __len__(self) -> int:
        return len(self._followers)

    def answered(self, name: str, applied: Cursor, now: float, lease: float, *, client: str = "") -> bool:
        """Somebody who has applied the log up to `applied` is answered at `now` (monotonic). To be called before he
        is. True if the one who was furthest behind is no longer. Raises Overloaded if too many follow, or too many of
        this client's."""
        self._expire(now)
        lent = _Lent(client, name, applied, now + lease * (1 + limits.CLOCK_DRIFT))
        before = self._followers.get(lent.key)
        if before is None:
            self._places.take(client)
        elif before.until > lent.until:  # leases were longer, and the answer before may be the one that he has
            lent = replace(lent, until=before.until)
        self._followers[lent.key] = lent
        self._due.append(lent)
        self._at[applied] = self._at.get(applied, 0) + 1
        lowest = self._lowest
        if lowest is not None and applied.position < lowest.position:
            self._lowest = applied
        return before is not None and self._passed(before.applied)

    def left(self, name: str) -> bool:
        """A follower that accepts nothing any more; as `answered`."""
        lent = self._followers.pop((name, None), None)
        return lent is not None and self._leaves(lent)

    def applied(self, head: Cursor, now: float) -> Cursor:
        """Up to where everybody who counts has applied the log; up to `head`, the relay's newest item, if nobody is
        behind it."""
        self._expire(now)
        if self._lowest is None and self._at:
            self._lowest = min(self._at, key=lambda cursor: cursor.position)
        lowest = self._lowest
        return head if lowest is None or lowest.position >= head.position else lowest

    def begin_again(self) -> None:
        """Rule 4."""
        followers, self._followers = self._followers, {}
        for lent in followers.values():
            anew = replace(lent, applied=Cursor())
            same = self._followers.get(anew.key)
            if same is not None:
                self._places.give_back(anew.client)
                anew = replace(anew, until=max(anew.until, same.until))
            self._followers[anew.key] = anew
        self._due = deque(sorted(self._followers.values(), key=lambda lent: lent.until))
        self._at = {Cursor(): len(self._followers)} if self._followers else {}
        self._lowest = None

    def anybody(self, now: float) -> bool:
        """Whether somebody may have a lease."""
        self._expire(now)
        return bool(self._followers)

    def _expire(self, now: float) -> None:
        while self._due and self._due[0].until <= now:
            lent = self._due.popleft()
            if self._followers.get(lent.key) is lent:
                del self._followers[lent.key]
                self._leaves(lent)

    def _leaves(self, lent: _Lent) -> bool:
        self._places.give_back(lent.client)
        return self._passed(lent.applied)

    def _passed(self, cursor: Cursor) -> bool:
        """One less stands there."""
        left = self._at[cursor] - 1
        if left:
            self._at[cursor] = left
            return False
        del self._at[cursor]
        was_lowest = self._lowest is None or cursor.position <= self._lowest.position
        if was_lowest:
            self._lowest = None
        return was_lowest
