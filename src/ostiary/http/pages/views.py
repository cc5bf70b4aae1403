"""What the pages show, made ready: one device, and which message belongs to which field."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from ostiary.domain.session import Kind

_HAND_HELD = ("iphone", "ipad", "ios", "android", "mobile", "harmonyos")
_COMPUTERS = ("windows", "macos", "mac os", "linux", "chrome os", "chromeos", "ubuntu", "fedora", "bsd")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """One device on the account page. Instants are Unix seconds; `label` and `ip` may be empty."""

    id: str
    label: str
    ip: str
    kind: Kind
    created_at: float
    last_seen_at: float
    expires_at: float
    current: bool

    @property
    def icon(self) -> str:
        """`phone`, `computer` or `program`, guessed from the label: decoration only."""
        return icon_of(self.label)

    @property
    def place(self) -> str:
        """As far as the address alone tells: `here`, `nearby`, or "" for anywhere."""
        return place_of(self.ip)


def icon_of(label: str) -> str:
    """`phone`, `computer` or `program`, guessed from a device's label."""
    folded = label.casefold()
    if any(word in folded for word in _HAND_HELD):
        return "phone"
    return "computer" if any(word in folded for word in _COMPUTERS) else "program"


def place_of(ip: str) -> str:
    """`here` for this machine, `nearby` for a private network, "" for what the address does not tell."""
    try:
        address = ip_address(ip)
    except ValueError:
        return ""
    return "here" if address.is_loopback else "nearby" if address.is_private else ""


def in_order(sessions: Iterable[SessionView], current_id: str) -> list[SessionView]:
    """The caller's own first, then by when they were last seen, the latest first."""
    return sorted(sessions, key=lambda one: (not is_current(one, current_id), -one.last_seen_at, one.id))


def is_current(session: SessionView, current_id: str) -> bool:
    """Whether this is the session that asks."""
    return session.current or session.id == current_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One thing that is wrong, in words, and the field that it is about (`None`: the whole form)."""

    field: str | None
    text: str


def about(complaints: Sequence[Complaint], field: str | None) -> list[str]:
    """The texts that belong to this field."""
    return [complaint.text for complaint in complaints if complaint.field == field]
