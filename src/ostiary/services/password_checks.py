"""How many passwords one network may have judged that nobody sets: so many characters a minute, in this process.

Judging costs no hash and no look at the store, but up to twenty milliseconds for a thousand characters that are made
for it, and anybody may ask. A page asks a few times for each password that is typed: a thousand people who sign up
within one minute from behind one address stay below this. Whoever asks from the server's own machine is not counted.
"""

import math

from ostiary import limits
from ostiary.domain.sign_ups import is_loopback
from ostiary.domain.throttle import network_of
from ostiary.errors import TooManyAttempts
from ostiary.services.context import Client, Context

_WINDOW = 60.0  # seconds
_LEAST = 16  # characters that the shortest question counts for


class PasswordChecks:
    """Counts what was asked for, by the clock that nobody sets."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked: dict[str, tuple[float, int]] = {}
        """When the minute of each network began, and the characters since: in the order of their beginning."""

    def count(self, client: Client, characters: int) -> None:
        """One question more. Raises TooManyAttempts if its network has asked for enough; that one is not counted."""
        if is_loopback(client.ip):
            return
        network, now = network_of(client.ip), self._context.clock.monotonic()
        self._forget_old(now)
        began, asked = self._asked.get(network, (now, 0))
        if asked >= limits.CHECKED_CHARS:
            raise TooManyAttempts(math.ceil(began + _WINDOW - now))
        self._asked[network] = (began, asked + max(_LEAST, characters))
        if len(self._asked) > limits.CHECKING_NETWORKS:
            del self._asked[next(iter(self._asked))]  # the one that is nearest to a new minute has it at once

    def _forget_old(self, now: float) -> None:
        while self._asked:
            first = next(iter(self._asked))
            if now - self._asked[first][0] < _WINDOW:
                return
            del self._asked[first]
