"""Headers that need not be read or written again for every token.

Read: only those that have been seen under a good signature (flaw class 57), so whoever cannot sign cannot fill it.
Written: those of a key's own tokens, by `typ`. One issuer uses few headers; when there are more than the bound, a cache
starts anew.
"""

from typing import Final, Generic, TypeVar

HEADERS: Final = 64

K = TypeVar("K")
V = TypeVar("V")


class HeaderCache(Generic[K, V]):
    """Encoded header to what it says and the key that verified it; or `typ` to encoded header."""

    __slots__ = ("_known", "get")

    def __init__(self) -> None:
        self._known: dict[K, V] = {}
        self.get = self._known.get

    def remember(self, name: K, value: V) -> None:
        if len(self._known) >= HEADERS:
            self._known.clear()
        self._known[name] = value

    def __len__(self) -> int:
        return len(self._known)
