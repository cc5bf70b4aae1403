"""The memory of a hash in large pages.

19 MiB are 4,864 pages of 4 KiB, more than a processor remembers the places of. In pages of 2 MiB a hash is some
hundredths quicker, a tenth where other programs compete for that memory, and afterwards the event loop finds its own
places still known. Linux gives them to who asks (`transparent_hugepage/enabled` is `madvise` nearly everywhere).

The C library serves a thread's blocks of one size from the same stretch of the thread's own heap, so it is enough to
ask once a thread. Where it does otherwise, or the system has no such pages, hashing is as it was.
"""

import sys
from functools import cache
from typing import Any

_PAGE = 2 * 1024 * 1024
_ADVICE = 14  # MADV_HUGEPAGE


def ask_for(size: int) -> None:
    """For the calling thread's coming blocks of so many bytes. Never fails."""
    if sys.platform != "linux" or size < 2 * _PAGE:
        return
    library = _library()
    if library is None:
        return
    # the first block of a size is mapped on its own; once it has been given back, the next ones come from the heap
    library.free(library.malloc(size))
    block = library.malloc(size)
    if block:
        start = -(-block // _PAGE) * _PAGE
        library.madvise(start, (block + size - start) // _PAGE * _PAGE, _ADVICE)
        library.free(block)


@cache
def _library() -> Any:
    """The C library; None if there is none of that kind."""
    try:
        import ctypes  # where nobody hashes, nobody needs it; a Python built without libffi has none

        library = ctypes.CDLL(None)
        library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
        library.free.argtypes, library.free.restype = [ctypes.c_void_p], None
        library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    except (ImportError, OSError, AttributeError):
        return None
    return library
