"""What those who follow a log in a benchmark share."""

import base64
import secrets
from collections.abc import Iterable

from ostiary.domain.session import ENDED_VERSION
from ostiary.revocation.entry import Entry, Scope


class Nobody:
    """What a feed asks of its issuer, where there is none: the log is never lost."""

    async def keys_changed(self) -> None:
        """There are no keys."""

    async def adopt(self, generation: int, known: int | None) -> int:  # noqa: ARG002
        return known or 0

    async def restore(self, entries: Iterable[Entry]) -> None:
        """Nothing was lost."""

    async def make_room(self) -> None:
        """There is enough."""


def new_id(prefix: str) -> str:
    """As they are everywhere: 128 random bits."""
    return prefix + base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode()


def ended(count: int) -> Iterable[Entry]:
    """Sessions that ended within some minutes, one after the other."""
    for at in range(count):
        yield Entry(scope=Scope.SESSION, id=new_id("ses_"), value=ENDED_VERSION, until=2e9 + 300 * at // count)
