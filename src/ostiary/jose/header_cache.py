"""Headers that have been seen under a good signature, so that they are not read again for every token.

Only a signature that matched puts one in (flaw class 57): whoever cannot sign cannot fill it. One issuer uses few
headers; when there are more than the bound, the cache starts anew.
"""

from typing import Final, Generic, TypeVar

from ostiary.jose.header import Header

HEADERS: Final = 64

K = TypeVar("K")


class HeaderCache(Generic[K]):
    """Encoded header to what it says and the key that verified it."""

    __slots__ = ("_known", "get")

    def __init__(self) -> None:
        self._known: dict[str, tuple[Header, K]] = {}
        self.get = self._known.get

    def remember(self, segment: str, header: Header, key: K) -> None:
        if len(self._known) >= HEADERS:
            self._known.clear()
        self._known[segment] = (header, key)

    def __len__(self) -> int:
        return len(self._known)
