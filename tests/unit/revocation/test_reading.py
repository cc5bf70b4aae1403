"""A long log is read page by page, and the next is asked for while one is taken in (M-33)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.revocation.test_feed import Keeper
from tests.unit.revocation.test_feed import Source as Items

from ostiary.domain.session import ENDED_VERSION
from ostiary.errors import Unavailable
from ostiary.revocation.entry import Cursor, Probe
from ostiary.revocation.feed import Feed
from ostiary.revocation.reading import Ahead
from ostiary.revocation.replica import Replica
from ostiary.testing import FakeClock

pytestmark = pytest.mark.anyio
PAGES = 4


def _at(number: int) -> Cursor:
    return Cursor(position=number, nonce=number) if number else Cursor()


def _id(number: int) -> str:
    return f"{number:022}"


class Source:
    """A log of some pages, each one session that ended; it notes where the reader stands when it is asked."""

    def __init__(self) -> None:
        self.reader: Replica | None = None
        self.asked: list[tuple[int, int]] = []
        self.fails_at: int | None = None
        self.hangs_at: int | None = None
        self.hanging = asyncio.Event()
        self.given_up: list[int] = []

    async def catch_up(self, cursor: Cursor) -> Probe | None:
        stands = -1 if self.reader is None else self.reader.cursor.position
        self.asked.append((cursor.position, stands))
        if cursor.position == self.hangs_at:
            self.hanging.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.append(cursor.position)
        await asyncio.sleep(0)
        if cursor.position == self.fails_at:
            raise Unavailable(private="down")
        if cursor.position >= PAGES:
            return None
        return self._page(cursor.position + 1)

    def _page(self, number: int) -> Probe:
        packed = ((500, _id(number).encode()),)
        return Probe(generation=1, matches=True, items=(), complete=False, packed=packed, reached=_at(number))

    async def probe(self, cursor: Cursor, limit: int, *, node: str = "") -> Probe:
        return Probe(generation=1, matches=True, items=(), complete=cursor.position >= PAGES)

    async def acknowledge(self, node: str, cursor: Cursor) -> bool:
        return False

    async def hints(self) -> AsyncIterator[object]:
        await asyncio.Event().wait()
        yield ()

    async def leave(self, node: str) -> None:
        """Nobody counts."""


def _made(source: Source) -> tuple[Feed, Replica]:
    replica = Replica(lease=2.0)
    replica.adopt(1, 0)
    source.reader = replica
    return Feed(replica, source, FakeClock().clock, Keeper(Items())), replica  # type: ignore[arg-type]


def _pages_on_their_way() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "ostiary-page"]


async def test_the_next_page_is_asked_for_before_this_one_is_taken_in() -> None:
    """The store works on one while this process works on the other; each is asked for once, and taken in in order."""
    source = Source()
    feed, replica = _made(source)

    await feed.start(follow=False)

    assert source.asked == [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3)]
    assert replica.cursor == _at(PAGES)
    assert all(replica.session_version(f"ses_{_id(number)}") == ENDED_VERSION for number in range(1, PAGES + 1))
    assert replica.lease_until == FakeClock().monotonic + 2.0
    assert not _pages_on_their_way()


async def test_a_page_that_fails_fails_the_reading() -> None:
    """What was taken in before it stays, nothing is lent, and the next time goes on from there."""
    source = Source()
    source.fails_at = 2
    feed, replica = _made(source)

    with pytest.raises(Unavailable):
        await feed.start(follow=False)

    assert replica.cursor == _at(2)
    assert replica.lease_until == float("-inf")
    assert not _pages_on_their_way()
    source.fails_at = None
    await feed.ask()
    assert replica.cursor == _at(PAGES)


async def test_a_page_on_its_way_is_given_up_with_the_reading() -> None:
    """A process that ends while it reads leaves no question behind."""
    source = Source()
    source.hangs_at = 1
    feed, _ = _made(source)
    starting = asyncio.create_task(feed.start(follow=False))
    await source.hanging.wait()

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert source.given_up == [1]
    assert not _pages_on_their_way()


async def test_a_page_from_another_place_is_not_taken() -> None:
    """A reader that was led elsewhere meanwhile asks anew, from where it stands."""
    source = Source()
    ahead = Ahead(source)
    await ahead.ask(_at(3))

    page = await ahead.page(_at(1))

    assert page is not None
    assert page.reached == _at(2)
    assert [position for position, _ in source.asked] == [3, 1]
    assert not _pages_on_their_way()
    await ahead.stop()
