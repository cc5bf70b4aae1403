"""Places in status lists: which bit says whether a token still holds (Token Status List, draft-ietf-oauth-status-list).

The rules, in words:

* A place is one bit of one list. It is held by one session, under one version of it and one epoch of its account; all
  tokens that say these share it. So the bit is set as soon as the session ends or goes on under a higher version, or
  the account's epoch rises, and what the session gets afterwards has another place.
* Places are drawn at random, so that no order of logins can be read from them, and nobody else gets one before all of
  its tokens have expired.
* A place is held for about an hour: then a session that goes on gets another one, and the former is free again.
* What a session held under a former version or epoch is remembered for as long as a token of it may live, and no
  longer: so what it holds is bounded by what it changes in the life of a token.
* A token for which there is no place names one beyond the end of a list, where nothing holds (section 8.3): whoever
  looks there refuses it.
* The number of a list says under which count of "everything" its tokens were issued: once everything has ended, all
  bits of the older lists are set, without a look at any session.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ostiary import limits
from ostiary.domain.account import EPOCHS_PER_EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Bit `index` of list `number`, for tokens of this session version and account epoch that expire no later than
    `until` (whole Unix seconds)."""

    number: int
    index: int
    version: int
    epoch: int
    until: int

    def written(self) -> str:
        """As a session's record keeps it."""
        return f"{self.number}.{self.index}.{self.version}.{self.epoch}.{self.until}"

    @property
    def name(self) -> str:
        """What nobody else may hold at the same time."""
        return f"status:{self.number}.{self.index}"


def read_places(written: Iterable[str] | None) -> tuple[Place, ...]:
    """What `Place.written` wrote."""
    return tuple(map(_read, written or ()))


def _read(text: str) -> Place:
    number, index, version, epoch, until = map(int, text.split("."))
    return Place(number=number, index=index, version=version, epoch=epoch, until=until)


def place_for(places: Iterable[Place], *, version: int, epoch: int, expires_at: float) -> Place | None:
    """The place of a token that says this and expires then; None if the session holds none."""
    fitting = [p for p in places if p.version == version and p.epoch == epoch and p.until >= expires_at]
    return fitting[-1] if fitting else None


def without_past(places: Iterable[Place], *, version: int, epoch: int, last_expiry: int) -> list[Place]:
    """The same, once the session goes on under this version and epoch and no token of a former one expires later than
    `last_expiry`."""
    return [
        place
        if (place.version, place.epoch) == (version, epoch)
        else replace(place, until=min(place.until, last_expiry))
        for place in places
    ]


def no_place(epoch: int) -> tuple[int, int]:
    """List and index of a token that has none."""
    return lists_under(epoch)[0], limits.STATUS_LIST_PLACES


def lists_under(epoch: int) -> range:
    """The numbers of the lists for tokens of this epoch."""
    first = epoch // EPOCHS_PER_EVERYTHING * limits.STATUS_LISTS
    return range(first, first + limits.STATUS_LISTS)


def everything_of(number: int) -> int:
    """The count of "everything" under which the tokens of this list were issued."""
    return number // limits.STATUS_LISTS


def status_list_uri(issuer: str, number: int) -> str:
    """Where the list is fetched, and what it calls itself."""
    return f"{issuer}/status-lists/{number}"
