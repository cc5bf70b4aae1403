"""The running system that a command works on."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ostiary.cli.options import Where
from ostiary.errors import Misconfigured
from ostiary.settings import Settings

if TYPE_CHECKING:
    from ostiary.compose import System
    from ostiary.services.context import Ended

ACTOR = "cli"
"""Who did it, in the audit trail."""


@asynccontextmanager
async def opened(
    where: Where, *, create: bool = False, flags: Mapping[str, object] | None = None
) -> "AsyncIterator[System]":
    """Open the store that the settings name, beside a server that may be running on it.

    ``create`` makes a database that does not exist yet; without it a wrong path is an error and leaves no file.
    """
    settings = where.settings(flags)
    check_database(settings, create=create)
    from ostiary.compose import open_system

    async with open_system(settings) as system:
        yield system


async def settled(system: "System", ended: "Ended", *, wait: bool) -> "Ended":
    """As it is, or once no server accepts any more what was ended."""
    return await system.context.everywhere(ended) if wait else ended


def check_database(settings: Settings, *, create: bool) -> None:
    """Raises ``Misconfigured`` for a store that another process cannot share, or that is not there."""
    if settings.in_memory:
        raise Misconfigured("A store in memory belongs to the server's own process: name a file with --database")
    path = settings.database_path
    if not create and path is not None and not path.exists():
        raise Misconfigured(
            f"The database {path} does not exist: name another with --database, or make it with `ostiary db upgrade`"
        )
