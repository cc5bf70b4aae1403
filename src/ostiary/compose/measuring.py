"""What is measured, and where each number comes from."""

import math
from collections.abc import Mapping

from ostiary.compose.system import System
from ostiary.http.metrics import Metrics

_GAUGES = {
    "ostiary_revocation_entries": "Revocations that this process holds.",
    "ostiary_revocation_lease_seconds": "Seconds for which this process may still trust what it last heard; absent "
    "where nobody else can revoke.",
    "ostiary_revocation_bound_seconds": "Seconds after which no node accepts what was ended.",
    "ostiary_recognised_credentials": "Credentials that this process remembers.",
    "ostiary_password_hashes_waiting": "Password hashes that have not begun.",
}


def metrics_of(system: System) -> Metrics:
    """For one running system."""
    measures = system.context.measures
    return Metrics(
        counters={
            "ostiary_events": ("Audit events written by this process.", "event", lambda: measures.events),
            "ostiary_refreshes": ("Renewals asked of this process.", "outcome", lambda: measures.refreshes),
            "ostiary_first_sights": (
                "Credentials that had to be verified or looked up.",
                "kind",
                lambda: measures.recognised,
            ),
            "ostiary_password_hashes": ("Password hashes computed.", "", lambda: {"": system.passwords.computed}),
        },
        gauges=_GAUGES,
        read=lambda: _read(system),
    )


def _read(system: System) -> Mapping[str, float]:
    replica = system.context.replica
    numbers = {
        "ostiary_revocation_entries": float(len(replica)),
        "ostiary_revocation_bound_seconds": system.bound,
        "ostiary_recognised_credentials": float(len(system.recognition.known)),
        "ostiary_password_hashes_waiting": float(system.passwords.waiting),
    }
    if replica.lease_until != math.inf:
        numbers["ostiary_revocation_lease_seconds"] = max(0.0, replica.lease_until - system.context.clock.monotonic())
    return numbers
