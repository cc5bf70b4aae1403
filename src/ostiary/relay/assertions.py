"""Assertions with which followers said who they are, as one relay remembers them: each is good for one question.

How long one may live is told by its issuer in wall time, and the wall clock of a relay may be set. So one is forgotten
when it has expired by that clock and as much time has passed as it had left when it was used, whatever the clock says:
set forwards it forgets nothing that could be used once it is set right. After `_LONGEST` it is forgotten in any case,
which is a clock that was set back by more than an assertion may live.
"""

from collections import deque
from dataclasses import dataclass

from ostiary import limits
from ostiary.credentials.client_assertion import Assertion
from ostiary.errors import InvalidClient
from ostiary.relay.shares import Shares

_LONGEST = 2.0 * limits.ASSERTION_SECONDS


@dataclass(frozen=True, slots=True)
class _Used:
    """`until` and `at_most` are monotonic."""

    assertion: Assertion
    until: float
    at_most: float


class Assertions:
    """Those that could be used again; no follower takes the room of all."""

    def __init__(self) -> None:
        self._places = Shares(limits.RELAY_ASSERTIONS, "assertions to remember")
        self._used: set[tuple[str, str]] = set()
        self._due: deque[_Used] = deque()

    def __len__(self) -> int:
        return len(self._used)

    def use(self, assertion: Assertion, now: float, monotonic: float) -> None:
        """Raises InvalidClient if it was used before; Overloaded rather than forget one, which could then be used
        again. `now` is wall time."""
        self._forget_expired(now, monotonic)
        name = (assertion.client_id, assertion.token_id)
        if name in self._used:
            raise InvalidClient(private="the assertion was used before")
        self._places.take(assertion.client_id)
        self._used.add(name)
        self._due.append(_Used(assertion, monotonic + assertion.expires_at - now, monotonic + _LONGEST))

    def _forget_expired(self, now: float, monotonic: float) -> None:
        """In the order in which they came: one that lives for longer keeps those behind it for a moment more, since
        none lives longer than `limits.ASSERTION_SECONDS`."""
        while self._due:
            first = self._due[0]
            has_expired = first.until <= monotonic and first.assertion.expires_at <= now
            if not has_expired and monotonic < first.at_most:
                return
            self._due.popleft()
            self._used.discard((first.assertion.client_id, first.assertion.token_id))
            self._places.give_back(first.assertion.client_id)
