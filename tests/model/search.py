"""Breadth first through every world that can be reached, so that the first broken promise has the shortest story."""

from collections.abc import Hashable, Iterator
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
                if successor in came_from:
                    continue
                came_from[successor] = (world, label)
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
