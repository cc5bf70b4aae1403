"""Making records quickly: their slots are filled directly.

A frozen dataclass's own constructor looks each slot up by name, which takes four times as long; half of a look-up in
SQLite would be that, and a tenth of a refresh.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

R = TypeVar("R")


def names_of(record: type[Any]) -> list[str]:
    """Its fields, in their order."""
    return [field.name for field in fields(record)]


def maker(record: type[R], names: list[str]) -> Callable[[Sequence[Any]], R]:
    """What makes a record of the values of these of its fields, which must be all."""
    assert set(names) == set(names_of(record)) and not hasattr(record, "__post_init__")  # noqa: S101, PT018
    fill = [getattr(record, name).__set__ for name in names]
    new = object.__new__

    def make(values: Sequence[Any]) -> R:
        made = new(record)
        for put, value in zip(fill, values, strict=True):
            put(made, value)
        return made

    return make


def changer(record: type[R]) -> Callable[..., R]:
    """As `dataclasses.replace`, for this type. Raises KeyError for a field that it does not have."""
    names = names_of(record)
    at = {name: number for number, name in enumerate(names)}
    make, values_of = maker(record, names), attrgetter(*names)

    def changed(old: R, **changes: Any) -> R:
        values = [*values_of(old)]
        for name, value in changes.items():
            values[at[name]] = value
        return make(values)

    return changed
