"""One check of `ostiary doctor`: how it went, what it found and how to mend it."""

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """``name`` is stable; ``hint`` says how to mend it, empty if there is nothing to."""

    name: str
    mark: Mark
    found: str
    hint: str = ""
    unavailable: bool = False


def ok(name: str, found: str) -> Check:
    """Nothing to do."""
    return Check(name=name, mark=Mark.OK, found=found)


def warning(name: str, found: str, hint: str) -> Check:
    """It works, but somebody should decide."""
    return Check(name=name, mark=Mark.WARNING, found=found, hint=hint)


def failed(name: str, found: str, hint: str, *, unavailable: bool = False) -> Check:
    """It does not work, or not safely."""
    return Check(name=name, mark=Mark.FAILED, found=found, hint=hint, unavailable=unavailable)
