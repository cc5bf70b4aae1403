"""Where a session lives: the network and the browser that it began on, and what a move to others causes. M-52.

The rules, in words:

* A place is a network prefix (/24 or /56: what one site gets) and the names of browser and system, without versions: an
  update or a new address of the same site is no move.
* What was not known at login is not compared. What was known and is no longer told counts as a move.
* `off` compares nothing. `observe` writes it into the audit trail, once for each place. `step-up` does too, and wants
  the password before anything else; proving it there makes that place the session's own. `end` ends the session.
"""

from dataclasses import dataclass
from enum import StrEnum

from ostiary.domain.throttle import network_of


class Binding(StrEnum):
    """What a move causes."""

    OFF = "off"
    OBSERVE = "observe"
    STEP_UP = "step-up"
    END = "end"


@dataclass(frozen=True, slots=True)
class Place:
    """Both parts may be empty: not known."""

    network: str
    browser: str

    def left_for(self, other: "Place") -> tuple[str, ...]:
        """What is different there; empty if it is the same place."""
        moved = []
        if self.network and self.network != other.network:
            moved.append("network")
        if self.browser and self.browser != other.browser:
            moved.append("browser")
        return tuple(moved)


@dataclass(frozen=True, slots=True)
class Bound:
    """To which place a session is bound, and what leaving it causes."""

    place: Place
    binding: Binding


def place_of(address: str, label: str) -> Place:
    """`label` is a client's, such as "Firefox · Linux"."""
    return Place(network_of(address) if address else "", label)
