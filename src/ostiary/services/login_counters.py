"""What an attempt to log in counts on, and how each counter is judged, raised and lowered."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ostiary.credentials.derived_keys import digest
from ostiary.domain import throttle as rules
from ostiary.domain.throttle import Throttle
from ostiary.services.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """How one counter is judged, raised, and lowered after a success (given how many others are under way)."""

    id: str
    left: Callable[[Throttle, float], int]
    wait: Callable[[Throttle, float], float]
    raised: Callable[[Throttle, float], Throttle]
    forgiven: Callable[[Throttle, int], Throttle]


class Counters:
    """The rules of `ostiary.domain.throttle` under this issuer's policy."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def account_id(self, name: str) -> str:
        """The counter of an account, or of what was typed where there is none."""
        # a digest: people type passwords into the wrong field
        return "account:" + digest(self._context.derived.token_digest, "throttle " + name).hex()[:40]

    def of(self, name: str, network: str, device: str | None) -> list[Counter]:
        """The network's, then the account's; from a known device only its own."""
        policy = self._context.policy.throttle
        known = device is not None

        def of_account(identifier: str) -> Counter:
            return Counter(
                id=identifier,
                left=lambda throttle, now: rules.attempts_left(throttle, policy, now, known_device=known),
                wait=lambda throttle, now: rules.wait_of_account(throttle, policy, now, known_device=known),
                raised=rules.count_failure,
                forgiven=lambda throttle, others: replace(throttle, failures=min(throttle.failures, others)),
            )

        if known:
            return [of_account("device:" + digest(self._context.derived.token_digest, f"{name} {device}").hex()[:40])]
        network_id = "network:" + rules.network_of(network)
        return [
            Counter(
                id=network_id,
                left=lambda throttle, now: (
                    0
                    if rules.wait_of_network(throttle, policy, now) > 0
                    else max(1, policy.address_failures - throttle.failures)
                ),
                wait=lambda throttle, now: rules.wait_of_network(throttle, policy, now),
                raised=lambda throttle, now: rules.count_network_failure(throttle, policy, now),
                forgiven=lambda throttle, _others: replace(throttle, failures=max(0, throttle.failures - 1)),
            ),
            of_account(self.account_id(name)),
        ]
