"""Large pages for what a hash is computed in: asked for once a thread, and no condition of anything."""

import platform
import sys
import threading
from pathlib import Path

import pytest

from ostiary.passwords import Argon2Parameters, HashPool, PasswordHasher, Pepper, large_pages

MAPS = Path("/proc/self/smaps")
PAGES = Path("/sys/kernel/mm/transparent_hugepage")


def _asked() -> int:
    """Stretches of memory for which large pages were asked for."""
    return sum(line.startswith("VmFlags:") and " hg" in line for line in MAPS.read_text().splitlines())


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not MAPS.exists() or not PAGES.exists(),
    reason="Linux with large pages, and the GNU C library",
)
def test_a_thread_of_the_pool_hashes_where_large_pages_were_asked_for() -> None:
    """The stretch that the thread's hashes use is still there, and still marked, after the first one."""
    pool = HashPool(workers=1)
    hasher = PasswordHasher(peppers=[Pepper.derived_from(b"k" * 32)], pool=pool)
    stored = pool.submit(lambda: hasher.hash_now("correct horse battery")).result(30)
    assert pool.submit(lambda: hasher.verify_now(stored, "correct horse battery")).result(30).matches
    assert _asked() > 0
    hasher.close()


@pytest.mark.parametrize("size", [0, 1, 8 * 1024, 4 * 1024 * 1024 + 1, 19_456 * 1024, 1024 * 1024 * 1024])
def test_asking_never_fails(size: int) -> None:
    """However little or much is asked for."""
    thread = threading.Thread(target=large_pages.ask_for, args=(size,))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    large_pages.ask_for(size)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is asked")
def test_without_the_library_hashing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system whose C library has no such call costs the large pages and nothing else."""
    monkeypatch.setattr(large_pages, "_library", lambda: None)
    hasher = PasswordHasher(
        peppers=[Pepper.derived_from(b"k" * 32)], parameters=Argon2Parameters(memory_kib=8192, passes=1)
    )
    assert hasher.verify_now(hasher.hash_now("correct horse battery"), "correct horse battery").matches
    hasher.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is asked")
def test_a_python_without_ctypes_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was built without libffi has no such module: no reason to refuse a login."""
    monkeypatch.setitem(sys.modules, "ctypes", None)
    large_pages._library.cache_clear()
    try:
        large_pages.ask_for(8 * 1024 * 1024)
        assert large_pages._library() is None
    finally:
        large_pages._library.cache_clear()
