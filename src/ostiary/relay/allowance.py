"""How often others may have something done: so many times at once, and then so many times a second."""


class Allowance:
    """`rate` times a second, and as many at once after a second in which there was nothing. No clock of its own: `now`
    is monotonic."""

    def __init__(self, rate: int) -> None:
        self._most = float(rate)
        self._left = self._most
        self._seen = 0.0

    def wait(self, now: float) -> float:
        """Seconds until it may be done once more; 0 if now."""
        return max(0.0, (1.0 - self._left_at(now)) / self._most)

    def take(self, now: float) -> None:
        """It was done, whether it might be or not: what was done anyhow leaves no debt."""
        self._left, self._seen = max(0.0, self._left_at(now) - 1.0), now

    def _left_at(self, now: float) -> float:
        return min(self._most, self._left + (now - self._seen) * self._most)
