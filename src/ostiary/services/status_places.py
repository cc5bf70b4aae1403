"""Which bit of which status list a session's tokens name: drawn at random, and held by nobody else meanwhile.

Nothing here is on the way of a request: a place is drawn where a session is written anyway, at login, or at the refresh
that needs a new one, and the store sees to it, in that very write, that no two sessions hold the same.
"""

import math
from dataclasses import replace

from ostiary import limits
from ostiary.domain.session import Session
from ostiary.domain.spent import Spent
from ostiary.domain.status_list import Place, lists_under, place_for, read_places, without_past
from ostiary.services.context import Context
from ostiary.stores.port import Add, Change

_TRIES = 8  # places that are looked at in one list before the next one is
_START_ANEW = 256  # draws after which the first list is tried again: it may have room by now


class StatusPlaces:
    """Draws places."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._begin_at = 0
        self._draws = 0

    async def place(self, session: Session, epoch: int, now: float) -> tuple[Session, tuple[Change, ...]]:
        """The session with a place for what it is given now under this epoch, and what has to be written with it. It
        has none if all lists are full or it has changed its own too often in the life of a token; then its token names
        one that refuses it."""
        lifetimes = self._context.policy.lifetimes
        # a racing tab may get a token within the grace window, which writes nothing
        last_expiry = now + max(1.0, lifetimes.access_token) + lifetimes.refresh_grace + 1.0
        held = [place for place in read_places(session.statuses) if place.until > now]
        former = math.ceil(last_expiry + self._context.policy.clock_leeway)  # another node's clock may be ahead
        held = without_past(held, version=session.version, epoch=epoch, last_expiry=former)
        if place_for(held, version=session.version, epoch=epoch, expires_at=last_expiry) is not None:
            return session, ()
        found = None
        if len(held) < limits.STATUS_PLACES_PER_SESSION:
            found = await self._draw(session.version, epoch, int(last_expiry + limits.STATUS_PLACE_SECONDS))
        if found is not None:
            held.append(found)
        statuses = tuple(place.written() for place in held) or None
        changes = () if found is None else (Add(Spent(id=found.name, until=float(found.until))),)
        return replace(session, statuses=statuses), changes

    async def _draw(self, version: int, epoch: int, until: int) -> Place | None:
        self._draws += 1
        if self._draws % _START_ANEW == 0:
            self._begin_at = 0
        numbers = lists_under(epoch)
        for at in range(self._begin_at, len(numbers)):
            for _ in range(_TRIES):
                index = int.from_bytes(self._context.random(4)) % limits.STATUS_LIST_PLACES
                place = Place(number=numbers[at], index=index, version=version, epoch=epoch, until=until)
                if await self._context.store.spent.get(place.name) is None:
                    self._begin_at = at
                    return place
        return None
