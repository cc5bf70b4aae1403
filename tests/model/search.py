"""Breadth first through every world that can be reached, so that the first broken promise has the shortest story."""

import gc
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tests.model.world import Rules, Setting, Variant

W = TypeVar("W", bound=Hashable)


class Kind(Protocol[W]):
    """What can happen in one kind of world."""

    def start(self) -> W: ...
    def successors(self, world: W) -> Iterator[tuple[str, W]]: ...
    def broken(self, world: W) -> str: ...
    def accepting(self, world: W) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`broken` says which promise, "" if none in any of `worlds`; `story` is the shortest way there. `accepting`: in
    how many worlds a node accepted something at all."""

    broken: str
    story: tuple[str, ...]
    worlds: int
    accepting: int


def search(variant: Variant, setting: Setting, *, most: int = 2_000_000) -> Outcome:
    """All of it, or up to the first broken promise."""
    return explore(Rules(variant, setting), most=most)


@contextmanager
def _no_collections() -> Iterator[None]:
    """Worlds are tuples of tuples: there is nothing in them for the collector of cycles to find, however often it
    looks through all of them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_no_collections()
def explore(rules: Kind[W], *, most: int = 2_000_000) -> Outcome:
    """The same of any kind of world."""
    start = rules.start()
    came_from: dict[W, tuple[W, str] | None] = {start: None}
    layer = [start]
    accepting = 0
    while layer:
        following = []
        for world in layer:
            for label, successor in rules.successors(world):
                known = len(came_from)
                came_from.setdefault(successor, (world, label))  # one look, since hashing a world takes the longest
                if len(came_from) == known:
                    continue
                broken = rules.broken(successor)
                if broken:
                    return Outcome(
                        broken=broken, story=_story(came_from, successor), worlds=len(came_from), accepting=accepting
                    )
                accepting += rules.accepting(successor)
                following.append(successor)
        if len(came_from) > most:
            raise AssertionError(f"more than {most} worlds")
        layer = following
    return Outcome(broken="", story=(), worlds=len(came_from), accepting=accepting)


def _story(came_from: dict[W, tuple[W, str] | None], world: W) -> tuple[str, ...]:
    told = []
    step = came_from[world]
    while step is not None:
        world, label = step
        told.append(label)
        step = came_from[world]
    return tuple(reversed(told))
