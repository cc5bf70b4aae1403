"""`ostiary doctor`."""

import sys

from ostiary.cli.options import HERE, Json, Where
from ostiary.cli.output import printable, say, say_json
from ostiary.cli.shell import DONE, REFUSED, UNAVAILABLE
from ostiary.settings import Settings


async def doctor(*, where: Where = HERE, json: Json = False) -> int:
    """Check this set-up: ✓ fine, ! works but should be looked at, ✗ has to be mended. Changes nothing.

    Leaves with 1 if something has to be mended, 3 if the database cannot be used.
    """
    from ostiary.cli.doctor_check import Mark
    from ostiary.cli.doctor_checks import OTHER_HALF, checks
    from ostiary.cli.doctor_shared import bound_check

    settings = where.settings(quiet=True)
    found = [check async for check in checks(settings)]
    is_half = any(check.name == OTHER_HALF for check in found)
    bounds = [check for check in found if check.name == "bound"]
    if is_half and bounds:  # whatever its settings give: nodes follow the other half too
        found = [*(check for check in found if check.name != "bound"), bound_check(None)]
    given = bounds and all(check.mark is Mark.OK for check in bounds)
    bound = _bound(settings, settings.lease if given else None)
    if is_half:
        bound = {"ended_anywhere": None}
    if json:
        members = [{"name": c.name, "status": c.mark, "found": c.found, "hint": c.hint} for c in found]
        say_json({"checks": members, "bound": bound})
    else:
        for check in found:
            print(f"{_mark(check.mark)} {check.name}: {printable(check.found)}")
            if check.hint:
                print(f"    → {printable(check.hint)}")
        say()
        say(_bound_in_words(settings, bound))
    if any(check.unavailable for check in found):
        return UNAVAILABLE
    return REFUSED if any(check.mark is Mark.FAILED for check in found) else DONE


def _bound(settings: Settings, anywhere: float | None) -> dict[str, float | None]:
    """Seconds until what was ended is refused: ended at the server itself, and at another process of this machine; or,
    of nodes that share a server, ended anywhere. None if its settings give no bound."""
    if settings.postgres is not None or settings.valkey is not None:
        return {"ended_anywhere": anywhere}
    server: dict[str, float | None] = {"ended_at_the_server": 0.0}
    return server if settings.database_path is None else {**server, "ended_on_the_command_line": settings.lease}


def _bound_in_words(settings: Settings, bound: dict[str, float | None]) -> str:
    if "ended_anywhere" in bound:
        seconds = bound["ended_anywhere"]
        if seconds is None:
            return "Revocation: no bound can be promised with these settings."
        return (
            f"Revocation: what any node ends, every node refuses within {seconds:g} s (the lease), mostly far sooner."
        )
    words = "Revocation: what the server ends, it refuses at once (bound 0)"
    if settings.database_path is None:
        return f"{words}."
    seconds = bound["ended_on_the_command_line"]
    return f"{words}; what the command line ends, it refuses within {seconds:g} s (the lease), mostly far sooner."


def _mark(status: str) -> str:
    sign, colour = {"ok": ("✓", "32"), "warning": ("!", "33"), "failed": ("✗", "31")}[status]
    if not sys.stdout.isatty() or _no_color():
        return sign
    return f"\x1b[{colour};1m{sign}\x1b[0m"


def _no_color() -> bool:
    from rich.console import Console

    return Console().no_color
