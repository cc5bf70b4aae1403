"""Assertions with which followers said who they are, as one relay remembers them: each is good for one question."""

from collections import deque

from ostiary import limits
from ostiary.credentials.client_assertion import Assertion
from ostiary.errors import InvalidClient
from ostiary.relay.shares import Shares


class Assertions:
    """Those that could be used again; no follower takes the room of all."""

    def __init__(self) -> None:
        self._places = Shares(limits.RELAY_ASSERTIONS, "assertions to remember")
        self._used: set[tuple[str, str]] = set()
        self._due: deque[Assertion] = deque()

    def __len__(self) -> int:
        return len(self._used)

    def use(self, assertion: Assertion, now: float) -> None:
        """Raises InvalidClient if it was used before; Overloaded rather than forget one, which could then be used
        again. `now` is wall time."""
        self._forget_expired(now)
        name = (assertion.client_id, assertion.token_id)
        if name in self._used:
            raise InvalidClient(private="the assertion was used before")
        self._places.take(assertion.client_id)
        self._used.add(name)
        self._due.append(assertion)

    def _forget_expired(self, now: float) -> None:
        """In the order in which they came: one that lives for longer keeps those behind it for a moment more, since
        none lives longer than `limits.ASSERTION_SECONDS`."""
        while self._due and self._due[0].expires_at <= now:
            assertion = self._due.popleft()
            self._used.discard((assertion.client_id, assertion.token_id))
            self._places.give_back(assertion.client_id)
