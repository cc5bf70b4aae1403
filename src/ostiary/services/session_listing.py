"""Live sessions of everybody, a page at a time. The store does not know which are live, so it is read on until a page
is full, or for some while."""

import asyncio
import math

from ostiary.domain.session import Kind, Session
from ostiary.services.context import Context
from ostiary.services.paging import checked_cursor, not_a_cursor, place_of, read_place

_PORTION = 500  # sessions that one look for live ones among dead ones reads
_LOOKS = 8  # of those, before a page is given back as it is


async def by_id(
    context: Context, *, account_id: str, kind: str, after: str, limit: int
) -> tuple[list[Session], str | None]:
    """Live sessions of everybody, by id, and the id to go on after (None at the end). Before the end there may be
    fewer than `limit`, where many that are over stand between. Raises InvalidRequest."""
    after = checked_cursor(after, "ses")
    issuer = await context.store.issuer()
    now = context.now()
    found: list[Session] = []
    for portion in (limit + 1, *(_PORTION for _ in range(_LOOKS))):
        rows = await context.store.sessions.page(account_id=account_id, kind=kind, after=after, limit=portion)
        found += [session for session in rows if session.is_live(now, issuer.everything)]
        if len(found) > limit:
            return found[:limit], found[limit - 1].id
        if not rows:
            return found, None
        after = rows[-1].id
    return found, after


async def by_activity(
    context: Context, *, account_id: str, kind: str, before: str, limit: int
) -> tuple[list[Session], str | None]:
    """Live sessions of everybody, the most recently seen first as far as the store has been told, and where to go
    on (None at the end). One that is used meanwhile moves to the front: whoever wants each exactly once takes
    `by_id`. A page may be short of `limit`, and the end still not reached. Raises InvalidRequest for a place that is
    none."""
    issuer = await context.store.issuer()
    now = context.now()
    place = _place(before) if before else None
    if account_id:
        own = await context.store.sessions.of_account(account_id)
        rows = sorted((one for one in own if kind in ("", one.kind)), key=_recency, reverse=True)
        found = [one for one in rows if one.is_live(now, issuer.everything) and _is_behind(one, place)]
        return found[:limit], _place_of(found[limit - 1]) if len(found) > limit else None
    kinds = [Kind(kind)] if kind else [*Kind]
    found = []
    for portion in (limit + 1, *(_PORTION for _ in range(_LOOKS))):
        some = await asyncio.gather(
            *(
                context.store.sessions.latest(everything=issuer.everything, kind=one.value, before=place, limit=portion)
                for one in kinds
            )
        )
        merged = sorted((session for rows in some for session in rows), key=_recency, reverse=True)[:portion]
        found += [session for session in merged if session.is_live(now, issuer.everything)]
        if len(found) > limit:
            return found[:limit], _place_of(found[limit - 1])
        if len(merged) < portion:
            return found, None
        place = _recency(merged[-1])
    return found, None if place is None else _written(place)


def _recency(session: Session) -> tuple[float, str]:
    """Where it stands among those that were seen."""
    return session.last_seen_at, session.id


def _is_behind(session: Session, place: tuple[float, str] | None) -> bool:
    return place is None or _recency(session) < place


def _place_of(session: Session) -> str:
    return _written(_recency(session))


def _written(place: tuple[float, str]) -> str:
    return place_of(place[0].hex(), place[1])


def _place(cursor: str) -> tuple[float, str]:
    """Raises InvalidRequest."""
    seen, session_id = read_place(cursor, 2)
    try:
        at = float.fromhex(seen)
    except (ValueError, OverflowError):
        raise not_a_cursor() from None
    if not math.isfinite(at):
        raise not_a_cursor()
    return at, session_id
