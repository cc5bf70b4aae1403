"""What keeps half of a store from being taken for a whole one.

A database beside Valkey, and that Valkey, look like stores of their own to whoever is told of one of them alone: what
is ended there ends nothing that nodes follow. So each of the two holds a mark once a node has served with both. It is a
counter that counts nothing: every store has those, an id is given once, and what failed last in the year 9999 is never
purged. Releases that know no marks pass over it.
"""

from ostiary.domain.throttle import Throttle
from ostiary.stores.port import Add, Remove, Store

_MARK = Throttle(id="half-of-a-store", last_failure_at=253402300799.0)  # the end of the year 9999


async def is_half(store: Store) -> bool:
    """Whether nodes use this one together with another."""
    return await store.throttles.get(_MARK.id) is not None


async def mark(store: Store) -> None:
    """From now on it is half of a store. May be repeated, and by several at once."""
    if not await is_half(store):
        await store.write(Add(_MARK))  # False: somebody else just has


async def unmark(store: Store) -> bool:
    """From now on it is a store of its own; whether it was not. May be repeated."""
    found = await store.throttles.get(_MARK.id)
    return found is not None and await store.write(Remove(found))
