"""How places are shared among clients."""

import random

import pytest

from ostiary.errors import Overloaded
from ostiary.relay.shares import Shares


def _taken(shares: Shares, client: str) -> int:
    """As many as this client gets."""
    count = 0
    while True:
        try:
            shares.take(client)
        except Overloaded:
            return count
        count += 1


def test_one_that_takes_all_it_can_get_leaves_a_fifth() -> None:
    """The next gets of that fifth what is its share, and what is given back is had again (section 1)."""
    shares = Shares(1000, "places")
    assert _taken(shares, "a") == 800
    assert _taken(shares, "b") == 160
    assert _taken(shares, "c") == 32
    assert _taken(shares, "a") == 0
    for _ in range(800):
        shares.give_back("a")
    assert _taken(shares, "c") > 600


def test_whoever_has_few_finds_room_among_many_that_take_all() -> None:
    """Twenty that take all they can get at the same time, and one that comes then (section 1)."""
    shares, chance = Shares(1000, "places"), random.Random(1)
    for _ in range(100_000):
        client = f"hog{chance.randrange(20)}"
        try:
            shares.take(client)
        except Overloaded:
            continue
    for _ in range(4):
        shares.take("late")


@pytest.mark.parametrize("most", [1, 2, 3])
def test_few_places_are_all_given(most: int) -> None:
    """And no more than there are."""
    assert _taken(Shares(most, "places"), "a") == most
