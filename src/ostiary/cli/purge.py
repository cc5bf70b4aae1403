"""`ostiary purge`."""

import dataclasses

from ostiary.cli.options import HERE, Json, Unasked, Where
from ostiary.cli.output import say, say_json
from ostiary.cli.system import opened


async def purge(*, yes: Unasked = False, where: Where = HERE, json: Json = False) -> None:  # noqa: ARG001
    """Remove what nothing can refer to any more, and change and retire signing keys that are due. A running server does
    both by itself every few minutes."""
    async with opened(where) as system:
        removed = dataclasses.asdict(await system.housekeeping.purge())
    if json:
        say_json({"removed": removed})
    else:
        say("Removed: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in removed.items()) + ".")
