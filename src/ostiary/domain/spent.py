"""What may be used once, and was: adding the record is using it, and whoever comes second finds the id taken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """`id` says what and whose (`assertion:<digest>`). `until` (Unix seconds): from then on it would be refused for its
    age alone, and the record may go."""

    id: str
    until: float
    revision: int = 0
