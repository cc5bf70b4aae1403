"""The files, opened and closed by threads: a slow disk never stalls the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ostiary.downloads.errors import NoSuchFile
from ostiary.downloads.files import OpenFile, Root
from ostiary.errors import Unavailable


class Library:
    """What lies below `root`. Whoever opens a file closes it."""

    def __init__(self, root: Root, threads: ThreadPoolExecutor) -> None:
        self._root = root
        self._threads = threads

    async def open(self, resource: str) -> OpenFile:
        """Raises NoSuchFile, Unavailable."""
        try:
            file = await asyncio.get_running_loop().run_in_executor(self._threads, self._root.open, resource)
        except OSError as error:
            raise Unavailable(private=f"the file cannot be opened: {error.strerror}") from None
        if file is None:
            raise NoSuchFile
        return file

    async def close(self, file: OpenFile) -> None:
        """Also if whoever asked has left meanwhile."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._threads, file.close))
