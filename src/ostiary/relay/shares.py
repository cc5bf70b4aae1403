"""Places that clients share, so that none of them takes all.

A client may have at most four times as many as are free. So one alone gets four fifths of them, and leaves a fifth; two
that want all there is get four ninths each, and leave a ninth; and whoever has few finds room at any time. What was
given is never taken away.
"""

from ostiary.errors import Overloaded

_TIMES = 4


class Shares:
    """Of `most` places, for what `what` says."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = 0
        self._of: dict[str, int] = {}

    def take(self, client: str) -> None:
        """One more for this client. Raises Overloaded if it has its share."""
        own, free = self._of.get(client, 0), self._most - self._taken
        if free <= 0 or own >= _TIMES * free:
            raise Overloaded(private=f"too many {self._what}" + (" of one client" if free > 0 else ""))
        self._taken += 1
        self._of[client] = own + 1

    def give_back(self, client: str) -> None:
        """One that it took."""
        self._taken -= 1
        left = self._of.pop(client) - 1
        if left:
            self._of[client] = left
